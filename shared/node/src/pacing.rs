//! How soon a loop takes its next turn while many clients are busy.

use std::time::Duration;

/// So many clients are few: they are served at once, however fast they ask.
const FEW: usize = 4;
/// The rate of requests is measured over so long.
const WINDOW: Duration = Duration::from_millis(1);
/// As many requests in a window are many.
const MANY: f64 = 8.0;

/// Decides how long a loop waits at the end of a turn before it looks for more to do.
///
/// A turn costs the same for one request as for ten: waiting for events, a frame to the state daemon, a batch. While
/// many clients are busy, turns begin at least `interval` apart, so that several requests share one. While few are
/// busy, or little comes, the loop never waits.
#[derive(Clone, Debug)]
pub struct Pacing {
    interval: Duration,
    /// The clients that were taken last.
    recent: [Option<usize>; FEW],
    /// Requests since the window began, without those of recent clients.
    taken: u32,
    window_began_at: Duration,
    is_busy: bool,
    turn_began_at: Duration,
}

impl Pacing {
    /// Turns are to begin so far apart while many clients are busy.
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            recent: [None; FEW],
            taken: 0,
            window_began_at: Duration::ZERO,
            is_busy: false,
            turn_began_at: Duration::ZERO,
        }
    }

    /// A client has asked for something.
    pub fn take(&mut self, client: usize) {
        if !self.recent.contains(&Some(client)) {
            self.taken = self.taken.saturating_add(1);
            self.recent.rotate_right(1);
            self.recent[0] = Some(client);
        }
    }

    /// A turn ends: how long to wait until the next one. `now` counts from any moment, and never runs back.
    pub fn end_turn(&mut self, now: Duration) -> Duration {
        let measured = now.saturating_sub(self.window_began_at);
        if measured >= WINDOW {
            self.is_busy = f64::from(self.taken) >= MANY * measured.div_duration_f64(WINDOW);
            self.window_began_at = now;
            self.taken = 0;
        }
        let wait = if self.is_busy {
            (self.turn_began_at + self.interval).saturating_sub(now)
        } else {
            Duration::ZERO
        };
        self.turn_began_at = now + wait;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_micros(50);

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    /// Turns of `took` microseconds in which one of so many clients is taken, for 10 ms; the waits behind them.
    fn waits(pacing: &mut Pacing, clients: usize, took: u64, began: Duration) -> Vec<Duration> {
        let mut now = began;
        let mut waits = Vec::new();
        for client in (0..clients).cycle() {
            now += us(took);
            pacing.take(client);
            let wait = pacing.end_turn(now);
            waits.push(wait);
            now += wait;
            if now >= began + us(10_000) {
                break;
            }
        }
        waits
    }

    #[test]
    fn few_clients_never_wait() {
        for clients in 1..=FEW {
            let waits = waits(&mut Pacing::new(INTERVAL), clients, 5, us(0));
            assert!(waits.iter().all(Duration::is_zero));
        }
    }

    #[test]
    fn many_busy_clients_share_turns() {
        let waits = waits(&mut Pacing::new(INTERVAL), 50, 10, us(0));
        let (first, others) = waits.split_at(100);
        assert!(
            first[..99].iter().all(Duration::is_zero),
            "nothing was measured yet"
        );
        assert!(others.iter().all(|wait| *wait == us(40)));
    }

    #[test]
    fn a_long_turn_is_followed_at_once() {
        let waits = waits(&mut Pacing::new(INTERVAL), 50, 60, us(0));
        assert!(waits.iter().all(Duration::is_zero));
    }

    #[test]
    fn waits_end_when_little_comes() {
        let mut pacing = Pacing::new(INTERVAL);
        assert!(!waits(&mut pacing, 50, 10, us(0)).is_empty());
        let waits = waits(&mut pacing, 50, 500, us(10_000));
        assert!(waits.iter().all(Duration::is_zero));
    }
}
