//! How much of a snapshot is done in one go.

/// How far a piece may go beyond what it was given, or as far again if that is less, to end with a full page.
const SLACK_STEPS: i64 = 256;

/// How much is left, in steps: a message, an account, or a kibibyte of text is one.
#[derive(Debug)]
pub(super) struct Budget {
    steps_left: i64,
    slack_steps: i64,
}

impl Budget {
    pub(super) fn of(steps: usize) -> Self {
        let steps = i64::try_from(steps).unwrap_or(i64::MAX);
        Self {
            steps_left: steps,
            slack_steps: steps.min(SLACK_STEPS),
        }
    }

    pub(super) fn spend(&mut self, steps: usize) {
        self.steps_left = self.steps_left.saturating_sub_unsigned(steps as u64);
    }

    pub(super) fn is_spent(&self) -> bool {
        self.steps_left <= 0
    }

    /// More was spent than even a page that is not full yet is worth.
    pub(super) fn is_overspent(&self) -> bool {
        self.steps_left <= -self.slack_steps
    }
}
