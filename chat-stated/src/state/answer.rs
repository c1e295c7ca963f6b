//! What the state decided about a request, in a form that can be kept and given again.

use chat_model::{NameList, Outcome};

/// The decision about one request. [`Outcome`] says what each means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// As [`Outcome::PasswordNeeded`].
    Password,
    /// As [`Outcome::NameUnavailable`].
    Username,
    /// As [`Outcome::AlreadyLoggedIn`].
    Connected,
    /// As [`Outcome::Registered`].
    Registered,
    /// As [`Outcome::LoggedIn`].
    Welcome,
    /// As [`Outcome::Locked`].
    Locked {
        /// Rounded up, at least 1.
        seconds_left: u64,
    },
    /// As [`Outcome::Stored`].
    Sent {
        /// The unknown names, each once.
        unknown: Vec<String>,
    },
    /// As [`Outcome::LoggedOut`].
    LoggedOut,
    /// As [`Outcome::QueueFull`].
    Quota,
    /// As [`Outcome::Refused`].
    Refused,
    /// As [`Outcome::DiskFull`]: what may wait takes all it may, or the disk had no room for it and later requests were
    /// decided since.
    Full,
}

/// A [`Decision`] that says nothing more than what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlainDecision {
    Password,
    Username,
    Connected,
    Registered,
    Welcome,
    SentToAll,
    LoggedOut,
    Quota,
    Refused,
    Full,
}

impl PlainDecision {
    pub(super) fn of(decision: &Decision) -> Option<Self> {
        Some(match decision {
            Decision::Password => Self::Password,
            Decision::Username => Self::Username,
            Decision::Connected => Self::Connected,
            Decision::Registered => Self::Registered,
            Decision::Welcome => Self::Welcome,
            Decision::Sent { unknown } if unknown.is_empty() => Self::SentToAll,
            Decision::LoggedOut => Self::LoggedOut,
            Decision::Quota => Self::Quota,
            Decision::Refused => Self::Refused,
            Decision::Full => Self::Full,
            Decision::Sent { .. } | Decision::Locked { .. } => return None,
        })
    }
}

impl From<PlainDecision> for Decision {
    fn from(plain: PlainDecision) -> Self {
        match plain {
            PlainDecision::Password => Self::Password,
            PlainDecision::Username => Self::Username,
            PlainDecision::Connected => Self::Connected,
            PlainDecision::Registered => Self::Registered,
            PlainDecision::Welcome => Self::Welcome,
            PlainDecision::SentToAll => Self::Sent {
                unknown: Vec::new(),
            },
            PlainDecision::LoggedOut => Self::LoggedOut,
            PlainDecision::Quota => Self::Quota,
            PlainDecision::Refused => Self::Refused,
            PlainDecision::Full => Self::Full,
        }
    }
}

impl Decision {
    /// Whether a message was stored, and nobody is unknown.
    pub fn is_sent_to_all(&self) -> bool {
        matches!(self, Self::Sent { unknown } if unknown.is_empty())
    }

    /// The same in the words of the model.
    pub fn to_outcome(&self) -> Outcome<'static> {
        match self {
            Self::Password => Outcome::PasswordNeeded,
            Self::Username => Outcome::NameUnavailable,
            Self::Connected => Outcome::AlreadyLoggedIn,
            Self::Registered => Outcome::Registered,
            Self::Welcome => Outcome::LoggedIn,
            Self::Locked { seconds_left } => Outcome::Locked {
                seconds_left: *seconds_left,
            },
            Self::Sent { unknown } => Outcome::Stored {
                unknown: unknown.iter().map(String::as_str).collect::<NameList<'_>>(),
            },
            Self::LoggedOut => Outcome::LoggedOut,
            Self::Quota => Outcome::QueueFull,
            Self::Refused => Outcome::Refused,
            Self::Full => Outcome::DiskFull,
        }
    }
}
