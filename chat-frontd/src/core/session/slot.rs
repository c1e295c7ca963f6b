//! A client's line that is not wholly answered yet.

use std::borrow::Cow;
use std::net::IpAddr;

use chat_shared::password::Password;
use chat_shared::rpc::{Call, MessageNumber, StreamOffset};

use super::command::{Letter, PushMode};

/// What is asked of the state daemon for a line, kept so that it can be asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Name { name: String },
    Register { name: String, password: Password },
    LogIn { name: String, password: Password },
    Send(Letter),
    Broadcast { text: String },
    Fetch,
    Who,
    Last { minutes: u64 },
    Push { on: bool },
    LogOut,
}

impl Question {
    /// What is held of a message, with its recipients.
    fn text_bytes(&self) -> usize {
        match self {
            Self::Send(letter) => letter.bytes(),
            Self::Broadcast { text } => text.len(),
            _ => 0,
        }
    }

    pub(super) fn to_call(&self, address: IpAddr) -> Call<'_> {
        match self {
            Self::Name { name } => Call::Name { name, address },
            Self::Register { name, password } => Call::Register {
                name,
                password,
                address,
            },
            Self::LogIn { name, password } => Call::LogIn {
                name,
                password,
                address,
            },
            Self::Send(letter) => Call::Send {
                recipients: letter.recipients(),
                text: letter.text(),
            },
            Self::Broadcast { text } => Call::Broadcast { text },
            Self::Fetch => Call::Fetch,
            Self::Who => Call::Who,
            Self::Last { minutes } => Call::Last { minutes: *minutes },
            Self::Push { on } => Call::Push { on: *on },
            Self::LogOut => Call::LogOut,
        }
    }
}

/// How far a line's answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The state daemon was not asked.
    Unasked,
    /// Asked; may have reached it.
    Asked,
    /// Asked of a daemon that died; it may have been done, and is to be asked again.
    AskedBefore,
    /// Answered, by the daemon or without it.
    Answered {
        /// The answer is complete once the queue was taken up to here.
        through: MessageNumber,
        /// The answer's line stands in the output.
        is_shown: bool,
    },
}

impl Stage {
    pub(super) fn is_to_be_asked(self) -> bool {
        matches!(self, Self::Unasked | Self::AskedBefore)
    }

    pub(super) fn is_answered(self) -> bool {
        matches!(self, Self::Answered { .. })
    }
}

/// What a line changes about the dialogue, once it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    Push(PushMode),
    Ids(bool),
}

/// A line on its way to being answered.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) offset: StreamOffset,
    /// The command's word, for refusals; empty before login.
    pub(super) word: Cow<'static, str>,
    pub(super) question: Question,
    /// The answer's line, where the daemon does not decide it.
    pub(super) answer: Option<Cow<'static, str>>,
    pub(super) setting: Option<Setting>,
    pub(super) stage: Stage,
    /// What was held of the line when it was taken.
    pub(super) held_bytes: usize,
}

impl Slot {
    pub(super) fn new(offset: StreamOffset, word: Cow<'static, str>, question: Question) -> Self {
        Self {
            offset,
            held_bytes: word.len() + question.text_bytes(),
            word,
            question,
            answer: None,
            setting: None,
            stage: Stage::Unasked,
        }
    }

    /// The same, with an answer that is clear already.
    pub(super) fn answered_with(self, answer: impl Into<Cow<'static, str>>) -> Self {
        let answer = answer.into();
        Self {
            held_bytes: self.held_bytes + answer.len(),
            answer: Some(answer),
            ..self
        }
    }

    pub(super) fn refuse(&mut self, answer: String) {
        self.answer = Some(answer.into());
        self.setting = None;
        self.stage = Stage::Answered {
            through: MessageNumber::default(),
            is_shown: false,
        };
    }

    /// Whether its answer is complete when the queue was taken up to `taken`.
    pub(super) fn is_complete(&self, taken: MessageNumber) -> bool {
        matches!(self.stage, Stage::Answered { through, .. } if through <= taken)
    }
}
