//! What is counted of messages and their readers.

/// Findings that are kept in words; more are only counted.
pub(super) const MAX_FINDINGS: usize = 20;

/// What was counted about one audience, or about all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that were sent, each counted once.
    pub asked: u64,
    /// Lines that were written again, since the connection broke before the answer.
    pub asked_again: u64,
    /// Answered `sent:`.
    pub acknowledged: u64,
    /// Answered with a refusal.
    pub refused: u64,
    /// Different messages that were received.
    pub received: u64,
    /// The same, counted for each reader.
    pub delivered: u64,
    /// Stored and never received, counted for each reader.
    pub lost: u64,
    /// Received again where that is not allowed, with a second number or that of another message, or in spite of a
    /// refusal.
    pub doubled: u64,
    /// Received after a later one, in another order than by another reader, or with a number smaller than that before.
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
        self.asked_again += other.asked_again;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.received += other.received;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.out_of_order += other.out_of_order;
        self.repeated += other.repeated;
        self.foreign += other.foreign;
        self.unanswered_received += other.unanswered_received;
        self.unanswered_gone += other.unanswered_gone;
    }
}
