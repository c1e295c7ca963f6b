//! Signals that mean nothing to the daemons, and by default end a process.
#![allow(unsafe_code)]

use nix::sys::signal::{SigHandler, Signal, signal};

/// Signals of timers, limits and other programs' conventions (`kill -USR1` has many a daemon open its log again). Those
/// that something here handles come later, with their handlers.
const MEANINGLESS: [Signal; 10] = [
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGIO,
    Signal::SIGPIPE,
    // Writing beyond the limit of a file's size fails then, and what fails is handled where it is written.
    Signal::SIGXFSZ,
    // Sent when the soft limit of processor time is reached, and every second from then on; the hard limit kills.
    Signal::SIGXCPU,
    Signal::SIGPWR,
];

/// Ignores them, in this process and in all that it starts.
pub fn ignore_meaningless() -> nix::Result<()> {
    for meaningless in MEANINGLESS {
        // SAFETY: no handler is installed that could run at a bad moment: the signal is ignored.
        unsafe { signal(meaningless, SigHandler::SigIgn) }?;
    }
    Ok(())
}
