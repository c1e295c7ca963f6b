//! Writes to standard output and standard error. Waits until all of it was taken, but not beyond a signal to end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::signals::{SignalPipe, Signals, StopSignal};

/// Fits into a pipe that poll reports as writable, so that the write itself does not block.
const MAX_WRITE_BYTES: usize = nix::libc::PIPE_BUF;
/// Pause after an output was reported as writable and took nothing.
const RETRY_PAUSE: Duration = Duration::from_millis(1);

/// Both standard streams.
pub(crate) struct Output {
    /// Readable once a signal to end has come, if signals are listened to.
    interrupts: Vec<OwnedFd>,
    /// From then on, an output that takes nothing is an error.
    patient_until: Option<Instant>,
    /// Without it, a job whose other programs have stopped would never stop as a whole.
    stop: Option<StopSignal>,
    waited: Duration,
}

enum WriteError {
    /// A signal to end came while the output took nothing.
    Interrupted,
    Failed(Errno),
}

impl Output {
    /// Heeds the signals to end and to stop while it waits.
    pub(crate) fn new(signals: &Signals) -> io::Result<Output> {
        let stop = signals.stop.as_ref().map(StopSignal::try_clone);
        let interrupts = [Some(&signals.leave), signals.hang_up.as_ref()];
        let interrupts = interrupts.into_iter().flatten().map(SignalPipe::try_clone);
        Ok(Output {
            interrupts: interrupts.collect::<io::Result<_>>()?,
            patient_until: None,
            stop: stop.transpose()?,
            waited: Duration::ZERO,
        })
    }

    /// Waits as long as it takes: a signal does what it does by default.
    pub(crate) fn patient() -> Output {
        Output {
            interrupts: Vec::new(),
            patient_until: None,
            stop: None,
            waited: Duration::ZERO,
        }
    }

    /// Writes all of it to standard output.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.write_all(io::stdout().as_fd(), bytes) {
            Ok(()) => Ok(()),
            Err(WriteError::Interrupted) => Err(interrupted()),
            Err(WriteError::Failed(error)) => Err(error.into()),
        }
    }

    /// Writes all of it to standard error. What cannot be written there is lost: the exit status tells the result.
    pub(crate) fn write_words(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.write_all(io::stderr().as_fd(), bytes) {
            Err(WriteError::Interrupted) => Err(interrupted()),
            Ok(()) | Err(WriteError::Failed(_)) => Ok(()),
        }
    }

    /// Waits for this long at most from now on.
    pub(crate) fn lose_patience_after(&mut self, pause: Duration) {
        self.patient_until.get_or_insert(Instant::now() + pause);
    }

    /// Total time for which an output took nothing.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    // Not by the streams of the standard library: they treat a descriptor that cannot be written to as a good one.
    fn write_all(&mut self, fd: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), WriteError> {
        while !bytes.is_empty() {
            self.wait_until_writable(fd)?;
            match nix::unistd::write(fd, &bytes[..bytes.len().min(MAX_WRITE_BYTES)]) {
                Ok(written) => bytes = &bytes[written..],
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => thread::sleep(RETRY_PAUSE),
                Err(error) => return Err(WriteError::Failed(error)),
            }
        }
        Ok(())
    }

    fn wait_until_writable(&mut self, fd: BorrowedFd<'_>) -> Result<(), WriteError> {
        let begun = Instant::now();
        let result = loop {
            let stop = self.stop.as_ref();
            let mut fds = vec![PollFd::new(fd, PollFlags::POLLOUT)];
            let inputs = self.interrupts.iter().map(AsFd::as_fd);
            let inputs = inputs.chain(stop.map(AsFd::as_fd));
            fds.extend(inputs.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
            match poll(&mut fds, self.timeout()) {
                Ok(0) => break Err(WriteError::Interrupted),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => break Err(WriteError::Failed(error)),
            }
            let mut polled = fds.iter().map(|fd| fd.any() == Some(true));
            // An output that is broken is writable, too: the write tells how.
            if polled.next() == Some(true) {
                break Ok(());
            }
            let is_interrupted = polled.by_ref().take(self.interrupts.len());
            if is_interrupted.filter(|is_ready| *is_ready).count() > 0 {
                break Err(WriteError::Interrupted);
            }
            if let Some(stop) = stop.filter(|_| polled.next() == Some(true))
                && let Err(error) = stop.let_through()
            {
                break Err(WriteError::Failed(error));
            }
        };
        self.waited += begun.elapsed();
        result
    }

    fn timeout(&self) -> PollTimeout {
        self.patient_until.map_or(PollTimeout::NONE, |until| {
            let left = until.saturating_duration_since(Instant::now());
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        })
    }
}

fn interrupted() -> io::Error {
    io::Error::other("ended by a signal while nothing took the output")
}
