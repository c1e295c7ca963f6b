//! The daemon's process: carries bytes between workers and the core, and work between the core and the
//! threads that wait for disks and hashes.

mod completion;
pub mod confinement;
mod event_loop;
mod history;
mod host_clock;
mod io_threads;
mod metrics;
mod peers;
pub mod recovery;
mod socket;

use std::num::NonZeroUsize;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use chat_node::limits::memory::AvailableMemory;
use chat_node::limits::system_limits::SystemLimits;
use chat_node::sandbox::Sandbox;

use crate::account_file::rewrite::rewrite;
use crate::backup::restore;
use crate::database::disk_failure;
use crate::earlier_state;
use crate::insecure_permissions::{close_directory_to_others, close_to_others};
use crate::memory_plan::MemoryPlan;
use crate::settings::{self, Settings};
use crate::state_lock::StateLock;
use event_loop::EventLoop;
use host_clock::HostClock;

/// How long a predecessor may take to unlock the state directory.
const LOCK_WAIT: Duration = Duration::from_secs(5);
const MIB: u64 = 1024 * 1024;

/// What the daemon's process is started with.
#[derive(Debug)]
pub struct DaemonSetup {
    /// Where workers connect. Held by the supervisor too, so that a worker that comes while the daemon is
    /// down waits.
    pub listener: UnixListener,
    /// The supervisor: is told when the daemon can serve; its end is the daemon's end.
    pub parent: UnixStream,
    /// What the system lets this process have.
    pub limits: SystemLimits,
    /// The flags.
    pub settings: Settings,
    /// What this process has given up so far, and is to give up.
    pub sandbox: Sandbox,
}

/// What has to be asked of the host while its files can be read.
struct Host {
    clock: HostClock,
    plan: MemoryPlan,
    hashing_threads: NonZeroUsize,
}

/// Recovers the state and serves it until SIGTERM, or until the supervisor is gone. An error means that the state
/// cannot be served, or no longer.
pub fn run(mut setup: DaemonSetup) -> anyhow::Result<()> {
    let host = Host::ask(&setup.settings)?;
    let state_dir = setup.settings.state_dir();
    let _lock = StateLock::acquire(&state_dir, LOCK_WAIT)?;
    let on_insecure_permissions = settings::on_insecure_permissions(&setup.settings);
    close_directory_to_others(&state_dir, on_insecure_permissions)?;
    close_to_others(&setup.settings.account_file(), on_insecure_permissions)?;
    confinement::restrict_files(&mut setup.sandbox, &setup.settings)?;
    restore::restore_if_asked(&setup.settings)?;
    if disk_failure::is_noted(&state_dir)? {
        rewrite(&setup.settings.account_file())?;
    }
    let run_dir = setup.settings.process.run_dir.clone();
    earlier_state::refuse_to_forget(&run_dir, &state_dir)?;
    let resident_text_bytes = settings::resident_text_bytes(&setup.settings, host.plan);
    let recovered = match recovery::recover(&state_dir, resident_text_bytes) {
        // A start takes some room, too; what is held back is taken again if there is more than that.
        Err(error) if recovery::may_lack_room(&error) => {
            log::error!("{error:#}; trying again without the reserve");
            settings::disk_reserve(&setup.settings).give_up()?;
            recovery::recover(&state_dir, resident_text_bytes)?
        }
        result => result?,
    };
    earlier_state::note(&run_dir);
    EventLoop::new(setup, host, recovered)?.run()
}

impl Host {
    fn ask(settings: &Settings) -> anyhow::Result<Self> {
        let memory = AvailableMemory::of_this_process();
        let plan = MemoryPlan::of(memory);
        let waiting = settings::waiting_limits(settings, plan);
        log::info!(
            "this process may have {memory}: messages that wait may take {} MiB, those of one sender at most {} MiB",
            waiting.bytes / MIB,
            waiting.sender_bytes(0) / MIB
        );
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Ok(Self {
            clock: HostClock::new()?,
            plan,
            hashing_threads: plan.hashing_threads(cores, settings.argon2_memory_kib),
        })
    }
}
