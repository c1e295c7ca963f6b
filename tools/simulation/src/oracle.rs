//! What the promises of the protocol demand, followed from what clients did and saw.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use chat_model::MessageNumber;
use chat_stated::state::{Reader, SliceLimits, State};

use crate::disk::Disk;
use crate::tcp::SeenAcknowledged;
use crate::worker::TcpId;

/// Number of a message in the simulation; its text is `m` and this.
pub(crate) type MessageId = usize;

/// Number of an account in the simulation.
pub(crate) type User = usize;

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
    /// Those who certainly are to get it.
    readers: Vec<User>,
    /// For every account, those too that are being made.
    is_broadcast: bool,
    /// For all members of the room, those too whose joining is not known to have come about.
    is_for_room: bool,
    fate: Fate,
}

/// What a client's host has of a message.
#[derive(Clone, Copy, Debug)]
struct AtClient {
    message: MessageId,
    since_ms: u64,
    /// How many bytes the client had sent by then.
    client_sent: u64,
    /// Where its line ends in the worker's stream.
    end: u64,
    /// How much of the client's stream the worker's host had when the worker saw that it is acknowledged.
    seen_at: Option<u64>,
}

/// What is known of a client's connection.
#[derive(Debug)]
struct Connection {
    user: User,
    at_client: Vec<AtClient>,
    /// The end of a line of which the client's host has only the beginning.
    partial_line: Vec<u8>,
    /// How much came to the client's host.
    arrived: u64,
    client_sent: u64,
    /// The beginning of a line that the client has not sent in whole.
    partial_client_line: Vec<u8>,
    /// Where the client's last whole line ends in its stream.
    last_line_end: u64,
    /// The client said `logout`: what its host has may leave the queue.
    has_logged_out: bool,
    is_push_on: bool,
    /// When the client's FIN or a reset came to the worker's host: from then on silence says nothing.
    ended_at_ms: Option<u64>,
}

/// The accounts' queues as they must be.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    names: Vec<String>,
    messages: Vec<Message>,
    connections: BTreeMap<TcpId, Connection>,
    /// Acknowledged messages, by reader, that must still wait.
    must_wait: BTreeMap<User, BTreeSet<MessageId>>,
    /// What had left a queue, or was surely confirmed, and must not come back.
    left: BTreeSet<(User, MessageId)>,
    /// What connections that are over proved: these may have left.
    may_have_left: BTreeSet<(User, MessageId)>,
    /// Until when, in boot time, no login may be granted.
    blocks: BTreeMap<(User, IpAddr), u64>,
    pub(crate) acknowledged: usize,
    /// How often a message was surely confirmed by a line.
    pub(crate) confirmed: usize,
    pub(crate) read: BTreeSet<(User, MessageId)>,
    /// Users who are certainly members of the room, and those who may be.
    members: BTreeSet<User>,
    may_be_members: BTreeSet<User>,
    /// The numbers of messages: the same in each queue.
    numbers: BTreeMap<MessageId, MessageNumber>,
    /// How many messages of the room were acknowledged.
    pub(crate) of_room: usize,
    /// Messages that were read again, over another connection.
    pub(crate) repeats: usize,
    /// Messages by `once` that were sent again, over another connection.
    pub(crate) repeated_sends: usize,
}

