//! Messages: what is taken, and when one leaves a queue.

use chat_model::{NameList, Outcome};
use chat_stated::state::{MESSAGE_BYTES, READER_BYTES, SHARE_BYTES};

use super::*;

pub(super) const TOKEN_BYTES: u64 = 128;

impl Model {
    pub(super) fn has_room(&self, reader: usize, sender: usize, text_bytes: u64) -> bool {
        let queue = self.accounts[reader].queue();
        let counting: Vec<&Waiting> = queue
            .iter()
            .filter(|message| message.is_named && !message.received)
            .collect();
        let bytes_of = |messages: &[&Waiting]| -> u64 {
            messages
                .iter()
                .map(|message| message.text.len() as u64)
                .sum()
        };
        let of_sender: Vec<&Waiting> = counting
            .iter()
            .copied()
            .filter(|message| message.sender == sender)
            .collect();
        let limits = &self.limits;
        let percent = u64::from(limits.sender_share_percent);
        let share_messages = (u64::from(limits.queue_messages) * percent / 100).max(1);
        let share_bytes = limits.queue_bytes * percent / 100;
        (counting.len() as u64) < u64::from(limits.queue_messages)
            && bytes_of(&counting) + text_bytes <= limits.queue_bytes
            && (of_sender.len() as u64) < share_messages
            && bytes_of(&of_sender) + text_bytes <= share_bytes
    }

