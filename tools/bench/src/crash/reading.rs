//! What one reader has received: in which order, and whether a message may come again.

/// What of the messages that the reader has seen may come again in its next session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayRepeat {
    /// It left by `logout`.
    Nothing,
    /// It died, and the server did not: what its own lines have confirmed is gone from its queue.
    Unconfirmed,
    /// Its worker died, and what its lines have confirmed may have died with it.
    Everything,
}

/// Whether messages that the reader has seen may come again. They are then the last ones it has seen, in their order,
/// before anything new. Numbers are places in the order in which messages first came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeats {
    Forbidden,
    /// This one or a later one may be the first.
    Possible {
        first: usize,
    },
    /// They have begun; this one has to be the next.
    Going {
        next: usize,
    },
}

/// What the message that has come is to this reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receipt {
    /// It has not come before.
    First,
    /// It came again, and may have.
    Repeated,
    /// It came again, although only this was allowed.
    Doubled(Repeats),
}

/// One reader, over all of its sessions.
#[derive(Debug)]
pub(super) struct Reading {
    /// Whose it is. A sender's account is not sent what it sends itself.
    pub(super) account: u32,
    /// The messages, as they first came.
    order: Vec<u32>,
    /// Where each message stands in that order, if it has come.
    places: Vec<Option<u32>>,
    /// How many of the first were confirmed by lines of the reader's own.
    confirmed: usize,
    repeats: Repeats,
    /// Sessions so far.
    pub(super) sessions: u32,
}

impl Reading {
    pub(super) fn new(account: u32) -> Self {
        Self {
            account,
            order: Vec::new(),
            places: Vec::new(),
            confirmed: 0,
            repeats: Repeats::Forbidden,
            sessions: 0,
        }
    }

    /// The messages, as they first came.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    /// Whether this message has come.
    pub(super) fn has(&self, message: u32) -> bool {
        self.place(message).is_some()
    }

    /// A session begins.
    pub(super) fn begin_session(&mut self, may_repeat: MayRepeat) {
        self.sessions += 1;
        match may_repeat {
            MayRepeat::Nothing => self.confirmed = self.order.len(),
            MayRepeat::Unconfirmed => {}
            MayRepeat::Everything => self.confirmed = 0,
        }
        let first = self.confirmed;
        self.repeats = match may_repeat {
            MayRepeat::Nothing => Repeats::Forbidden,
            MayRepeat::Unconfirmed | MayRepeat::Everything => Repeats::Possible { first },
        };
    }

    /// The reader has confirmed this message and all that came before it.
    pub(super) fn confirm(&mut self, message: u32) {
        let through = self.place(message).map_or(0, |place| place + 1);
        self.confirmed = self.confirmed.max(through);
    }

    /// A message came.
    pub(super) fn receive(&mut self, message: u32) -> Receipt {
        if let Some(place) = self.place(message) {
            return self.receive_again(place);
        }
        let index = message as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, None);
        }
        // Messages are numbered by 32 bits, and so are their places.
        self.places[index] = Some(self.order.len() as u32);
        self.order.push(message);
        Receipt::First
    }

    fn receive_again(&mut self, place: usize) -> Receipt {
        let is_allowed = match self.repeats {
            Repeats::Forbidden => false,
            Repeats::Possible { first } => first <= place,
            Repeats::Going { next } => next == place,
        };
        if !is_allowed {
            return Receipt::Doubled(self.repeats);
        }
        let next = place + 1;
        self.repeats = match next < self.order.len() {
            true => Repeats::Going { next },
            false => Repeats::Forbidden,
        };
        Receipt::Repeated
    }

    /// Nothing more may be repeated. Returns the message that had to come again, if they broke off before it.
    pub(super) fn end_repeats(&mut self) -> Option<u32> {
        match std::mem::replace(&mut self.repeats, Repeats::Forbidden) {
            Repeats::Going { next } => self.order.get(next).copied(),
            Repeats::Forbidden | Repeats::Possible { .. } => None,
        }
    }

    fn place(&self, message: u32) -> Option<usize> {
        let place = self.places.get(message as usize).copied().flatten()?;
        Some(place as usize)
    }
}
