//! The program chat-bench: puts a chat server under load and tells what came of it.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use chat_bench::speed::measurement::{Measurement, append};
use chat_bench::speed::relay;
use chat_bench::{crash, soak, startup};
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
    Soak(soak::Options),
    Startup(startup::Options),
    Relay(relay::Options),
}

/// What a run leaves to be told.
struct Told {
    is_success: bool,
    json: String,
    text: String,
    page: String,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().work) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chat-bench: {error:#}");
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
            (told, $options.report.as_deref())
        }};
    }
    let (told, page_file) = match work {
        Work::Crash(options) => told!(crash::run, options),
        Work::Soak(options) => told!(soak::run, options),
        Work::Startup(options) => told!(startup::run, options),
        Work::Relay(options) => {
            return show(&relay::run(options)?, options.setup.results.as_deref());
        }
    };
    tell(&told, page_file)?;
    Ok(told.is_success)
}

fn tell(told: &Told, page_file: Option<&Path>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\n{}", told.json, told.text.trim_end())?;
    if let Some(path) = page_file {
        std::fs::write(path, &told.page)
            .with_context(|| format!("cannot write the report to {}", path.display()))?;
    }
    Ok(())
}

fn show(measurements: &[Measurement], results: Option<&Path>) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    for measurement in measurements {
        writeln!(out, "{}\n{}", measurement.json()?, measurement.text())?;
    }
    if let Some(path) = results {
        append(path, measurements)?;
    }
    Ok(true)
}
