//! The modes of the terminal that the client changes, and puts back when it ends.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{
    InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};
use nix::unistd::Pid;

/// A terminal that takes nothing for so long is blocked.
const BLOCKED_MS: u16 = 600;
const MAX_WRITE_BYTES: usize = 128;
/// Columns and rows that are assumed where the terminal does not tell.
const DEFAULT_SIZE: (u16, u16) = (80, 24);

/// What the terminal is asked for beside its mode, and how that is taken back.
#[derive(Clone, Copy)]
struct Wishes {
    ask: &'static [u8],
    take_back: &'static [u8],
}

/// Have the terminal put marks around what is pasted.
const MARKED_PASTES: Wishes = Wishes {
    ask: b"\x1b[?2004h",
    take_back: b"\x1b[?2004l",
};
/// The other screen, without wrapping of rows; marks around pastes, and reports of mouse and focus.
const FULL_SCREEN: Wishes = Wishes {
    ask: b"\x1b[?1049h\x1b[?7l\x1b[?2004h\x1b[?1002h\x1b[?1006h\x1b[?1004h",
    take_back: b"\x1b[0m\x1b[?1004l\x1b[?1006l\x1b[?1002l\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l",
};

/// The terminal of the standard input. Dropping it restores what was found.
pub(crate) struct TerminalMode {
    found: Termios,
    /// What was set last.
    wanted: Termios,
    wishes: Option<Wishes>,
    /// Something was set that is to be restored. Once only: leaving the other screen twice moves the cursor.
    is_set: Arc<AtomicBool>,
}

impl TerminalMode {
    /// Remembers the mode of the terminal.
    pub(crate) fn of_stdin() -> io::Result<TerminalMode> {
        let found = tcgetattr(io::stdin())?;
        Ok(TerminalMode {
            wanted: found.clone(),
            found,
            wishes: None,
            is_set: Arc::default(),
        })
    }

    /// Gives each key as it is pressed, and shows none.
    pub(crate) fn set_key_by_key(&mut self) -> io::Result<()> {
        self.wanted = self.key_by_key();
        self.wishes = Some(MARKED_PASTES);
        self.set_again()
    }

    /// The same on a screen of its own.
    pub(crate) fn set_full_screen(&mut self) -> io::Result<()> {
        self.wanted = self.key_by_key();
        // Ctrl-S would stop the output, and nothing would say so.
        self.wanted.input_flags.remove(InputFlags::IXON);
        self.wishes = Some(FULL_SCREEN);
        self.set_again()
    }

    fn key_by_key(&self) -> Termios {
        let mut mode = self.found.clone();
        mode.local_flags &=
            !(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::IEXTEN);
        mode.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        mode.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        mode
    }

    /// Gives line by line, and shows what is typed or does not.
    pub(crate) fn set_line_by_line(&mut self, echo: bool) -> io::Result<()> {
        let mut mode = self.found.clone();
        mode.local_flags.set(LocalFlags::ECHO, echo);
        self.wanted = mode;
        self.set_again()
    }

    /// Sets what was set last. A shell changes the mode while the program is stopped.
    pub(crate) fn set_again(&self) -> io::Result<()> {
        // Without waiting for the output, which a terminal may not take.
        tcsetattr(io::stdin(), SetArg::TCSANOW, &self.wanted)?;
        self.is_set.store(true, Ordering::Relaxed);
        if let Some(wishes) = self.wishes {
            tell_terminal(wishes.ask);
        }
        Ok(())
    }

    /// Sets what was found.
    pub(crate) fn restore(&self) {
        restore(
            &self.is_set,
            &self.found,
            self.wishes.map_or(&[], |wishes| wishes.take_back),
        );
    }

    /// Restores it before a panic is told, so that people see what is told.
    pub(crate) fn restore_on_panic(&self) {
        let is_set = Arc::clone(&self.is_set);
        let found = Mutex::new(self.found.clone());
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let found = found.lock().unwrap_or_else(PoisonError::into_inner);
            restore(&is_set, &found, FULL_SCREEN.take_back);
            tell(panic);
        }));
    }
}

fn restore(is_set: &AtomicBool, found: &Termios, take_back: &[u8]) {
    if is_set.swap(false, Ordering::Relaxed) {
        tell_terminal(take_back);
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, found);
    }
}

