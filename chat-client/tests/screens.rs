//! What the full screen shows, moment by moment, at three sizes, in two emulators and in tmux. The screens are files in
//! `screens/`, which `RECORD_SCREENS=1 cargo test -p chat-client --test screens` records anew.

// Each test is a program of its own, and uses another part of it.
#[allow(dead_code)]
mod support;

use std::process::{Command, Output};

use support::client;
use support::golden::{self, settle};
use support::host::Host;
use support::screen::Screen;
use support::{FakeServer, PATIENCE};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (40, 12)];
const FAMILY: &str = "👩\u{200d}👩\u{200d}👧";

/// A client on which somebody types and looks.
trait Stage {
    fn host(&self) -> &Host;
    fn press(&mut self, keys: &str) -> &mut Self;
    /// Compares what is shown with the file of this name, once it is complete.
    fn shows(&mut self, name: &str) -> &mut Self;
}

/// In the two emulators.
struct Emulated {
    host: Host,
    screen: Screen,
    size: (u16, u16),
}

impl Emulated {
    fn start(host: Host, size: (u16, u16)) -> Self {
        let screen = Screen::of(command(&host), FakeServer::nobody(), size);
        Self { host, screen, size }
    }

    fn end(mut self) {
        // Whatever is typed; two more leave.
        self.press("\x03\x03\x03");
        self.screen.end();
    }
}

impl Stage for Emulated {
    fn host(&self) -> &Host {
        &self.host
    }

    fn press(&mut self, keys: &str) -> &mut Self {
        self.screen.press(keys);
        self
    }

    fn shows(&mut self, name: &str) -> &mut Self {
        let (size, port) = (self.size, self.host.address.port());
        settle(name, size, || {
            self.screen.take_what_appeared();
            golden::section(
                self.screen.emulator.screen(),
                &self.screen.second,
                size,
                port,
            )
        });
        self
    }
}

fn command(host: &Host) -> Command {
    let mut command = client();
    command.args([
        "--full-screen",
        "127.0.0.1",
        &host.address.port().to_string(),
    ]);
    command
}

/// Answers that differ from the usual ones.
fn answer(line: &str) -> Option<String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let line = match word {
        "history" if rest == "#tea 50" => {
            let old = |number: u8| {
                format!("<2026-11-22T11:{number}:31Z> #{number} ann #tea: old message {number}\n")
            };
            let all: String = (10..40).map(old).collect();
            return Some(format!("history:30\n{all}DONE\n"));
        }
        "search" if rest.ends_with("none") => "found:0",
        "search" => {
            let found = "<2026-11-22T11:18:31Z> #8 ann #tea: old tea\n<2026-11-22T11:19:31Z> #9 ann #tea: older tea\n";
            return Some(format!("found:2\n{found}DONE\n"));
        }
        "once" if rest.contains(" send zed ") => "sent:zed",
        _ => return None,
    };
    Some(format!("{line}\nDONE\n"))
}

fn log_in(stage: &mut impl Stage) {
    stage
        .shows("login-name")
        .press("bob\r")
        .shows("login-password");
    stage.press("hunter2\r");
    // By now the rooms are known.
    stage.host().heard("who");
    stage.shows("login-welcome");
}

fn open_tea(stage: &mut impl Stage) {
    stage
        .press("\x0btea")
        .shows("room-choice")
        .press("\r")
        .shows("room-history");
}

fn in_all_sizes(play: impl Fn(&mut Emulated)) {
    for size in SIZES {
        let mut stage = Emulated::start(Host::start(answer), size);
        play(&mut stage);
        stage.end();
    }
}

/// A room from its first message on.
fn talk_in_room(stage: &mut impl Stage) {
    log_in(stage);
    open_tea(stage);
    stage
        .host()
        .say("[2026-11-22T11:50:00Z] #50 ann #tea: fresh\n");
    stage
        .shows("room-message")
        .press("hi all")
        .shows("room-typed");
    stage.host().hold_answers();
    stage.press("\r").shows("room-waiting");
    stage.host().give_answers();
    stage.shows("room-stored");
    stage
        .press("first\x1b\rsecond")
        .shows("room-two-lines")
        .press("\r")
        .shows("room-two-lines-sent");
    stage.press("/msg zed hello\r").shows("room-refused");
}

