//! What the process that holds the state needs after its start; it gives up everything else.

use std::path::Path;

use chat_node::sandbox::{
    Condition, FileAccess, Limits, Otherwise, Sandbox, SandboxError, SystemCalls, THREADED_LOOP,
    WAITING_LOOP, physical_memory_bytes,
};
use nix::libc;

use crate::settings::Settings;

/// Workers, operators, databases: a hundred are many.
const DESCRIPTORS: u64 = 4_096;

/// Files of the state and the account file: SQLite's, and those of the standard library.
const FILES: &[i64] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    libc::SYS_copy_file_range,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fallocate,
    libc::SYS_fchmod,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_geteuid,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    libc::SYS_linkat,
    libc::SYS_lseek,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    libc::SYS_newfstatat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_renameat,
    libc::SYS_renameat2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_sync_file_range,
    libc::SYS_sysinfo,
    libc::SYS_umask,
    libc::SYS_uname,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    libc::SYS_unlinkat,
];

/// Whether a worker of an earlier process is still there.
const OTHER_PROCESSES: &[i64] = &[libc::SYS_pidfd_open];

/// Gives up all files but those in the state directory and the run directory, where the account file is. Before any
/// thread is started: the others inherit it.
pub fn restrict_files(sandbox: &mut Sandbox, settings: &Settings) -> Result<(), SandboxError> {
    let (run_dir, state_dir) = (&settings.process.run_dir, settings.state_dir());
    // A state directory elsewhere, by a link, is not below the run directory.
    let directories: [&Path; 2] = [run_dir, &state_dir];
    sandbox.restrict_files(&FileAccess {
        directories: &directories,
        sockets: &[],
    })
}

/// Gives up the rest, for all threads there are. More are not started.
pub fn restrict_the_rest(sandbox: &mut Sandbox) -> Result<(), SandboxError> {
    restrict_resources(sandbox)?;
    restrict_system_calls(sandbox)
}

/// Gives up all processes, and more memory than the host has.
pub fn restrict_resources(sandbox: &mut Sandbox) -> Result<(), SandboxError> {
    sandbox.limit(&Limits {
        memory_bytes: physical_memory_bytes(),
        descriptors: DESCRIPTORS,
    })
}

/// Gives up all system calls but those of the loop and its threads.
pub fn restrict_system_calls(sandbox: &mut Sandbox) -> Result<(), SandboxError> {
    sandbox.restrict_system_calls(&system_calls())
}

/// A call too few must not cost everybody the service: what is not in the list fails, and says so.
fn system_calls() -> SystemCalls {
    let lists = [WAITING_LOOP, THREADED_LOOP, FILES, OTHER_PROCESSES];
    let locks = [
        libc::F_GETLK,
        libc::F_SETLK,
        libc::F_SETLKW,
        libc::F_OFD_GETLK,
        libc::F_OFD_SETLK,
        libc::F_OFD_SETLKW,
    ];
    // How late a hashing thread may wake from a pause.
    let timer_slack = Condition::Is(0, i64::from(libc::PR_SET_TIMERSLACK));
    let calls = SystemCalls::new(&lists, Otherwise::Refuse).or_if(libc::SYS_prctl, timer_slack);
    locks.iter().fold(calls, |calls, lock| {
        calls.or_if(libc::SYS_fcntl, Condition::Is(1, i64::from(*lock)))
    })
}
