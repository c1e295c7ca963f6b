//! Signals as something to poll for.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};

/// The signals that are listened to.
pub(crate) struct Signals {
    /// The program is to end.
    pub(crate) leave: SignalPipe,
    /// The window has another size.
    pub(crate) resized: SignalPipe,
    /// The program was stopped and goes on.
    pub(crate) continued: SignalPipe,
    /// The program is to stop; only at a terminal.
    pub(crate) stop: Option<StopSignal>,
    /// The program is to end at once; only in the full screen, which has something to put back.
    pub(crate) hang_up: Option<SignalPipe>,
}

impl Signals {
    /// Listens from now on, at a terminal also for what stops a job.
    pub(crate) fn listen(at_terminal: bool) -> io::Result<Signals> {
        Ok(Signals {
            leave: SignalPipe::of(&[SIGINT, SIGTERM])?,
            resized: SignalPipe::of(&[SIGWINCH])?,
            continued: SignalPipe::of(&[SIGCONT])?,
            stop: at_terminal.then(StopSignal::hold).transpose()?,
            hang_up: None,
        })
    }

    /// Listens also for the signals that would end the full screen without putting the terminal back.
    pub(crate) fn listen_to_hang_up(&mut self) -> io::Result<()> {
        self.hang_up = Some(SignalPipe::of(&[SIGHUP, SIGQUIT])?);
        Ok(())
    }
}

/// Becomes readable when one of its signals has come.
pub(crate) struct SignalPipe {
    reader: UnixStream,
}

impl SignalPipe {
    /// Listens for these signals from now on, instead of what they do by default.
    pub(crate) fn of(signals: &[i32]) -> io::Result<SignalPipe> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        for &signal in signals {
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(SignalPipe { reader })
    }

    /// Clears the signals that have arrived, without their number.
    pub(crate) fn clear(&mut self) {
        let mut bytes = [0; 64];
        while matches!(self.reader.read(&mut bytes), Ok(length) if length == bytes.len()) {}
    }

    /// Another descriptor that is readable when this one is.
    pub(crate) fn try_clone(&self) -> io::Result<OwnedFd> {
        self.reader.as_fd().try_clone_to_owned()
    }
}

impl AsFd for SignalPipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

/// SIGTSTP, which is kept pending until the mode of the terminal was put back. Readable while it is pending.
pub(crate) struct StopSignal {
    mask: SigSet,
    fd: OwnedFd,
}

impl StopSignal {
    fn hold() -> io::Result<StopSignal> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGTSTP);
        mask.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let fd = SignalFd::with_flags(&mask, flags)?;
        let fd = fd.as_fd().try_clone_to_owned()?;
        Ok(StopSignal { mask, fd })
    }

    /// A second handle for the same signal.
    pub(crate) fn try_clone(&self) -> io::Result<StopSignal> {
        Ok(StopSignal {
            mask: self.mask,
            fd: self.fd.try_clone()?,
        })
    }

    /// Stops the program if the signal is pending; returns when it goes on. The kernel drops the signal where no shell
    /// could continue the program.
    pub(crate) fn let_through(&self) -> Result<(), Errno> {
        self.mask.thread_unblock()?;
        self.mask.thread_block()
    }
}

impl AsFd for StopSignal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