#[test]
fn login_shows_password_nowhere() {
    in_all_sizes(|stage| {
        stage
            .shows("login-name")
            .press("bob\r")
            .press("hunt")
            .shows("login-password");
        stage.press("\x15hunter2\r").shows("login-welcome");
    });
}

#[test]
fn registration_asks_twice() {
    for size in SIZES {
        let host = Host::start(|line| {
            let answer = match line {
                "new" => "register\n",
                "y" => "password\n",
                _ => return None,
            };
            Some(answer.to_owned())
        });
        let mut stage = Emulated::start(host, size);
        stage.press("new\r").shows("register-question");
        stage
            .press("y\r")
            .shows("register-password")
            .press("one\r")
            .shows("register-again");
        stage.press("two\r").shows("register-differ");
        stage.end();
    }
}

#[test]
fn room_is_shown() {
    in_all_sizes(talk_in_room);
}

#[test]
fn parts_are_hidden_and_shown() {
    in_all_sizes(|stage| {
        log_in(stage);
        open_tea(stage);
        stage
            .press("\x1bOP")
            .shows("help")
            .press("\x1b[6~")
            .shows("help-next")
            .press("\x1b")
            .shows("help-closed");
        stage
            .press("\x1bl")
            .shows("list-toggled")
            .press("\x1bl\x1bu")
            .shows("members-toggled");
        stage
            .press("\x1bu/mute\r")
            .shows("muted")
            .press("\x1b2")
            .shows("everyone");
    });
}

#[test]
fn two_people_talk() {
    in_all_sizes(|stage| {
        log_in(stage);
        stage
            .host()
            .say("[2026-11-22T11:52:00Z] #53 ann: are you there?\n");
        stage
            .shows("person-unread")
            .press("\x1ba")
            .shows("person-opened");
        stage.press("yes\r").shows("person-answered");
        stage.host().say("[2026-11-22T11:53:00Z] #54 ann: good\n");
        stage
            .shows("person-again")
            .press("/msg (ann eve) hello, you two\r")
            .shows("group");
    });
}

#[test]
fn paste_asks_first() {
    in_all_sizes(|stage| {
        log_in(stage);
        open_tea(stage);
        let paste = "\x1b[200~first\n/quit\n\tlast\n\x1b[201~";
        stage
            .press(paste)
            .shows("paste-question")
            .press("\x1b")
            .shows("paste-refused");
        stage
            .press(paste)
            .shows("paste-question")
            .press("\r")
            .shows("paste-taken");
        stage.press("\r").shows("paste-sent");
        stage
            .press("\x1b[200~one line\x1b[201~")
            .shows("paste-one-line");
    });
}

#[test]
fn search_finds() {
    in_all_sizes(|stage| {
        log_in(stage);
        open_tea(stage);
        stage.press("/search tea\r").shows("search-found");
        stage.press("\x1b3/search none\r").shows("search-nothing");
        stage
            .press("\x1b3words\r\x12")
            .shows("search-typed")
            .press("wo")
            .shows("search-typed-found");
    });
}

#[test]
fn clusters_survive_resize() {
    in_all_sizes(|stage| {
        log_in(stage);
        open_tea(stage);
        let clusters =
            [FAMILY, "🇩🇪", "漢", "e\u{301}", "❤\u{fe0f}"].map(|cluster| cluster.repeat(30));
        for (number, text) in (60..).zip(clusters) {
            stage.host().say(&format!(
                "[2026-11-22T11:54:00Z] #{number} ann #tea: {text}\n"
            ));
        }
        stage.shows("cluster");
        stage.press(&FAMILY.repeat(12)).shows("cluster-typed");
        let (columns, rows) = stage.size;
        // The name of the file, as its heading has the first size.
        for narrower in 1..=3 {
            stage.screen.resize((columns - narrower, rows));
            stage.shows(&format!("cluster-narrower-by-{narrower}"));
        }
        stage.screen.resize((columns, rows));
        stage.shows("cluster-typed");
    });
}

