//! The program chatctl: looks into a running server over the control sockets of its daemons, and acts on it.
// See `chat_node::logs::output`.
#![warn(clippy::print_stderr)]

mod daemons;
mod exit_status;
mod status;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;

use chat_node::logs::output;
use chat_node::settings::command_line;
use clap::{Parser, Subcommand};

use daemons::Daemons;
use exit_status::ExitStatus;

/// Looks into a running chat server, and acts on it
///
/// Exit status: 0 done, or healthy; 1 not done, or degraded; 2 down; 3 nothing runs; 4 the server cannot be asked; 64
/// wrong usage.
#[derive(Debug, Parser)]
#[command(name = "chatctl", version = chat_node::VERSION)]
struct Arguments {
    /// Directory of the server's control sockets
    #[arg(
        long,
        value_name = "DIR",
        env = "CHAT_RUN_DIR",
        default_value = "run",
        global = true
    )]
    run_dir: PathBuf,

    /// Print JSON for machines instead of text for people
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the state of both daemons; ends with healthy, degraded, down or unknown, and the reasons before it
    Status {
        /// Print only the reasons and the last word
        #[arg(long)]
        summary: bool,
    },
}

fn main() -> ExitCode {
    let arguments: Arguments = match command_line::parse() {
        Ok(arguments) => arguments,
        // Another status means something else here.
        Err(done) if done == ExitCode::from(command_line::WRONG_USAGE) => {
            return ExitStatus::WrongUsage.into();
        }
        Err(done) => return done,
    };
    let daemons = Daemons::of(&arguments.run_dir);
    let (text, status) = match arguments.command {
        Command::Status { summary } => status::run(&daemons, arguments.json, summary),
    };
    match output::say(text.as_bytes()) {
        Ok(()) => status.into(),
        Err(error) => {
            output::complain(format_args!(
                "chatctl: cannot write to the standard output: {error}"
            ));
            ExitStatus::NotDone.into()
        }
    }
}
