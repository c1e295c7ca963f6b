//! What became of each message from one sender to one reader, and whether the promises were kept.

/// Findings that are kept in words; more are only counted.
const MAX_FINDINGS: usize = 20;

/// What was counted about a pair, or about all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// `send` lines written.
    pub asked: u64,
    /// Answered `sent:`.
    pub acknowledged: u64,
    /// Answered with a refusal.
    pub refused: u64,
    /// Different messages that were received.
    pub received: u64,
    /// Acknowledged and never received.
    pub lost: u64,
    /// Received again where that is not allowed, with a number that was there before, or in spite of a refusal.
    pub doubled: u64,
    /// Received after a later one, or with a number smaller than the one before.
    pub out_of_order: u64,
    /// Received again after a broken connection, as promise 2 allows.
    pub repeated: u64,
    /// Texts that nobody sent to this reader.
    pub foreign: u64,
    /// Never answered, since the connection broke, and received.
    pub unanswered_received: u64,
    /// Never answered, and not received.
    pub unanswered_gone: u64,
}

impl Counts {
    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.asked += other.asked;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.received += other.received;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.out_of_order += other.out_of_order;
        self.repeated += other.repeated;
        self.foreign += other.foreign;
        self.unanswered_received += other.unanswered_received;
        self.unanswered_gone += other.unanswered_gone;
    }
}

/// What the sender knows of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unanswered,
    Acknowledged,
    Refused,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    fate: Fate,
    is_received: bool,
}

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
/// before anything new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeats {
    Forbidden,
    /// This one or a later one may be the first.
    Possible {
        first: u32,
    },
    /// They have begun; this one has to be the next.
    Going {
        next: u32,
    },
}

/// The messages of one pair, numbered from 0 by their sender.
#[derive(Debug)]
pub struct Ledger {
    entries: Vec<Entry>,
    /// The latest that was received.
    last: Option<u32>,
    last_number: u64,
    /// This one and all before it were confirmed by lines of the reader's own.
    confirmed: Option<u32>,
    repeats: Repeats,
    /// Sessions of the reader so far.
    sessions: u32,
    counts: Counts,
    findings: Vec<String>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            last: None,
            last_number: 0,
            confirmed: None,
            repeats: Repeats::Forbidden,
            sessions: 0,
            counts: Counts::default(),
            findings: Vec::new(),
        }
    }
}

impl Ledger {
    /// The sender writes one more; its sequence number.
    pub fn ask(&mut self) -> u32 {
        self.entries.push(Entry {
            fate: Fate::Unanswered,
            is_received: false,
        });
        self.counts.asked += 1;
        // A run of four thousand million messages of one pair is out of reach.
        (self.entries.len() - 1) as u32
    }

    /// The sender was told `sent:`.
    pub fn acknowledge(&mut self, sequence: u32) {
        self.counts.acknowledged += 1;
        self.entries[sequence as usize].fate = Fate::Acknowledged;
    }

    /// The sender was told that nothing was done.
    pub fn refuse(&mut self, sequence: u32) {
        self.counts.refused += 1;
        self.entries[sequence as usize].fate = Fate::Refused;
    }

    /// The reader's session begins.
    pub fn begin_session(&mut self, may_repeat: MayRepeat) {
        self.sessions += 1;
        match may_repeat {
            MayRepeat::Nothing => self.confirmed = self.last,
            MayRepeat::Unconfirmed => {}
            MayRepeat::Everything => self.confirmed = None,
        }
        let first = self.confirmed.map_or(0, |confirmed| confirmed + 1);
        self.repeats = match may_repeat {
            MayRepeat::Nothing => Repeats::Forbidden,
            MayRepeat::Unconfirmed | MayRepeat::Everything => Repeats::Possible { first },
        };
    }

    /// The reader has confirmed this message and all before it.
    pub fn confirm(&mut self, sequence: u32) {
        self.confirmed = self.confirmed.max(Some(sequence));
    }

    /// Whether the last message of the sender is still to be received.
    pub fn is_last_awaited(&self) -> bool {
        self.entries.last().is_some_and(|entry| !entry.is_received)
    }

    /// What waited at the login has come.
    pub fn caught_up(&mut self) {
        self.end_repeats();
    }

    /// The reader received a message; `number` is what stands in the line with `ids on`.
    pub fn receive(&mut self, sequence: u32, number: Option<u64>) {
        if let Some(number) = number {
            self.check_number(sequence, number);
        }
        let Some(entry) = self.entries.get_mut(sequence as usize) else {
            self.receive_foreign("a message that was not sent yet");
            return;
        };
        if entry.is_received {
            return self.receive_again(sequence, number);
        }
        entry.is_received = true;
        self.end_repeats();
        self.counts.received += 1;
        if let Some(last) = self.last.filter(|last| *last > sequence) {
            self.counts.out_of_order += 1;
            self.find(format!("message {sequence} came after {last}"));
        }
        self.last = self.last.max(Some(sequence));
    }

