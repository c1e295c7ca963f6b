//! What the history has of a room, or of messages to people, in coarse segments: what is too old or too much goes by
//! whole ones.

use chat_model::MessageNumber;

use super::clock::StateMs;
use crate::entry::HistoryLimits;

/// A segment ends once it has this part of the time or of the bytes that are kept: so much more than that may stay.
const PARTS: u64 = 32;
/// More segments become fewer: memory for a room does not follow its messages.
const MAX_SEGMENTS: usize = 80;
/// What has to go and is not read yet is looked at again after this.
const LOOK_AGAIN_MS: u64 = 3_600_000;
/// When there is nothing to look at.
pub(super) const NEVER: StateMs = StateMs(u64::MAX);

/// What may stay of a room, or of messages to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) kept_ms: u64,
    pub(super) bytes: u64,
}

/// Messages that go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The last of them.
    pub(crate) last: MessageNumber,
    /// When that came.
    pub(crate) last_at: StateMs,
    /// When the first of them came.
    pub(crate) first_at: StateMs,
    /// What they take in the history, as [`stored_bytes`] counts it.
    pub(crate) bytes: u64,
}

/// A message that comes into the history.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) number: MessageNumber,
    pub(super) at: StateMs,
    pub(super) bytes: u64,
}

/// What the history has of a room, or of messages to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retained {
    /// Messages up to this one may go, or are gone.
    pub(crate) gone: MessageNumber,
    /// When to look whether more has to go.
    pub(crate) look_at: StateMs,
    /// The others, oldest first.
    pub(crate) segments: Vec<Segment>,
    /// What all of these take.
    bytes: u64,
}

impl Default for Retained {
    fn default() -> Self {
        Self::of(MessageNumber(0), NEVER, Vec::new())
    }
}

impl Retained {
    /// As a checkpoint has it.
    pub(crate) fn of(gone: MessageNumber, look_at: StateMs, segments: Vec<Segment>) -> Self {
        let bytes = segments.iter().map(|segment| segment.bytes);
        Self {
            gone,
            look_at,
            bytes: bytes.fold(0, u64::saturating_add),
            segments,
        }
    }

    /// Adds a message that is newer than all others.
    pub(super) fn add(&mut self, kept: Kept, bounds: Bounds) {
        self.bytes = self.bytes.saturating_add(kept.bytes);
        if let Some(last) = self.segments.last_mut()
            && last.bytes.saturating_add(kept.bytes) <= bounds.bytes / PARTS
            && kept.at.since(last.first_at) <= bounds.kept_ms / PARTS
        {
            last.last = kept.number;
            last.last_at = kept.at;
            last.bytes += kept.bytes;
            return;
        }
        if self.bytes > bounds.bytes {
            self.look_at = kept.at;
        } else if self.segments.is_empty() {
            self.look_at = kept.at.plus(bounds.kept_ms);
        }
        if self.segments.len() >= MAX_SEGMENTS {
            self.merge_smallest();
        }
        self.segments.push(Segment {
            last: kept.number,
            last_at: kept.at,
            first_at: kept.at,
            bytes: kept.bytes,
        });
    }

    /// What the history has takes so many bytes, roughly.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Two neighbours that take least become one.
    fn merge_smallest(&mut self) {
        let pairs = self.segments.windows(2).enumerate();
        let smallest = pairs.min_by_key(|(_, pair)| pair[0].bytes.saturating_add(pair[1].bytes));
        let Some((index, _)) = smallest else {
            return;
        };
        let first = self.segments.remove(index);
        let second = &mut self.segments[index];
        second.first_at = first.first_at;
        second.bytes = second.bytes.saturating_add(first.bytes);
    }

    /// The limits have changed: what has to go by these goes soon.
    pub(super) fn look_soon(&mut self, now: StateMs) {
        if !self.segments.is_empty() {
            self.look_at = now;
        }
    }

    /// Gives up what is too old or too much, but nothing from the first on that somebody has not read. Says what that
    /// was: all after one message, up to another.
    pub(super) fn forget_old(
        &mut self,
        now: StateMs,
        bounds: Bounds,
        unread_from: Option<MessageNumber>,
    ) -> Option<(MessageNumber, MessageNumber)> {
        let before = self.gone;
        let mut left = self.segments.len();
        let going = self.segments.iter().take_while(|segment| {
            let is_old = now.since(segment.last_at) >= bounds.kept_ms;
            // The newest one may be all that a long message has.
            let is_too_much = self.bytes > bounds.bytes && left > 1;
            let is_unread = unread_from.is_some_and(|from| segment.last >= from);
            let goes = (is_old || is_too_much) && !is_unread;
            if goes {
                self.gone = segment.last;
                self.bytes -= segment.bytes;
                left -= 1;
            }
            goes
        });
        let going = going.count();
        self.segments.drain(..going);
        self.look_at = match self.segments.first() {
            None => NEVER,
            Some(first) => match first.last_at.plus(bounds.kept_ms) {
                due if due <= now => now.plus(LOOK_AGAIN_MS),
                due => due,
            },
        };
        (self.gone > before).then_some((before, self.gone))
    }
}