#[test]
fn restart_is_told() {
    in_all_sizes(|stage| {
        log_in(stage);
        open_tea(stage);
        stage.host().go_away();
        stage
            .shows("restart-lost")
            .press("still here\r")
            .shows("restart-unsent");
        stage.host().come_back();
        stage.screen.wait_for("✓you: still here");
        stage.shows("restart-back");
    });
}

#[test]
fn killed_server_gets_message_once() {
    in_all_sizes(|stage| {
        log_in(stage);
        open_tea(stage);
        stage.host().hold_answers();
        stage.press("in doubt\r").shows("killed-in-doubt");
        let first = stage.host().heard("once ");
        stage.host().cut();
        stage.screen.wait_for("✓you: in doubt");
        stage.shows("killed-again");
        // By the same ID.
        let all = stage.host().heard("once ");
        assert_eq!((first.len(), all.len()), (1, 2));
        assert_eq!(all[0], all[1]);
    });
}

#[test]
fn direction_stays_in_its_line() {
    in_all_sizes(|stage| {
        log_in(stage);
        open_tea(stage);
        for (number, text) in (70..).zip([
            "שלום world",
            "مرحبا",
            "a\u{202e}b",
            "x\u{2028}▌11:00 bob: forged",
            "\u{301}",
        ]) {
            stage.host().say(&format!(
                "[2026-11-22T11:55:00Z] #{number} ann #tea: {text}\n"
            ));
        }
        stage.shows("direction");
    });
}

/// In a terminal multiplexer, which has an emulator of its own and is one that people use.
struct Tmux {
    host: Host,
    socket: String,
}

impl Tmux {
    fn start(host: Host, (columns, rows): (u16, u16)) -> Self {
        let socket = format!("chatserv-test-{}", std::process::id());
        let stage = Self { host, socket };
        let client = command(&stage.host);
        let words = std::iter::once(client.get_program()).chain(client.get_args());
        let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let start = [
            "start-server",
            ";",
            "set-option",
            "-g",
            "status",
            "off",
            ";",
        ];
        let session = [
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
            &words.join(" "),
        ];
        stage.run(&[&start[..], &session].concat());
        stage
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut tmux = Command::new("tmux");
        for (name, value) in client().get_envs() {
            match value {
                Some(value) => tmux.env(name, value),
                None => tmux.env_remove(name),
            };
        }
        tmux.args(["-u", "-f", "/dev/null", "-L", &self.socket])
            .args(arguments);
        let output = tmux.output();
        let output = output.unwrap_or_else(|error| {
            panic!("this test needs the program tmux, which `.ci/run` installs: {error}")
        });
        assert!(output.status.success(), "tmux {arguments:?}: {output:?}");
        output
    }
}

impl Stage for Tmux {
    fn host(&self) -> &Host {
        &self.host
    }

    fn press(&mut self, keys: &str) -> &mut Self {
        self.run(&["send-keys", "-l", keys]);
        self
    }

    fn shows(&mut self, name: &str) -> &mut Self {
        let wanted = golden::recorded(name, SIZES[0]);
        let wanted: Vec<&str> = wanted
            .lines()
            .skip(1)
            .take(usize::from(SIZES[0].1))
            .collect();
        let began = std::time::Instant::now();
        loop {
            let shown = self.run(&["capture-pane", "-p"]).stdout;
            let shown = String::from_utf8_lossy(&shown).into_owned();
            let port = self.host.address.port();
            let shown: Vec<String> = shown
                .lines()
                .map(|row| golden::masked(row, port).trim_end().to_owned())
                .collect();
            if shown == wanted {
                return self;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{name} in tmux: {shown:#?}\nrecorded: {wanted:#?}"
            );
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux")
            .args(["-L", &self.socket, "kill-server"])
            .output();
    }
}

#[test]
fn room_is_shown_in_tmux() {
    if golden::is_recording() {
        return;
    }
    let mut stage = Tmux::start(Host::start(answer), SIZES[0]);
    talk_in_room(&mut stage);
}
