//! What comes of applied entries outside of the state.

use std::sync::Arc;

use chat_model::{
    AccountId, ConnectionId, MessageNumber, Outcome, RequestName, RoomId, StreamOffset,
    WorkerSessionId,
};

use super::audience::Addressed;
use super::inspection::QueueState;
use super::kept::KeptMessage;
use super::quota::{ExceededQuota, QuotaLimit};
use crate::entry::SecretInFile;

/// What has to happen outside because of applied entries. Never part of the state.
#[derive(Debug, Default)]
pub struct Effects {
    /// Decisions to be answered, in the order in which they were made.
    pub decided: Vec<Decided>,
    /// Lives that began, by their secrets.
    pub worker_sessions_begun: Vec<(WorkerSessionId, [u8; 16])>,
    /// Accounts whose queue a message came into, but by broadcast; one may stand there twice.
    pub reached: Vec<AccountId>,
    /// A broadcast came.
    pub broadcast: bool,
    /// Rooms into which a message came; one may stand there twice.
    pub reached_rooms: Vec<RoomId>,
    /// Connections whose session ended because their account was disabled.
    pub cut_off: Vec<ConnectionId>,
    /// Connections whose session ended because the same session logged in on another one.
    pub replaced: Vec<ConnectionId>,
    /// The connection whose wrong password, the entry applied last, began a block.
    pub block_began: Option<ConnectionId>,
    /// What came of operators' acts, in the order in which they were decided.
    pub operated: Vec<Operated>,
    /// Messages for the history, by number.
    pub kept: Vec<KeptMessage>,
    /// Messages that the history need not have any longer.
    pub forgotten: Vec<Forgotten>,
    /// The limit that the message decided last would have exceeded.
    pub(super) exceeded: Option<ExceededQuota>,
}

/// Messages that have no longer to stay in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// Those to this room; without one, those to people.
    pub room: Option<RoomId>,
    /// From behind this one,
    pub after: MessageNumber,
    /// up to this one.
    pub through: MessageNumber,
}

/// What came of an operator's act.
#[derive(Debug, PartialEq, Eq)]
pub struct Operated {
    /// As in the entry.
    pub ticket: u64,
    /// What was decided.
    pub outcome: OperatorOutcome,
}

/// What an operator's act has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorOutcome {
    /// So many blocks, which held, hold no longer.
    Lifted(u64),
    /// The account file was taken over.
    Taken,
    /// The account is as it was to be, once this line stands in the account file.
    Added(FileLine),
    /// The account is disabled, once the account file has no line of this name. The secret stays in a comment.
    Disabled {
        /// What is to be journalled then.
        filed: SecretInFile,
        /// The account's name.
        name: Arc<str>,
    },
    /// The account is forgotten, once the account file has neither a line nor a secret of it.
    Forgotten {
        /// What is to be journalled then.
        filed: SecretInFile,
        /// The account's name.
        name: Arc<str>,
        /// What waited for it.
        given_up: QueueState,
    },
    /// Everybody gets the text.
    Announced,
    /// It is so now.
    Done,
    /// Nothing is changed.
    Refused(ActRefusal),
}

/// Why an operator's act changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActRefusal {
    /// The account is there already.
    NameTaken,
    /// There may be no more accounts.
    TooManyAccounts,
    /// There is no such account.
    NoAccount,
    /// There is no such room any more.
    NoSuchRoom,
    /// The account has no such token.
    NoToken,
    /// It is so already.
    AlreadySo,
    /// The account was forgotten, and its secret with it.
    NoSecret,
    /// A limit of broadcasts is in the way.
    Quota(QuotaLimit),
    /// All messages that may wait do wait.
    TooMuchWaits,
    /// The newest line of the account is not known to stand in the account file.
    LineOnItsWay,
}

/// The outcome of a request, or the same of several of a connection.
#[derive(Debug)]
pub struct Decided {
    /// Which request; the first of several.
    pub request: RequestName,
    /// The last of several, that stand for all of their connection up to there; else the same.
    pub through: StreamOffset,
    /// What was decided.
    pub outcome: Outcome<'static>,
    /// The outcome must not be told before this line stands in the account file.
    pub after: Option<FileLine>,
    /// The limit that the message would have exceeded.
    pub exceeded: Option<ExceededQuota>,
    /// Nothing was decided now: it was before, and the request came again.
    pub is_repeated: bool,
}

/// A line the account file is to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLine {
    /// Whose.
    pub filed: SecretInFile,
    /// The account's name.
    pub name: Arc<str>,
    /// Its newest secret.
    pub secret: Arc<str>,
}

impl Effects {
    /// Messages came for these readers.
    pub(super) fn reach(&mut self, readers: &Addressed) {
        match readers {
            Addressed::Accounts(readers) => self.reached.extend_from_slice(readers),
            Addressed::Everyone => self.broadcast = true,
            Addressed::Rooms(to) => {
                self.reached.extend_from_slice(&to.accounts);
                self.reached_rooms.extend_from_slice(&to.rooms);
            }
        }
    }

    /// Adds the outcome of the line behind the one that was decided last.
    pub(super) fn decide_of_several(&mut self, request: RequestName, outcome: Outcome<'static>) {
        if let Some(last) = self.decided.last_mut()
            && last.request.connection == request.connection
            && last.outcome.is_stored_for_all()
            && outcome.is_stored_for_all()
        {
            last.through = request.offset;
            return;
        }
        self.decided.push(Decided {
            request,
            through: request.offset,
            outcome,
            after: None,
            exceeded: self.exceeded.take(),
            is_repeated: false,
        });
    }
}
