//! What the state decided about a request, in a form that can be kept and given again.

use chat_rpc::Answer;

/// The decision about one request. [`Answer`] says what each means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// As [`Answer::Password`].
    Password,
    /// As [`Answer::Username`].
    Username,
    /// As [`Answer::Connected`].
    Connected,
    /// As [`Answer::Registered`].
    Registered,
    /// As [`Answer::Welcome`].
    Welcome,
    /// As [`Answer::Locked`].
    Locked {
        /// Rounded up, at least 1.
        seconds_left: u64,
    },
    /// As [`Answer::Sent`].
    Sent {
        /// The unknown names, each once.
        unknown: Vec<String>,
    },
    /// As [`Answer::LoggedOut`].
    LoggedOut,
    /// As [`Answer::Quota`].
    Quota,
    /// As [`Answer::Refused`].
    Refused,
    /// As [`Answer::Full`]: what may wait takes all it may, or the disk had no room for it and later requests were
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

    /// The answer as the worker gets it.
    pub fn to_answer(&self) -> Answer<'_> {
        match self {
            Self::Password => Answer::Password,
            Self::Username => Answer::Username,
            Self::Connected => Answer::Connected,
            Self::Registered => Answer::Registered,
            Self::Welcome => Answer::Welcome,
            Self::Locked { seconds_left } => Answer::Locked {
                seconds_left: *seconds_left,
            },
            Self::Sent { unknown } => Answer::Sent {
                unknown: unknown.iter().map(String::as_str).collect(),
            },
            Self::LoggedOut => Answer::LoggedOut,
            Self::Quota => Answer::Quota,
            Self::Refused => Answer::Refused,
            Self::Full => Answer::Full,
        }
    }
}