    /// The reader received a text that is none of its sender's.
    pub fn receive_foreign(&mut self, what: &str) {
        self.counts.foreign += 1;
        self.find(format!("the reader was sent {what}"));
    }

    /// Messages the sender was told are sent, or whose fate is unknown, that have not been received.
    pub fn is_complete(&self) -> bool {
        let is_missing = |entry: &Entry| entry.fate == Fate::Acknowledged && !entry.is_received;
        !self.entries.iter().any(is_missing)
    }

    /// All that can come has come: the counts, and the first findings in words.
    pub fn close(mut self) -> (Counts, Vec<String>) {
        for (sequence, entry) in std::mem::take(&mut self.entries).iter().enumerate() {
            match (entry.fate, entry.is_received) {
                (Fate::Acknowledged, false) => {
                    self.counts.lost += 1;
                    self.find(format!("message {sequence} was acknowledged and is lost"));
                }
                (Fate::Refused, true) => {
                    self.counts.doubled += 1;
                    self.find(format!("message {sequence} was refused and came"));
                }
                (Fate::Unanswered, true) => self.counts.unanswered_received += 1,
                (Fate::Unanswered, false) => self.counts.unanswered_gone += 1,
                (Fate::Acknowledged, true) | (Fate::Refused, false) => {}
            }
        }
        (self.counts, self.findings)
    }

    fn check_number(&mut self, sequence: u32, number: u64) {
        if number == self.last_number {
            self.counts.doubled += 1;
            self.find(format!("number {number} came twice, now with {sequence}"));
        } else if number < self.last_number {
            self.counts.out_of_order += 1;
            let last = self.last_number;
            self.find(format!(
                "message {sequence} has number {number}, after {last}"
            ));
        }
        self.last_number = self.last_number.max(number);
    }

    fn receive_again(&mut self, sequence: u32, number: Option<u64>) {
        let is_allowed = match self.repeats {
            Repeats::Forbidden => false,
            Repeats::Possible { first } => first <= sequence,
            Repeats::Going { next } => next == sequence,
        };
        if !is_allowed {
            self.counts.doubled += 1;
            let repeats = self.repeats;
            self.find(format!(
                "message {sequence} came again, number {number:?} (repeats: {repeats:?}, session {}, last {:?})",
                self.sessions, self.last
            ));
            return;
        }
        self.counts.repeated += 1;
        let later = (sequence + 1..).zip(self.entries.iter().skip(sequence as usize + 1));
        let mut received = later.filter(|(_, entry)| entry.is_received);
        self.repeats = match received.next() {
            Some((next, _)) => Repeats::Going { next },
            None => Repeats::Forbidden,
        };
    }

