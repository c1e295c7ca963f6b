//! What the promises of the protocol demand, followed from what clients did and saw.

mod connections;
mod history;
mod queues;
mod seats;
mod takeovers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use chat_model::{MessageNumber, UserSession};

use self::connections::Connection;
use self::history::KeptAfter;
pub(crate) use self::history::{HistoryAnswer, HistoryQuestion};
use self::seats::SeatState;
use self::takeovers::Logins;
use crate::worker::TcpId;

/// Number of a message in the simulation; its text is `m` and this.
pub(crate) type MessageId = usize;

/// Number of an account in the simulation.
pub(crate) type User = usize;

/// Number of a session of an account in the simulation. Several clients may log in to it, one after the other.
pub(crate) type Seat = usize;

/// What the simulation's state daemon is set to: an unused place goes after so long.
pub(crate) const UNUSED_MS: u64 = 20_000;

/// What its sender knows of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// No answer came, and none may ever.
    Unknown,
    Acknowledged,
    Refused,
}

#[derive(Debug)]
struct Message {
    sender: User,
    /// Messages of one sequence keep their order.
    sequence: u64,
    readers: Vec<User>,
    /// Those whose names it bears.
    named: Vec<User>,
    /// Those who certainly are to get it, and how often each had lost its place when it was sent.
    seats: Vec<(Seat, u32)>,
    /// For every account, those too that are being made.
    is_broadcast: bool,
    /// For all members of the room, those too whose joining is not known to have come about.
    is_for_room: bool,
    fate: Fate,
    /// As which of those that were.
    acknowledged_at: Option<usize>,
}

/// The accounts' queues as they must be.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    names: Vec<String>,
    seats: Vec<SeatState>,
    messages: Vec<Message>,
    connections: BTreeMap<TcpId, Connection>,
    /// Acknowledged messages, by reader, that must still wait.
    must_wait: BTreeMap<Seat, BTreeSet<MessageId>>,
    /// What had left a queue, or was surely confirmed, and must not come back.
    left: BTreeSet<(Seat, MessageId)>,
    /// What connections that are over proved: these may have left.
    may_have_left: BTreeSet<(Seat, MessageId)>,
    /// Until when, in boot time, no login may be granted.
    blocks: BTreeMap<(User, IpAddr), u64>,
    pub(crate) acknowledged: usize,
    /// How often a message was surely confirmed by a line.
    pub(crate) confirmed: usize,
    pub(crate) read: BTreeSet<(Seat, MessageId)>,
    /// Users who are certainly members of the room, and those who may be.
    members: BTreeSet<User>,
    may_be_members: BTreeSet<User>,
    /// The numbers of messages: the same in each queue.
    numbers: BTreeMap<MessageId, MessageNumber>,
    kept_after: KeptAfter,
    logins: Logins,
    /// Messages in answers of the history.
    pub(crate) history_lines: usize,
    /// How many messages of the room were acknowledged.
    pub(crate) of_room: usize,
    /// Messages that were read again, over another connection.
    pub(crate) repeats: usize,
    /// Places that were given up.
    pub(crate) places_lost: usize,
    /// Connections that were taken over.
    pub(crate) replaced: usize,
    /// Messages by `once` that were sent again, over another connection.
    pub(crate) repeated_sends: usize,
}

impl Oracle {
    pub(crate) fn new(names: Vec<String>, seats: &[(User, UserSession)]) -> Self {
        let seats = seats.iter();
        let seats = seats.map(|(user, session)| SeatState::new(*user, *session));
        Self {
            names,
            seats: seats.collect(),
            ..Self::default()
        }
    }

    /// A client is about to send a message.
    pub(crate) fn new_message(
        &mut self,
        (sender, sequence): (User, u64),
        readers: Vec<User>,
        is_broadcast: bool,
    ) -> MessageId {
        let seats = self.seats.iter().enumerate();
        let certain = seats.filter(|(_, seat)| seat.has_place && readers.contains(&seat.user));
        let seats = certain.map(|(number, seat)| (number, seat.lost)).collect();
        self.messages.push(Message {
            sender,
            sequence,
            seats,
            named: if is_broadcast {
                Vec::new()
            } else {
                readers.clone()
            },
            readers,
            is_broadcast,
            is_for_room: false,
            fate: Fate::Unknown,
            acknowledged_at: None,
        });
        self.messages.len() - 1
    }

