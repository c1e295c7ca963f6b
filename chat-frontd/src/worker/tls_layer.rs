//! TLS between a client's socket and its dialogue: bytes in, bytes out; knows neither.
//!
//! Nothing is kept while nothing is under way: a record that came in part, and what the kernel has not taken, are the
//! only buffers.

use std::sync::Arc;

use rustls::Error;
use rustls::server::{ServerConfig, ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError,
    UnbufferedStatus, WriteTraffic,
};
use zeroize::Zeroize;

use super::records_in_flight::RecordsInFlight;

/// Plaintext of one record; more would have to be acknowledged as a whole.
const RECORD_BYTES: usize = 16 * 1024;
/// What a record needs beside its plaintext, at first guess.
const RECORD_OVERHEAD_BYTES: usize = 128;
/// The part of a record, or of a message of the handshake, that may wait for its rest.
const MAX_INCOMPLETE_BYTES: usize = 80 * 1024;

/// One connection's TLS.
pub(super) struct TlsLayer {
    connection: UnbufferedServerConnection,
    /// A record that came in part.
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// How much of `outgoing` the kernel has taken.
    taken: usize,
    /// How much plaintext is in `outgoing`.
    encrypted: usize,
    in_flight: RecordsInFlight,
    has_close_notify: bool,
}

