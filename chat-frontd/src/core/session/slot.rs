//! A client's line that is not wholly answered yet, or several messages in a row.

use std::sync::Arc;

use chat_model::{
    Audience, MessageBatch, MessageBatchBuilder, MessageNumber, NameList, Outcome, OutcomeKind,
    PushMode, Request, RequestKind, StreamOffset,
};

use crate::core::list_line::ListLine;

/// What the state daemon is asked for a line, kept so that it can be asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Requests {
    One(Request<'static>),
    /// A message to some accounts, or several that were sent line after line.
    Batch(Box<MessageBatchBuilder>),
}

impl Requests {
    /// Whether the answer may be long: names of users, or kept messages.
    pub(super) fn is_for_list(&self) -> bool {
        matches!(
            self,
            Self::One(
                Request::ListUsers { .. }
                    | Request::ListRooms { .. }
                    | Request::ListMembers { .. }
                    | Request::History { .. }
                    | Request::Search { .. }
            )
        )
    }

    pub(super) fn kind(&self) -> RequestKind {
        match self {
            Self::One(request) => request.kind(),
            Self::Batch(_) => RequestKind::Send,
        }
    }

    /// Whether it brings nothing but a message.
    pub(super) fn is_message(&self) -> bool {
        let is_message = |request: &Request<'_>| {
            matches!(request, Request::Send { .. } | Request::SendOnce { .. })
        };
        match self {
            Self::Batch(_) => true,
            Self::One(request) => is_message(request),
        }
    }

    fn lines(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.batch().len(),
            Self::One(_) => 1,
        }
    }

    /// What is held of names and texts.
    fn bytes(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.batch().iter().map(|line| line.bytes()).sum(),
            Self::One(request) => request.bytes(),
        }
    }

    /// What the daemon is asked.
    pub(super) fn to_item(&self) -> Item<'_> {
        let batch = match self {
            Self::One(request) => return Item::Request(request.borrowed()),
            Self::Batch(batch) => batch.batch(),
        };
        match batch.only() {
            Some(only) => Item::Request(Request::Send {
                audience: Audience::Accounts(only.recipients.into()),
                text: only.text.into(),
            }),
            None => Item::Batch(batch),
        }
    }
}

/// What the state daemon is asked for a line, or for several.
pub(super) enum Item<'a> {
    Request(Request<'a>),
    /// Several messages, which go together.
    Batch(&'a MessageBatch),
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
        /// The outcome was written.
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

/// What comes of a line.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Outcome(Outcome<'static>),
    /// The names that were asked for.
    List(Arc<ListLine>),
}

impl Answer {
    pub(super) fn kind(&self) -> OutcomeKind {
        match self {
            Self::Outcome(outcome) => outcome.kind(),
            Self::List(_) => OutcomeKind::Users,
        }
    }
}

/// Every message of a line was stored for everybody it names.
pub(super) const STORED: Answer = Answer::Outcome(Outcome::Stored {
    unknown: NameList::new(),
});

/// A line on its way to being answered, or a batch of messages that get the same answer.
#[derive(Clone, Debug)]
pub(super) struct Slot<Memo> {
    /// Where the line ends, or the last of them.
    pub(super) offset: StreamOffset,
    pub(super) requests: Requests,
    /// What the dialect has to know to write the answer. `None` for the end of the session, which is not answered.
    pub(super) memo: Option<Memo>,
    /// Its answer asks for more lines, and has no end.
    pub(super) is_prompt: bool,
    /// When messages come, from the answer on.
    pub(super) push: Option<PushMode>,
    pub(super) stage: Stage,
    pub(super) answer: Option<Answer>,
    /// What the memo counts for, for each line.
    memo_bytes: usize,
    /// What was held of the lines when they were taken.
    pub(super) held_bytes: usize,
}

impl<Memo: Clone> Slot<Memo> {
    /// A line with this memo, which counts for so many bytes.
    pub(super) fn new(
        offset: StreamOffset,
        requests: Requests,
        memo: Memo,
        memo_bytes: usize,
    ) -> Self {
        Self {
            held_bytes: requests.bytes() + requests.lines() * memo_bytes,
            memo: Some(memo),
            memo_bytes,
            ..Self::without_answer(offset, requests)
        }
    }

    /// A line that is answered at once, by which its client is asked for more.
    pub(super) fn prompt(offset: StreamOffset, memo: Memo, memo_bytes: usize) -> Self {
        let requests = Requests::One(Request::Fetch);
        let mut slot = Self::new(offset, requests, memo, memo_bytes);
        slot.is_prompt = true;
        slot.answered(Answer::Outcome(Outcome::Done), MessageNumber::default());
        slot
    }

    /// A request of which nothing is written.
    pub(super) fn without_answer(offset: StreamOffset, requests: Requests) -> Self {
        Self {
            offset,
            requests,
            memo: None,
            is_prompt: false,
            push: None,
            stage: Stage::Unasked,
            answer: None,
            memo_bytes: 0,
            held_bytes: 0,
        }
    }

    /// Whether it changes the password of the user.
    pub(super) fn changes_password(&self) -> bool {
        matches!(self.requests, Requests::One(Request::ChangePassword { .. }))
    }

    /// How many lines it stands for.
    pub(super) fn lines(&self) -> usize {
        self.requests.lines()
    }

    /// Where the first of its lines ends.
    pub(super) fn first_offset(&self) -> StreamOffset {
        match &self.requests {
            Requests::Batch(batch) => batch.batch().first(),
            Requests::One(_) => self.offset,
        }
    }

    /// Takes those of its messages out that end at this offset or later, if there are such and others.
    pub(super) fn split_off(&mut self, at: StreamOffset) -> Option<Self> {
        let Requests::Batch(batch) = &mut self.requests else {
            return None;
        };
        let behind = batch.split_off(at)?;
        let last = std::mem::replace(&mut self.offset, batch.last());
        let requests = Requests::Batch(Box::new(behind));
        let behind = Self {
            held_bytes: requests.bytes() + requests.lines() * self.memo_bytes,
            memo: self.memo.clone(),
            memo_bytes: self.memo_bytes,
            stage: self.stage,
            ..Self::without_answer(last, requests)
        };
        self.held_bytes -= behind.held_bytes;
        Some(behind)
    }

    /// This came of it. The answer is complete once the queue was taken up to `through`.
    pub(super) fn answered(&mut self, answer: Answer, through: MessageNumber) {
        self.answer = Some(answer);
        self.stage = Stage::Answered {
            through,
            is_shown: false,
        };
    }

    /// When messages come from its answer on, if it says that and was done.
    pub(super) fn push_set(&self) -> Option<PushMode> {
        let is_done = matches!(self.answer, Some(Answer::Outcome(Outcome::Done)));
        self.push.filter(|_| is_done)
    }

    /// Whether its answer is complete when the queue was taken up to `taken`.
    pub(super) fn is_complete(&self, taken: MessageNumber) -> bool {
        matches!(self.stage, Stage::Answered { through, .. } if through <= taken)
    }
}
