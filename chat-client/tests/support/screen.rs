//! The full screen at a pseudo-terminal of some size, held in two emulators.

use std::fs::File;
use std::io::Write;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use alacritty_terminal::term::TermMode;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::{Pid, ttyname};

use super::alacritty::Alacritty;
use super::terminal::{output_of, pseudo_terminal, spawn_at};
use super::{FakeServer, PATIENCE, client};

/// How often to look at what tells nothing of a change.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// All that a program can leave behind on a terminal, apart from text.
#[derive(Debug, PartialEq)]
pub(crate) struct Modes {
    terminal: Termios,
    second: TermMode,
    /// Other screen, no cursor, pastes, mouse, keys of the cursor, keys of the pad.
    first: (bool, bool, bool, vt100::MouseProtocolMode, bool, bool),
}

/// The client in the full screen, and what it shows.
pub(crate) struct Screen {
    pub(crate) child: Child,
    pub(crate) keyboard: File,
    path: PathBuf,
    /// Keeps the terminal alive beyond the client.
    pub(crate) terminal: File,
    output: Receiver<Vec<u8>>,
    pub(crate) emulator: vt100::Parser,
    pub(crate) second: Alacritty,
    /// All bytes that appeared.
    everything: Vec<u8>,
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
            second: Alacritty::new((columns, rows)),
            everything: Vec::new(),
            found,
            server,
        }
    }

    /// Logs in as bob, and waits for all that the server has to say to that.
    pub(crate) fn log_in(&mut self) {
        self.wait_for("User name:").press("bob\r");
        self.wait_for("Password:").press("hunter2\r");
        self.wait_for("Welcome, bob.");
        assert!(!self.text().contains("hunter2"));
        // The rooms are known.
        self.server.wait_until_reached();
    }

    /// Waits until the screen is as wanted.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self.emulator.screen()) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.appeared(&bytes),
                Err(_) => panic!("not seen: {what}. The screen:\n{}", self.text()),
            }
        }
    }

    /// The same with what both emulators and the terminal itself say.
    #[track_caller]
    pub(crate) fn wait_until_seen(&mut self, what: &str, is_so: impl Fn(&Screen) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left.min(LOOK_AGAIN)) {
                Ok(bytes) => self.appeared(&bytes),
                Err(_) if !left.is_zero() => {}
                Err(_) => panic!("not seen: {what}. The screen:\n{}", self.text()),
            }
        }
    }

    /// Takes what has appeared until now.
    pub(crate) fn take_what_appeared(&mut self) {
        while let Ok(bytes) = self.output.try_recv() {
            self.appeared(&bytes);
        }
    }

    /// What something else than the client writes to the terminal is taken the same way.
    pub(crate) fn appeared(&mut self, bytes: &[u8]) {
        self.emulator.process(bytes);
        self.second.process(bytes);
        self.everything.extend_from_slice(bytes);
    }

    /// The modes of the terminal, and those of the emulators.
    pub(crate) fn modes(&self) -> Modes {
        let screen = self.emulator.screen();
        Modes {
            terminal: tcgetattr(&self.keyboard).expect("a mode"),
            second: self.second.modes(),
            first: (
                screen.alternate_screen(),
                screen.hide_cursor(),
                screen.bracketed_paste(),
                screen.mouse_protocol_mode(),
                screen.application_cursor(),
                screen.application_keypad(),
            ),
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
        self.second.resize((columns, rows));
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
        assert!(now == self.found, "{now:?}\n{:?}", self.found);
        // The reader ends with the terminal.
        drop(self.terminal);
        while let Ok(bytes) = self.output.recv_timeout(PATIENCE) {
            self.emulator.process(&bytes);
            self.second.process(&bytes);
            self.everything.extend_from_slice(&bytes);
        }
        let screen = self.emulator.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor());
        assert!(!screen.bracketed_paste());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        assert_eq!(self.second.modes(), Alacritty::new((80, 24)).modes());
        let everything = String::from_utf8_lossy(&self.everything);
        assert!(!everything.contains("hunt"), "the password was shown");
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
