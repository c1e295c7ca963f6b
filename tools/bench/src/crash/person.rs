//! One client of the storm: a sender, or a reader.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chat_line_protocol::client::Dialogue;

use super::process_readers::ProcessReader;

/// How a reader gets its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Mode {
    /// By `fetch` alone.
    Fetch,
    /// As they come; that the connection stays whole for a second tells that it has them.
    PushOn,
    /// As they come; it says by a `fetch` that it has them.
    PushAck,
}

impl Mode {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Fetch, Self::PushOn, Self::PushAck];

    /// The word for it on the command line.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::PushOn => "push-on",
            Self::PushAck => "push-ack",
        }
    }
}

/// How far a reader is with emptying its queue when the storm is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Drain {
    /// Nothing asked of it.
    No,
    /// To fetch what there is.
    Fetch,
    /// Fetched; to leave, and to see whether anything is left.
    LogOut,
    /// Logged in again; to leave for good.
    Leave,
    /// Left.
    Done,
}

impl Drain {
    /// It was told `goodbye`.
    pub(super) fn after_logout(self) -> Self {
        match self {
            Self::LogOut => Self::Leave,
            Self::Leave => Self::Done,
            other => other,
        }
    }
}

/// What a sender does about a connection that broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// It logs in once its last session has ended, so that what it sends keeps its order.
    InTurn,
    /// Its sessions are send-only. The last one may not have ended yet.
    AtOnce,
    /// The same, and it sends by `once` what was not answered again.
    Once,
}

/// What only one of the two kinds has.
#[derive(Debug)]
pub(super) enum Role {
    /// Sends to the audience of its ledger.
    Sender {
        /// Sequence numbers that were not answered, oldest first.
        unanswered: VecDeque<u32>,
        /// How many it sends at once the next time.
        next_burst: usize,
        manner: Sending,
        /// The stream of its messages.
        stream: u32,
    },
    /// Reads what is sent to that audience.
    Reader {
        mode: Mode,
        /// Its last session did not end well: what it has seen may come again.
        is_after_break: bool,
        /// When it may fetch again.
        fetch_at: Instant,
        /// Something came since it last fetched.
        has_news: bool,
        /// When it leaves in good order, to come back at once.
        leave_at: Instant,
        drain: Drain,
    },
    /// The same, as a process of its own that can be killed. That process conducts the dialogue.
    Process(ProcessReader),
}

/// How far its connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// None; the next is to be made then.
    Away { retry_at: Instant },
    /// Being made.
    Connecting,
    /// There; the next line is awaited.
    Open,
    /// There; the line of the login that was refused is to be sent again then.
    Refused { retry_at: Instant },
}

/// Why a connection may close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excuse {
    /// Its worker was killed, or that worker's parent.
    Killed,
    /// A worker was killed when it was not known which one has this connection.
    Perhaps,
}

/// Where a client stands in the books.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    /// Which audience.
    pub(super) audience: usize,
    /// Which of its readers; of a sender, whose messages they are.
    pub(super) place: usize,
}

#[derive(Debug)]
pub(super) struct Person {
    /// The account's name.
    pub(super) account: String,
    /// What it logs in with: the name, or one of a session.
    pub(super) login: String,
    pub(super) seat: Seat,
    pub(super) dialogue: Dialogue,
    pub(super) link: Link,
    pub(super) role: Role,
    /// When each command that is not answered was sent.
    pub(super) asked_at: VecDeque<Instant>,
    /// Since when it has been cut off, until it is logged in again.
    pub(super) cut_off_at: Option<Instant>,
    /// Since when it has been told that it is still logged in.
    pub(super) connected_since: Option<Instant>,
    /// The worker that has its connection, once that is known.
    pub(super) worker: Option<i32>,
    /// Why its connection may close, if it may.
    pub(super) excuse: Option<Excuse>,
    /// It was told `goodbye`.
    pub(super) has_left: bool,
}

impl Person {
    pub(super) fn new(
        role: Role,
        account: String,
        login: String,
        seat: Seat,
        now: Instant,
    ) -> Self {
        Self {
            account,
            login,
            seat,
            dialogue: Dialogue::default(),
            link: Link::Away { retry_at: now },
            role,
            asked_at: VecDeque::new(),
            cut_off_at: None,
            connected_since: None,
            worker: None,
            excuse: None,
            has_left: false,
        }
    }

    pub(super) fn sender(manner: Sending, stream: u32) -> Role {
        Role::Sender {
            unanswered: VecDeque::new(),
            next_burst: 1,
            manner,
            stream,
        }
    }

    pub(super) fn reader(mode: Mode, leave_at: Instant, now: Instant) -> Role {
        Role::Reader {
            mode,
            is_after_break: false,
            fetch_at: now,
            has_news: false,
            leave_at,
            drain: Drain::No,
        }
    }

    /// Whether it has a connection, made or being made.
    pub(super) fn has_connection(&self) -> bool {
        !matches!(self.link, Link::Away { .. })
    }

    /// Whether it is logged in and nothing is owed to it.
    pub(super) fn is_idle(&self) -> bool {
        let is_in_dialogue = self.dialogue.is_chatting() && self.dialogue.asked() == 0;
        self.link == Link::Open && (is_in_dialogue || matches!(self.role, Role::Process(_)))
    }

    /// Whether it is a sender whose messages are all answered, or will never be.
    pub(super) fn has_settled(&self) -> bool {
        !matches!(self.role, Role::Sender { .. }) || (self.is_idle() && self.unanswered() == 0)
    }

    /// Whether it is a reader that has emptied its queue and left.
    pub(super) fn has_drained(&self) -> bool {
        match &self.role {
            Role::Reader { drain, .. } => *drain == Drain::Done,
            Role::Process(reader) => reader.drain == Drain::Done,
            Role::Sender { .. } => true,
        }
    }

    /// How many of its messages are not answered.
    pub(super) fn unanswered(&self) -> usize {
        match &self.role {
            Role::Sender { unanswered, .. } => unanswered.len(),
            Role::Reader { .. } | Role::Process(_) => 0,
        }
    }

    /// Notes and writes a command.
    pub(super) fn ask(&mut self, line: &str, output: &mut Vec<u8>, now: Instant) {
        self.dialogue.ask(line.as_bytes(), output);
        self.asked_at.push_back(now);
    }

    /// A connection is being made.
    pub(super) fn begin_connection(&mut self, excuse: Option<Excuse>) {
        self.dialogue.restart();
        self.asked_at.clear();
        self.link = Link::Connecting;
        self.worker = None;
        self.excuse = excuse;
        self.has_left = false;
    }

    /// The connection is gone; the next try is made after `pause`.
    pub(super) fn end_connection(&mut self, now: Instant, pause: Duration) {
        self.link = Link::Away {
            retry_at: now + pause,
        };
        if let Role::Sender {
            unanswered, manner, ..
        } = &mut self.role
            && *manner != Sending::Once
        {
            unanswered.clear();
        }
    }
}
