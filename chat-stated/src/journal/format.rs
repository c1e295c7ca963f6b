//! How a batch is written down. Pure: no disk, no clock.
//!
//! A body is a format number and the batch in bincode. Its digest covers the batch's position, the digest of
//! the batch before and the body: so a digest is a checksum of content and key, and the digests are a chain
//! in which nothing can be changed, left out or put elsewhere unseen.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::LogIndex;
use crate::entry::Batch;

/// Number of the encoding that is written. Raised whenever a golden byte in the tests would change, or what came before
/// could not read it.
pub const FORMAT: u8 = 3;

/// The first encoding, whose batches mean the same in this one.
const FIRST_FORMAT: u8 = 1;

/// Largest body of a batch, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of a digest.
pub const DIGEST_BYTES: usize = 16;

/// Bytes of an encoded [`LogBase`].
const LOG_BASE_BYTES: usize = 8 + DIGEST_BYTES + 16;

const fn encoding() -> Configuration<LittleEndian, Varint, Limit<MAX_BODY_BYTES>> {
    bincode::config::standard().with_limit::<MAX_BODY_BYTES>()
}

/// What can be wrong with a stored batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Content, place or what stands before it is not what was written.
    #[error("its digest does not match its content")]
    Digest,
    /// Written by a version of this program that knows more.
    #[error("it has format {0}, this program knows formats up to {FORMAT}")]
    Unknown(u8),
    /// The digest is right and the content still makes no sense.
    #[error("its content cannot be read")]
    Malformed,
    /// Larger than [`MAX_BODY_BYTES`].
    #[error("it is larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
}

/// Digest of a stored batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; DIGEST_BYTES]);

impl Digest {
    /// What stands before the first batch of a new journal.
    pub const START: Self = Self(*b"chatserv journal");

    /// The digest of a body in its place.
    pub fn of(position: LogIndex, previous: Digest, body: &[u8]) -> Self {
        let mut hasher = Xxh3::new();
        hasher.update(&position.0.to_le_bytes());
        hasher.update(&previous.0);
        hasher.update(body);
        Self(hasher.digest128().to_le_bytes())
    }

    /// As it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As it was stored; anything but [`DIGEST_BYTES`] bytes is none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }
}

/// Writes a batch behind what is in `body`.
pub fn encode(batch: &Batch, body: &mut Vec<u8>) -> Result<(), FormatError> {
    let start = body.len();
    body.push(FORMAT);
    let result = bincode::serde::encode_into_std_write(batch, body, encoding());
    if result.is_err() || body.len() - start > MAX_BODY_BYTES {
        body.truncate(start);
        return Err(FormatError::TooLarge);
    }
    Ok(())
}

/// Reads a body whose digest was checked.
pub fn decode(body: &[u8]) -> Result<Batch, FormatError> {
    let (&format, content) = body.split_first().ok_or(FormatError::Malformed)?;
    if !(FIRST_FORMAT..=FORMAT).contains(&format) {
        return Err(FormatError::Unknown(format));
    }
    if content.len() > MAX_BODY_BYTES {
        return Err(FormatError::TooLarge);
    }
    match bincode::serde::decode_from_slice(content, encoding()) {
        Ok((batch, consumed)) if consumed == content.len() => Ok(batch),
        _ => Err(FormatError::Malformed),
    }
}

/// The last batch that was forgotten: what the first stored one follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBase {
    /// Its place.
    pub position: LogIndex,
    /// Its digest.
    pub digest: Digest,
}

impl LogBase {
    /// Whether the journal was begun in place of one that is gone, behind the checkpoint at this position.
    pub fn begins_anew_after(&self, checkpoint: LogIndex) -> bool {
        checkpoint > LogIndex(0) && self.position == checkpoint && self.digest == Digest::START
    }

    /// As it is stored: position, digest, checksum over both.
    pub fn encode(&self) -> [u8; LOG_BASE_BYTES] {
        let mut bytes = [0; LOG_BASE_BYTES];
        bytes[..8].copy_from_slice(&self.position.0.to_le_bytes());
        bytes[8..24].copy_from_slice(&self.digest.0);
        let checksum = xxh3_128(&bytes[..24]).to_le_bytes();
        bytes[24..].copy_from_slice(&checksum);
        bytes
    }

