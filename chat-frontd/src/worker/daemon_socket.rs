//! The socket to the state daemon, which may go and come back.

use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;

use anyhow::Context;
use chat_node::crash_point;
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use crate::core::Core;

/// How long to wait before the next try to connect; the first is made at once.
const RETRY_MS: u64 = 20;
/// Bytes read from the daemon at once.
const READ_BYTES: usize = 64 * 1024;

pub(super) struct DaemonSocket {
    path: PathBuf,
    token: Token,
    stream: Option<UnixStream>,
    retry_at_ms: u64,
    /// It was said that the socket is closed to this process.
    is_told: bool,
    buffer: Box<[u8]>,
}

impl DaemonSocket {
    pub(super) fn new(path: PathBuf, token: Token) -> Self {
        Self {
            path,
            token,
            stream: None,
            retry_at_ms: 0,
            is_told: false,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
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
            .register(
                &mut stream,
                self.token,
                Interest::READABLE | Interest::WRITABLE,
            )
            .context("cannot wait for the state daemon")?;
        self.stream = Some(stream);
        core.daemon_connected()
    }

    /// Writes what the kernel takes.
    pub(super) fn write(&mut self, core: &mut Core) {
        let Some(stream) = &mut self.stream else {
            return;
        };
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
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // What it said before it went is still to be read; that then finds the end.
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Reads all there is; `may_have_ended` if the daemon will say nothing more. An error means that this worker must end.
    pub(super) fn read(&mut self, core: &mut Core, may_have_ended: bool) -> anyhow::Result<()> {
        while let Some(stream) = &mut self.stream {
            match stream.read(&mut self.buffer) {
                Ok(bytes) if bytes > 0 => {
                    core.daemon_received(&self.buffer[..bytes])?;
                    // What comes later is told of; but not an end that was told of already.
                    if bytes < READ_BYTES && !may_have_ended {
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
