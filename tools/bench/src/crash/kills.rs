//! What is killed, how often, and when.

use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::random::Random;

/// What one kill hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// One of the workers.
    Worker,
    /// The process that holds the state.
    State,
    /// The state daemon's parent; its child ends with it.
    Supervisor,
    /// The workers' parent; they end with it.
    Master,
    /// Every process of the installation.
    All,
    /// A client: one of the readers that are processes of their own.
    Reader,
}

impl Victim {
    /// All kinds.
    pub const KINDS: [Self; 6] = [
        Self::Worker,
        Self::State,
        Self::Supervisor,
        Self::Master,
        Self::All,
        Self::Reader,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::State => "state",
            Self::Supervisor => "supervisor",
            Self::Master => "master",
            Self::All => "all",
            Self::Reader => "reader",
        }
    }
}

/// How often each kind is killed, as shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights([u32; Victim::KINDS.len()]);

impl FromStr for Weights {
    type Err = String;

    /// Reads `worker=60,state=30`; what is not named has no share.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut weights = [0; Victim::KINDS.len()];
        for part in text.split(',') {
            let (word, share) = part.split_once('=').unwrap_or((part, "1"));
            let kind = Victim::KINDS.iter().position(|kind| kind.word() == word);
            let kind = kind.ok_or_else(|| {
                format!("{word:?} is not one of worker, state, supervisor, master, all, reader")
            })?;
            weights[kind] = share
                .parse::<u16>()
                .map_err(|_| format!("{share:?} is not a share from 0 to 65535"))?
                .into();
        }
        if weights.iter().all(|share| *share == 0) {
            return Err("nothing has a share".to_owned());
        }
        Ok(Self(weights))
    }
}

impl std::fmt::Display for Weights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = Victim::KINDS.iter().zip(self.0);
        let parts = parts.filter(|(_, share)| *share > 0);
        let parts: Vec<_> = parts
            .map(|(kind, share)| format!("{}={share}", kind.word()))
            .collect();
        f.write_str(&parts.join(","))
    }
}

impl Weights {
    fn draw(self, random: &mut Random) -> Victim {
        let sum: u32 = self.0.iter().sum();
        let mut drawn = random.below(u64::from(sum));
        for (kind, share) in Victim::KINDS.into_iter().zip(self.0) {
            if drawn < u64::from(share) {
                return kind;
            }
            drawn -= u64::from(share);
        }
        Victim::Worker
    }
}

/// How long a kill that waits for traffic waits.
const AIM: Duration = Duration::from_millis(20);
/// How long after the traffic it waits for such a kill comes at the latest.
const LATEST_AFTER_TRAFFIC_US: u64 = 2_000;

/// The next kill.
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    /// What it hits.
    pub victim: Victim,
    /// To be waited for by whoever kills, for the kill to hit any step of what the traffic began.
    pub pause: Duration,
}

/// Draws the kills one after another. Half of them aim: they come shortly after something was sent, when there is most
/// to lose.
#[derive(Debug)]
pub struct Schedule {
    random: Random,
    weights: Weights,
    mean_interval: Duration,
    next_at: Instant,
    is_aimed: bool,
}

impl Schedule {
    /// A schedule that begins now.
    pub fn new(seed: u64, weights: Weights, mean_interval: Duration, now: Instant) -> Self {
        let mut schedule = Self {
            random: Random::new(seed),
            weights,
            mean_interval,
            next_at: now,
            is_aimed: false,
        };
        schedule.plan(now);
        schedule
    }

    /// Whether to kill now; `has_just_sent` tells that traffic is on its way.
    pub fn due(&mut self, now: Instant, has_just_sent: bool) -> Option<Kill> {
        if now < self.next_at {
            return None;
        }
        if self.is_aimed && !has_just_sent && now < self.next_at + AIM {
            return None;
        }
        let pause_us = if has_just_sent {
            self.random.below(LATEST_AFTER_TRAFFIC_US)
        } else {
            0
        };
        let kill = Kill {
            victim: self.weights.draw(&mut self.random),
            pause: Duration::from_micros(pause_us),
        };
        self.plan(now);
        Some(kill)
    }

    fn plan(&mut self, now: Instant) {
        self.next_at = now + self.random.interval(self.mean_interval);
        self.is_aimed = self.random.below(2) == 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_kept() {
        let weights: Weights = "worker=3,state".parse().unwrap();
        assert_eq!(weights.to_string(), "worker=3,state=1");
        let mut random = Random::new(1);
        let workers = (0..4_000)
            .filter(|_| weights.draw(&mut random) == Victim::Worker)
            .count();
        assert!((2_800..3_200).contains(&workers), "{workers}");
    }

    #[test]
    fn senseless_shares_are_refused() {
        for text in ["", "wrker=1", "worker=x", "worker=-1", "worker=0"] {
            assert!(text.parse::<Weights>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn kills_have_their_mean_interval() {
        let begin = Instant::now();
        let weights = "all=1".parse().unwrap();
        let mut schedule = Schedule::new(3, weights, Duration::from_millis(50), begin);
        let kills = (0..100_000)
            .filter(|ms| {
                let now = begin + Duration::from_millis(*ms);
                schedule.due(now, ms % 3 == 0).is_some()
            })
            .count();
        // Aiming, and looking only every millisecond, delays each by one or two.
        assert!((1_850..2_050).contains(&kills), "{kills}");
    }
}
