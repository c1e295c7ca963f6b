//! Plays the boxes of a page in which people talk by `chat-client`: each at a terminal of its own.
//!
//! A box that is marked `chat NAME` is what this user sees. `> TEXT` is typed; the other lines have to appear in their
//! order. The users stay logged in from box to box.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use regex::Regex;

use crate::installation::bin_dir;
use crate::printed::is_as_shown;
use crate::scene::{PORTS, Scene};

/// No step takes so long, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

const PASSWORD: &str = "password";
const SHA1_OF_PASSWORD: &str = "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8";

/// What one user sees and types.
#[derive(Debug, PartialEq)]
pub(crate) struct ChatBox {
    /// The document and the line.
    place: String,
    user: String,
    lines: Vec<String>,
}

/// The boxes of a page, in their order.
pub(crate) fn chat_boxes(page: &str, text: &str) -> Vec<ChatBox> {
    let mut boxes: Vec<ChatBox> = Vec::new();
    let mut is_in_box = false;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(user) = line.strip_prefix("```chat ") {
            is_in_box = true;
            boxes.push(ChatBox {
                place: format!("{page}:{number}"),
                user: user.to_owned(),
                lines: Vec::new(),
            });
        } else if line.starts_with("```") {
            is_in_box = false;
        } else if let (true, Some(last)) = (is_in_box, boxes.last_mut()) {
            last.lines.push(line.to_owned());
        }
    }
    boxes
}

/// Plays them with a server of their own. Returns what is wrong.
pub(crate) fn talk(boxes: &[ChatBox]) -> Vec<String> {
    let scene = Scene::new();
    let names = boxes.iter().map(|it| it.user.split('/').next().unwrap());
    let accounts: Vec<String> = names
        .map(|it| format!("{it},{SHA1_OF_PASSWORD}\n"))
        .collect();
    std::fs::write(scene.run_dir().join("user_pass.txt"), accounts.concat()).unwrap();
    let start = scene.command(&scene.home().join("scripts/start")).output();
    assert!(start.unwrap().status.success(), "the server starts");
    let mut users: BTreeMap<&str, Screen> = BTreeMap::new();
    let mut complaints = Vec::new();
    for a_box in boxes {
        let user = users.entry(&a_box.user);
        let user = user.or_insert_with(|| Screen::of(&scene, &a_box.user));
        for line in &a_box.lines {
            match line.strip_prefix("> ") {
                Some(typed) => user.type_line(typed),
                // That is how the client was started.
                None if line.starts_with("$ ") => {}
                None if user.sees(line) => {}
                None => complaints.push(format!(
                    "{}: {} does not see: {line}\nbut:\n{}",
                    a_box.place, a_box.user, user.everything
                )),
            }
            if !complaints.is_empty() {
                return complaints;
            }
        }
    }
    complaints
}

/// A client at a pseudo-terminal.
struct Screen {
    client: Child,
    keyboard: File,
    output: Receiver<Vec<u8>>,
    everything: String,
    /// How much of it was compared.
    seen: usize,
}

impl Screen {
    /// Logs a user in.
    fn of(scene: &Scene, user: &str) -> Self {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOCTTY.bits())
            .open(ptsname_r(&master).unwrap())
            .unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let mut command = scene.command(&bin_dir().join("chat-client"));
        // Such a terminal gets lines, and nothing that moves the cursor.
        command.env("TERM", "dumb").args(["--user", user]);
        command.args(["127.0.0.1", &scene.port_here(PORTS[0])]);
        let client = command.stdin(end()).stdout(end()).stderr(end()).spawn();
        let keyboard = File::from(OwnedFd::from(master));
        let mut screen = Self {
            client: client.unwrap(),
            output: read_all(&keyboard),
            keyboard,
            everything: String::new(),
            seen: 0,
        };
        screen.wait_for("Password:");
        screen.type_line(PASSWORD);
        screen.wait_for("Welcome, ");
        screen.seen = 0;
        screen
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.keyboard, "{line}").unwrap();
    }

    fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.everything.contains(text) {
            assert!(self.read_more(deadline), "{text}: {}", self.everything);
        }
    }

    /// Whether this line appears behind those that were seen.
    fn sees(&mut self, shown: &str) -> bool {
        let shown = [without_clock(shown)];
        let deadline = Instant::now() + PATIENCE;
        loop {
            let unseen = &self.everything[self.seen..];
            let mut end = 0;
            let mut lines = unseen.split_inclusive('\n').map(|line| {
                end += line.len();
                (line.trim_end(), end)
            });
            let is_it = |line: &str| {
                let line = line.strip_prefix("> ").unwrap_or(line);
                is_as_shown(&shown, &[&without_clock(line)])
            };
            if let Some((_, end)) = lines.find(|(line, _)| is_it(line)) {
                self.seen += end;
                return true;
            }
            if !self.read_more(deadline) {
                return false;
            }
        }
    }

    fn read_more(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(bytes) = self.output.recv_timeout(left) else {
            return false;
        };
        self.everything += &String::from_utf8_lossy(&bytes).replace('\r', "");
        true
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

fn read_all(terminal: &File) -> Receiver<Vec<u8>> {
    let mut terminal = terminal.try_clone().unwrap();
    let (sender, output) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        // The end of the terminal reads as an error.
        while let Ok(length @ 1..) = terminal.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    output
}

/// The time of day is another one when the test runs.
fn without_clock(line: &str) -> String {
    let clock = Regex::new("[<\\[][0-9][0-9]:[0-9][0-9][>\\]]").unwrap();
    clock.replace(line, "[CLOCK]").into_owned()
}

#[test]
fn boxes_of_people_are_found() {
    let text = "## A\n```chat ann\n> hi\nSent.\n```\n```\nno\n```\n";
    let expected = ChatBox {
        place: "p:2".to_owned(),
        user: "ann".to_owned(),
        lines: vec!["> hi".to_owned(), "Sent.".to_owned()],
    };
    assert_eq!(chat_boxes("p", text), [expected]);
}
