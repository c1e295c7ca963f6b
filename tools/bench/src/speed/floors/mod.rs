//! `chat-bench floors`: what the machine itself gives, with next to no program in between.

pub mod echo;
pub mod frames;
mod sync;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use clap::builder::RangedU64ValueParser;

use super::measurement::Measurement;
use super::setup::{Repetition, Stage};

/// The bytes of a line or a frame.
const UNIT_BYTES: usize = 64;
/// Lines or frames that are on the way at the same time, of one connection.
const WINDOWS: [usize; 2] = [1, 64];

/// The machine's own limits: an echo over TCP, frames over a Unix socket, append and sync to a disk.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// What is the same in all measurements.
    #[command(flatten)]
    pub repetition: Repetition,

    /// Connections of the echo
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 50,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000)
    )]
    pub connections: usize,

    /// How long each is measured
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 3,
        value_parser = clap::value_parser!(u64).range(1..=3_600)
    )]
    pub seconds: u64,
}

/// Measures them.
pub fn run(options: &Options) -> anyhow::Result<Vec<Measurement>> {
    let stage = Stage::of_floors(&options.repetition)?;
    let span = Duration::from_secs(options.seconds);
    let mut measurements = Vec::new();
    for window in WINDOWS {
        let parameters = [
            ("connections", options.connections as u64),
            ("window", window as u64),
        ];
        measurements.push(stage.measure("echo", &parameters, |progress| {
            echo::measure(&stage, options.connections, window, span, progress)
        })?);
    }
    for window in WINDOWS {
        let parameters = [("window", window as u64)];
        measurements.push(stage.measure("frames", &parameters, |_| {
            frames::measure(&stage, window, span)
        })?);
    }
    for batch_bytes in [UNIT_BYTES, 1024 * 1024] {
        let parameters = [("batch_bytes", batch_bytes as u64)];
        let dir = tempfile::Builder::new().prefix("chat-bench-").tempdir()?;
        measurements.push(stage.measure("sync", &parameters, |_| {
            sync::measure(dir.path(), batch_bytes, span)
        })?);
    }
    Ok(measurements)
}

/// This program as the other end, killed when it is dropped.
struct OtherEnd(Child);

impl OtherEnd {
    fn start(stage: &Stage<'_>, subcommand: &str, argument: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command.arg(subcommand).arg(argument).stdin(Stdio::null());
        let child = stage.placement.on_server_core(|| command.spawn())?;
        Ok(Self(child.context("cannot start the other end")?))
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }
}

impl Drop for OtherEnd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
