//! The commands of an operator that need the daemon's settings: start in the background, status, check of the settings.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;

use super::{Daemon, run_dir};
use crate::control::operator::{self, Health};
use crate::files::run_dir_trust::{self, Trusted, Untrusted};
use crate::logs::log_file::LogFile;
use crate::logs::output;
use crate::process::detach;

/// Starts the daemon in the background, and returns once it serves.
pub(super) fn launch<D: Daemon>(daemon: &D) -> anyhow::Result<()> {
    let run_dir = run_dir(daemon);
    run_dir.create()?;
    // Before anything is written there, above all the log.
    for warning in check_run_dir(daemon, false)? {
        output::complain(format_args!("{}: warning: {warning}", D::NAME));
    }
    let log_file = LogFile::new(&run_dir, daemon.process().log_file.as_deref());
    let requested = daemon.process().start_timeout_s.map(Duration::from_secs);
    let (default, advice) = D::START_TIMEOUT.unzip();
    let timeout = requested.or(default).map(|limit| detach::StartTimeout {
        limit,
        advice: advice.unwrap_or("the log shows its progress"),
    });
    detach::launch(&run_dir, &log_file, timeout)
}

/// Prints the status. The output is the work here, so it is an error if it cannot be written.
pub(super) fn print_status<D: Daemon>(daemon: &D) -> anyhow::Result<Health> {
    let mut text = Vec::new();
    let health = describe_status(daemon, &mut text);
    output::say(&text).context("cannot write to the standard output")?;
    health
}

fn describe_status<D: Daemon>(daemon: &D, out: &mut impl Write) -> anyhow::Result<Health> {
    let (health, status) = operator::report(&run_dir(daemon), D::CHILD_ROLE, out)?;
    let Some(status) = status else {
        return Ok(health);
    };
    let inspected = daemon.inspect(&status, out)?;
    Ok(match (health, inspected) {
        (Health::Healthy, Health::Healthy) => Health::Healthy,
        _ => Health::Degraded,
    })
}

/// Fails if the run directory cannot be trusted. Returns warnings for people. A dry run changes nothing.
pub(super) fn check_run_dir<D: Daemon>(
    daemon: &D,
    is_dry_run: bool,
) -> anyhow::Result<Vec<String>> {
    let process = daemon.process();
    let untrusted = match process.strict_permissions {
        true => Untrusted::Refuse,
        false if is_dry_run => Untrusted::Report,
        false => Untrusted::Close,
    };
    let users = process.sandbox.separation()?.users();
    run_dir_trust::check(&process.run_dir, Trusted::new(users), untrusted)
}

/// Fails if the daemon could not start with these settings.
pub(super) fn check_settings<D: Daemon>(daemon: &D, out: &mut impl Write) -> anyhow::Result<()> {
    daemon.process().sandbox.separation()?;
    if daemon.process().run_dir.exists() {
        check_run_dir(daemon, true)?;
    }
    daemon.check_settings()?;
    writeln!(out, "{}: could start with these settings", D::NAME).context("cannot write")
}