impl Oracle {
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self {
            names,
            ..Self::default()
        }
    }

    /// A client is about to send a message.
    pub(crate) fn new_message(
        &mut self,
        sender: User,
        readers: Vec<User>,
        is_broadcast: bool,
    ) -> MessageId {
        self.messages.push(Message {
            sender,
            readers,
            is_broadcast,
            is_for_room: false,
            fate: Fate::Unknown,
        });
        self.messages.len() - 1
    }

    /// A member is about to send a message to the room and to others.
    pub(crate) fn new_room_message(&mut self, sender: User, mut named: Vec<User>) -> MessageId {
        let members = self.members.iter().copied();
        named.extend(members.filter(|member| *member != sender));
        let id = self.new_message(sender, named, false);
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
            self.of_room += usize::from(self.messages[message].is_for_room);
            for reader in self.messages[message].readers.clone() {
                if !self.left.contains(&(reader, message)) {
                    self.must_wait.entry(reader).or_default().insert(message);
                }
            }
        }
    }

    /// A client connected, to log in as this user.
    pub(crate) fn opened(&mut self, tcp: TcpId, user: User) {
        self.connections.insert(
            tcp,
            Connection {
                user,
                at_client: Vec::new(),
                partial_line: Vec::new(),
                arrived: 0,
                client_sent: 0,
                partial_client_line: Vec::new(),
                last_line_end: 0,
                has_logged_out: false,
                is_push_on: false,
                ended_at_ms: None,
            },
        );
    }

    /// A client's host took this to be sent.
    pub(crate) fn client_sent(&mut self, tcp: TcpId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&tcp) else {
            return;
        };
        for byte in bytes {
            connection.client_sent += 1;
            if *byte != b'\n' {
                connection.partial_client_line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut connection.partial_client_line);
            connection.has_logged_out |= line == b"logout";
            connection.last_line_end = connection.client_sent;
        }
    }

    /// A client's FIN or a reset is at the worker's host.
    pub(crate) fn ended(&mut self, tcp: TcpId, now_ms: u64) {
        if let Some(connection) = self.connections.get_mut(&tcp) {
            connection.ended_at_ms.get_or_insert(now_ms);
        }
    }

    /// The worker saw that all it had written was acknowledged.
    pub(crate) fn worker_saw(&mut self, tcp: TcpId, seen: SeenAcknowledged) {
        let Some(connection) = self.connections.get_mut(&tcp) else {
            return;
        };
        let at_client = connection.at_client.iter_mut();
        for message in at_client.filter(|message| message.end <= seen.to_client) {
            message.seen_at.get_or_insert(seen.to_worker);
        }
    }

    /// What a client's line changed is on disk, and with it what the line confirms. It ends there in the client's
    /// stream.
    pub(crate) fn line_is_on_disk(&mut self, tcp: TcpId, end: u64) {
        let Some(connection) = self.connections.get(&tcp) else {
            return;
        };
        let is_confirmed =
            |message: &&AtClient| message.seen_at.is_some_and(|seen_at| seen_at < end);
        for message in connection.at_client.iter().filter(is_confirmed) {
            let is_new = self.left.insert((connection.user, message.message));
            self.confirmed += usize::from(is_new);
            if let Some(must_wait) = self.must_wait.get_mut(&connection.user) {
                must_wait.remove(&message.message);
            }
        }
    }

    pub(crate) fn push_may_be_on(&mut self, tcp: TcpId) {
        if let Some(connection) = self.connections.get_mut(&tcp) {
            connection.is_push_on = true;
        }
    }

    /// Bytes came to a client's host, which acknowledges them.
    pub(crate) fn arrived(&mut self, tcp: TcpId, bytes: &[u8], now_ms: u64) {
        let Some(connection) = self.connections.get_mut(&tcp) else {
            return;
        };
        for byte in bytes {
            connection.arrived += 1;
            if *byte != b'\n' {
                connection.partial_line.push(*byte);
                continue;
            }
            let line = String::from_utf8_lossy(&connection.partial_line).into_owned();
            connection.partial_line.clear();
            if let Some(message) = message_of(&line) {
                connection.at_client.push(AtClient {
                    message,
                    since_ms: now_ms,
                    client_sent: connection.client_sent,
                    end: connection.arrived,
                    seen_at: None,
                });
            }
        }
    }

    /// Nothing of a connection is left at either side.
    pub(crate) fn closed(&mut self, tcp: TcpId, now_ms: u64) {
        if let Some(connection) = self.connections.remove(&tcp) {
            let gone = connection.may_have_left(now_ms);
            let user = connection.user;
            self.may_have_left
                .extend(gone.map(|message| (user, message)));
        }
    }

    /// A client read a message.
    pub(crate) fn read_message(
        &mut self,
        reader: User,
        sender: &str,
        message: MessageId,
    ) -> Result<(), String> {
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
        let is_new = self.read.insert((reader, message));
        self.repeats += usize::from(!is_new);
        Ok(())
    }

    pub(crate) fn blocked(&mut self, user: User, address: IpAddr, until_ms: u64) {
        self.blocks.insert((user, address), until_ms);
    }

    /// The host was booted: blocks now go by a clock that anyone can set.
    pub(crate) fn forget_blocks(&mut self) {
        self.blocks.clear();
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

    /// Compares the queues with what they must hold.
    pub(crate) fn check(&mut self, state: &State, disk: &Disk, now_ms: u64) -> Result<(), String> {
        const ALL: SliceLimits = SliceLimits {
            messages: usize::MAX,
            text_bytes: usize::MAX,
        };
        for user in 0..self.names.len() {
            let Some((account, _)) = state.account(&self.names[user]) else {
                continue;
            };
            let (after, through) = (MessageNumber(0), MessageNumber(u64::MAX));
            let places =
                state.missing_texts(Reader::first(account), after, through, ALL, usize::MAX);
            let texts = disk.read_texts(&places)?;
            let slice = state.read_queue_with(Reader::first(account), after, through, ALL, &texts);
            if slice.more {
                return Err("a text is neither in memory nor in the checkpoint".into());
            }
            let mut waiting = BTreeSet::new();
            let mut last_of: BTreeMap<User, MessageId> = BTreeMap::new();
            for message in &slice.messages {
                let id = id_of(message.text).ok_or("a text that nobody sent")?;
                self.check_waiting(user, id, &mut last_of)?;
                if *self.numbers.entry(id).or_insert(message.number) != message.number {
                    return Err(format!("m{id} has two places in the order of all messages"));
                }
                if !waiting.insert(id) {
                    return Err(format!("m{id} waits twice for {}", self.names[user]));
                }
            }
            self.check_missing(user, &waiting, now_ms)?;
        }
        Ok(())
    }

    fn check_waiting(
        &self,
        user: User,
        id: MessageId,
        last_of: &mut BTreeMap<User, MessageId>,
    ) -> Result<(), String> {
        let name = &self.names[user];
        let message = self
            .messages
            .get(id)
            .ok_or_else(|| format!("m{id} waits for {name}, and was never sent"))?;
        if message.fate == Fate::Refused {
            return Err(format!("m{id} was refused, and waits for {name}"));
        }
        if !self.may_reach(message, user) {
            return Err(format!("m{id} waits for {name}, and is not for him"));
        }
        if self.left.contains(&(user, id)) {
            return Err(format!("m{id} came back into the queue of {name}"));
        }
        if last_of
            .insert(message.sender, id)
            .is_some_and(|last| last >= id)
        {
            return Err(format!("m{id} waits for {name} before an earlier one"));
        }
        Ok(())
    }

    fn check_missing(
        &mut self,
        user: User,
        waiting: &BTreeSet<MessageId>,
        now_ms: u64,
    ) -> Result<(), String> {
        let missing: Vec<MessageId> = match self.must_wait.get(&user) {
            Some(must_wait) => must_wait.difference(waiting).copied().collect(),
            None => return Ok(()),
        };
        for id in missing {
            let is_right = self.may_have_left.contains(&(user, id))
                || self
                    .connections
                    .values()
                    .filter(|connection| connection.user == user)
                    .any(|connection| connection.may_have_left(now_ms).any(|gone| gone == id));
            if !is_right {
                return Err(format!(
                    "m{id} was acknowledged and left the queue of {}, who does not surely have it",
                    self.names[user]
                ));
            }
            self.left.insert((user, id));
            if let Some(must_wait) = self.must_wait.get_mut(&user) {
                must_wait.remove(&id);
            }
        }
        Ok(())
    }

    /// Those who have not read all that was acknowledged and that their queue still held.
    pub(crate) fn unread_by(&self) -> BTreeSet<User> {
        let acknowledged = self
            .messages
            .iter()
            .enumerate()
            .filter(|(_, message)| message.fate == Fate::Acknowledged);
        acknowledged
            .flat_map(|(id, message)| message.readers.iter().map(move |reader| (*reader, id)))
            .filter(|copy| !self.read.contains(copy) && !self.left.contains(copy))
            .map(|(reader, _)| reader)
            .collect()
    }
}

impl Connection {
    /// Messages that may leave the queue by the second promise.
    fn may_have_left(&self, now_ms: u64) -> impl Iterator<Item = MessageId> {
        self.at_client
            .iter()
            .filter(move |at_client| {
                let silent_until_ms = self.ended_at_ms.unwrap_or(now_ms);
                self.has_logged_out
                    || self.last_line_end > at_client.client_sent
                    || (self.is_push_on && at_client.since_ms + 1_000 <= silent_until_ms)
            })
            .map(|at_client| at_client.message)
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
