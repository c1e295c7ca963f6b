//! What of a reader's queue the session has taken, and what it still has to ask for.

use chat_model::{Message, MessageNumber};

/// A part of the reader's queue, as it came from the daemon.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueuePart<'a> {
    pub(crate) messages: &'a [Message<'a>],
    /// The queue as it was goes to here.
    pub(crate) through: MessageNumber,
    /// `messages` is not all there is up to `through`.
    pub(crate) more: bool,
}

impl QueuePart<'_> {
    /// A part without messages.
    pub(crate) fn empty(through: MessageNumber, more: bool) -> Self {
        Self {
            messages: &[],
            through,
            more,
        }
    }
}

/// How far the queue was taken. All numbers rise.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// The last message that was put into the output.
    taken: MessageNumber,
    /// The answers that were begun are complete once the queue was taken up to here.
    promised_through: MessageNumber,
    /// More was pushed than fitted: the rest up to here has to be asked for.
    pushed_through: Option<MessageNumber>,
    /// A page of the queue was asked for, up to here.
    page_asked: Option<MessageNumber>,
}

impl Inbox {
    /// A queue that was taken up to here, and of which nothing is to be asked for.
    pub(super) fn at(taken: MessageNumber) -> Self {
        Self {
            taken,
            ..Self::default()
        }
    }

    pub(super) fn taken(&self) -> MessageNumber {
        self.taken
    }

    /// Whether nothing is to be asked for, and nothing was.
    pub(super) fn is_settled(&self) -> bool {
        let Self {
            taken,
            promised_through,
            pushed_through,
            page_asked,
        } = self;
        promised_through <= taken && pushed_through.is_none() && page_asked.is_none()
    }

    /// The next page to be asked for: after which message, and up to which. `promised` is how far an answer needs the
    /// queue. The page counts as asked for by this.
    pub(super) fn next_page(
        &mut self,
        promised: Option<MessageNumber>,
    ) -> Option<(MessageNumber, MessageNumber)> {
        let through = promised.max(self.pushed_through)?;
        if self.page_asked.is_some() || through <= self.taken {
            return None;
        }
        self.page_asked = Some(through);
        Some((self.taken, through))
    }

    /// A page came. Returns up to where it was asked for; `None` if it was not.
    pub(super) fn page_came(&mut self) -> Option<MessageNumber> {
        self.page_asked.take()
    }

    /// The page that was asked for will not come.
    pub(super) fn forget_page(&mut self) {
        self.page_asked = None;
    }

    /// A daemon that came back sends what is new behind what it had promised before it died. While something
    /// promised is still to be asked for, nothing else is taken: it would be out of order. It is asked for, too.
    pub(super) fn without_gap<'a>(&self, part: QueuePart<'a>) -> QueuePart<'a> {
        if Some(self.promised_through).max(self.pushed_through) <= Some(self.taken) {
            return part;
        }
        QueuePart {
            messages: &[],
            more: true,
            ..part
        }
    }

    /// A part came with an answer. Returns up to where the queue has to be taken before the answer is complete.
    pub(super) fn promise(&mut self, part: QueuePart<'_>) -> MessageNumber {
        let through = if part.more {
            part.through
        } else {
            MessageNumber::default()
        };
        self.promised_through = self.promised_through.max(through);
        through
    }

    /// A part was pushed, and is not all there is.
    pub(super) fn promise_pushed(&mut self, through: MessageNumber) {
        self.pushed_through = self.pushed_through.max(Some(through));
    }

    /// What was pushed is not to be asked for any more.
    pub(super) fn forget_pushed(&mut self) {
        self.pushed_through = None;
    }

    /// Takes a message, unless it was taken before. Returns whether it is new.
    pub(super) fn take(&mut self, number: MessageNumber) -> bool {
        let is_new = number > self.taken;
        self.taken = self.taken.max(number);
        is_new
    }

    /// All messages of a part were taken.
    pub(super) fn took(&mut self, part: QueuePart<'_>) {
        if !part.more {
            self.taken = self.taken.max(part.through);
        }
        if self.pushed_through <= Some(self.taken) {
            self.pushed_through = None;
        }
    }
}
