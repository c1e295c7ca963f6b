//! The history: what an answer must have, and what it must not.

use std::collections::BTreeSet;

use chat_model::MessageNumber;
use chat_stated::state::State;
use fastrand::Rng;

use super::{Fate, Message, MessageId, Oracle, User};

/// Found messages that an answer has at most.
const MAX_FOUND: usize = 50;

/// Whose messages are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Room,
    /// One's conversation with this user.
    User(User),
    /// All that one may read.
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Newest(usize),
    Before(u64, usize),
    After(u64, usize),
    /// Whose text begins so.
    Words(MessageId),
}

/// What a client asked of the history, and what was known then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HistoryQuestion {
    asker: User,
    of: Of,
    part: Part,
    /// So many messages were acknowledged.
    acknowledged: usize,
    was_member: bool,
    there_was_a_room: bool,
    kept_after: KeptAfter,
}

/// Behind which messages all is in the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeptAfter {
    direct: MessageNumber,
    room: MessageNumber,
}

/// The answer, as far as it was read.
#[derive(Debug)]
pub(crate) struct HistoryAnswer {
    question: HistoryQuestion,
    pub(crate) missing_lines: usize,
    has_more: bool,
    found: Vec<(MessageNumber, MessageId)>,
}

impl HistoryQuestion {
    pub(crate) fn line(&self, names: &[String]) -> String {
        let of = match self.of {
            Of::Room => "#room",
            Of::User(user) => &names[user],
            Of::All => "*",
        };
        match self.part {
            Part::Newest(count) => format!("history {of} {count}"),
            Part::Before(number, count) => format!("history {of} {count} before {number}"),
            Part::After(number, count) => format!("history {of} {count} after {number}"),
            Part::Words(begin) => format!("search {of} m{begin}"),
        }
    }

    fn is_search(&self) -> bool {
        matches!(self.part, Part::Words(_))
    }

    /// Whether a first line is an answer. If messages follow, they are to be taken by what is given back.
    pub(crate) fn answered(self, line: &str) -> Result<Option<HistoryAnswer>, String> {
        let word = if self.is_search() {
            "search"
        } else {
            "history"
        };
        let count = line
            .strip_prefix(word)
            .and_then(|rest| rest.strip_prefix(':'));
        let more = count.and_then(|count| count.strip_suffix('+'));
        let has_more = more.is_some() && self.is_search();
        let count = if has_more { more } else { count };
        if let Some(Ok(missing_lines)) = count.map(str::parse) {
            return Ok(Some(HistoryAnswer {
                question: self,
                missing_lines,
                has_more,
                found: Vec::new(),
            }));
        }
        let is_denied = line == format!("error:denied:{word}");
        if is_denied && self.of == Of::Room && !self.there_was_a_room {
            return Ok(None);
        }
        match line == format!("error:busy:{word}") {
            true => Ok(None),
            false => Err(format!("not an answer to {self:?}")),
        }
    }

    /// Whether a message is among those that were asked for.
    fn means(&self, number: MessageNumber, id: MessageId) -> bool {
        match self.part {
            Part::Newest(_) => true,
            Part::Before(before, _) => number.0 < before,
            Part::After(after, _) => number.0 > after,
            Part::Words(begin) => format!("m{id}").starts_with(&format!("m{begin}")),
        }
    }

    /// Whether the asker may read a message as one to people, and as one to the room. If `surely` not, what is not
    /// known counts.
    fn covers(&self, oracle: &Oracle, message: &Message, surely: bool) -> (bool, bool) {
        let (asker, named) = (self.asker, &message.named);
        let is_with = |other: User| {
            message.sender == asker && named.contains(&other)
                || message.sender == other && named.contains(&asker)
        };
        let is_own = named.contains(&asker) || message.sender == asker && !named.is_empty();
        let is_member = match surely {
            true => self.was_member,
            false => oracle.may_be_members.contains(&asker),
        };
        match self.of {
            Of::Room => (false, message.is_for_room),
            Of::User(other) => (is_with(other), false),
            Of::All => (is_own, message.is_for_room && is_member),
        }
    }

    /// The same, as far as that is kept.
    fn reaches(
        &self,
        oracle: &Oracle,
        (number, id): (MessageNumber, MessageId),
        kept_after: KeptAfter,
        surely: bool,
    ) -> bool {
        let covered = self.covers(oracle, &oracle.messages[id], surely);
        let is_kept =
            covered.0 && number > kept_after.direct || covered.1 && number > kept_after.room;
        is_kept && self.means(number, id)
    }
}