    pub(super) fn send(
        &mut self,
        sender: usize,
        recipients: &NameList<'_>,
        text: &str,
        wall_ms: i64,
        outcome: &mut Applied,
    ) -> Outcome<'static> {
        let mut unknown: Vec<String> = Vec::new();
        let mut readers = BTreeSet::new();
        let mut named = Vec::new();
        for name in recipients.iter() {
            match self.id_of(name) {
                Some(id) if readers.insert(id) => named.push(Named::Account(id)),
                Some(_) => {}
                None if !unknown.iter().any(|other| other == name) => unknown.push(name.to_owned()),
                None => {}
            }
        }
        let text_bytes = text.len() as u64;
        let bytes = MESSAGE_BYTES + text_bytes + READER_BYTES * readers.len() as u64;
        let counts_sender = |reader: &&usize| self.counted_senders(**reader).contains(&sender);
        let new_shares = readers.len() - readers.iter().filter(counts_sender).count();
        if !readers.is_empty()
            && let Some(refusal) = self.waiting_refusal(sender, bytes, 0)
        {
            return refusal;
        }
        if readers
            .iter()
            .any(|reader| !self.has_room(*reader, sender, text_bytes))
        {
            return Outcome::QueueFull;
        }
        if !readers.is_empty()
            && let Some(refusal) = self.waiting_refusal(sender, bytes, new_shares)
        {
            return refusal;
        }
        if !readers.is_empty() {
            self.count_message(wall_ms);
        }
        let names = readers.len();
        for reader in readers {
            self.put((reader, names), sender, text, false);
            for place in &mut self.accounts[reader].places {
                let message = place.queue.last_mut().expect("it was put");
                message.named.clone_from(&named);
            }
            outcome.reached.insert(reader as u32);
        }
        let unknown = unknown.iter().map(String::as_str).collect();
        Outcome::Stored { unknown }
    }

    /// Each message that waits, once: its sender, and what it takes.
    fn waiting_messages_bytes(&self) -> BTreeMap<u64, (usize, u64)> {
        let queues = self.accounts.iter().flat_map(Account::queue);
        let bytes = |message: &Waiting| {
            let text_bytes = message.text.len() as u64;
            MESSAGE_BYTES + text_bytes + READER_BYTES * message.readers as u64
        };
        queues
            .map(|message| (message.number, (message.sender, bytes(&message))))
            .collect()
    }

    /// Whose messages count in a queue.
    pub(super) fn counted_senders(&self, reader: usize) -> BTreeSet<usize> {
        let queue = self.accounts[reader].queue().into_iter();
        queue
            .filter(|message| message.is_named && !message.received)
            .map(|message| message.sender)
            .collect()
    }

    pub(crate) fn waiting_bytes(&self) -> u64 {
        let messages = self.waiting_messages_bytes();
        let messages: u64 = messages.values().map(|(_, bytes)| bytes).sum();
        let readers = 0..self.accounts.len();
        let shares: usize = readers
            .map(|reader| self.counted_senders(reader).len())
            .sum();
        let tokens: usize = self.accounts.iter().map(|it| it.tokens.len()).sum();
        let others = self.sent_once.bytes() + TOKEN_BYTES * tokens as u64;
        messages + SHARE_BYTES * shares as u64 + others
    }

    pub(super) fn waiting_refusal(
        &self,
        sender: usize,
        bytes: u64,
        new_shares: usize,
    ) -> Option<Outcome<'static>> {
        let messages = self.waiting_messages_bytes();
        let own = messages.values().filter(|(from, _)| *from == sender);
        let own: u64 = own.map(|(_, bytes)| bytes).sum();
        let tokens = self.accounts[sender].tokens.len() as u64;
        let own = own + self.sent_once.bytes_of(sender) + TOKEN_BYTES * tokens;
        let WaitingLimits {
            bytes: all,
            sender_percent,
        } = self.waiting_limits;
        let added = bytes + SHARE_BYTES * new_shares as u64;
        if self.waiting_bytes() + added > all {
            return Some(Outcome::DiskFull);
        }
        let free = all.saturating_sub(self.waiting_bytes());
        let share = u128::from(free) * u128::from(sender_percent) / 100;
        (u128::from(own + bytes) > share).then_some(Outcome::QueueFull)
    }

    pub(super) fn count_message(&mut self, wall_ms: i64) {
        self.last_message += 1;
        self.last_message_ms = wall_ms.max(self.last_message_ms + 1);
    }

    pub(super) fn put(
        &mut self,
        (reader, names): (usize, usize),
        sender: usize,
        text: &str,
        broadcast: bool,
    ) {
        let message = Waiting {
            number: self.last_message,
            time_ms: self.last_message_ms,
            sender,
            text: text.to_owned(),
            broadcast,
            is_named: !broadcast,
            by_rooms: BTreeSet::new(),
            in_rooms: BTreeSet::new(),
            to_rooms: ToRooms::default(),
            named: Vec::new(),
            readers: names,
            received: false,
        };
        for place in &mut self.accounts[reader].places {
            place.queue.push(message.clone());
        }
    }

    pub(super) fn broadcast(
        &mut self,
        sender: usize,
        text: &str,
        wall_ms: i64,
        outcome: &mut Applied,
    ) -> Outcome<'static> {
        let waiting: BTreeMap<u64, usize> = self
            .accounts
            .iter()
            .flat_map(Account::queue)
            .filter(|message| message.broadcast)
            .map(|message| (message.number, message.text.len()))
            .collect();
        let bytes = waiting.values().sum::<usize>() + text.len();
        if waiting.len() >= self.limits.broadcast_messages as usize
            || bytes as u64 > self.limits.broadcast_bytes
        {
            return Outcome::QueueFull;
        }
        let bytes = MESSAGE_BYTES + text.len() as u64;
        if let Some(refusal) = self.waiting_refusal(sender, bytes, 0) {
            return refusal;
        }
        if !self.may_broadcast(sender) {
            return Outcome::QueueFull;
        }
        self.count_message(wall_ms);
        let gets = |reader: &usize| *reader != sender && self.accounts[*reader].gets_broadcasts;
        let readers: Vec<usize> = (0..self.accounts.len()).filter(gets).collect();
        for reader in readers {
            self.put((reader, 0), sender, text, true);
            outcome.broadcast = true;
        }
        Outcome::Stored {
            unknown: NameList::new(),
        }
    }

    /// So many broadcasts at once, then evenly over a minute.
    pub(super) fn may_broadcast(&mut self, sender: usize) -> bool {
        let per_minute = u64::from(self.limits.broadcasts_per_minute);
        let full = per_minute * MS_PER_MINUTE;
        let left = match self.accounts[sender].allowance {
            None => full,
            Some((left, at_ms)) => full.min(left + (self.now_ms - at_ms) * per_minute),
        };
        if left < MS_PER_MINUTE {
            return false;
        }
        self.accounts[sender].allowance = Some((left - MS_PER_MINUTE, self.now_ms));
        true
    }
}
