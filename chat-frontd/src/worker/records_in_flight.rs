//! Which plaintext the peer's TCP has acknowledged, told from how much ciphertext it has.
//!
//! A record can be read only as a whole: until its last byte is acknowledged, nothing in it is.

/// Records that were handed to the kernel and perhaps not acknowledged yet.
#[derive(Debug, Default)]
pub(super) struct RecordsInFlight {
    /// Where each ends in the stream of ciphertext, and where what it holds ends in the stream of plaintext.
    ends: Vec<RecordEnd>,
    ciphertext_total: u64,
    plaintext_total: u64,
    acknowledged_plaintext: u64,
}

#[derive(Clone, Copy, Debug)]
struct RecordEnd {
    ciphertext: u64,
    plaintext: u64,
}

/// So many ends are kept apart; of more, every other is dropped: then it is known later, never too early, that
/// something is acknowledged.
const MAX_ENDS: usize = 64;

impl RecordsInFlight {
    /// The kernel has taken so many bytes of ciphertext.
    pub(super) fn wrote(&mut self, ciphertext_bytes: usize) {
        self.ciphertext_total += ciphertext_bytes as u64;
    }

    /// With the last byte that the kernel has taken, so much more plaintext is in its hands.
    pub(super) fn completed(&mut self, plaintext_bytes: usize) {
        self.plaintext_total += plaintext_bytes as u64;
        if self.ends.len() >= MAX_ENDS {
            let mut is_kept = false;
            self.ends.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
        }
        self.ends.push(RecordEnd {
            ciphertext: self.ciphertext_total,
            plaintext: self.plaintext_total,
        });
    }

    /// How much plaintext in the kernel's hands is not acknowledged, when so much ciphertext is not.
    pub(super) fn unacknowledged_plaintext(&mut self, unacknowledged_ciphertext: u64) -> u64 {
        let acknowledged = self
            .ciphertext_total
            .saturating_sub(unacknowledged_ciphertext);
        let whole = self
            .ends
            .partition_point(|end| end.ciphertext <= acknowledged);
        if let Some(last) = self.ends.drain(..whole).next_back() {
            self.acknowledged_plaintext = last.plaintext;
        }
        if self.ends.is_empty() {
            self.ends = Vec::new();
        }
        self.plaintext_total - self.acknowledged_plaintext
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_counts_at_its_last_byte() {
        let mut records = RecordsInFlight::default();
        records.wrote(200);
        assert_eq!(records.unacknowledged_plaintext(200), 0, "a handshake");
        records.wrote(122);
        records.completed(100);
        records.wrote(22);
        records.wrote(50);
        records.completed(50);
        for (unacknowledged_ciphertext, expected) in
            [(194, 150), (73, 150), (72, 50), (1, 50), (0, 0)]
        {
            let told = records.unacknowledged_plaintext(unacknowledged_ciphertext);
            assert_eq!(told, expected, "{unacknowledged_ciphertext}");
        }
        records.wrote(5);
        assert_eq!(
            records.unacknowledged_plaintext(5),
            0,
            "half a record is in nobody's hands"
        );
    }

    #[test]
    fn many_records_are_merged_safely() {
        let mut records = RecordsInFlight::default();
        let mut before = u64::MAX;
        for _ in 0..10_000 {
            records.wrote(32);
            records.completed(10);
        }
        assert!(records.ends.len() <= MAX_ENDS);
        for unacknowledged in (0..10_000).rev().map(|count| count * 32) {
            let told = records.unacknowledged_plaintext(unacknowledged);
            assert!(told >= unacknowledged / 32 * 10 && told <= before);
            before = told;
        }
        assert_eq!(before, 0);
        assert_eq!(records.ends.capacity(), 0);
    }
}