/// What a message takes in the history's file, roughly: its text stands there, and in an index. For limits only.
pub(super) fn stored_bytes(text_bytes: usize, places: usize) -> u64 {
    const FIXED: usize = 100;
    const PLACE: usize = 16;
    (FIXED + PLACE * places + 2 * text_bytes) as u64
}

impl HistoryLimits {
    pub(super) fn of_direct(&self) -> Bounds {
        Bounds {
            kept_ms: self.kept_ms,
            bytes: self.direct_bytes,
        }
    }

    /// For so many days, if the owner of the room has said that.
    pub(super) fn of_room(&self, days: Option<u32>) -> Bounds {
        const DAY_MS: u64 = 86_400_000;
        let kept_ms = days.map_or(self.kept_ms, |days| u64::from(days) * DAY_MS);
        Bounds {
            kept_ms: kept_ms.min(self.most_kept_ms),
            bytes: self.room_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 86_400_000;
    const BOUNDS: Bounds = Bounds {
        kept_ms: 32 * DAY_MS,
        bytes: 32_000,
    };

    fn at(day: u64) -> StateMs {
        StateMs(day * DAY_MS)
    }

    /// With a message a day, of so many bytes each.
    fn of_days(days: u64, bytes: u64) -> Retained {
        let mut retained = Retained::default();
        for day in 1..=days {
            retained.add(
                Kept {
                    number: MessageNumber(10 * day),
                    at: at(day),
                    bytes,
                },
                BOUNDS,
            );
        }
        retained
    }

    fn gone(retained: &mut Retained, day: u64, unread_from: Option<u64>) -> Option<(u64, u64)> {
        let unread_from = unread_from.map(MessageNumber);
        let gone = retained.forget_old(at(day), BOUNDS, unread_from);
        gone.map(|(after, through)| (after.0, through.0))
    }

    #[test]
    fn old_messages_go_by_time() {
        let mut retained = of_days(60, 1);
        assert_eq!(retained.look_at, at(33));
        // Two days are a segment: what is kept is at most one more than has to be.
        assert_eq!(gone(&mut retained, 60, None), Some((0, 280)));
        assert_eq!(retained.look_at, at(30 + 32));
        assert_eq!(gone(&mut retained, 61, None), None);
        assert_eq!(gone(&mut retained, 62, None), Some((280, 300)));
        assert_eq!(gone(&mut retained, 99, None), Some((300, 600)));
        assert_eq!((retained.look_at, retained.segments.len()), (NEVER, 0));
    }

    #[test]
    fn oldest_messages_go_by_bytes() {
        let mut retained = of_days(20, 1_600);
        assert_eq!(retained.bytes, 32_000);
        assert!(retained.look_at > at(20));
        let kept = Kept {
            number: MessageNumber(205),
            at: at(20),
            bytes: 1_600,
        };
        retained.add(kept, BOUNDS);
        assert_eq!(retained.look_at, at(20));
        assert_eq!(gone(&mut retained, 20, None), Some((0, 10)));
        assert_eq!(retained.bytes, 32_000);
    }

    #[test]
    fn message_longer_than_bound_stays() {
        let mut retained = of_days(1, 100_000);
        assert_eq!(gone(&mut retained, 1, None), None);
        assert_eq!(retained.segments.len(), 1);
    }

    #[test]
    fn unread_messages_stay_until_read() {
        let mut retained = of_days(60, 1);
        assert_eq!(gone(&mut retained, 60, Some(100)), Some((0, 80)));
        let again = StateMs(at(60).0 + LOOK_AGAIN_MS);
        assert_eq!(retained.look_at, again);
        assert_eq!(gone(&mut retained, 61, None), Some((80, 280)));
    }

    #[test]
    fn segments_are_bounded() {
        let mut retained = of_days(5_000, 40_000);
        assert_eq!(retained.segments.len(), MAX_SEGMENTS);
        assert_eq!(retained.bytes, 5_000 * 40_000);
        let sum: u64 = retained.segments.iter().map(|it| it.bytes).sum();
        assert_eq!(sum, retained.bytes);
        let rises = retained
            .segments
            .is_sorted_by(|one, next| one.last < next.last);
        assert!(rises);
        assert_eq!(gone(&mut retained, 9_000, None), Some((0, 50_000)));
        assert_eq!(retained.bytes, 0);
    }
}
