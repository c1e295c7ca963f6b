//! Signals that have no meaning for the daemons, but would end a process by default.
#![allow(unsafe_code)]

use nix::sys::signal::{SigHandler, Signal, signal};

/// Signals of timers, limits and conventions of other programs (many daemons reopen their log on `kill -USR1`).
/// Handlers for some of them may be installed later.
const MEANINGLESS: [Signal; 10] = [
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGIO,
    Signal::SIGPIPE,
    // If it is ignored, a write beyond the limit of file size fails, and the writer handles the error.
    Signal::SIGXFSZ,
    // Sent when the soft limit of processor time is reached, and every second from then on; the hard limit kills.
    Signal::SIGXCPU,
    Signal::SIGPWR,
];

/// Ignores these signals, in this process and in all that it starts.
pub fn ignore_meaningless() -> nix::Result<()> {
    for meaningless in MEANINGLESS {
        // SAFETY: the signal is ignored, so no handler can run at a bad moment.
        unsafe { signal(meaningless, SigHandler::SigIgn) }?;
    }
    Ok(())
}
