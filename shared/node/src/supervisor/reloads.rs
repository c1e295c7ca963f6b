//! Which of the reloads that were asked for are answered: by a reading that began later. Pure.

/// How many were asked for, and how far they are.
#[derive(Debug, Default)]
pub(super) struct Reloads {
    asked: u64,
    answered: u64,
    /// Those that the reading under way answers.
    under_way: Option<u64>,
}

impl Reloads {
    pub(super) fn asked(&self) -> u64 {
        self.asked
    }

    pub(super) fn answered(&self) -> u64 {
        self.answered
    }

    /// One more is asked for; whether a reading is to begin. If not, one is under way, and the next begins with its end.
    pub(super) fn ask(&mut self) -> bool {
        self.asked += 1;
        self.begin_if_due()
    }

    /// The reading under way has come to its end; whether another one is to begin.
    pub(super) fn end(&mut self) -> bool {
        self.answered = self.under_way.take().unwrap_or(self.answered);
        self.begin_if_due()
    }

    /// Whoever reads has died; whether the next one is to be asked.
    pub(super) fn reader_died(&mut self) -> bool {
        self.under_way = None;
        self.begin_if_due()
    }

    fn begin_if_due(&mut self) -> bool {
        let is_due = self.under_way.is_none() && self.asked > self.answered;
        if is_due {
            self.under_way = Some(self.asked);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_is_answered_by_a_reading_that_began_after_it_was_asked_for() {
        let mut reloads = Reloads::default();
        assert!(reloads.ask());
        assert!(!reloads.ask() && !reloads.ask(), "the first is under way");
        assert_eq!((reloads.asked(), reloads.answered()), (3, 0));
        assert!(reloads.end(), "that began before two of them");
        assert_eq!(reloads.answered(), 1);
        assert!(!reloads.end());
        assert_eq!(reloads.answered(), 3);
        assert!(!reloads.end(), "a reading that nobody asked for");
        assert_eq!(reloads.answered(), 3);
    }

    #[test]
    fn what_was_asked_of_one_who_died_is_asked_of_the_next() {
        let mut reloads = Reloads::default();
        assert!(!reloads.reader_died());
        assert!(reloads.ask());
        assert!(reloads.reader_died());
        assert_eq!(reloads.answered(), 0);
        assert!(!reloads.end());
        assert_eq!(reloads.answered(), 1);
    }
}
