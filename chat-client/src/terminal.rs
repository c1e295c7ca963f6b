//! The modes of the terminal that the client changes, and puts back when it ends.

use std::io;

use nix::sys::signal::{Signal, raise};
use nix::sys::termios::{
    LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};

/// Columns that are assumed where the terminal does not tell.
const DEFAULT_COLUMNS: usize = 80;

/// The terminal of the standard input. Dropping it restores what was found.
pub(crate) struct TerminalMode {
    found: Termios,
}

impl TerminalMode {
    /// Remembers the mode of the terminal.
    pub(crate) fn of_stdin() -> io::Result<TerminalMode> {
        Ok(TerminalMode {
            found: tcgetattr(io::stdin())?,
        })
    }

    /// Gives each key as it is pressed, and shows none.
    pub(crate) fn set_key_by_key(&self) -> io::Result<()> {
        let mut mode = self.found.clone();
        mode.local_flags &=
            !(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::IEXTEN);
        mode.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        mode.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        Ok(tcsetattr(io::stdin(), SetArg::TCSADRAIN, &mode)?)
    }

    /// Gives line by line, and shows what is typed or does not.
    pub(crate) fn set_line_by_line(&self, echo: bool) -> io::Result<()> {
        let mut mode = self.found.clone();
        mode.local_flags.set(LocalFlags::ECHO, echo);
        Ok(tcsetattr(io::stdin(), SetArg::TCSADRAIN, &mode)?)
    }

    /// Stops the program as Ctrl-Z does; returns when it goes on, key by key.
    pub(crate) fn suspend(&self) -> io::Result<()> {
        self.restore();
        raise(Signal::SIGTSTP)?;
        self.set_key_by_key()
    }

    fn restore(&self) {
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.found);
    }
}

impl Drop for TerminalMode {
    fn drop(&mut self) {
        self.restore();
    }
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
