//! What a storm measures beside the fate of messages: waits, and connections that ended.

use std::time::{Duration, Instant};

use chat_node::metrics::histogram::Histogram;

use super::kills::Victim;

const KINDS: usize = Victim::KINDS.len();

/// Times and counts of all clients together.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// From a command to its answer.
    pub answers: Histogram,
    /// From the end of a connection to the next login's end.
    pub relogins: Histogram,
    /// The longest wait for an answer during which one kind of victim, and no other, was killed.
    pub longest_answer_by_kind: [Duration; KINDS],
    /// The same of the waits to be logged in again.
    pub longest_relogin_by_kind: [Duration; KINDS],
    /// The longest time for which a login was told `connected`.
    pub longest_connected: Duration,
    /// Connections that the kill of their worker closed.
    pub closed_by_kill: u64,
    /// Connections that closed and whose worker was not known yet when one was killed.
    pub closed_unknown: u64,
    /// Connections that closed for no kill.
    pub closed_unexpectedly: u64,
    /// Lines that have no place, and connections that closed for no kill.
    pub surprises: u64,
    /// Sessions that readers ended in good order.
    pub logouts: u64,
    /// Connections refused, while nobody listened.
    pub connects_refused: u64,
    /// Logins told `connected`.
    pub told_connected: u64,
    /// Logins told `error:busy:` or `error:full:`.
    pub told_busy: u64,
    /// Logins.
    pub logins: u64,
    /// Messages in the history.
    pub kept: u64,
    /// Kills of each kind.
    pub kills: [u64; KINDS],
    /// Kills at whose moment messages were on their way.
    pub kills_in_traffic: u64,
    /// When each kind was last killed.
    last_kill: [Option<Instant>; KINDS],
}

impl Measured {
    /// Something was killed.
    pub fn killed(&mut self, victim: Victim, is_in_traffic: bool, now: Instant) {
        self.kills[victim as usize] += 1;
        self.kills_in_traffic += u64::from(is_in_traffic);
        self.last_kill[victim as usize] = Some(now);
    }

    /// All kills.
    pub fn total_kills(&self) -> u64 {
        self.kills.iter().sum()
    }

    /// A command was answered.
    pub fn answered(&mut self, asked_at: Instant, now: Instant) {
        let took = now.saturating_duration_since(asked_at);
        self.answers.add(took);
        if let Some(kind) = self.only_kind_since(asked_at) {
            let longest = &mut self.longest_answer_by_kind[kind];
            *longest = took.max(*longest);
        }
    }

    /// A client that was cut off is logged in again.
    pub fn logged_in_again(&mut self, cut_off_at: Instant, now: Instant) {
        let took = now.saturating_duration_since(cut_off_at);
        self.relogins.add(took);
        // The cut is noticed a moment after the kill.
        let since = cut_off_at
            .checked_sub(Duration::from_millis(20))
            .unwrap_or(cut_off_at);
        if let Some(kind) = self.only_kind_since(since) {
            let longest = &mut self.longest_relogin_by_kind[kind];
            *longest = took.max(*longest);
        }
    }

    /// The longest wait of any client.
    pub fn longest_pause(&self) -> Duration {
        self.answers.longest().max(self.relogins.longest())
    }

    fn only_kind_since(&self, since: Instant) -> Option<usize> {
        let is_recent = |at: &Option<Instant>| at.is_some_and(|at| at >= since);
        let mut recent = (0..KINDS).filter(|kind| is_recent(&self.last_kill[*kind]));
        let kind = recent.next()?;
        recent.next().is_none().then_some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_is_attributed_to_killed_kind() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut measured = Measured::default();
        measured.answered(at(0), at(500));
        measured.killed(Victim::State, true, at(600));
        measured.answered(at(590), at(690));
        measured.killed(Victim::Worker, false, at(700));
        measured.answered(at(595), at(795));
        let of = |victim: Victim| measured.longest_answer_by_kind[victim as usize].as_millis();
        assert_eq!((of(Victim::State), of(Victim::Worker)), (100, 0));
        assert_eq!(measured.longest_pause(), Duration::from_millis(500));
        assert_eq!((measured.total_kills(), measured.kills_in_traffic), (2, 1));
    }
}