fn tell_terminal(sequence: &[u8]) {
    if !sequence.is_empty() {
        // A terminal that is gone needs nothing.
        let _ = write_unless_blocked(io::stdout(), sequence);
    }
}

/// Writes to a terminal, unless that takes nothing for a while: no signal could end the program meanwhile.
pub(crate) fn write_unless_blocked(terminal: impl AsFd, bytes: &[u8]) -> io::Result<()> {
    let mut left = bytes;
    while !left.is_empty() {
        let mut fds = [PollFd::new(terminal.as_fd(), PollFlags::POLLOUT)];
        match poll(&mut fds, BLOCKED_MS) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        }
        // A terminal that can be written to takes so much without a wait.
        match nix::unistd::write(&terminal, &left[..left.len().min(MAX_WRITE_BYTES)]) {
            Ok(written) => left = &left[written..],
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl Drop for TerminalMode {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Stops the whole job, as the terminal does at Ctrl-Z: a script that started this program has to stop with it.
pub(crate) fn stop_job() -> io::Result<()> {
    let own_group = Pid::from_raw(0);
    Ok(kill(own_group, Signal::SIGTSTP)?)
}

/// How wide the terminal of the standard output is now.
pub(crate) fn columns() -> usize {
    usize::from(size().0)
}

/// How many columns and rows the terminal of the standard output has now.
pub(crate) fn size() -> (u16, u16) {
    let (columns, rows) = window_size::of_stdout().unwrap_or_default();
    let or = |size: u16, default| if size > 0 { size } else { default };
    (or(columns, DEFAULT_SIZE.0), or(rows, DEFAULT_SIZE.1))
}

/// The window size is asked for by an ioctl, for which no safe wrapper exists here.
mod window_size {
    #![allow(unsafe_code)]

    use std::io;
    use std::os::fd::AsRawFd;

    nix::ioctl_read_bad!(get_window_size, nix::libc::TIOCGWINSZ, nix::libc::winsize);

    pub(super) fn of_stdout() -> Option<(u16, u16)> {
        let mut size = nix::libc::winsize {
            ws_row: 0,
            ws_col: 0,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // SAFETY: TIOCGWINSZ writes one `winsize`, to which the pointer is valid for the call.
        unsafe { get_window_size(io::stdout().as_raw_fd(), &raw mut size) }.ok()?;
        Some((size.ws_col, size.ws_row))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::process::{Command, Stdio};

    use nix::pty::openpty;

    use super::*;

    /// The test of this name is started again at a terminal, where this variable makes it panic.
    const AT_TERMINAL: &str = "TEST_PANICS_AT_TERMINAL";
    const NAME: &str = "terminal::tests::panic_leaves_terminal_whole";

    #[test]
    fn panic_leaves_terminal_whole() {
        if std::env::var_os(AT_TERMINAL).is_some() {
            let mut mode = TerminalMode::of_stdin().expect("a terminal");
            mode.restore_on_panic();
            mode.set_full_screen().expect("a terminal");
            panic!("on purpose");
        }
        let pty = openpty(None, None).expect("a terminal");
        let found = tcgetattr(&pty.slave).expect("a mode");
        let end = || Stdio::from(pty.slave.try_clone().expect("a descriptor"));
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", NAME, "--nocapture", "--test-threads=1"])
            .env(AT_TERMINAL, "1")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("this test again");
        assert!(!child.wait().expect("an end").success());
        assert!(tcgetattr(&pty.slave).expect("a mode") == found);
        drop(pty.slave);
        let mut shown = Vec::new();
        // The end of the terminal reads as an error.
        let _ = File::from(pty.master).read_to_end(&mut shown);
        let shown = String::from_utf8_lossy(&shown);
        let text_of = |wishes: &'static [u8]| str::from_utf8(wishes).expect("text");
        let asked = shown.find(text_of(FULL_SCREEN.ask)).expect("a full screen");
        let taken_back = shown
            .find(text_of(FULL_SCREEN.take_back))
            .expect("no full screen");
        let told = shown.find("on purpose").expect("a reason");
        assert!(asked < taken_back && taken_back < told, "{shown:?}");
        assert_eq!(shown.matches(text_of(FULL_SCREEN.take_back)).count(), 1);
    }
}
