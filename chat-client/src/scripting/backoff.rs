//! How long to wait before the next attempt.

use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Growing pauses, each with a random part: many clients of one server shall not come back at once.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    pause: Duration,
    longest: Duration,
}

impl Backoff {
    /// Pauses of at most this length.
    pub(crate) fn up_to(longest: Duration) -> Self {
        Self {
            pause: FIRST_PAUSE.min(longest),
            longest,
        }
    }

    /// The next pause, three quarters to five quarters of the last one doubled. `share` is from 0 to 1.
    pub(crate) fn next(&mut self, share: f64) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(self.longest);
        pause.mul_f64(0.75 + share / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        let mut backoff = Backoff::up_to(Duration::from_secs(1));
        let pauses: Vec<_> = (0..5).map(|_| backoff.next(0.5).as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.next(0.0).as_millis(), 750);
    }
}