    /// A member is about to send a message to the room and to others.
    pub(crate) fn new_room_message(&mut self, sender: (User, u64), named: Vec<User>) -> MessageId {
        let members = self.members.iter().copied();
        let members = members.filter(|member| *member != sender.0);
        let readers = named.iter().copied().chain(members).collect();
        let id = self.new_message(sender, readers, false);
        self.messages[id].named = named;
        self.messages[id].is_for_room = true;
        id
    }

    /// A user is about to join the room.
    pub(crate) fn may_join(&mut self, user: User) {
        self.may_be_members.insert(user);
    }

    /// A user was told to be a member. Nobody leaves the room.
    pub(crate) fn joined(&mut self, user: User) {
        self.members.insert(user);
    }

    pub(crate) fn is_member(&self, user: User) -> bool {
        self.members.contains(&user)
    }

    /// Its sender was told of a message.
    pub(crate) fn told(&mut self, message: MessageId, fate: Fate) {
        self.messages[message].fate = fate;
        if fate == Fate::Acknowledged {
            self.acknowledged += 1;
            let acknowledged_at = self.acknowledged;
            self.messages[message]
                .acknowledged_at
                .get_or_insert(acknowledged_at);
            self.of_room += usize::from(self.messages[message].is_for_room);
            for (seat, lost) in self.messages[message].seats.clone() {
                if self.seats[seat].lost == lost && !self.left.contains(&(seat, message)) {
                    self.must_wait.entry(seat).or_default().insert(message);
                }
            }
        }
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Which messages keep their order with this one.
    pub(crate) fn sequence_of(&self, message: MessageId) -> Option<u64> {
        Some(self.messages.get(message)?.sequence)
    }

    /// A client read a message.
    pub(crate) fn read_message(
        &mut self,
        seat: Seat,
        sender: &str,
        message: MessageId,
    ) -> Result<(), String> {
        let reader = self.seats[seat].user;
        let known = self
            .messages
            .get(message)
            .ok_or_else(|| format!("m{message} was never sent"))?;
        if self.names[known.sender] != sender {
            return Err(format!("m{message} bears the name of {sender}"));
        }
        if !self.may_reach(known, reader) {
            return Err(format!("m{message} is not for {}", self.names[reader]));
        }
        if known.fate == Fate::Refused {
            return Err(format!("m{message} was refused, and read"));
        }
        if self.seats[seat].session == UserSession::SendOnly {
            return Err(format!("m{message} came to a session that only sends"));
        }
        let is_new = self.read.insert((seat, message));
        self.repeats += usize::from(!is_new);
        Ok(())
    }

    pub(crate) fn blocked(&mut self, user: User, address: IpAddr, until_ms: u64) {
        self.blocks.insert((user, address), until_ms);
    }

    /// The host was booted: blocks now go by a clock that anyone can set.
    pub(crate) fn forget_blocks(&mut self) {
        self.blocks.clear();
        for seat in &mut self.seats {
            seat.host_was_booted();
        }
    }

    pub(crate) fn is_blocked(&self, user: User, address: IpAddr, now_ms: u64) -> bool {
        self.blocks
            .get(&(user, address))
            .is_some_and(|until_ms| now_ms < *until_ms)
    }

    fn may_reach(&self, message: &Message, reader: User) -> bool {
        let is_of_many =
            message.is_broadcast || message.is_for_room && self.may_be_members.contains(&reader);
        message.readers.contains(&reader) || is_of_many && reader != message.sender
    }
}

/// The message in a line `[time] sender: mN` or `[time] #number sender: mN`.
pub(crate) fn message_of(line: &str) -> Option<MessageId> {
    let (_, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let (_, text) = rest.split_once(": ")?;
    id_of(text)
}

/// The sender in such a line, or in one of the room: `[time] sender #room: mN`.
pub(crate) fn sender_of(line: &str) -> Option<&str> {
    let (_, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let (sender, _) = rest.split_once(": ")?;
    let sender = sender.strip_suffix(" #room").unwrap_or(sender);
    Some(sender.rsplit(' ').next().unwrap_or(sender))
}

fn id_of(text: &str) -> Option<MessageId> {
    text.strip_prefix('m')?.parse().ok()
}
