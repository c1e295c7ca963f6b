//! What is told of a run.

use std::fmt;

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages that were answered with `sent:` or its like.
    pub acknowledged: usize,
    /// Messages read, each reader counted.
    pub read: usize,
    /// Messages that a reader surely confirmed by a line.
    pub confirmed: usize,
    /// Messages that were read again over another connection.
    pub repeats: usize,
    /// Messages by `once` that were sent again over another connection.
    pub repeated_sends: usize,
    /// Messages to the room that were acknowledged.
    pub of_room: usize,
    /// Messages in answers of the history.
    pub history_lines: usize,
    /// Places of sessions that were given up.
    pub places_lost: usize,
    /// Connections whose session was taken over.
    pub replaced: usize,
    /// Deaths of clients that were connected.
    pub client_deaths: usize,
    /// Deaths of the daemon.
    pub daemon_deaths: usize,
    /// Deaths of workers.
    pub worker_deaths: usize,
    /// Deaths of a parent: the daemon's supervisor or the workers' master.
    pub parent_deaths: usize,
    /// Starts of a parent that failed because its children did not come to serve.
    pub failed_starts: usize,
    /// Times in which processes died as soon as they had begun.
    pub storms: usize,
    /// Logins.
    pub logins: usize,
    /// Texts that the daemon read from its checkpoint.
    pub texts_read: usize,
    /// The longest time without service after the last death or storm before it, in simulated milliseconds.
    pub longest_outage_ms: u64,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The run that shows it.
    pub seed: u64,
    /// After how many of its steps.
    pub step: usize,
    /// What was broken.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "seed {}, step {}: {}",
            self.seed, self.step, self.what
        )
    }
}
