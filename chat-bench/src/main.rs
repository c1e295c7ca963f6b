//! The program chat-bench: puts a chat server under load and tells what came of it.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use chat_bench::crash;
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
}

fn main() -> ExitCode {
    let Work::Crash(options) = Arguments::parse().work;
    match run_crash(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chat-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_crash(options: &crash::Options) -> anyhow::Result<bool> {
    let report = crash::run(options)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\n{}", report.json(), report.text().trim_end())?;
    if let Some(path) = &options.report {
        std::fs::write(path, report.page())
            .with_context(|| format!("cannot write the report to {}", path.display()))?;
    }
    Ok(report.is_success())
}
