//! Makes a daemon re-read its files, and waits for the result.

use std::io::Write;

use anyhow::{anyhow, bail};

use super::running;
use crate::control::client::{ControlClient, ControlError, RELOAD_TIME};
use crate::files::run_dir::RunDir;

/// Makes the daemon of `run_dir` re-read its files, waits for that, and reports the result. It is an error if the files
/// cannot be used; the previous content stays in use then. With `force` the daemon accepts files that it would refuse.
pub fn reload(run_dir: &RunDir, force: bool, out: &mut impl Write) -> anyhow::Result<()> {
    if running(run_dir)?.is_none() {
        bail!("not running");
    }
    let mut client = ControlClient::connect(run_dir).map_err(without_name)?;
    let summary = client.reload(force).map_err(without_name)?;
    writeln!(out, "{}: {summary}", run_dir.program())?;
    Ok(())
}

/// The program's name already stands before every error of a daemon's own flag.
fn without_name(error: ControlError) -> anyhow::Error {
    match error {
        ControlError::NotRunning(_) => anyhow!("not running"),
        ControlError::Refused { reason, .. } => anyhow!("{reason}"),
        ControlError::Silent { .. } => {
            anyhow!("no reload result within {RELOAD_TIME:?}: see the log")
        }
        ControlError::Unreachable { reason, .. } => anyhow!("cannot be asked: {reason}"),
    }
}
