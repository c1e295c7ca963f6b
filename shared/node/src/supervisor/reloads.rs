//! Which reload requests are answered: those that were made before the completed reload began. Pure.

/// Counts of requested and answered reloads.
#[derive(Debug, Default)]
pub(super) struct Reloads {
    requested: u64,
    answered: u64,
    /// The requests that the reload in progress answers.
    in_progress: Option<u64>,
}

impl Reloads {
    pub(super) fn requested(&self) -> u64 {
        self.requested
    }

    pub(super) fn answered(&self) -> u64 {
        self.answered
    }

    /// Adds a request. Returns whether to begin a reload now; if not, the next one begins when the current one ends.
    pub(super) fn request(&mut self) -> bool {
        self.requested += 1;
        self.begin_if_due()
    }

    /// The reload in progress has ended. Returns whether to begin another one.
    pub(super) fn end(&mut self) -> bool {
        self.answered = self.in_progress.take().unwrap_or(self.answered);
        self.begin_if_due()
    }

    /// The child that reads has died. Returns whether its successor has to reload.
    pub(super) fn child_died(&mut self) -> bool {
        self.in_progress = None;
        self.begin_if_due()
    }

    fn begin_if_due(&mut self) -> bool {
        let is_due = self.in_progress.is_none() && self.requested > self.answered;
        if is_due {
            self.in_progress = Some(self.requested);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reload_answers_only_earlier_requests() {
        let mut reloads = Reloads::default();
        assert!(reloads.request());
        assert!(
            !reloads.request() && !reloads.request(),
            "the first is in progress"
        );
        assert_eq!((reloads.requested(), reloads.answered()), (3, 0));
        assert!(reloads.end(), "it began before two of them");
        assert_eq!(reloads.answered(), 1);
        assert!(!reloads.end());
        assert_eq!(reloads.answered(), 3);
        assert!(!reloads.end(), "a reload that nobody requested");
        assert_eq!(reloads.answered(), 3);
    }

    #[test]
    fn request_survives_death_of_child() {
        let mut reloads = Reloads::default();
        assert!(!reloads.child_died());
        assert!(reloads.request());
        assert!(reloads.child_died());
        assert_eq!(reloads.answered(), 0);
        assert!(!reloads.end());
        assert_eq!(reloads.answered(), 1);
    }
}
