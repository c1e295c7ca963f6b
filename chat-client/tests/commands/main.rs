//! The commands for scripts, each against a server that plays a fixed dialogue.

// Each test is a program of its own, and uses another part of it.
#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;

mod listening;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use support::{FakeServer, Run, client, dialogue, run_with_input};
use tempfile::TempDir;

const MESSAGE: &str = "[2026-11-22T11:18:31Z] ann: ";
const NUMBERED: &str = "[2026-11-22T11:18:32Z] #5 ann #ops: ";
const LOGOUT: &str = "> logout\n < goodbye\n ! end\n";

/// A directory with the password of cron, and the state of the client.
struct Home {
    directory: TempDir,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let home = Self { directory };
        home.write("password", "secret\n");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file");
        let mode = Permissions::from_mode(0o600);
        fs::set_permissions(self.path(name), mode).expect("a mode");
    }

    /// Runs the client as cron against these dialogues, one for each connection.
    fn run(&self, dialogues: &[String], arguments: &[&str], input: &str) -> Run {
        let server = serve(dialogues);
        let run = self.run_at(&server, arguments, input);
        server.finish();
        run
    }

    /// The same with a server that goes on.
    fn run_at(&self, server: &FakeServer, arguments: &[&str], input: &str) -> Run {
        let mut command = client();
        command
            .current_dir(self.directory.path())
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("CHAT_USER", "cron")
            .env("CHAT_PASSWORD_FILE", self.path("password"))
            .args(["127.0.0.1", &server.address.port().to_string()])
            .args(arguments);
        run_with_input(command, input.as_bytes())
    }
}

/// Plays each dialogue with a connection.
fn serve(dialogues: &[String]) -> FakeServer {
    let steps = dialogues.iter().map(|text| dialogue(text)).collect();
    FakeServer::play_in_turn(steps, false)
}

/// A login to this session, and these steps.
fn login(session: &str, steps: &str) -> String {
    format!("> cron{session}\n < password\n > secret\n < welcome\n {steps}")
}

/// A login to a session that only sends, one command, and its answer.
fn one_command(command: &str, answer: &str) -> String {
    login(
        "/-",
        &format!("< DONE\n > {command}\n < {answer}\n < DONE\n {LOGOUT}"),
    )
}

#[test]
fn message_is_sent_to_each_recipient() {
    let home = Home::new();
    let dialogue = one_command("once x1 send (bob #ops) hi  there", "sent:");
    let run = home.run(
        &[dialogue],
        &["send", "--once=x1", "--to", "bob,#ops", "hi  there"],
        "",
    );
    let silent = Run {
        status: Some(0),
        stdout: String::new(),
        stderr: String::new(),
    };
    assert_eq!(run, silent);
}

#[test]
fn each_recipient_has_a_status() {
    let home = Home::new();
    let dialogue = one_command("once ...", "send:nemo");
    let run = home.run(&[dialogue], &["--json", "send", "--to=bob,nemo", "hi"], "");
    assert_eq!(run.status, Some(6), "{run:?}");
    assert_eq!(
        run.stdout,
        "{\"type\":\"recipient\",\"to\":\"bob\",\"stored\":true}\n\
         {\"type\":\"recipient\",\"to\":\"nemo\",\"stored\":false,\"reason\":\"unknown\"}\n"
    );
    assert_eq!(run.stderr, "chat-client: not sent to nemo: no such user\n");
}

#[test]
fn message_is_sent_again_by_its_id() {
    let home = Home::new();
    let line = "> once x1 broadcast one\u{2028}two";
    let broken = login("/-", &format!("< DONE\n {line}\n ! reset"));
    let busy = login(
        "/-",
        &format!("< DONE\n {line}\n < error:busy:broadcast\n < DONE\n ! end"),
    );
    let stored = login(
        "/-",
        &format!("< DONE\n {line}\n < sent:\n < DONE\n {LOGOUT}"),
    );
    let run = home.run(
        &[broken, "< error:busy:".to_owned(), busy, stored],
        &["broadcast", "--once=x1", "-"],
        "one\r\ntwo\n",
    );
    assert_eq!((run.status, &*run.stderr), (Some(0), ""));
}

#[test]
fn refused_message_is_not_tried_again() {
    let home = Home::new();
    let dialogue = login(
        "/-",
        "< DONE\n > once ...\n < error:quota:send\n < DONE\n ! end",
    );
    let run = home.run(&[dialogue], &["send", "--to=bob", "hi"], "");
    assert_eq!(run.status, Some(6), "{run:?}");
    assert!(run.stderr.contains("not sent to bob: "), "{run:?}");
}

#[test]
fn bad_messages_are_not_sent() {
    let home = Home::new();
    let long = "x".repeat(9000);
    for (arguments, input, status) in [
        (&["send", "--to=bob"][..], "", 6),
        (&["send", "--to=bob", "-"], &*long, 6),
        (&["send", "--to=bob) x", "hi"], "", 2),
        (&["send", "--to=bob", "--once=a b", "hi"], "", 2),
        (&["send", "hi"], "", 2),
    ] {
        let run = home.run(&[], arguments, input);
        assert_eq!(run.status, Some(status), "{arguments:?}: {run:?}");
    }
}

