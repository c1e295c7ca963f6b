//! Which standard streams were closed when the program started.
//!
//! The runtime of Rust opens `/dev/null` for closed streams before `main`, so a closed standard output would seem to
//! work. Only a function that the loader calls earlier can detect it.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc::{F_GETFD, STDOUT_FILENO, fcntl};

static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

// SAFETY: the loader calls the functions in this section once, before `main`. Their arguments may be ignored.
#[used]
#[unsafe(link_section = ".init_array")]
static CHECK_STDOUT: extern "C" fn() = check_stdout;

extern "C" fn check_stdout() {
    // SAFETY: F_GETFD takes no further argument and touches no memory.
    let is_closed = unsafe { fcntl(STDOUT_FILENO, F_GETFD) } == -1;
    STDOUT_WAS_CLOSED.store(is_closed, Ordering::Relaxed);
}

/// Whether the program was started without a standard output (`>&-`).
pub fn stdout_was_closed() -> bool {
    STDOUT_WAS_CLOSED.load(Ordering::Relaxed)
}
