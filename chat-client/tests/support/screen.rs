//! The full screen at a pseudo-terminal of some size, held in an emulator.

use std::fs::File;
use std::io::Write;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::{Pid, ttyname};

use super::terminal::{output_of, pseudo_terminal, spawn_at};
use super::{FakeServer, PATIENCE, client};

/// The client in the full screen, and what it shows.
pub(crate) struct Screen {
    pub(crate) child: Child,
    keyboard: File,
    path: PathBuf,
    /// Keeps the terminal alive beyond the client.
    terminal: File,
    output: Receiver<Vec<u8>>,
    pub(crate) emulator: vt100::Parser,
    /// The mode of the terminal before the client began.
    found: Termios,
    pub(crate) server: FakeServer,
}

impl Screen {
    /// The client at a terminal of so many columns and rows.
    pub(crate) fn start(server: FakeServer, (columns, rows): (u16, u16)) -> Screen {
        let mut command = client();
        let port = server.address.port().to_string();
        command.args(["127.0.0.1", &port]);
        Screen::of(command, server, (columns, rows))
    }

    /// This program at a terminal of so many columns and rows.
    pub(crate) fn of(command: Command, server: FakeServer, (columns, rows): (u16, u16)) -> Screen {
        let (keyboard, terminal) = pseudo_terminal();
        let path = ttyname(&terminal).expect("a name");
        set_size(&path, (columns, rows));
        let found = tcgetattr(&terminal).expect("a mode");
        let child = spawn_at(command, &terminal);
        let output = output_of(&keyboard);
        Screen {
            child,
            keyboard,
            path,
            terminal,
            output,
            emulator: vt100::Parser::new(at_least_one(rows), at_least_one(columns), 0),
            found,
            server,
        }
    }

    /// Waits until the screen is as wanted.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self.emulator.screen()) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.emulator.process(&bytes),
                Err(_) => panic!("not seen: {what}. The screen:\n{}", self.text()),
            }
        }
    }

    /// Waits until this stands on the screen.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> &mut Screen {
        self.wait_until(text, |screen| screen.contents().contains(text));
        self
    }

    pub(crate) fn press(&mut self, keys: &str) -> &mut Screen {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("a keyboard");
        self
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("a process");
    }

    /// Gives the terminal another size. It is not the client's controlling terminal, so the signal is sent by hand.
    pub(crate) fn resize(&mut self, (columns, rows): (u16, u16)) {
        set_size(&self.path, (columns, rows));
        self.emulator
            .screen_mut()
            .set_size(at_least_one(rows), at_least_one(columns));
        self.signal(Signal::SIGWINCH);
    }

    pub(crate) fn text(&self) -> String {
        self.emulator.screen().contents()
    }

    /// Waits for the end, and checks that the terminal is as it was; gives the exit status and what the terminal shows.
    #[track_caller]
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("an end").code();
        let now = tcgetattr(&self.keyboard).expect("a mode");
        assert_eq!(now.local_flags, self.found.local_flags);
        assert_eq!(now.input_flags, self.found.input_flags);
        // The reader ends with the terminal.
        drop(self.terminal);
        while let Ok(bytes) = self.output.recv_timeout(PATIENCE) {
            self.emulator.process(&bytes);
        }
        let screen = self.emulator.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor());
        assert!(!screen.bracketed_paste());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        self.server.finish();
        (status, screen.contents())
    }
}

fn set_size(terminal: &Path, (columns, rows): (u16, u16)) {
    let status = Command::new("stty")
        .arg("-F")
        .arg(terminal)
        .args(["cols", &columns.to_string(), "rows", &rows.to_string()])
        .status();
    assert!(status.expect("stty").success());
}

fn at_least_one(size: u16) -> NonZero<u16> {
    NonZero::new(size).expect("a size")
}
