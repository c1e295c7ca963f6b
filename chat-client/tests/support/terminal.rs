//! A pseudo-terminal with a program at it, read as bytes.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};

use super::{FakeServer, PATIENCE, Step, client, dialogue};

/// A client at a terminal, and all that appeared on it.
pub(crate) struct Terminal {
    pub(crate) child: Child,
    pub(crate) keyboard: File,
    output: Receiver<Vec<u8>>,
    /// What appeared since the last wait, and everything.
    unread: String,
    pub(crate) everything: String,
    pub(crate) server: FakeServer,
}

impl Terminal {
    /// The client in the line mode, with the server of this dialogue.
    pub(crate) fn start(steps: &str, arguments: &[&str], term: &str) -> Terminal {
        let server = FakeServer::play(dialogue(steps), false);
        let (child, keyboard) = start_client(&server, arguments, term);
        Terminal::with(child, keyboard, server)
    }

    /// This client, with this server.
    pub(crate) fn of(client: Command, server: FakeServer) -> Terminal {
        let (child, keyboard) = at_a_terminal(client);
        Terminal::with(child, keyboard, server)
    }

    /// An interactive shell with job control; `$client` is what starts the client, in the line mode.
    pub(crate) fn start_shell(steps: &str, term: &str) -> Terminal {
        Terminal::shell_with(dialogue(steps), term)
    }

    /// The same with these steps.
    pub(crate) fn shell_with(steps: Vec<Step>, term: &str) -> Terminal {
        let server = FakeServer::play(steps, false);
        let client = client();
        let port = server.address.port();
        let mut shell = Command::new("setsid");
        shell
            .args(["--ctty", "bash", "--norc", "--noprofile", "-i"])
            .env("TERM", term)
            .env("PS1", "shell: ")
            .env("HISTFILE", "/dev/null")
            .env(
                "client",
                format!(
                    "{} 127.0.0.1 {port} --plain --no-push",
                    client.get_program().display()
                ),
            );
        let (child, keyboard) = at_a_terminal(shell);
        Terminal::with(child, keyboard, server)
    }

    fn with(child: Child, keyboard: File, server: FakeServer) -> Terminal {
        let output = output_of(&keyboard);
        Terminal {
            child,
            keyboard,
            output,
            unread: String::new(),
            everything: String::new(),
            server,
        }
    }

    /// Waits until this appears after what was waited for before.
    pub(crate) fn wait_for(&mut self, text: &str) -> &mut Terminal {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(position) = self.unread.find(text) {
                self.unread.drain(..position + text.len());
                return self;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes = self.output.recv_timeout(left).unwrap_or_else(|_| {
                panic!("{text:?} did not appear; what did: {:?}", self.everything)
            });
            self.appeared(&bytes);
        }
    }

    fn appeared(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        self.unread.push_str(&text);
        self.everything.push_str(&text);
    }

    pub(crate) fn press(&mut self, keys: &str) -> &mut Terminal {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("a keyboard");
        self
    }

    /// Waits for the end; gives the exit status and everything that appeared.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("an end").code();
        self.server.finish();
        // The reader ends with the terminal, whose other side only the client held.
        while let Ok(bytes) = self.output.recv_timeout(PATIENCE) {
            self.everything.push_str(&String::from_utf8_lossy(&bytes));
        }
        (status, self.everything)
    }
}

/// The client in the line mode at one end of a pseudo-terminal, and the other end.
pub(crate) fn start_client(server: &FakeServer, arguments: &[&str], term: &str) -> (Child, File) {
    let mut command = client();
    command
        .args(["--plain", "127.0.0.1", &server.address.port().to_string()])
        .args(arguments)
        .env("TERM", term);
    at_a_terminal(command)
}

/// What appears on a terminal, read from its program's other end.
pub(super) fn output_of(keyboard: &File) -> Receiver<Vec<u8>> {
    let mut master = keyboard.try_clone().expect("a descriptor");
    let (sender, output) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        // The end of the terminal reads as an error.
        while let Ok(length @ 1..) = master.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    output
}

fn at_a_terminal(command: Command) -> (Child, File) {
    let (keyboard, terminal) = pseudo_terminal();
    (spawn_at(command, &terminal), keyboard)
}

/// A program at this terminal.
pub(crate) fn spawn_at(mut command: Command, terminal: &File) -> Child {
    let end = || Stdio::from(terminal.try_clone().expect("a descriptor"));
    command
        .stdin(end())
        .stdout(end())
        .stderr(end())
        .spawn()
        .expect("a program")
}

/// Both ends: the one of who types and reads, and the terminal of a program.
pub(crate) fn pseudo_terminal() -> (File, File) {
    // Not inherited by the clients of other tests, else it would outlive this one.
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags).expect("a pseudo-terminal");
    grantpt(&master).expect("its other end");
    unlockpt(&master).expect("its other end");
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlag::O_NOCTTY.bits())
        .open(ptsname_r(&master).expect("a name"))
        .expect("its other end");
    (File::from(OwnedFd::from(master)), terminal)
}