    /// As it was stored, or nothing if its checksum is wrong.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (position, rest) = bytes.split_first_chunk::<8>()?;
        let (digest, _) = rest.split_first_chunk::<DIGEST_BYTES>()?;
        let log_base = Self {
            position: LogIndex(u64::from_le_bytes(*position)),
            digest: Digest(*digest),
        };
        (log_base.encode() == bytes).then_some(log_base)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use chat_model::{ConnectionSerial, MessageNumber, Progress, StreamOffset, WorkerSessionId};
    use chat_rpc::MessageBatch;

    use super::*;
    use crate::entry::{
        AccountChange, Action, Entry, Limits, SecretInFile, SendBatch, Timestamp, WaitingLimits,
    };
    use chat_model::{AccountId, ConnectionId, RequestName};

    const PROGRESS: Progress = Progress {
        sent: MessageNumber(300),
        acknowledged: MessageNumber(299),
        confirmed: MessageNumber(298),
    };
    const CONNECTION: ConnectionId = ConnectionId {
        worker_session: WorkerSessionId(3),
        serial: ConnectionSerial(70_000),
    };

    fn request(action: Action) -> Entry {
        Entry::Request {
            name: RequestName {
                connection: CONNECTION,
                offset: StreamOffset(400),
            },
            answered: StreamOffset(399),
            progress: PROGRESS,
            action,
        }
    }

    fn batch(entries: Vec<Entry>) -> Batch {
        Batch {
            timestamp: Timestamp {
                wall_ms: -1,
                boot_ms: 1_000_000,
                boot_id: *b"0123456789abcdef",
            },
            entries,
        }
    }

