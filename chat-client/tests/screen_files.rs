//! What the full screen reads and writes: the settings file, decisions, the log, and the command for new messages.

// Each test is a program of its own, and uses another part of it.
#[allow(dead_code)]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use support::screen::Screen;
use support::{FakeServer, client, dialogue};

const LOGIN: &str = "> bob\n < password\n > hunter2\n < welcome\n < DONE\n";
const SET_UP: &str = "> features\n < features:time_out=600 line=8192 push ids once rooms history\n < DONE\n \
     > ids on\n < ids:on\n < DONE\n > push ack\n < push:ack\n < DONE\n \
     > rooms\n < rooms:#tea\n < DONE\n > who\n < ann bob\n < DONE\n ! reached\n";
const LEAVE: &str = "> push off\n < push:off\n < DONE\n > logout\n < goodbye\n ! end\n";

/// The client with these settings, logged in as bob.
fn start(directory: &Path, settings: &str, talk: &str) -> Screen {
    let config = directory.join("config/chatserv");
    fs::create_dir_all(&config).expect("a directory");
    fs::write(config.join("client.toml"), settings).expect("a file");
    let server = play(talk);
    start_with(directory, server)
}

fn play(talk: &str) -> FakeServer {
    let steps = [LOGIN, SET_UP, talk, LEAVE].concat();
    FakeServer::play(dialogue(&steps), false)
}

fn start_with(directory: &Path, server: FakeServer) -> Screen {
    let mut command = client();
    command
        .args(["127.0.0.1", &server.address.port().to_string()])
        .env("XDG_CONFIG_HOME", directory.join("config"))
        .env("XDG_STATE_HOME", directory.join("state"));
    let mut screen = Screen::of(command, server, (80, 24));
    screen.log_in();
    screen
}

fn end(mut screen: Screen) {
    screen.press("\x04");
    assert_eq!(screen.end().0, Some(0));
}

/// The one directory of a server below this one.
fn of_server(directory: &Path) -> std::path::PathBuf {
    let mut entries = fs::read_dir(directory).expect("a directory");
    entries.next().expect("a server").expect("an entry").path()
}

#[test]
fn messages_are_logged_and_run_command() {
    let directory = tempfile::tempdir().expect("a directory");
    let told = directory.path().join("told");
    let settings = format!(
        "[screen]\nlog = true\nnotify = 'command'\n\
         notify_command = ['sh', '-c', 'printf %s \"$1\" >{0}.new; mv {0}.new {0}', 'sh', '{{from}}: {{text}}']\n",
        told.display()
    );
    let talk = "! cue\n < [2026-11-22T11:19:00Z] #5 ann: it is $(date)\n > fetch\n < fetching\n < DONE\n ! reached\n \
         > history ann 50\n < error:denied:history\n < DONE\n \
         > once...\n < send:\n < DONE\n";
    let mut screen = start(directory.path(), &settings, talk);
    screen.server.cue();
    screen.server.wait_until_reached();
    screen.press("/query ann\r").wait_for("it is $(date)");
    screen.press("so it is\r").wait_for("✓you: so it is");
    end(screen);
    let log = of_server(&directory.path().join("state/chat-client/logs")).join("bob/ann.log");
    let text = fs::read_to_string(&log).expect("a log");
    let (first, second) = text.split_once('\n').expect("two lines");
    assert_eq!(first, "2026-11-22T11:19:00Z ann: it is $(date)");
    assert!(second.ends_with("Z bob: so it is\n"), "{second}");
    let mode = fs::metadata(&log).expect("a log").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The command was killed with the client, or has written all.
    let told = fs::read_to_string(told).unwrap_or_default();
    assert!(["", "ann: it is $(date)"].contains(&&*told), "{told}");
}

#[test]
fn decisions_hold_in_later_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut screen = start(directory.path(), "", "");
    screen.press("/ignore eve\r").wait_for("eve is ignored");
    end(screen);
    let preferences = directory.path().join("state/chat-client/preferences");
    let kept = of_server(&preferences);
    let text = fs::read_to_string(kept.join("bob")).expect("a file");
    assert_eq!(text, "ignore eve\n");
    // The same server at another port.
    let server = play("> who\n < ann bob\n < DONE\n");
    let port = server.address.port();
    fs::rename(kept, preferences.join(format!("127.0.0.1:{port}"))).expect("a directory");
    let settings = "[screen]\nmute = ['*']\nignore = ['mallory']\n";
    fs::write(
        directory.path().join("config/chatserv/client.toml"),
        settings,
    )
    .expect("a file");
    let mut screen = start_with(directory.path(), server);
    screen.press("/win 2\r").wait_for("everyone (muted)");
    screen.press("/ignore\r").wait_for("Ignored: eve mallory");
    end(screen);
}

#[test]
fn nothing_is_written_unasked() {
    let directory = tempfile::tempdir().expect("a directory");
    let screen = start(directory.path(), "", "");
    end(screen);
    assert!(!directory.path().join("state").exists());
}

#[test]
fn first_run_asks_for_server() {
    let directory = tempfile::tempdir().expect("a directory");
    let steps = [LOGIN, SET_UP, LEAVE].concat();
    // The first connection shows that there is a server.
    let dialogues = vec![dialogue("! end\n"), dialogue(&steps)];
    let server = FakeServer::play_in_turn(dialogues, false);
    let port = server.address.port();
    let unused = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = unused.local_addr().expect("an address").port();
    drop(unused);
    let mut command = client();
    command
        .env("CHAT_PORT", closed.to_string())
        .env("XDG_CONFIG_HOME", directory.path());
    let mut screen = Screen::of(command, server, (80, 24));
    screen.wait_for("Which server do you want to use?");
    screen
        .wait_for("Server:")
        .press(&format!("127.0.0.1 {port}\r"));
    screen.wait_for("Keep this server?").press("work\r");
    screen.log_in();
    end(screen);
    let text = fs::read_to_string(directory.path().join("chatserv/client.toml")).expect("a file");
    let expected = format!("\n[servers.work]\nhost = \"127.0.0.1\"\nport = {port}\ntls = false\n");
    assert_eq!(text, expected);
}

#[test]
fn mistakes_in_settings_are_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("client.toml");
    let check = |text: &str| {
        fs::write(&path, text).expect("a file");
        let mut command = client();
        command.arg("--config").arg(&path).arg("check-config");
        support::run_with_input(command, b"")
    };
    let good = check("[servers.work]\nhost = 'x'\n[screen]\nlog = true\n");
    assert_eq!(good.status, Some(0));
    assert!(
        good.stdout.contains("no mistakes. Servers: work."),
        "{good:?}"
    );
    let bad = check("[servers.work]\nport = 0\n[screen]\nlogs = true\n");
    assert_eq!((bad.status, &*bad.stdout), (Some(1), ""));
    for complaint in [
        ":2: servers.work.port: a port",
        ":4: screen.logs: there is no",
    ] {
        assert!(bad.stderr.contains(complaint), "{bad:?}");
    }
}
