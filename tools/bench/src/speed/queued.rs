//! `chat-bench queued`: how the time of a start grows with what waits.

use std::time::Duration;

use super::measurement::Measurement;
use super::setup::{Setup, Stage};
use crate::startup;

/// Messages wait, the server is stopped and started: how long until somebody is welcome?
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// What is the same in all measurements.
    #[command(flatten)]
    pub setup: Setup,

    /// Numbers of messages that wait
    #[arg(
        long,
        value_name = "COUNT,...",
        value_delimiter = ',',
        default_value = "1000,10000,100000,1000000",
        value_parser = clap::value_parser!(u64).range(1..=40_000_000)
    )]
    pub queued: Vec<u64>,
}

/// Measures it. Queueing and reading take far longer than the start, so nobody keeps to a core.
pub fn run(options: &Options) -> anyhow::Result<Vec<Measurement>> {
    let mut setup = options.setup.clone();
    setup.repetition.unpinned = true;
    let stage = Stage::new(&setup)?;
    let one = |queued: &u64| {
        let start = startup::Options::of(*queued, setup.programs.clone(), setup.workers);
        let parameters = [("queued", *queued), ("users", start.users as u64)];
        stage.measure("queued", &parameters, |_| {
            let outcome = startup::run(&start)?.outcome;
            Ok(vec![
                ("first login ms", ms(outcome.first_welcome)),
                ("state daemon ms", ms(outcome.state_ready)),
                ("stop ms", ms(outcome.stop_took)),
            ])
        })
    };
    options.queued.iter().map(one).collect()
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}