#[test]
fn absent_server_is_tried_for_a_while() {
    let home = Home::new();
    let mut command = client();
    // Nothing listens there.
    command
        .env("CHAT_USER", "cron")
        .env("CHAT_PASSWORD_FILE", home.path("password"))
        .args(["127.0.0.1", "1", "send", "--timeout=1", "--to=bob", "hi"]);
    let run = run_with_input(command, b"");
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(
        run.stderr.contains("not sent to bob: cannot connect"),
        "{run:?}"
    );
    assert!(run.stderr.contains("--once"), "{run:?}");
}

#[test]
fn wrong_password_ends_it_at_once() {
    let home = Home::new();
    let dialogue = "> cron/-\n < password\n > secret\n < password\n ! end".to_owned();
    let run = home.run(&[dialogue], &["send", "--to=bob", "hi"], "");
    assert_eq!(run.status, Some(5), "{run:?}");
    assert!(run.stderr.contains("Wrong password"), "{run:?}");
}

#[test]
fn lists_have_a_name_a_line() {
    let home = Home::new();
    for (arguments, command, answer, out) in [
        (&["who"][..], "who", "ann bob", "ann\nbob\n"),
        (&["last", "5"], "last 5", "ann", "ann\n"),
        (&["rooms"], "rooms", "rooms:#a #b", "#a\n#b\n"),
        (&["rooms", "--all"], "rooms all", "rooms:", ""),
        (
            &["who", "--json"],
            "who",
            "ann bob",
            "{\"type\":\"users\",\"names\":[\"ann\",\"bob\"]}\n",
        ),
        (&["join", "#a"], "join #a", "join:#a", ""),
        (
            &["leave", "#a", "--json"],
            "leave #a",
            "leave:#a",
            "{\"type\":\"left\",\"room\":\"#a\"}\n",
        ),
    ] {
        let run = home.run(&[one_command(command, answer)], arguments, "");
        assert_eq!((run.status, &*run.stdout), (Some(0), out), "{run:?}");
    }
    let refused = one_command("join #b", "error:denied:join");
    let refused = refused.replace(LOGOUT, "! end\n");
    let run = home.run(&[refused], &["join", "#b"], "");
    assert_eq!(run.status, Some(6), "{run:?}");
}

#[test]
fn history_is_printed() {
    let home = Home::new();
    let kept = "<2026-11-22T11:18:31Z> #41 ann #ops: one\u{2028}two";
    let dialogue = |command: &str, answer: &str| {
        let answer = format!("{answer}\n < {kept}");
        one_command(command, &answer)
    };
    let run = home.run(
        &[dialogue("history #ops 5 before 50", "history:1")],
        &["history", "#ops", "--count=5", "--before=50"],
        "",
    );
    let plain = "<2026-11-22T11:18:31Z> #41 ann #ops: one\u{fffd}two\n";
    assert_eq!((run.status, &*run.stdout), (Some(0), plain));
    let run = home.run(
        &[dialogue("search * one t", "search:1+")],
        &["--json", "search", "*", "one", "t"],
        "",
    );
    assert_eq!(
        run.stdout,
        "{\"type\":\"found\",\"count\":1,\"has_more\":true}\n\
         {\"type\":\"message\",\"time\":\"2026-11-22T11:18:31Z\",\"number\":41,\"from\":\"ann\",\"room\":\"#ops\",\
         \"text\":\"one\\ntwo\",\"kept\":true}\n"
    );
}

#[test]
fn account_is_made_and_gets_another_password() {
    let home = Home::new();
    let made =
        "> cron\n < register\n > y\n < password\n > secret\n > secret\n < registered\n ! end";
    let run = home.run(&[made.to_owned()], &["register"], "");
    assert_eq!(run.status, Some(0), "{run:?}");
    let run = home.run(
        &["> cron\n < password\n ! end".to_owned()],
        &["register"],
        "",
    );
    assert_eq!(run.status, Some(6), "{run:?}");
    let changed = login(
        "/-",
        "< DONE\n > passwd\n < password\n > secret\n > new one\n > new one\n < passwd:\n < DONE",
    );
    let run = home.run(
        &[changed],
        &["passwd", "--new-password-command=echo new one"],
        "",
    );
    assert_eq!(run.status, Some(0), "{run:?}");
}

#[test]
fn fetch_prints_and_leaves() {
    let home = Home::new();
    let dialogue = login(
        "/digest",
        &format!("< {MESSAGE}hi\n < DONE\n > logout\n < {MESSAGE}bye\n < goodbye\n ! end"),
    );
    let run = home.run(&[dialogue], &["fetch", "--session=digest"], "");
    let both = format!("{MESSAGE}hi\n{MESSAGE}bye\n");
    assert_eq!((run.status, run.stdout), (Some(0), both));
}