impl TlsLayer {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(config)?,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            taken: 0,
            encrypted: 0,
            in_flight: RecordsInFlight::default(),
            has_close_notify: false,
        })
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// The peer has said that nothing more comes (close_notify).
    pub(super) fn has_close_notify(&self) -> bool {
        self.has_close_notify
    }

    /// Bytes came. What they say goes to `plain`; what is to be answered, an alert too, is in [`Self::outgoing`].
    /// `bytes` is used up: what it says stands in it, too.
    pub(super) fn receive(&mut self, bytes: &mut [u8], plain: &mut Vec<u8>) -> Result<(), Error> {
        // Growing later, it would leave a copy where it was, of a password perhaps.
        plain.reserve(self.incoming.len() + bytes.len());
        if self.incoming.is_empty() {
            let used = self.process(bytes, plain)?;
            self.incoming = bytes[used..].to_vec();
        } else {
            let mut joined = std::mem::take(&mut self.incoming);
            joined.extend_from_slice(bytes);
            let result = self.process(&mut joined, plain);
            let used = result.as_ref().map_or(joined.len(), |used| *used);
            if used == 0 {
                joined.shrink_to_fit();
                self.incoming = joined;
            } else {
                self.incoming = joined[used..].to_vec();
                joined[..used].zeroize();
            }
            result?;
        }
        match self.incoming.len() > MAX_INCOMPLETE_BYTES {
            true => Err(Error::General("a message is too long".to_owned())),
            false => Ok(()),
        }
    }

    /// Takes all whole records; how many bytes they are.
    fn process(&mut self, bytes: &mut [u8], plain: &mut Vec<u8>) -> Result<usize, Error> {
        let mut used = 0;
        let mut failure = None;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.connection.process_tls_records(&mut bytes[used..]);
            let mut is_done = failure.is_some();
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        plain.extend_from_slice(record.payload);
                        discard += record.discard;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.outgoing)?,
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.has_close_notify = true,
                Ok(ConnectionState::ReadEarlyData(_)) => {
                    return Err(Error::General("data came before the handshake".to_owned()));
                }
                // Once more: then the alert that tells the peer can be had.
                Err(error) if failure.is_none() => failure = Some(error),
                _ => is_done = true,
            }
            used += discard;
            match failure {
                Some(error) if is_done => return Err(error),
                None if is_done => return Ok(used),
                _ => {}
            }
        }
    }

    /// What came of a record whose rest did not.
    pub(super) fn incomplete_bytes(&self) -> u64 {
        self.incoming.len() as u64
    }

    /// What is to be written.
    pub(super) fn outgoing(&self) -> &[u8] {
        &self.outgoing[self.taken..]
    }

    /// The kernel has taken so many bytes of [`Self::outgoing`]. Gives back how much plaintext of [`Self::encrypt`] is
    /// with that wholly in its hands.
    pub(super) fn wrote(&mut self, bytes: usize) -> usize {
        self.in_flight.wrote(bytes);
        self.taken += bytes;
        if self.taken < self.outgoing.len() {
            return 0;
        }
        self.outgoing = Vec::new();
        self.taken = 0;
        let plaintext = std::mem::take(&mut self.encrypted);
        if plaintext > 0 {
            self.in_flight.completed(plaintext);
        }
        plaintext
    }

    /// How much plaintext in the kernel's hands is not acknowledged, when so much ciphertext is not.
    pub(super) fn unacknowledged_plaintext(&mut self, unacknowledged_ciphertext: u64) -> u64 {
        self.in_flight
            .unacknowledged_plaintext(unacknowledged_ciphertext)
    }

    /// Puts the beginning of `plain` into [`Self::outgoing`], which is to be empty. `plain` is to begin
    /// with the same bytes until [`Self::wrote`] says that they are in the kernel's hands.
    pub(super) fn encrypt(&mut self, plain: &[u8]) -> Result<(), Error> {
        let record = &plain[..plain.len().min(RECORD_BYTES)];
        self.write_traffic(record.len() + RECORD_OVERHEAD_BYTES, |traffic, buffer| {
            traffic.encrypt(record, buffer)
        })?;
        self.encrypted = record.len();
        Ok(())
    }

    /// Says that nothing more comes, behind what is in [`Self::outgoing`].
    pub(super) fn send_close_notify(&mut self) -> Result<(), Error> {
        self.write_traffic(RECORD_OVERHEAD_BYTES, |traffic, buffer| {
            traffic.queue_close_notify(buffer)
        })
    }

    fn write_traffic(
        &mut self,
        size: usize,
        write: impl Fn(
            &mut WriteTraffic<'_, ServerConnectionData>,
            &mut [u8],
        ) -> Result<usize, EncryptError>,
    ) -> Result<(), Error> {
        // All that is whole in `incoming` has been taken already; only what was queued may come before.
        for _ in 0..MAX_QUEUED {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut self.incoming);
            let mut is_written = false;
            match state? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    append(&mut self.outgoing, size, |buffer| {
                        write(&mut traffic, buffer).map_err(|error| match error {
                            EncryptError::InsufficientSize(size) => Some(size),
                            EncryptError::EncryptExhausted => None,
                        })
                    })?;
                    is_written = true;
                }
                ConnectionState::EncodeTlsData(data) => encode(data, &mut self.outgoing)?,
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.has_close_notify = true,
                _ => break,
            }
            self.incoming.drain(..discard);
            if is_written {
                return Ok(());
            }
        }
        Err(Error::General("nothing can be sent now".to_owned()))
    }
}

fn encode(
    mut data: EncodeTlsData<'_, ServerConnectionData>,
    outgoing: &mut Vec<u8>,
) -> Result<(), Error> {
    append(outgoing, 0, |buffer| {
        data.encode(buffer).map_err(|error| match error {
            EncodeError::InsufficientSize(size) => Some(size),
            EncodeError::AlreadyEncoded => None,
        })
    })
}

/// Messages that TLS may want to have sent before the next record.
const MAX_QUEUED: usize = 64;

/// Lets `write` write behind what is in `buffer`: at first with so much room, then with as much as it asks for.
fn append(
    buffer: &mut Vec<u8>,
    room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<InsufficientSizeError>>,
) -> Result<(), Error> {
    let begin = buffer.len();
    let mut room = room;
    for _ in 0..2 {
        buffer.resize(begin + room, 0);
        match write(&mut buffer[begin..]) {
            Ok(written) => {
                buffer.truncate(begin + written);
                return Ok(());
            }
            Err(Some(size)) => room = size.required_size,
            Err(None) => break,
        }
    }
    buffer.truncate(begin);
    Err(Error::General("the keys are used up".to_owned()))
}
