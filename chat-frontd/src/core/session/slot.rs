//! A client's line that is not wholly answered yet, or several messages in a row.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use chat_model::{
    Audience, MessageBatch, MessageBatchBuilder, MessageNumber, Password, Request, StreamOffset,
};

use super::command::PushMode;
use crate::core::list_line::ListLine;

/// What is asked of the state daemon for a line, kept so that it can be asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Name {
        name: String,
    },
    Register {
        name: String,
        password: Password<'static>,
    },
    LogIn {
        name: String,
        password: Password<'static>,
    },
    /// A message, or several that were sent line after line.
    SendBatch(Box<MessageBatchBuilder>),
    Broadcast {
        text: String,
    },
    Fetch,
    Who,
    Last {
        minutes: u64,
    },
    Push {
        on: bool,
    },
    LogOut,
}

impl Question {
    /// Whether the answer may be as long as there are users.
    pub(super) fn is_for_list(&self) -> bool {
        matches!(self, Self::Who | Self::Last { .. })
    }

    fn lines(&self) -> usize {
        match self {
            Self::SendBatch(run) => run.batch().len(),
            _ => 1,
        }
    }

    /// What is held of messages, with their recipients.
    fn text_bytes(&self) -> usize {
        match self {
            Self::SendBatch(run) => run.batch().iter().map(|line| line.bytes()).sum(),
            Self::Broadcast { text } => text.len(),
            _ => 0,
        }
    }

    /// What the daemon is asked.
    pub(super) fn to_asked(&self, address: IpAddr) -> Asked<'_> {
        Asked::Request(match self {
            Self::Name { name } => Request::Identify {
                name: name.into(),
                address,
            },
            Self::Register { name, password } => Request::Register {
                name: name.into(),
                password: Password::borrowed(password),
                address,
            },
            Self::LogIn { name, password } => Request::LogIn {
                name: name.into(),
                password: Password::borrowed(password),
                address,
            },
            Self::SendBatch(run) => match run.batch().only() {
                Some(only) => Request::Send {
                    audience: Audience::Accounts(only.recipients.into()),
                    text: only.text.into(),
                },
                None => return Asked::Together(run.batch()),
            },
            Self::Broadcast { text } => Request::Send {
                audience: Audience::Everyone,
                text: text.into(),
            },
            Self::Fetch => Request::Fetch,
            Self::Who => Request::ListUsers {
                seen_within_minutes: None,
            },
            Self::Last { minutes } => Request::ListUsers {
                seen_within_minutes: Some(*minutes),
            },
            Self::Push { on } => Request::SetPush { on: *on },
            Self::LogOut => Request::LogOut,
        })
    }
}

/// What the state daemon is asked for a line, or for several.
pub(super) enum Asked<'a> {
    Request(Request<'a>),
    /// Several messages, which go together.
    Together(&'a MessageBatch),
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

/// A line on its way to being answered, or a run of messages that get the same answer.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// Where the line ends, or the last of them.
    pub(super) offset: StreamOffset,
    /// The command's word, for refusals; empty before login.
    pub(super) word: Cow<'static, str>,
    pub(super) question: Question,
    /// The answer's line, where the daemon does not decide it.
    pub(super) answer: Option<Cow<'static, str>>,
    /// The names that are the answer, until they are shown.
    pub(super) list: Option<Arc<ListLine>>,
    pub(super) setting: Option<Setting>,
    pub(super) stage: Stage,
    /// What was held of the line when it was taken.
    pub(super) held_bytes: usize,
}

impl Slot {
    pub(super) fn new(offset: StreamOffset, word: Cow<'static, str>, question: Question) -> Self {
        let lines = question.lines();
        Self {
            offset,
            held_bytes: lines * word.len() + question.text_bytes(),
            word,
            question,
            answer: None,
            list: None,
            setting: None,
            stage: Stage::Unasked,
        }
    }

    /// How many lines it stands for.
    pub(super) fn lines(&self) -> usize {
        self.question.lines()
    }

    /// Where the first of its lines ends.
    pub(super) fn first_offset(&self) -> StreamOffset {
        match &self.question {
            Question::SendBatch(run) => run.batch().first(),
            _ => self.offset,
        }
    }

    /// Takes those of its messages out that end at this offset or later, if there are such and others.
    pub(super) fn split_off(&mut self, at: StreamOffset) -> Option<Self> {
        let Question::SendBatch(run) = &mut self.question else {
            return None;
        };
        let behind = run.split_off(at)?;
        let last = std::mem::replace(&mut self.offset, run.last());
        let behind = Self {
            stage: self.stage,
            ..Self::new(
                last,
                self.word.clone(),
                Question::SendBatch(Box::new(behind)),
            )
        };
        self.held_bytes -= behind.held_bytes;
        Some(behind)
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
