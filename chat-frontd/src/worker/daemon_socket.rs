//! The socket to the state daemon, which may go and come back.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use anyhow::Context;
use chat_node::crash_point;
use chat_rpc::FrameReader;
use mio::event::Event;
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use crate::core::Core;

/// How long to wait before the next try to connect; the first is made at once.
const RETRY_MS: u64 = 20;

pub(super) struct DaemonSocket {
    path: PathBuf,
    token: Token,
    stream: Option<UnixStream>,
    retry_at_ms: u64,
    /// It was said that the socket is closed to this process.
    is_told: bool,
    /// The kernel took less than there was, and says when it has room again. It is not asked to otherwise: it would
    /// wake this process for every frame that the daemon reads.
    awaits_room: bool,
}

impl DaemonSocket {
    pub(super) fn new(path: PathBuf, token: Token) -> Self {
        Self {
            path,
            token,
            stream: None,
            retry_at_ms: 0,
            is_told: false,
            awaits_room: false,
        }
    }

    /// When it is to be connected.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.stream.is_none().then_some(self.retry_at_ms)
    }

    /// Connects, if there is no connection and it is time to.
    pub(super) fn connect_if_due(
        &mut self,
        registry: &Registry,
        core: &mut Core,
        now_ms: u64,
    ) -> anyhow::Result<()> {
        if self.stream.is_some() || self.retry_at_ms > now_ms {
            return Ok(());
        }
        self.retry_at_ms = now_ms + RETRY_MS;
        let mut stream = match UnixStream::connect(&self.path) {
            Ok(stream) => stream,
            Err(error) => {
                let shown = self.path.display();
                match error.kind() {
                    // Waiting does not help; somebody has to look.
                    ErrorKind::PermissionDenied if !self.is_told => {
                        self.is_told = true;
                        log::error!(
                            "cannot connect to {shown}: {error} (do both daemons run with the same \
                             CHAT_SANDBOX, CHAT_STATE_USER and CHAT_WORKER_USER?)"
                        );
                    }
                    _ => log::debug!("cannot connect to {shown}: {error}"),
                }
                return Ok(());
            }
        };
        registry
            .register(&mut stream, self.token, Interest::READABLE)
            .context("cannot wait for the state daemon")?;
        self.stream = Some(stream);
        self.awaits_room = false;
        core.daemon_connected()
    }

    /// Writes what the kernel takes.
    pub(super) fn write(&mut self, registry: &Registry, core: &mut Core) -> anyhow::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        if Self::write_to(stream, core) || self.awaits_room {
            return Ok(());
        }
        self.awaits_room = true;
        registry
            .reregister(stream, self.token, Interest::READABLE | Interest::WRITABLE)
            .context("cannot wait for the state daemon")
    }

    /// Whether the kernel took all there was, or will take nothing more.
    fn write_to(stream: &mut UnixStream, core: &mut Core) -> bool {
        let output = core.link_output();
        while output.pending_bytes() > 0 {
            crash_point::reach("worker:before-write");
            let bytes = crash_point::cut("worker:in-write", output.pending());
            match stream.write(bytes) {
                Ok(bytes) if bytes > 0 => {
                    crash_point::cut_written();
                    crash_point::reach("worker:before-fsync");
                    output.advance(bytes);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // What it said before it went is still to be read; that then finds the end.
                Ok(_) | Err(_) => return true,
            }
        }
        true
    }

    /// Reads all that an event tells of. An error means that this worker must end.
    pub(super) fn take_event(
        &mut self,
        event: &Event,
        registry: &Registry,
        core: &mut Core,
    ) -> anyhow::Result<()> {
        // Room is awaited until the daemon has read what was written last. That event brings a turn, in which the
        // requests that found no room are taken.
        let is_written = core.link_output().pending_bytes() == 0;
        if let Some(stream) = &mut self.stream
            && self.awaits_room
            && event.is_writable()
            && is_written
        {
            self.awaits_room = false;
            registry
                .reregister(stream, self.token, Interest::READABLE)
                .context("cannot wait for the state daemon")?;
        }
        // The daemon will say nothing more.
        let may_have_ended = event.is_read_closed() || event.is_error();
        if !event.is_readable() && !may_have_ended {
            return Ok(());
        }
        while let Some(stream) = &mut self.stream {
            match core.link_input().read_from(stream) {
                Ok(bytes) if bytes > 0 => {
                    core.take_frames()?;
                    // What comes later is told of; but not an end that was told of already.
                    if bytes < FrameReader::READ_BYTES && !may_have_ended {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => {
                    self.stream = None;
                    self.retry_at_ms = 0;
                    core.daemon_lost();
                }
            }
        }
        Ok(())
    }
}
