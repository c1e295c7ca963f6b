//! The program chat-bench: puts a chat server under load and tells what came of it.
// See `chat_node::logs::output`.
#![warn(clippy::print_stderr)]

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use chat_bench::crash::reader_process::program;
use chat_bench::speed::floors::{echo, frames};
use chat_bench::speed::measurement::{Measurement, append};
use chat_bench::speed::setup::Repetition;
use chat_bench::speed::{
    accounts, attack, fan_out, floors, idle, latency, logins, offline, page, queued, relay, rooms,
};
use chat_bench::{crash, hot_paths, outage, soak, startup};
use chat_node::logs::output::complain;
use chat_node::settings::command_line;
use clap::{Parser, Subcommand};

/// Puts chatserv under load, and tells what came of it: one line of JSON, and lines for people
#[derive(Parser)]
#[command(name = "chat-bench", version)]
struct Arguments {
    #[command(subcommand)]
    work: Work,
}

#[derive(Subcommand)]
enum Work {
    Crash(crash::Options),
    Outage(outage::Options),
    Soak(soak::Options),
    Startup(startup::Options),
    Relay(relay::Options),
    Rooms(rooms::Options),
    FanOut(fan_out::Options),
    Offline(offline::Options),
    Idle(idle::Options),
    Logins(logins::Options),
    Accounts(accounts::Options),
    Queued(queued::Options),
    Latency(latency::Options),
    Attack(attack::Options),
    Floors(floors::Options),
    Page(page::Options),
    HotPath(hot_paths::Options),
    /// A reader of `crash`
    #[command(hide = true)]
    CrashReader(program::Options),
    /// The other end of `floors`
    #[command(hide = true)]
    EchoServer(echo::Server),
    /// The other end of `floors`
    #[command(hide = true)]
    FramePeer(frames::Peer),
}

/// What a run leaves to be told.
struct Told {
    is_success: bool,
    json: String,
    text: String,
    page: String,
}

fn main() -> ExitCode {
    let arguments: Arguments = match command_line::parse() {
        Ok(arguments) => arguments,
        Err(done) => return done,
    };
    match run(&arguments.work) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(format_args!("chat-bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(work: &Work) -> anyhow::Result<bool> {
    macro_rules! told {
        ($run:path, $options:expr) => {{
            let report = $run($options)?;
            let told = Told {
                is_success: report.is_success(),
                json: report.json(),
                text: report.text(),
                page: report.page(),
            };
            (told, $options.run.report.as_deref())
        }};
    }
    macro_rules! measured {
        ($run:path, $options:expr) => {
            return show(&$run($options)?, &$options.setup.repetition)
        };
    }
    let (told, page_file) = match work {
        Work::Crash(options) => told!(crash::run, options),
        Work::Outage(options) => told!(outage::run, options),
        Work::Soak(options) => told!(soak::run, options),
        Work::Startup(options) => told!(startup::run, options),
        Work::Relay(options) => measured!(relay::run, options),
        Work::Rooms(options) => measured!(rooms::run, options),
        Work::FanOut(options) => measured!(fan_out::run, options),
        Work::Offline(options) => measured!(offline::run, options),
        Work::Idle(options) => measured!(idle::run, options),
        Work::Logins(options) => measured!(logins::run, options),
        Work::Accounts(options) => measured!(accounts::run, options),
        Work::Queued(options) => measured!(queued::run, options),
        Work::Latency(options) => measured!(latency::run, options),
        Work::Attack(options) => measured!(attack::run, options),
        Work::Floors(options) => return show(&floors::run(options)?, &options.repetition),
        Work::Page(options) => {
            write!(std::io::stdout(), "{}", page::run(options)?)?;
            return Ok(true);
        }
        Work::HotPath(options) => return hot_paths::run(options).map(|()| true),
        Work::CrashReader(options) => return program::run(options).map(|()| true),
        Work::EchoServer(server) => return echo::serve(server).map(|()| true),
        Work::FramePeer(peer) => return frames::answer(peer).map(|()| true),
    };
    tell(&told, page_file)?;
    Ok(told.is_success)
}

fn tell(told: &Told, page_file: Option<&Path>) -> anyhow::Result<()> {
    // What took long to measure is on disk before a terminal or pipe can fail.
    if let Some(path) = page_file {
        std::fs::write(path, &told.page)
            .with_context(|| format!("cannot write the report to {}", path.display()))?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\n{}", told.json, told.text.trim_end())?;
    Ok(())
}

fn show(measurements: &[Measurement], repetition: &Repetition) -> anyhow::Result<bool> {
    if let Some(path) = &repetition.results {
        append(path, measurements)?;
    }
    let mut out = std::io::stdout().lock();
    for measurement in measurements {
        writeln!(out, "{}\n{}", measurement.json()?, measurement.text())?;
    }
    Ok(true)
}
