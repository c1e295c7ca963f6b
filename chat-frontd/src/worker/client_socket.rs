//! A client's socket: what is to be read and written there.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use chat_node::crash_point;
use mio::event::Event;
use mio::net::TcpStream;
use zeroize::Zeroize;

use super::reading_pace::ReadingPace;
use super::tcp_queues;
use super::tls_layer::TlsLayer;
use crate::core::{ClientKey, Core, Observation};

/// Bytes read from a client at once.
pub(super) const READ_BYTES: usize = 16 * 1024;

/// Bytes written to a client before the others have their turn; a list of names may be far longer.
pub(super) const WRITE_BYTES: usize = 128 * 1024;

/// What became of a client's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alive {
    Yes,
    /// Reset, timed out, or otherwise not to be used any more.
    No,
}

pub(super) struct ClientSocket {
    pub(super) stream: TcpStream,
    /// There may be something to be read.
    pub(super) is_readable: bool,
    /// The event queue said that nothing more will come.
    pub(super) is_read_closed: bool,
    /// The end was read.
    pub(super) has_ended: bool,
    /// The kernel may take something.
    pub(super) is_writable: bool,
    /// It took something when it was last written to.
    pub(super) has_written: bool,
    /// The event queue said that the connection is broken.
    pub(super) is_broken: bool,
    /// None if the client speaks plainly.
    pub(super) tls: Option<Box<TlsLayer>>,
    /// None if the client's source is trusted.
    pub(super) pace: Option<Box<ReadingPace>>,
    /// When it became a client, in seconds of the worker's clock.
    pub(super) opened_s: u32,
    /// All is said: our sending side is to be closed when the kernel has it.
    pub(super) is_to_be_shut: bool,
}

impl ClientSocket {
    pub(super) fn new(
        stream: TcpStream,
        tls: Option<Box<TlsLayer>>,
        pace: Option<Box<ReadingPace>>,
        opened_s: u32,
    ) -> Self {
        Self {
            stream,
            opened_s,
            tls,
            pace,
            is_to_be_shut: false,
            is_readable: true,
            is_read_closed: false,
            has_ended: false,
            is_writable: true,
            has_written: false,
            is_broken: false,
        }
    }

    pub(super) fn take_event(&mut self, event: &Event) {
        self.is_read_closed |= event.is_read_closed();
        self.is_readable |= event.is_readable() || event.is_read_closed();
        self.is_writable |= event.is_writable();
        self.is_broken |= event.is_error();
    }

    /// Tells the core how much of what was sent is acknowledged; nothing, if the connection is broken: that is
    /// found when it is next served.
    pub(super) fn observe(&mut self, key: ClientKey, core: &mut Core) {
        let Some(mut seen) = self.look(key, core) else {
            if self.is_broken {
                core.list(key);
            }
            return;
        };
        match &mut self.tls {
            None => core.observed(key, seen),
            // What is unread has to be decrypted to be counted: reading does it, if reading is possible.
            Some(_) if seen.unread_bytes > 0 && !self.has_ended && core.wants_input(key) => {
                self.is_readable = true;
                core.list(key);
            }
            // Otherwise more is taken for unread than is: what comes then may prove less, never more.
            Some(tls) => {
                seen.unacknowledged_bytes = tls.unacknowledged_plaintext(seen.unacknowledged_bytes);
                seen.unread_bytes += tls.incomplete_bytes();
                core.observed(key, seen);
            }
        }
    }

    /// What the kernel knows of the connection; under TLS in bytes of ciphertext. None if it is broken, or does not
    /// tell.
    pub(super) fn look(&mut self, key: ClientKey, core: &Core) -> Option<Observation> {
        self.is_broken |= self.was_reset();
        if self.is_broken {
            return None;
        }
        // In this order: what comes between two of them counts as having been there.
        Some(Observation {
            unacknowledged_bytes: tcp_queues::unacknowledged_bytes(&self.stream).ok()?,
            unread_bytes: tcp_queues::unread_bytes(&self.stream).ok()?,
            has_fin: self.is_read_closed
                || core.is_silence_due(key) && tcp_queues::has_fin(&self.stream),
        })
    }

    /// Whether the kernel knows that the connection is broken, though no event has told of it yet.
    fn was_reset(&self) -> bool {
        !matches!(self.stream.take_error(), Ok(None))
    }

    /// Whether what there is to be read has to wait, because the client sends too much.
    pub(super) fn is_held_back(&self, now_ms: u64) -> bool {
        let pace = self.pace.as_ref();
        pace.is_some_and(|pace| pace.holds_back(now_ms))
    }

    /// Whether something can be read, and the core takes it.
    pub(super) fn can_read(&self, key: ClientKey, core: &Core) -> bool {
        self.is_readable && !self.has_ended && core.wants_input(key)
    }