#[test]
fn server_of_settings_file_is_used() {
    let home = Home::new();
    let server = FakeServer::play(dialogue(&one_command("who", "ann")), false);
    fs::create_dir_all(home.path("config/chatserv")).expect("a directory");
    let port = server.address.port();
    home.write(
        "config/chatserv/client.toml",
        &format!(
            "[servers.work]\nhost = '127.0.0.1'\nport = {port}\nuser = 'cron'\npassword_file = '../../password'\n"
        ),
    );
    let mut command = client();
    command
        .env("XDG_CONFIG_HOME", home.path("config"))
        // The settings file says more exactly what is meant.
        .env("CHAT_PORT", "1")
        .args(["work", "who"]);
    let run = run_with_input(command, b"");
    assert_eq!((run.status, &*run.stdout), (Some(0), "ann\n"), "{run:?}");
    server.finish();
}

#[test]
fn flags_count_more_than_settings_file() {
    let home = Home::new();
    fs::create_dir_all(home.path("config/chatserv")).expect("a directory");
    home.write(
        "config/chatserv/client.toml",
        "[servers.work]\nhost = 'chat.invalid'\nport = 1\nuser = 'cron'\npassword_file = '../../password'\n\
         [servers.home]\nhost = '127.0.0.1'\nport = 1\n",
    );
    for arguments in [
        &["work", "1", "who", "--host=127.0.0.1"][..],
        &["--host=127.0.0.1", "work", "who"],
        // The name of a server in the file, too.
        &["--host=home", "who"],
    ] {
        let server = FakeServer::play(dialogue(&one_command("who", "ann")), false);
        let port = server.address.port();
        let mut command = client();
        command
            .env("XDG_CONFIG_HOME", home.path("config"))
            .env("CHAT_HOST", "chat.invalid")
            .env("CHAT_USER", "cron")
            .env("CHAT_PASSWORD_FILE", home.path("password"))
            .args(arguments)
            .arg(format!("--port={port}"));
        let run = run_with_input(command, b"");
        assert_eq!((run.status, &*run.stdout), (Some(0), "ann\n"), "{run:?}");
        server.finish();
    }
}

#[test]
fn password_comes_from_descriptor_or_command() {
    let home = Home::new();
    for source in ["--password-fd=0", "--password-command=cat password"] {
        let run = home.run(&[one_command("who", "ann")], &["who", source], "secret\n");
        assert_eq!(run.status, Some(0), "{run:?}");
    }
    let mut command = client();
    command.args([
        "127.0.0.1",
        "1",
        "who",
        "--user=cron",
        "--password-command=false",
    ]);
    let run = run_with_input(command, b"");
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(run.stderr.contains("`false` failed"), "{run:?}");
}

#[test]
fn password_comes_from_inherited_descriptor() {
    let home = Home::new();
    let server = FakeServer::play(dialogue(&one_command("who", "ann")), false);
    let mut shell = std::process::Command::new("sh");
    let start = "exec \"$0\" 127.0.0.1 \"$1\" who --user cron --password-fd 7 7<\"$2\"";
    shell
        .args(["-c", start])
        .arg(client().get_program())
        .arg(server.address.port().to_string())
        .arg(home.path("password"));
    let run = run_with_input(shell, b"");
    assert_eq!((run.status, &*run.stdout), (Some(0), "ann\n"), "{run:?}");
    server.finish();
}

#[test]
fn kept_login_serves_commands() {
    let home = Home::new();
    let logins = |port: u16| home.path(&format!("state/chat-client/logins/127.0.0.1:{port}"));
    let steps = one_command("who", "ann").replace("> secret", "> token-1");
    let server = FakeServer::play(dialogue(&steps), false);
    let port = server.address.port();
    fs::create_dir_all(logins(port)).expect("a directory");
    let login = format!("{}/cron", logins(port).display());
    home.write(
        Path::new(&login)
            .strip_prefix(home.path(""))
            .expect("a path")
            .to_str()
            .expect("text"),
        "laptop-1\ntoken-1\n",
    );
    let mut command = client();
    command.env("XDG_STATE_HOME", home.path("state")).args([
        "127.0.0.1",
        &port.to_string(),
        "who",
        "--user=cron",
    ]);
    let run = run_with_input(command, b"");
    assert_eq!(run.status, Some(0), "{run:?}");
    server.finish();
}

#[test]
fn closed_output_stops_commands_that_print() {
    let home = Home::new();
    let mut command = std::process::Command::new("sh");
    let program = client().get_program().to_owned();
    command
        .args(["-c", "exec \"$0\" 127.0.0.1 1 --user cron who >&-"])
        .arg(program);
    let run = run_with_input(command, b"");
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(run.stderr.contains("standard output is closed"), "{run:?}");
    drop(home);
}
