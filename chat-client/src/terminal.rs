//! The modes of the terminal that the client changes, and puts back when it ends.

use std::io;

use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{
    LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};
use nix::unistd::Pid;

/// Columns that are assumed where the terminal does not tell.
const DEFAULT_COLUMNS: usize = 80;

/// The terminal of the standard input. Dropping it restores what was found.
pub(crate) struct TerminalMode {
    found: Termios,
    /// What was set last.
    wanted: Termios,
    /// The terminal is to mark what is pasted.
    marks_pastes: bool,
}

/// Have the terminal put marks around what is pasted, and no longer.
const MARK_PASTES: &[u8] = b"\x1b[?2004h";
const DO_NOT_MARK_PASTES: &[u8] = b"\x1b[?2004l";

impl TerminalMode {
    /// Remembers the mode of the terminal.
    pub(crate) fn of_stdin() -> io::Result<TerminalMode> {
        let found = tcgetattr(io::stdin())?;
        Ok(TerminalMode {
            wanted: found.clone(),
            found,
            marks_pastes: false,
        })
    }

    /// Gives each key as it is pressed, and shows none.
    pub(crate) fn set_key_by_key(&mut self) -> io::Result<()> {
        let mut mode = self.found.clone();
        mode.local_flags &=
            !(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::IEXTEN);
        mode.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        mode.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        self.wanted = mode;
        self.marks_pastes = true;
        self.set_again()
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
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.wanted)?;
        self.ask_terminal(MARK_PASTES);
        Ok(())
    }

    fn ask_terminal(&self, sequence: &[u8]) {
        if self.marks_pastes {
            // A terminal that is gone needs nothing.
            let _ = nix::unistd::write(io::stdout(), sequence);
        }
    }

    /// Sets what was found.
    pub(crate) fn restore(&self) {
        self.ask_terminal(DO_NOT_MARK_PASTES);
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.found);
    }
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
    window_size::columns_of_stdout().unwrap_or(DEFAULT_COLUMNS)
}

/// The window size is asked for by an ioctl, for which no safe wrapper exists here.
mod window_size {
    #![allow(unsafe_code)]

    use std::io;
    use std::os::fd::AsRawFd;

    nix::ioctl_read_bad!(get_window_size, nix::libc::TIOCGWINSZ, nix::libc::winsize);

    pub(super) fn columns_of_stdout() -> Option<usize> {
        let mut size = nix::libc::winsize {
            ws_row: 0,
            ws_col: 0,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // SAFETY: TIOCGWINSZ writes one `winsize`, to which the pointer is valid for the call.
        unsafe { get_window_size(io::stdout().as_raw_fd(), &raw mut size) }.ok()?;
        (size.ws_col > 0).then_some(usize::from(size.ws_col))
    }
}
