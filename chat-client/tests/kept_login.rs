//! Staying logged in: the client keeps a token in a file of the user.

// Each test is a program of its own, and uses another part of it.
#[allow(dead_code)]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use support::terminal::Terminal;
use support::{FakeServer, Run, client, dialogue, run_with_input};

const LOGIN_BY_TOKEN: &str = "> bob\n < password\n > token-1\n < welcome\n < DONE\n";
const LOGOUT: &str = "> logout\n < goodbye\n ! end";

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .collect()
}

fn run(server: &FakeServer, state: &Path, arguments: &[&str]) -> Run {
    let mut command = client();
    command
        .env("XDG_STATE_HOME", state)
        .args(["127.0.0.1", &server.address.port().to_string()])
        .args(arguments);
    run_with_input(command, b"")
}

#[test]
fn login_is_kept_used_and_forgotten() {
    let directory = tempfile::tempdir().expect("a directory");
    let (state, password) = (directory.path().join("state"), directory.path().join("pw"));
    fs::write(&password, "hunter2\n").expect("a file");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("a mode");
    let dialogues = [
        format!(
            "> bob\n < password\n > hunter2\n < welcome\n < DONE
            > token new ...\n < token:token-1\n < DONE\n {LOGOUT}"
        ),
        format!("{LOGIN_BY_TOKEN}{LOGOUT}"),
        format!(
            "> bob/-\n < password\n > token-1\n < welcome\n < DONE
            > token drop ...\n < token:\n < DONE\n {LOGOUT}"
        ),
        "> bob\n < password\n ! end".to_owned(),
    ];
    let dialogues = dialogues.iter().map(|text| dialogue(text)).collect();
    let server = FakeServer::play_in_turn(dialogues, false);
    let password = password.to_str().expect("text");
    let first = run(
        &server,
        &state,
        &["--user=bob", "--keep-login", "--password-file", password],
    );
    assert_eq!((first.status, &*first.stdout), (Some(0), ""), "{first:?}");
    assert!(!first.stderr.contains("token-1"), "{first:?}");
    let [file] = &files(&state)[..] else {
        panic!("one file");
    };
    let port = server.address.port();
    assert!(file.ends_with(format!("chat-client/logins/127.0.0.1:{port}/bob")));
    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(file), 0o600);
    assert_eq!(mode(file.parent().expect("a directory")), 0o700);

    let second = run(&server, &state, &["--user=bob", "--keep-login"]);
    assert_eq!(second.status, Some(0), "{second:?}");
    let third = run(&server, &state, &["--user=bob", "--forget-login"]);
    assert_eq!(third.status, Some(0), "{third:?}");
    assert_eq!(
        third.stderr,
        "The login of bob is not kept any more.\nGoodbye.\n"
    );
    assert_eq!(files(&state), [""; 0].map(PathBuf::from));
    let fourth = run(&server, &state, &["--user=bob", "--keep-login"]);
    assert_eq!(fourth.status, Some(5), "{fourth:?}");
    server.finish();
}

/// A login of bob as an earlier run has kept it, in a file of this mode.
fn keep_login_of_bob(state_home: &Path, port: u16, mode: u32) {
    let logins = state_home.join(format!("chat-client/logins/127.0.0.1:{port}"));
    fs::create_dir_all(&logins).expect("a directory");
    fs::write(logins.join("bob"), "laptop-1\ntoken-1\n").expect("a file");
    fs::set_permissions(logins.join("bob"), fs::Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn kept_login_asks_for_nothing_at_terminal() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = FakeServer::play(
        dialogue(&format!(
            "{LOGIN_BY_TOKEN}> push ack\n < push:ack\n < DONE\n > push off\n < push:off\n < DONE\n {LOGOUT}"
        )),
        false,
    );
    let port = server.address.port();
    keep_login_of_bob(directory.path(), port, 0o600);
    let mut command = client();
    command.env("XDG_STATE_HOME", directory.path());
    command.args(["--plain", "127.0.0.1", &port.to_string()]);
    command.args(["--user=bob", "--keep-login"]);
    let mut terminal = Terminal::of(command, server);
    terminal
        .wait_for("Welcome, bob.")
        .wait_for("> ")
        .press("quit\r")
        .wait_for("Goodbye.");
    let (status, everything) = terminal.end();
    assert_eq!(status, Some(0));
    for secret in ["Password", "User name", "token-1"] {
        assert!(!everything.contains(secret), "{everything:?}");
    }
}

#[test]
fn login_that_others_can_read_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = FakeServer::play(dialogue("> bob\n < password\n ! end"), false);
    keep_login_of_bob(directory.path(), server.address.port(), 0o644);
    let run = run(&server, directory.path(), &["--user=bob", "--keep-login"]);
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(run.stderr.contains("chmod 600"), "{run:?}");
    server.finish();
}