    /// Reads once, if the core takes more; what it does not take stays in the kernel.
    pub(super) fn read(
        &mut self,
        key: ClientKey,
        core: &mut Core,
        scratch: &mut [u8; READ_BYTES],
    ) -> Alive {
        if self.is_broken {
            return Alive::No;
        }
        if !self.can_read(key, core) {
            return Alive::Yes;
        }
        if self.tls.is_some() {
            return self.read_tls(key, core, scratch);
        }
        if core.wants_observation(key) {
            self.observe(key, core);
        }
        match self.stream.read(scratch) {
            Ok(0) => {
                self.has_ended = true;
                core.ended(key);
            }
            Ok(bytes) => {
                if let Some(pace) = &mut self.pace {
                    pace.read(bytes);
                }
                // A short read has emptied the kernel's queue, and more will be told of; but the end was.
                self.is_readable = bytes == READ_BYTES || self.is_read_closed;
                crash_point::reach("worker:before-acknowledgement");
                let is_secret = core.expects_secret(key);
                let late_ms = late_ms(&self.stream, key, core);
                core.received_late(key, &scratch[..bytes], late_ms);
                if is_secret {
                    scratch[..bytes].zeroize();
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Alive::No,
        }
        Alive::Yes
    }

    /// Writes what the kernel takes.
    pub(super) fn write(&mut self, key: ClientKey, core: &mut Core) -> Alive {
        self.has_written = false;
        if self.tls.is_some() {
            return self.write_tls(key, core);
        }
        let Some(output) = core.output(key) else {
            return Alive::Yes;
        };
        let mut written_bytes = 0;
        while self.is_writable && written_bytes < WRITE_BYTES && !output.pending().is_empty() {
            crash_point::reach("worker:before-answer");
            let bytes = output.pending();
            let bytes = &bytes[..bytes.len().min(WRITE_BYTES)];
            let bytes = crash_point::cut("worker:in-delivery", bytes);
            match self.stream.write(bytes) {
                Ok(bytes) if bytes > 0 => {
                    crash_point::cut_written();
                    crash_point::reach("worker:after-answer");
                    output.advance(bytes);
                    written_bytes += bytes;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return Alive::No,
            }
        }
        if written_bytes > 0 {
            self.has_written = true;
            core.wrote(key);
        }
        Alive::Yes
    }

    /// Whether something waits to be written, and the kernel may take it.
    pub(super) fn can_write(&self, key: ClientKey, core: &mut Core) -> bool {
        self.is_writable
            && core
                .output(key)
                .is_some_and(|output| !output.pending().is_empty())
    }

    pub(super) fn shut(&mut self) -> Alive {
        if self.tls.is_some() {
            return self.shut_tls();
        }
        self.shut_now()
    }

    pub(super) fn shut_now(&self) -> Alive {
        match self.stream.shutdown(Shutdown::Write) {
            Ok(()) => Alive::Yes,
            Err(_) => Alive::No,
        }
    }
}

/// How long what was just read has waited for that, where it can be a login that came to a worker at a standstill.
pub(super) fn late_ms(stream: &TcpStream, key: ClientKey, core: &Core) -> u64 {
    match core.may_read_late_login(key) {
        true => tcp_queues::data_age_ms(stream),
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::{Duration, Instant};

    use chat_node::limits::network::Networks;
    use chat_node::limits::token_bucket::Rate;

    use super::*;
    use crate::core::{CoreSettings, SessionLimits, UnauthenticatedLimits};

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn core() -> Core {
        let settings = CoreSettings {
            limits: SessionLimits {
                max_line_bytes: 64,
                max_unread_bytes: 1_024,
                max_recipients: 1,
                time_out_ms: 1_000,
            },
            unauthenticated: UnauthenticatedLimits {
                trusted: Networks::LOOPBACK.parse().unwrap(),
                login_ms: 1_000,
                lines: Rate::new(1, 1_000, 1),
            },
            max_held_bytes: usize::MAX,
            secret_seed: [7; 32],
        };
        Core::new(settings, 0)
    }

    /// There are as many as clients.
    #[test]
    fn socket_is_small() {
        // Two boxes, a time and the flags. A development build adds to the stream.
        let most = (size_of::<TcpStream>() + 28).next_multiple_of(8);
        assert!(size_of::<Option<ClientSocket>>() <= most);
    }

    #[test]
    fn look_finds_reset_behind_fin() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut core = core();
        let key = core.open(Ipv4Addr::LOCALHOST.into());
        let mut socket = ClientSocket::new(TcpStream::from_std(stream), None, None, 0);
        assert_eq!(socket.look(key, &core), Some(Observation::default()));
        client.shutdown(Shutdown::Write).unwrap();
        let linger = Some(Duration::ZERO);
        socket2::SockRef::from(&client).set_linger(linger).unwrap();
        drop(client);
        let began_at = Instant::now();
        while socket.look(key, &core).is_some() {
            assert!(began_at.elapsed() < TIMEOUT);
        }
        // The kernel tells of a reset once.
        assert_eq!(socket.look(key, &core), None);
        let alive = socket.read(key, &mut core, &mut [0; READ_BYTES]);
        assert_eq!(alive, Alive::No);
    }
}
