//! What a client's socket does differently under TLS.
//!
//! The core sees plaintext, and what it is told of the kernel's queues is in plaintext too: written is what the kernel
//! has the ciphertext of, acknowledged what stands in records that the client's TCP has as a whole.

use std::io::{ErrorKind, Read, Write};

use zeroize::Zeroize;

use super::client_socket::{Alive, ClientSocket, READ_BYTES, WRITE_BYTES, late_ms};
use crate::core::{ClientKey, Core};

impl ClientSocket {
    /// As [`ClientSocket::read`] does without TLS.
    pub(super) fn read_tls(
        &mut self,
        key: ClientKey,
        core: &mut Core,
        scratch: &mut [u8; READ_BYTES],
    ) -> Alive {
        let observation = match core.wants_observation(key) {
            true => self.look(key, core),
            false => None,
        };
        let Some(tls) = &mut self.tls else {
            return Alive::Yes;
        };
        // Not beyond what was unread when the queues were looked at: what came later is told apart from it.
        let most = match &observation {
            Some(seen) if seen.unread_bytes > 0 => (seen.unread_bytes as usize).min(READ_BYTES),
            _ => READ_BYTES,
        };
        let incomplete_before = tls.incomplete_bytes();
        let bytes = match self.stream.read(&mut scratch[..most]) {
            Ok(0) => {
                self.has_ended = true;
                core.ended(key);
                return Alive::Yes;
            }
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.is_readable = false;
                return Alive::Yes;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Alive::Yes,
            Err(_) => return Alive::No,
        };
        if let Some(pace) = &mut self.pace {
            pace.read(bytes);
        }
        self.is_readable = bytes == most || self.is_read_closed;
        let mut plain = Vec::new();
        let is_secret = core.expects_secret(key);
        let received = tls.receive(&mut scratch[..bytes], &mut plain);
        if let Some(mut seen) = observation {
            seen.unacknowledged_bytes = tls.unacknowledged_plaintext(seen.unacknowledged_bytes);
            // Of a record that had come in part, all counts as having been there.
            seen.unread_bytes = match seen.unread_bytes {
                0 => incomplete_before,
                unread => {
                    let still_unread = unread.saturating_sub(bytes as u64);
                    plain.len() as u64 + tls.incomplete_bytes() + still_unread
                }
            };
            core.observed(key, seen);
        }
        if !plain.is_empty() {
            let late_ms = late_ms(&self.stream, key, core);
            core.received_late(key, &plain, late_ms);
        }
        if is_secret {
            plain.zeroize();
            scratch[..bytes].zeroize();
        }
        if let Err(error) = received {
            log::debug!("a client's TLS: {error}");
            self.write_alert();
            return Alive::No;
        }
        if tls.has_close_notify() {
            self.has_ended = true;
            core.ended(key);
        }
        Alive::Yes
    }

    /// As [`ClientSocket::write`] does without TLS. What is encrypted stays in the core's output until the kernel has
    /// all of it.
    pub(super) fn write_tls(&mut self, key: ClientKey, core: &mut Core) -> Alive {
        let (Some(tls), Some(output)) = (&mut self.tls, core.output(key)) else {
            return Alive::Yes;
        };
        let mut written_bytes = 0;
        while self.is_writable && written_bytes < WRITE_BYTES {
            if tls.outgoing().is_empty() {
                if output.pending().is_empty() {
                    break;
                }
                if let Err(error) = tls.encrypt(output.pending()) {
                    log::debug!("a client's TLS: {error}");
                    return Alive::No;
                }
            }
            match self.stream.write(tls.outgoing()) {
                Ok(bytes) if bytes > 0 => {
                    let plaintext = tls.wrote(bytes);
                    output.advance(plaintext);
                    written_bytes += plaintext;
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
        if self.is_to_be_shut && tls.outgoing().is_empty() {
            self.is_to_be_shut = false;
            return self.shut_now();
        }
        Alive::Yes
    }

    /// Sends close_notify and closes our sending side, now or as soon as the kernel takes it.
    pub(super) fn shut_tls(&mut self) -> Alive {
        let Some(tls) = &mut self.tls else {
            return Alive::Yes;
        };
        if let Err(error) = tls.send_close_notify() {
            log::debug!("a client's TLS: {error}");
            return Alive::No;
        }
        self.is_to_be_shut = true;
        while let Some(tls) = &mut self.tls
            && !tls.outgoing().is_empty()
        {
            match self.stream.write(tls.outgoing()) {
                Ok(bytes) if bytes > 0 => {
                    tls.wrote(bytes);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_writable = false;
                    return Alive::Yes;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return Alive::No,
            }
        }
        self.is_to_be_shut = false;
        self.shut_now()
    }

    /// Tells the client what was wrong, if there is room.
    fn write_alert(&mut self) {
        if let Some(tls) = &self.tls {
            let _ = self.stream.write(tls.outgoing());
        }
    }
}