    /// Nothing more may be repeated; what began to be has to have been repeated to its end.
    fn end_repeats(&mut self) {
        if let Repeats::Going { next } = self.repeats {
            self.counts.out_of_order += 1;
            self.find(format!("earlier messages came again, but not {next}"));
        }
        self.repeats = Repeats::Forbidden;
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger_of(messages: u32) -> Ledger {
        let mut ledger = Ledger::default();
        for sequence in 0..messages {
            assert_eq!(ledger.ask(), sequence);
            ledger.acknowledge(sequence);
        }
        ledger.begin_session(MayRepeat::Nothing);
        ledger.caught_up();
        ledger
    }

    fn receive_all(ledger: &mut Ledger, sequences: &[u32]) {
        for sequence in sequences {
            ledger.receive(*sequence, None);
        }
    }

    fn begin_after_break(ledger: &mut Ledger, waiting: &[u32]) {
        ledger.begin_session(MayRepeat::Everything);
        receive_all(ledger, waiting);
        ledger.caught_up();
    }

    fn begin_after_death(ledger: &mut Ledger, waiting: &[u32]) {
        ledger.begin_session(MayRepeat::Unconfirmed);
        receive_all(ledger, waiting);
        ledger.caught_up();
    }

    fn violations(ledger: Ledger) -> (u64, u64, u64) {
        let (counts, findings) = ledger.close();
        let violations = (counts.lost, counts.doubled, counts.out_of_order);
        assert_eq!(violations == (0, 0, 0), findings.is_empty(), "{findings:?}");
        violations
    }

    #[test]
    fn all_in_order_once_is_well() {
        let mut ledger = ledger_of(3);
        assert!(!ledger.is_complete());
        receive_all(&mut ledger, &[0, 1, 2]);
        assert!(ledger.is_complete());
        assert_eq!(violations(ledger), (0, 0, 0));
    }

    #[test]
    fn acknowledged_message_that_never_came_is_lost() {
        let mut ledger = ledger_of(3);
        receive_all(&mut ledger, &[0, 2]);
        assert_eq!(violations(ledger), (1, 0, 0));
    }

    #[test]
    fn refused_message_must_not_arrive() {
        let mut ledger = Ledger::default();
        for _ in 0..3 {
            ledger.ask();
        }
        ledger.refuse(2);
        receive_all(&mut ledger, &[1, 2]);
        let (counts, findings) = ledger.close();
        assert_eq!((counts.unanswered_received, counts.unanswered_gone), (1, 1));
        assert_eq!((counts.doubled, findings.len()), (1, 1));
    }

    #[test]
    fn message_twice_in_session_is_doubled() {
        let mut ledger = ledger_of(3);
        receive_all(&mut ledger, &[0, 1, 1, 2]);
        assert_eq!(violations(ledger), (0, 1, 0));
    }

    #[test]
    fn message_again_after_good_end_is_doubled() {
        let mut ledger = ledger_of(2);
        receive_all(&mut ledger, &[0, 1]);
        ledger.begin_session(MayRepeat::Nothing);
        ledger.receive(1, None);
        ledger.caught_up();
        assert_eq!(violations(ledger), (0, 1, 0));
    }

    #[test]
    fn last_ones_may_come_again_after_break() {
        let mut ledger = ledger_of(5);
        receive_all(&mut ledger, &[0, 1, 2]);
        begin_after_break(&mut ledger, &[1, 2, 3]);
        begin_after_break(&mut ledger, &[3, 4]);
        begin_after_break(&mut ledger, &[]);
        assert_eq!(ledger.counts.repeated, 3);
        assert_eq!(violations(ledger), (0, 0, 0));
    }

    #[test]
    fn repeats_must_be_last_ones() {
        let mut skipped = ledger_of(5);
        receive_all(&mut skipped, &[0, 1, 2, 3]);
        begin_after_break(&mut skipped, &[1, 3, 4]);
        assert_ne!(violations(skipped), (0, 0, 0));
        let mut cut = ledger_of(5);
        receive_all(&mut cut, &[0, 1, 2]);
        begin_after_break(&mut cut, &[1]);
        receive_all(&mut cut, &[3, 4]);
        assert_eq!(violations(cut), (0, 0, 1));
    }

    #[test]
    fn what_came_again_twice_is_doubled() {
        let mut ledger = ledger_of(2);
        receive_all(&mut ledger, &[0, 1]);
        begin_after_break(&mut ledger, &[1, 1]);
        assert_eq!(violations(ledger), (0, 1, 0));
    }

    #[test]
    fn after_death_only_unconfirmed_may_repeat() {
        let mut ledger = ledger_of(5);
        receive_all(&mut ledger, &[0, 1, 2, 3]);
        ledger.confirm(1);
        begin_after_death(&mut ledger, &[2, 3]);
        begin_after_death(&mut ledger, &[3, 4]);
        assert_eq!(violations(ledger), (0, 0, 0));
        let mut doubled = ledger_of(3);
        receive_all(&mut doubled, &[0, 1, 2]);
        doubled.confirm(1);
        begin_after_death(&mut doubled, &[1, 2]);
        assert_ne!(violations(doubled), (0, 0, 0));
    }

    #[test]
    fn logout_confirms_and_broken_worker_forgets() {
        let mut ledger = ledger_of(2);
        receive_all(&mut ledger, &[0, 1]);
        ledger.begin_session(MayRepeat::Nothing);
        begin_after_death(&mut ledger, &[1]);
        assert_eq!(violations(ledger), (0, 1, 0));
        let mut ledger = ledger_of(2);
        receive_all(&mut ledger, &[0, 1]);
        ledger.confirm(1);
        begin_after_break(&mut ledger, &[0, 1]);
        begin_after_death(&mut ledger, &[0, 1]);
        assert_eq!(violations(ledger), (0, 0, 0));
    }

    #[test]
    fn missing_messages_are_skipped_in_repeats() {
        let mut ledger = Ledger::default();
        for _ in 0..4 {
            ledger.ask();
        }
        ledger.acknowledge(0);
        ledger.acknowledge(3);
        receive_all(&mut ledger, &[0, 3]);
        begin_after_break(&mut ledger, &[0, 3]);
        assert_eq!(violations(ledger), (0, 0, 0));
    }

    #[test]
    fn late_message_is_out_of_order() {
        let mut ledger = ledger_of(3);
        receive_all(&mut ledger, &[0, 2, 1]);
        assert_eq!(violations(ledger), (0, 0, 1));
    }

    #[test]
    fn numbers_grow_and_are_never_same() {
        let mut ledger = ledger_of(3);
        for (sequence, number) in [(0, 5), (1, 5), (2, 4)] {
            ledger.receive(sequence, Some(number));
        }
        assert_eq!(violations(ledger), (0, 1, 1));
    }

    #[test]
    fn message_nobody_sent_is_foreign() {
        let mut ledger = ledger_of(1);
        receive_all(&mut ledger, &[0, 1]);
        let (counts, _) = ledger.close();
        assert_eq!(counts.foreign, 1);
    }
}
