//! The signals a supervisor listens to, as something that can be polled.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::{flag, low_level};

/// Catches the signals from its making on.
#[derive(Debug)]
pub struct Signals {
    wake: UnixStream,
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

impl Signals {
    /// Catches SIGTERM, SIGINT, SIGQUIT, SIGHUP and SIGCHLD from now on.
    pub fn catch() -> io::Result<Self> {
        let (wake, write_end) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        let reload = Arc::new(AtomicBool::new(false));
        // What is registered first is run first: when the loop wakes, the flag is set.
        let stopping = [SIGTERM, SIGINT, SIGQUIT];
        for signal in stopping {
            flag::register(signal, Arc::clone(&stop))?;
        }
        flag::register(SIGHUP, Arc::clone(&reload))?;
        for signal in stopping.into_iter().chain([SIGHUP, SIGCHLD]) {
            low_level::pipe::register(signal, write_end.try_clone()?)?;
        }
        Ok(Self { wake, stop, reload })
    }

    /// Forgets that it was woken. To be called before the flags are looked at.
    pub fn drain(&mut self) {
        let mut buffer = [0; 64];
        while matches!(self.wake.read(&mut buffer), Ok(count) if count > 0) {}
    }

    /// Whether the process was asked to end since this was last asked.
    pub fn take_stop(&self) -> bool {
        self.stop.swap(false, Ordering::SeqCst)
    }

    /// Whether the process was asked to read its files again since this was last asked.
    pub fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::SeqCst)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
