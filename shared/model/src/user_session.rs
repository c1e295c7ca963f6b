//! The sessions of a user: the plain one, named ones beside it, and those that only send.

use std::fmt;

/// Longest name of a session, in bytes.
const MAX_SESSION_NAME_BYTES: usize = 16;

/// Most named sessions that an account may have, beside the plain one.
pub const MAX_NAMED_SESSIONS: usize = 16;

/// What stands between the name of an account and that of a session.
const SEPARATOR: char = '/';

/// The name of a session that only sends. No other can have it.
const SEND_ONLY: &str = "-";

/// The name of a session of an account: 1 to 16 of `a-z 0-9 -`, not `-` alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionName {
    /// 0 behind the name.
    bytes: [u8; MAX_SESSION_NAME_BYTES],
}

impl SessionName {
    /// The name, if a session may have it.
    pub fn parse(name: &str) -> Option<Self> {
        let is_right =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name == SEND_ONLY || !name.bytes().all(is_right) {
            return None;
        }
        let mut bytes = [0; MAX_SESSION_NAME_BYTES];
        bytes
            .get_mut(..name.len())?
            .copy_from_slice(name.as_bytes());
        Some(Self { bytes })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        let end = self.bytes.iter().position(|byte| *byte == 0);
        let name = &self.bytes[..end.unwrap_or(MAX_SESSION_NAME_BYTES)];
        std::str::from_utf8(name).unwrap_or_default()
    }
}

impl fmt::Debug for SessionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

/// Which session of an account somebody logs in to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserSession {
    /// The one without a name. Nobody takes it over.
    #[default]
    Plain,
    /// One of the others. Whoever logs in to it takes it over.
    Named(SessionName),
    /// One that gets no messages. There may be any number of them at once.
    SendOnly,
}

impl UserSession {
    /// Takes a name apart that somebody typed: the name of an account, and which of its sessions. Nothing, if no
    /// session is named in it. An account whose own name looks like that comes first.
    pub fn split(typed: &str) -> Option<(&str, Self)> {
        let (account, session) = typed.rsplit_once(SEPARATOR)?;
        let session = match session {
            SEND_ONLY => Self::SendOnly,
            name => Self::Named(SessionName::parse(name)?),
        };
        Some((account, session))
    }

    /// How a session of an account is called.
    pub fn full_name(&self, account: &str) -> String {
        match self {
            Self::Plain => account.to_owned(),
            Self::Named(name) => format!("{account}{SEPARATOR}{}", name.as_str()),
            Self::SendOnly => format!("{account}{SEPARATOR}{SEND_ONLY}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> UserSession {
        UserSession::Named(SessionName::parse(name).unwrap())
    }

    #[test]
    fn names_that_a_session_may_have() {
        for name in ["a", "phone", "0", "--", "a-b-9", &"x".repeat(16)] {
            let parsed = SessionName::parse(name).unwrap();
            assert_eq!(parsed.as_str(), name);
        }
        for name in ["", "-", "Phone", "a b", "a/b", "a_b", "é", &"x".repeat(17)] {
            assert_eq!(SessionName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn typed_names_are_taken_apart() {
        for (typed, expected) in [
            ("ann/phone", Some(("ann", named("phone")))),
            ("ann/-", Some(("ann", UserSession::SendOnly))),
            ("a/b/c", Some(("a/b", named("c")))),
            ("ann", None),
            ("ann/", None),
            ("ann/Phone", None),
        ] {
            assert_eq!(UserSession::split(typed), expected, "{typed}");
            if let Some((account, session)) = expected {
                assert_eq!(session.full_name(account), typed);
            }
        }
        assert_eq!(UserSession::Plain.full_name("ann"), "ann");
    }
}
