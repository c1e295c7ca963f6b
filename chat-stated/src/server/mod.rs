//! The daemon's process: carries bytes between workers and the core, and work between the core and the
//! threads that wait for disks and hashes.

mod event_loop;
mod finished;
mod host_clock;
pub mod recovery;
mod socket;
mod workshop;

use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use crate::account_file::rewrite::rewrite;
use crate::backup::restore;
use crate::database::disk_failure;
use crate::settings::Settings;
use crate::state_lock::StateLock;
use event_loop::EventLoop;

/// How long a predecessor may take to let go of the state directory.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// What the daemon's process is started with.
#[derive(Debug)]
pub struct DaemonSetup {
    /// Where workers connect. Held by the supervisor too, so that a worker that comes while the daemon is
    /// down waits.
    pub listener: UnixListener,
    /// The supervisor: is told when the daemon can serve; its end is the daemon's end.
    pub parent: UnixStream,
    /// The flags.
    pub settings: Settings,
}

/// Recovers the state and serves it until SIGTERM, or until the supervisor is gone. An error means that the state
/// cannot be served, or no longer.
pub fn run(setup: DaemonSetup) -> anyhow::Result<()> {
    let state_dir = setup.settings.state_dir();
    let _lock = StateLock::acquire(&state_dir, LOCK_WAIT)?;
    restore::restore_if_asked(&setup.settings)?;
    if disk_failure::is_noted(&state_dir)? {
        rewrite(&setup.settings.account_file())?;
    }
    let resident_text_bytes = setup.settings.resident_text_bytes;
    let recovered = match recovery::recover(&state_dir, resident_text_bytes) {
        // A start takes some room, too; what is held back is taken again if there is more than that.
        Err(error) if recovery::may_lack_room(&error) => {
            log::error!("{error:#}; trying again without the reserve");
            setup.settings.disk_reserve().give_up()?;
            recovery::recover(&state_dir, resident_text_bytes)?
        }
        result => result?,
    };
    EventLoop::new(setup, recovered)?.run()
}
