//! The first frame of each side: who is there, in which version, and under which worker session.

use serde::{Deserialize, Serialize};

use super::frame::{FrameError, decode_one, encode_one};
use chat_model::WorkerSessionId;

/// Version of everything in this crate. Raised by every change of an encoded type.
pub const VERSION: u32 = 8;

/// Starts every hello, so that a stranger on the socket is told from an older binary.
const MAGIC: &[u8; 8] = b"chatserv";

/// The proof that a worker is the worker session it says it is. Handed out by the daemon, once per worker start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeToken {
    /// Number of this worker session of a worker; never given out twice.
    pub worker_session: WorkerSessionId,
    /// Random; known to this worker and the daemon only.
    pub secret: [u8; 16],
}

/// The first frame a worker sends: eight bytes of magic, the version (`u32`, little endian), then this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// `None` asks for a new worker session. A worker that lost the daemon shows the worker session it had.
    pub resume: Option<ResumeToken>,
}

/// The daemon's first frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Greeting {
    /// The worker has this worker session from now on, or still.
    Attached(ResumeToken),
    /// The daemon closes the connection after this.
    Refused(Refusal),
}

/// Why a worker was not attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The two programs are not of one build.
    #[error(
        "the state daemon speaks RPC version {daemon_version} (restart both daemons with scripts/restart)"
    )]
    Version {
        /// What the daemon speaks.
        daemon_version: u32,
    },
    /// The worker session has ended, or its secret is wrong, or it is attached already. The worker must exit.
    #[error("this worker session has ended")]
    WorkerSessionEnded,
    /// No more workers can attach.
    #[error("too many workers are attached already")]
    TooManyWorkers,
}

/// Why a first frame was not a hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// Not from a program of chatserv.
    #[error("the first frame is not a hello of chatserv")]
    NotAHello,
    /// From another version; what follows it was not looked at.
    #[error("the peer speaks RPC version {0}, this program {VERSION}")]
    Version(u32),
    /// The right version, but damaged.
    #[error("the hello cannot be read: {0}")]
    Frame(#[from] FrameError),
}

impl Hello {
    /// The payload of the frame.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let mut payload = MAGIC.to_vec();
        payload.extend_from_slice(&VERSION.to_le_bytes());
        payload.extend(encode_one(self)?);
        Ok(payload)
    }

    /// Reads a payload of any version, and says so if it is not ours.
    pub fn decode(payload: &[u8]) -> Result<Self, HelloError> {
        let rest = payload
            .strip_prefix(MAGIC.as_slice())
            .ok_or(HelloError::NotAHello)?;
        let (version, body) = rest.split_first_chunk::<4>().ok_or(HelloError::NotAHello)?;
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(HelloError::Version(version));
        }
        Ok(decode_one(body)?)
    }
}

impl Greeting {
    /// The payload of the frame.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        encode_one(self)
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Self, FrameError> {
        decode_one(payload)
    }
}
