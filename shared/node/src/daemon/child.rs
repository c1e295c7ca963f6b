//! A child from its start to the point where the daemon's own work begins.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use nix::unistd::geteuid;

use super::parent::{exit_code, start_log};
use super::{ChildInheritance, Daemon, run_dir};
use crate::limits::system_limits::SystemLimits;
use crate::logs::output;
use crate::sandbox::{Sandbox, closed_directory};
use crate::supervisor::Inheritance;

/// Runs a child until it ends. Reports an error to the parent and to the log.
pub(super) fn run<D: Daemon>(daemon: D) -> ExitCode {
    let inheritance = match Inheritance::take(daemon.process().child_listeners) {
        Ok(inheritance) => inheritance,
        Err(error) => {
            let name = D::NAME;
            output::complain(format_args!(
                "{name}: --child-number is for the daemon's own use: {error}"
            ));
            return ExitCode::FAILURE;
        }
    };
    let Inheritance {
        parent,
        listeners,
        // Dropped when this returns, which is when the process ends.
        children_lock: _children_lock,
    } = inheritance;
    let link = parent.try_clone();
    let result = (|| {
        start_log(&daemon)?;
        let limits = SystemLimits::raise().context("cannot raise the limits of this process")?;
        limits.check(D::LEAST_MEMORY_BYTES)?;
        let sandbox = Sandbox::enter(&daemon.process().sandbox, D::CHILD_USER)?;
        check_reachable(run_dir(&daemon).path())?;
        daemon.run_child(ChildInheritance {
            parent,
            sockets: listeners,
            limits,
            sandbox,
        })
    })();
    exit_code(result, D::NAME, link.ok().as_ref())
}

/// Fails if this process, as the user that it is now, cannot reach the run directory.
fn check_reachable(run_dir: &Path) -> anyhow::Result<()> {
    let Some(closed) = closed_directory(run_dir) else {
        return Ok(());
    };
    let (run_dir, closed, user) = (run_dir.display(), closed.display(), geteuid());
    bail!(
        "the run directory {run_dir} cannot be reached: {closed} is closed to user {user}. Open it for others \
         (chmod o+x {closed}), choose another run directory (--run-dir, CHAT_RUN_DIR), or start chatserv as the user \
         that owns it"
    )
}