    fn entries() -> Vec<(Entry, &'static str)> {
        let account = AccountId(5);
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        vec![
            (
                Entry::Configure(Limits::default()),
                "0100fb60eafc80969800fca0860100fc0000000432fca0860100fc00000004fb60ea",
            ),
            (
                Entry::BeginWorkerSession {
                    secret: [1; 16],
                    pid: 4119,
                },
                "010101010101010101010101010101010101fb1710",
            ),
            (
                Entry::EndWorkerSession {
                    worker_session: WorkerSessionId(9),
                },
                "010209",
            ),
            (
                Entry::ChangeAccounts(vec![
                    AccountChange::Set {
                        name: "bob".into(),
                        secret: "s".into(),
                    },
                    AccountChange::Disable { name: "eve".into() },
                ]),
                "0103020003626f6201730103657665",
            ),
            (
                Entry::FileStatus(vec![SecretInFile {
                    account,
                    secret_version: 2,
                }]),
                "0104010502",
            ),
            (
                request(Action::Register {
                    name: "bob".into(),
                    secret: "s".into(),
                }),
                "010503fc70110100fb9001fb8f01fb2c01fb2b01fb2a010003626f620173",
            ),
            (
                request(Action::LogIn {
                    account,
                    address,
                    password_version: 2,
                    new_secret: None,
                }),
                "010503fc70110100fb9001fb8f01fb2c01fb2b01fb2a010105007f0000010200",
            ),
            (
                request(Action::LogIn {
                    account,
                    address: IpAddr::V6(Ipv6Addr::LOCALHOST),
                    password_version: 2,
                    new_secret: Some("n".into()),
                }),
                "010503fc70110100fb9001fb8f01fb2c01fb2b01fb2a01010501000000000000000000000000000000010201016e",
            ),
            (
                request(Action::FailedLogIn { account, address }),
                "010503fc70110100fb9001fb8f01fb2c01fb2b01fb2a010205007f000001",
            ),
            (
                request(Action::Send {
                    recipients: "a b".into(),
                    text: "hi".into(),
                }),
                "010503fc70110100fb9001fb8f01fb2c01fb2b01fb2a010303612062026869",
            ),
            (
                request(Action::Broadcast {
                    text: "\u{fffd}".into(),
                }),
                "010503fc70110100fb9001fb8f01fb2c01fb2b01fb2a010403efbfbd",
            ),
            (
                request(Action::LogOut),
                "010503fc70110100fb9001fb8f01fb2c01fb2b01fb2a0105",
            ),
            (
                Entry::Progress {
                    connection: CONNECTION,
                    progress: PROGRESS,
                },
                "010603fc70110100fb2c01fb2b01fb2a01",
            ),
            (
                Entry::Close {
                    connection: CONNECTION,
                    progress: PROGRESS,
                },
                "010703fc70110100fb2c01fb2b01fb2a01",
            ),
            (
                Entry::SendBatch(SendBatch {
                    connection: CONNECTION,
                    answered: StreamOffset(1),
                    progress: PROGRESS,
                    lines: MessageBatch::of([
                        (StreamOffset(300), "a b", "hi"),
                        (StreamOffset(304), "a b", "ho"),
                    ])
                    .unwrap(),
                }),
                "010803fc7011010001fb2c01fb2b01fb2a01fb2c0102000302040002076120626869686f",
            ),
            (
                Entry::LimitWaiting(WaitingLimits {
                    bytes: 1_000_000,
                    sender_percent: 20,
                }),
                "0109fc40420f0014",
            ),
        ]
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn encoded(batch: &Batch) -> Vec<u8> {
        let mut body = Vec::new();
        encode(batch, &mut body).unwrap();
        body
    }

    #[test]
    fn golden_bytes_of_every_entry() {
        let empty = encoded(&batch(vec![]));
        assert_eq!(
            hex(&empty),
            "0301fc40420f003031323334353637383961626364656600"
        );
        let head = &empty[..empty.len() - 1];
        for (entry, golden) in entries() {
            let batch = batch(vec![entry]);
            let body = encoded(&batch);
            assert_eq!(&body[..head.len()], head);
            assert_eq!(hex(&body[head.len()..]), golden, "{batch:?}");
            assert_eq!(decode(&body), Ok(batch));
        }
    }

    #[test]
    fn batches_of_older_formats_are_read() {
        let batch = batch(vec![request(Action::LogOut)]);
        let mut body = encoded(&batch);
        for format in FIRST_FORMAT..FORMAT {
            body[0] = format;
            assert_eq!(decode(&body).as_ref(), Ok(&batch));
        }
        body[0] = 0;
        assert_eq!(decode(&body), Err(FormatError::Unknown(0)));
    }

    #[test]
    fn golden_bytes_of_digest_and_log_base() {
        let digest = Digest::of(LogIndex(1), Digest::START, b"body");
        assert_eq!(hex(digest.as_bytes()), "031b0d15c553838cc69088f7ed304e5b");
        let log_base = LogBase {
            position: LogIndex(1),
            digest,
        };
        assert_eq!(
            hex(&log_base.encode()),
            "0100000000000000031b0d15c553838cc69088f7ed304e5b7136d27d517c19a2c780a5eda95c132b"
        );
        assert_eq!(LogBase::decode(&log_base.encode()), Some(log_base));
    }

    #[test]
    fn a_digest_covers_content_place_and_predecessor() {
        let digest = Digest::of(LogIndex(2), Digest::START, b"body");
        assert_ne!(digest, Digest::of(LogIndex(3), Digest::START, b"body"));
        assert_ne!(digest, Digest::of(LogIndex(2), digest, b"body"));
        assert_ne!(digest, Digest::of(LogIndex(2), Digest::START, b"bodz"));
        assert_eq!(Digest::from_bytes(digest.as_bytes()), Some(digest));
        assert_eq!(Digest::from_bytes(b"short"), None);
    }

    #[test]
    fn a_body_of_another_format_is_told_from_a_broken_one() {
        let mut body = encoded(&batch(vec![request(Action::LogOut)]));
        body.push(0);
        assert_eq!(decode(&body), Err(FormatError::Malformed));
        body.truncate(body.len() - 2);
        assert_eq!(decode(&body), Err(FormatError::Malformed));
        body[0] = FORMAT + 1;
        assert_eq!(decode(&body), Err(FormatError::Unknown(FORMAT + 1)));
        assert_eq!(decode(&[]), Err(FormatError::Malformed));
    }

    #[test]
    fn a_length_beyond_the_limit_allocates_nothing() {
        let mut body = encoded(&batch(vec![]));
        body.pop();
        body.extend_from_slice(&[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(decode(&body), Err(FormatError::Malformed));
    }

    #[test]
    fn a_batch_that_is_too_large_leaves_the_buffer_as_it_was() {
        let text = "x".repeat(MAX_BODY_BYTES);
        let mut body = b"before".to_vec();
        let result = encode(&batch(vec![request(Action::Broadcast { text })]), &mut body);
        assert_eq!(result, Err(FormatError::TooLarge));
        assert_eq!(body, b"before");
    }
}
