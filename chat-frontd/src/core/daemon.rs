//! The core and the state daemon: what it says, what it is asked, and what its absence means for clients.

use anyhow::Context;
use chat_rpc::{FrameReader, FrameWriter, FromWorker};

use super::Core;
use super::client::{self, Parked};
use super::link::Said;
use super::timers::ClientKey;

impl Core {
    /// The connection to the daemon is there: what is to be said to it waits in [`Core::link_output`].
    pub fn daemon_connected(&mut self) -> anyhow::Result<()> {
        self.link.connected()
    }

    /// The connection to the daemon is gone.
    pub fn daemon_lost(&mut self) {
        self.link.lost(self.now_ms);
    }

    /// What waits to be written to the daemon.
    pub fn link_output(&mut self) -> &mut FrameWriter {
        self.link.output()
    }

    /// Whether the daemon serves this worker now.
    pub fn is_attached(&self) -> bool {
        self.link.is_attached()
    }

    /// Whether the daemon has been away for so long that its loss was announced to clients.
    pub fn is_daemon_lost(&self) -> bool {
        self.link.is_loss_announced()
    }

    /// Bytes came from the daemon. An error means that this worker must end.
    pub fn daemon_received(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.link_input().extend(bytes);
        self.take_frames()
    }

    /// Where bytes that come from the daemon are put; [`Core::take_frames`] comes next.
    pub fn link_input(&mut self) -> &mut FrameReader {
        self.link.input()
    }

    /// Takes the frames that are there in whole. An error means that this worker must end.
    pub fn take_frames(&mut self) -> anyhow::Result<()> {
        while let Some(said) = self.link.next_said()? {
            match said {
                Said::Attached { is_again } => self.attached(is_again),
                Said::Items(payload) => {
                    let (mut reached, mut rejected) = (Vec::new(), Vec::new());
                    client::take_items(
                        payload,
                        &mut self.clients,
                        (&mut self.shared, &self.held_lists),
                        self.now_ms,
                        &mut reached,
                        &mut rejected,
                    )
                    .context("the state daemon sent what cannot be read")?;
                    for key in reached {
                        self.list(key);
                    }
                    for connection in rejected {
                        self.reject(connection);
                    }
                }
            }
        }
        Ok(())
    }

    /// The daemon is there, for the first time or again.
    fn attached(&mut self, is_again: bool) {
        let parked = self.clients.iter_parked();
        let mut connections: Vec<_> = parked.map(Parked::resumed).collect();
        for (_, client) in self.clients.iter_active_mut() {
            connections.extend(client.session.resume());
            client.reported = client.session.progress();
        }
        if is_again {
            self.link.push(&FromWorker::Resume { connections });
        }
        self.register_all();
        self.mark_active();
    }

    pub(super) fn announce_loss_if_due(&mut self) {
        if !self.link.announce_loss(self.now_ms) {
            return;
        }
        log::error!(
            "the state daemon has been away for 10 seconds; refusing what did not reach it"
        );
        for (_, client) in self.clients.iter_active_mut() {
            client
                .session
                .daemon_is_lost(&mut self.shared.counts, self.now_ms);
        }
        self.mark_active();
    }

    /// Sends a client's requests to the daemon, if they can be taken.
    pub(super) fn ask(&mut self, key: ClientKey) {
        let Some(client) = self.clients.active_mut(key) else {
            return;
        };
        while self.link.has_room() {
            let progress = client.session.progress();
            let Some(request) = client.session.next_request() else {
                break;
            };
            client.reported = progress;
            self.link.push(&request);
        }
        if !self.link.has_room() {
            if !std::mem::replace(&mut client.is_kept_back, true) {
                self.kept_back.push(key);
            }
            return;
        }
        client.is_kept_back = false;
        if let Some((after, through)) = client.session.next_page() {
            self.link.push(&FromWorker::Page {
                connection: client.session.serial(),
                after,
                through,
            });
        }
    }
}