impl HistoryAnswer {
    /// Takes a line `<time> #number sender: mN`, or `sender #room: mN`.
    pub(crate) fn take(&mut self, line: &str, oracle: &mut Oracle) -> Result<(), String> {
        self.missing_lines -= 1;
        let (number, sender, id) = parts(line).ok_or("no message of the history")?;
        let number = MessageNumber(number);
        let message = oracle
            .messages
            .get(id)
            .ok_or("a message that nobody sent")?;
        if oracle.names[message.sender] != sender {
            return Err(format!("m{id} bears the name of {sender}"));
        }
        if message.fate == Fate::Refused {
            return Err(format!("m{id} was refused, and is in the history"));
        }
        let question = &self.question;
        if !question.reaches(oracle, (number, id), question.kept_after, false) {
            return Err(format!("m{id} is no answer to {question:?}"));
        }
        if self.found.last().is_some_and(|(last, _)| *last >= number) {
            return Err(format!("m{id} stands behind a later one"));
        }
        if *oracle.numbers.entry(id).or_insert(number) != number {
            return Err(format!("m{id} has two places in the order of all messages"));
        }
        self.found.push((number, id));
        Ok(())
    }

    /// All lines are there: so must be what was acknowledged before the question, as far as it is kept.
    pub(crate) fn check(&self, oracle: &mut Oracle) -> Result<(), String> {
        let question = &self.question;
        let most = match question.part {
            Part::Newest(count) | Part::Before(_, count) | Part::After(_, count) => count,
            Part::Words(_) => MAX_FOUND,
        };
        if self.found.len() > most {
            return Err(format!("{} messages for {question:?}", self.found.len()));
        }
        oracle.history_lines += self.found.len();
        let is_cut = self.has_more || self.found.len() == most;
        let (first, last) = (self.found.first(), self.found.last());
        let is_behind_cut = |number: MessageNumber| {
            is_cut
                && match question.part {
                    Part::After(..) => last.is_some_and(|(last, _)| number > *last),
                    _ => first.is_some_and(|(first, _)| number < *first),
                }
        };
        let found: BTreeSet<MessageId> = self.found.iter().map(|(_, id)| *id).collect();
        for (id, number) in &oracle.numbers {
            let before = oracle.messages[*id].acknowledged_at;
            let is_certain = before.is_some_and(|before| before <= question.acknowledged)
                && question.reaches(oracle, (*number, *id), oracle.kept_after, true);
            if is_certain && !is_behind_cut(*number) && !found.contains(id) {
                return Err(format!("m{id} is missing in the answer to {question:?}"));
            }
        }
        Ok(())
    }
}

impl Oracle {
    /// A client is about to ask the history for something.
    pub(crate) fn new_question(&mut self, asker: User, rng: &mut Rng) -> HistoryQuestion {
        let part = match rng.u8(..4) {
            0 => Part::Newest(rng.usize(1..30)),
            1 => Part::Before(self.some_number(rng), rng.usize(1..30)),
            2 => Part::After(self.some_number(rng), rng.usize(1..30)),
            _ => Part::Words(rng.usize(..self.messages.len().max(1))),
        };
        let of = match (part, rng.u8(..4)) {
            (_, 0) => Of::Room,
            (Part::Words(_), 1) => Of::All,
            _ => Of::User(rng.usize(..self.names.len())),
        };
        HistoryQuestion {
            asker,
            of,
            part,
            acknowledged: self.acknowledged,
            was_member: self.members.contains(&asker),
            there_was_a_room: !self.members.is_empty(),
            kept_after: self.kept_after,
        }
    }

    fn some_number(&self, rng: &mut Rng) -> u64 {
        let newest = self.numbers.values().next_back();
        rng.u64(..newest.map_or(1, |newest| newest.0 + 2))
    }

    /// Takes what a durable state says of how much is kept.
    pub(super) fn note_kept(&mut self, state: &State) {
        let rooms = state.kept_rooms().map(|room| room.after);
        let kept_after = &mut self.kept_after;
        kept_after.direct = kept_after.direct.max(state.direct_kept_after());
        kept_after.room = rooms.fold(kept_after.room, MessageNumber::max);
    }
}

fn parts(line: &str) -> Option<(u64, &str, MessageId)> {
    let (_, rest) = line.strip_prefix('<')?.split_once("> #")?;
    let (head, text) = rest.split_once(": ")?;
    let (number, sender) = head.split_once(' ')?;
    let sender = sender.strip_suffix(" #room").unwrap_or(sender);
    Some((number.parse().ok()?, sender, super::id_of(text)?))
}
