//! What an operator's tool and the state daemon say to each other: one question, one answer, on the workers' socket.
//!
//! Each is one frame that begins with eight bytes of magic and a version of its own, so that either side can tell a
//! stranger from another version, and workers' hellos stay as they are. What follows is fixed: no bincode.

/// Version of the question and the answer.
pub const OPERATOR_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"chatoper";

/// What was sent instead of a question or an answer of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// Not an operator's frame.
    #[error("the frame is not one for operators")]
    NotForOperators,
    /// Of another version; what follows it was not looked at.
    #[error("the peer speaks operators' version {0}, this program {OPERATOR_VERSION}")]
    Version(u32),
    /// The right version, but cut off or too long.
    #[error("the frame for operators has {0} bytes too few or too many")]
    Length(usize),
}

/// Asks the daemon how far its state has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorHello;

/// How far the state of the daemon had come when it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The last batch of the journal whose effects were applied: everything answered so far is in it or before it.
    pub position: u64,
}

impl OperatorHello {
    /// The payload of the frame.
    pub fn encode(&self) -> Vec<u8> {
        head()
    }

    /// Reads a payload of any version, and says so if it is not ours.
    pub fn decode(payload: &[u8]) -> Result<Self, OperatorError> {
        match body(payload)? {
            [] => Ok(Self),
            body => Err(OperatorError::Length(body.len())),
        }
    }
}

impl Standing {
    /// The payload of the frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = head();
        payload.extend_from_slice(&self.position.to_le_bytes());
        payload
    }

    /// Reads a payload of any version, and says so if it is not ours.
    pub fn decode(payload: &[u8]) -> Result<Self, OperatorError> {
        let body = body(payload)?;
        let position = body
            .try_into()
            .map_err(|_| OperatorError::Length(body.len().abs_diff(8)))?;
        Ok(Self {
            position: u64::from_le_bytes(position),
        })
    }
}

fn head() -> Vec<u8> {
    let mut payload = MAGIC.to_vec();
    payload.extend_from_slice(&OPERATOR_VERSION.to_le_bytes());
    payload
}

fn body(payload: &[u8]) -> Result<&[u8], OperatorError> {
    let (version, body) = payload
        .strip_prefix(MAGIC)
        .and_then(|rest| rest.split_first_chunk())
        .ok_or(OperatorError::NotForOperators)?;
    match u32::from_le_bytes(*version) {
        OPERATOR_VERSION => Ok(body),
        version => Err(OperatorError::Version(version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hello, HelloError};

    const STANDING: Standing = Standing { position: 258 };

    #[test]
    fn golden_bytes() {
        assert_eq!(OperatorHello.encode(), b"chatoper\x01\0\0\0");
        let bytes = b"chatoper\x01\0\0\0\x02\x01\0\0\0\0\0\0";
        assert_eq!(STANDING.encode(), bytes);
        assert_eq!(Standing::decode(bytes), Ok(STANDING));
        assert_eq!(
            OperatorHello::decode(b"chatoper\x01\0\0\0"),
            Ok(OperatorHello)
        );
    }

    #[test]
    fn another_version_says_which() {
        let newer = b"chatoper\x02\0\0\0whatever";
        assert_eq!(OperatorHello::decode(newer), Err(OperatorError::Version(2)));
        assert_eq!(Standing::decode(newer), Err(OperatorError::Version(2)));
    }

    #[test]
    fn workers_and_operators_are_told_apart() {
        let worker = Hello { resume: None }.encode().unwrap();
        assert_eq!(
            OperatorHello::decode(&worker),
            Err(OperatorError::NotForOperators)
        );
        assert_eq!(
            Hello::decode(&OperatorHello.encode()),
            Err(HelloError::NotAHello)
        );
    }

    #[test]
    fn truncated_or_long_hello_is_refused() {
        let whole = STANDING.encode();
        for end in 0..whole.len() {
            assert!(Standing::decode(&whole[..end]).is_err(), "{end} bytes");
        }
        let long = [&whole[..], b"x"].concat();
        assert_eq!(Standing::decode(&long), Err(OperatorError::Length(1)));
        assert_eq!(OperatorHello::decode(&whole), Err(OperatorError::Length(8)));
    }
}
