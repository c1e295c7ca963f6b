//! Questions about the state that change nothing.

use std::net::IpAddr;

use chat_shared::protocol::name;
use chat_shared::rpc::{Message, MessageNumber};

use super::State;
use super::messages::StoredMessage;
use crate::entry::{AccountId, Stamp};

/// What there is to say to somebody who names a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Give the password.
    Password,
    /// No such account; there could be.
    Register,
    /// No such account, and none can be made; or it is disabled.
    Username,
    /// Logged in already.
    Connected,
    /// Blocked from this address.
    Blocked {
        /// Rounded up, at least 1.
        seconds_left: u64,
    },
}

/// How much of a queue is read at once.
#[derive(Clone, Copy, Debug)]
pub struct SliceLimits {
    /// Messages.
    pub messages: usize,
    /// Bytes of text; one message may go beyond.
    pub text_bytes: usize,
}

/// A part of a queue.
#[derive(Debug)]
pub struct QueueSlice<'a> {
    /// Oldest first.
    pub messages: Vec<Message<'a>>,
    /// The part that was asked for has more.
    pub more: bool,
}

impl State {
    /// Looks a user name up. A block comes before everything else that is said of an account.
    pub fn look_up(&self, user: &str, address: IpAddr, stamp: &Stamp) -> Named {
        let Some((id, record)) = self.account(user) else {
            return if name::may_be_registered(user) {
                Named::Register
            } else {
                Named::Username
            };
        };
        if let Some(seconds_left) = self.block_seconds_left(id, address, stamp) {
            Named::Blocked { seconds_left }
        } else if record.disabled {
            Named::Username
        } else if record.session.is_some() {
            Named::Connected
        } else {
            Named::Password
        }
    }

    /// Seconds of the block of this account from this address, rounded up.
    pub fn block_seconds_left(
        &self,
        account: AccountId,
        address: IpAddr,
        stamp: &Stamp,
    ) -> Option<u64> {
        self.failures
            .block_seconds_left(&Self::source(account, address), self.clock.time_at(stamp))
    }

    /// Names of the users online, sorted, one space between.
    pub fn online(&self) -> String {
        let mut names = String::new();
        for name in self.accounts.online_names() {
            if !names.is_empty() {
                names.push(' ');
            }
            names.push_str(name);
        }
        names
    }

    /// The same for those online now or within so many minutes.
    pub fn online_within(&self, minutes: u64, stamp: &Stamp) -> String {
        let now = self.clock.time_at(stamp);
        let since = super::StateMs(now.0.saturating_sub(minutes.saturating_mul(60_000)));
        self.accounts.names_seen_since(since).join(" ")
    }

    /// What of a queue comes after `after` and not after `through`, oldest first, as far as the limits go.
    pub fn read_queue(
        &self,
        account: AccountId,
        after: MessageNumber,
        through: MessageNumber,
        limits: SliceLimits,
    ) -> QueueSlice<'_> {
        let mut slice = QueueSlice {
            messages: Vec::new(),
            more: false,
        };
        let Some(found) = self.accounts.get(account) else {
            return slice;
        };
        let after = after.max(found.record.cursor);
        let direct = found
            .queue
            .after(after)
            .map(|queued| self.messages.get(queued.key));
        let broadcast = self
            .messages
            .broadcasts_after(after)
            .filter(|message| message.sender != account);
        let mut text_bytes = 0;
        for message in merge(direct, broadcast).take_while(|message| message.number <= through) {
            if slice.messages.len() >= limits.messages || text_bytes >= limits.text_bytes {
                slice.more = true;
                break;
            }
            text_bytes += message.text.len();
            slice.messages.push(self.readable(message));
        }
        slice
    }

    /// How many direct messages stand in a queue.
    pub fn queue_len(&self, account: AccountId) -> usize {
        self.accounts
            .get(account)
            .map_or(0, |account| account.queue.len())
    }

    fn readable<'a>(&'a self, message: &'a StoredMessage) -> Message<'a> {
        Message {
            number: message.number,
            wall_s: message.wall_s,
            sender: self
                .record(message.sender)
                .map_or("", |record| record.name.as_ref()),
            text: &message.text,
        }
    }
}

/// Two runs of messages by rising number as one.
fn merge<'a>(
    left: impl Iterator<Item = &'a StoredMessage>,
    right: impl Iterator<Item = &'a StoredMessage>,
) -> impl Iterator<Item = &'a StoredMessage> {
    let mut left = left.peekable();
    let mut right = right.peekable();
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(first), Some(second)) if second.number < first.number => right.next(),
        (Some(_), _) => left.next(),
        (None, _) => right.next(),
    })
}
