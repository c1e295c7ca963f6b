//! The command: runs many seeds, and says which broke a promise.
#![allow(clippy::print_stdout)]

use std::process::ExitCode;

use chat_simulation::run;
use clap::Parser;

/// Runs chatserv's logic in a simulated world of crashes, from seeds
///
/// Exit status 0 if every promise held, 1 if one was broken: the seed that shows it is named, and shows it again.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// First seed
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Seeds to run
    #[arg(long, default_value_t = 1)]
    seeds: u64,

    /// Steps of each
    #[arg(long, default_value_t = 1_000_000)]
    steps: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut broken = 0;
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        match run(seed, arguments.steps) {
            Ok(report) => println!("seed {seed}: {report:?}"),
            Err(violation) => {
                broken += 1;
                println!("BROKEN {violation}");
            }
        }
    }
    println!("{} seeds, {broken} broken", arguments.seeds);
    if broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
