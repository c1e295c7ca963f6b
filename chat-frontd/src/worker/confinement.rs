//! What a worker needs after its start; it gives up everything else.

use chat_node::sandbox::{
    Condition, FileAccess, Limits, Otherwise, Sandbox, SandboxError, SystemCalls, WAITING_LOOP,
};
use nix::libc;

use crate::settings::{DESCRIPTORS_BESIDE_CLIENTS, Settings};

/// What a worker takes without clients, with much to spare.
const BASE_BYTES: u64 = 512 * 1024 * 1024;
/// What a client takes beside the texts that wait for it, with as much to spare.
const BYTES_A_CLIENT: u64 = 64 * 1024;

/// What is set at a client's socket. Others, set at the listening sockets that all workers share, would harm the
/// others.
const CLIENT_OPTIONS: &[(i32, i32)] = &[
    (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
    (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE),
    (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL),
    (libc::IPPROTO_TCP, libc::TCP_KEEPCNT),
    (libc::IPPROTO_TCP, libc::TCP_NODELAY),
    (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
];

/// Gives up all that is not needed. To be called when all else is open.
pub fn confine(sandbox: &mut Sandbox, settings: &Settings) -> Result<(), SandboxError> {
    restrict_resources(sandbox, settings)?;
    restrict_system_calls(sandbox)
}

/// Gives up all files, all processes, and all networks but the connections that are there or come in.
pub fn restrict_resources(sandbox: &mut Sandbox, settings: &Settings) -> Result<(), SandboxError> {
    sandbox.restrict_files(&FileAccess {
        directories: &[],
        sockets: &[&settings.process.run_dir],
    })?;
    sandbox.limit(&limits(settings))
}

/// Gives up all system calls but those of the loop.
pub fn restrict_system_calls(sandbox: &mut Sandbox) -> Result<(), SandboxError> {
    sandbox.restrict_system_calls(&system_calls())
}

fn limits(settings: &Settings) -> Limits {
    let clients = settings.max_clients as u64;
    let a_client = (settings.max_unread_bytes + settings.max_line_bytes) as u64 + BYTES_A_CLIENT;
    Limits {
        memory_bytes: BASE_BYTES.saturating_add(clients.saturating_mul(a_client)),
        descriptors: clients + DESCRIPTORS_BESIDE_CLIENTS,
    }
}

/// A worker that makes any other call is not the worker that was started.
fn system_calls() -> SystemCalls {
    let int = i64::from;
    let calls = SystemCalls::new(&[WAITING_LOOP, &[libc::SYS_connect]], Otherwise::Kill)
        .or_if(libc::SYS_socket, Condition::Is(0, int(libc::AF_UNIX)))
        .or_if(libc::SYS_ioctl, Condition::Is(1, libc::FIONREAD as i64))
        .or_if(libc::SYS_ioctl, Condition::Is(1, libc::TIOCOUTQ as i64));
    CLIENT_OPTIONS.iter().fold(calls, |calls, (level, option)| {
        let of_client = Condition::Are([(1, int(*level)), (2, int(*option))]);
        calls.or_if(libc::SYS_setsockopt, of_client)
    })
}
