//! The settings file: what it decides, who refuses it, and who can do without it.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::installation::{
    CHATCTL, FRONTD, Installation, PATIENCE, STATED, Said, bin_dir, kill, repository, wait_until,
};

/// An installation with this file in its run directory.
fn with_file(text: &str) -> Installation {
    let installation = Installation::new();
    fs::create_dir(&installation.run_dir).unwrap();
    write(&installation, text);
    installation
}

fn write(installation: &Installation, text: &str) {
    fs::write(installation.file("chatserv.toml"), text).unwrap();
}

/// Runs a script without the variables that tests usually set.
fn script(installation: &Installation, name: &str, variables: &[(&str, &str)]) -> Said {
    let mut command = installation.command(repository().join("scripts").join(name));
    command.env_remove("CHAT_WORKERS").env_remove("CHAT_LISTEN");
    command.envs(variables.iter().copied());
    installation.run(command)
}

const THREE_WORKERS: &str = "[process]\nworkers = 3\n\n[network]\nlisten = ['127.0.0.1:0']\n";

#[test]
fn file_wins_over_default_only() {
    let installation = with_file(THREE_WORKERS);
    script(&installation, "start", &[]).expect_status(0);
    assert_eq!(installation.children(FRONTD).len(), 3);
    let log = installation.log(FRONTD);
    assert!(log.contains("/a run/chatserv.toml"), "{log}");
    script(&installation, "restart", &[("CHAT_WORKERS", "1")]).expect_status(0);
    assert_eq!(installation.children(FRONTD).len(), 1);
}

#[test]
fn misspelt_key_stops_no_server() {
    let installation = with_file(THREE_WORKERS);
    script(&installation, "start", &[]).expect_status(0);
    let processes = installation.all_processes();
    // Each daemon also checks what only the other one uses.
    for (wrong, said) in [
        (
            "workres = 3",
            "chatserv.toml:2: process.workres is no setting; did you mean process.workers?\n",
        ),
        (
            "workers = 65",
            "chatserv.toml:2: process.workers = 65: 65 is not in 1..=64\n",
        ),
        (
            "workers = '3'",
            "chatserv.toml:2: process.workers must be a whole number, without quotes",
        ),
    ] {
        write(&installation, &format!("[process]\n{wrong}\n"));
        for program in [STATED, FRONTD] {
            installation
                .program(program, &["--check-settings"])
                .expect_status(2)
                .expect_err(said);
        }
        script(&installation, "restart", &[])
            .expect_status(1)
            .expect_err(said)
            .expect_err("nothing was stopped");
    }
    assert_eq!(installation.all_processes(), processes);
    // An invalid file must not prevent a running server from being looked at and stopped.
    installation
        .script("status")
        .expect_status(1)
        .expect_err("chat-stated: warning: ")
        .expect_out("reason: chat-frontd: the settings cannot be read again: ");
    installation.script("stop").expect_status(0);
    installation.expect_nothing_left(&processes);
}

#[test]
fn new_child_has_settings_of_its_parent() {
    let installation = with_file("[clients]\nmax_line_bytes = 64\n");
    installation.script("start").expect_status(0);
    write(&installation, "this is no settings file");
    let worker = installation.children(FRONTD)[0];
    kill(worker, Signal::SIGKILL);
    wait_until("another worker serves", || {
        let children = installation.children(FRONTD);
        children.len() == 2 && !children.contains(&worker)
    });
    kill(installation.children(STATED)[0], Signal::SIGKILL);
    assert_eq!(installation.ask(), "register\n");
    assert_eq!(installation.ask_as(&"x".repeat(100)), "error:length:\n");
}

#[test]
fn named_file_must_be_there() {
    let installation = Installation::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("chat.toml");
    let shown = file.to_string_lossy().into_owned();
    let start = |name: &str| script(&installation, name, &[("CHAT_CONFIG", &shown)]);
    start("start")
        .expect_status(1)
        .expect_err("chat.toml: there is none (--config, CHAT_CONFIG)");
    fs::write(&file, THREE_WORKERS).unwrap();
    start("start").expect_status(0);
    assert_eq!(installation.children(FRONTD).len(), 3);
    // A file that is named is the only one.
    write(&installation, "[process]\nworkers = 1\n");
    start("restart").expect_status(0);
    assert_eq!(installation.children(FRONTD).len(), 3);
    // It may say where the daemon runs.
    let text = format!(
        "[process]\nrun_dir = {:?}\n",
        installation.run_dir.display()
    );
    fs::write(&file, text).unwrap();
    let mut command = installation.command(crate::installation::bin_dir().join(STATED));
    command
        .env_remove("CHAT_RUN_DIR")
        .args(["--status", "--config", &shown]);
    installation.run(command).expect_status(0);
    write(&installation, "[process]\nrun_dir = '/nowhere'\n");
    installation
        .program(STATED, &["--check-settings"])
        .expect_status(2)
        .expect_err("cannot name another run directory");
}

#[test]
fn exposed_settings_file_is_closed_or_refused() {
    let installation = with_file("");
    let file = installation.file("chatserv.toml");
    let set_mode = |mode| fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
    let mode_of = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    set_mode(0o666);
    script(
        &installation,
        "start",
        &[("CHAT_STRICT_PERMISSIONS", "true")],
    )
    .expect_status(1)
    .expect_err("others can write to it (mode 0666)");
    assert_eq!(mode_of(&file), 0o666);
    installation
        .script("start")
        .expect_status(0)
        .expect_err("chat-stated: warning: others could write to ");
    assert_eq!(mode_of(&file), 0o644);
}

/// Sends these lines as a client, and returns all that the server says.
fn talk(installation: &Installation, lines: &str) -> String {
    let mut stream = TcpStream::connect(installation.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(lines.as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

const TWO_MESSAGES: &str = "ann\npassword\nsend bob one\nsend bob two\nlogout\n";

#[test]
fn reload_applies_what_needs_no_restart() {
    let installation = Installation::of_ann_and_bob();
    write(&installation, "[messages]\nqueue_messages = 100\n");
    installation.script("start").expect_status(0);
    let processes = installation.all_processes();
    let said = talk(&installation, TWO_MESSAGES);
    assert!(!said.contains("error:quota:send"), "{said}");
    write(
        &installation,
        "[messages]\nqueue_messages = 1\n[clients]\ntime_out = 1\nmax_recipients = 7\n",
    );
    installation
        .script("reload")
        .expect_status(0)
        .expect_out("chat-stated: account file: ")
        .expect_out("settings: messages.queue_messages is 1 now\n")
        .expect_out("chat-frontd: TLS is off, ")
        .expect_out("settings: clients.time_out is 1 now; ")
        .expect_out("scripts/restart is needed for clients.max_recipients\n");
    assert_eq!(installation.all_processes(), processes);
    wait_until("the limit is in force", || {
        talk(&installation, TWO_MESSAGES).contains("error:quota:send")
    });
    assert!(talk(&installation, "").contains("timeout"));
    // A child that is replaced has them too.
    kill(installation.children(STATED)[0], Signal::SIGKILL);
    assert!(talk(&installation, TWO_MESSAGES).contains("error:quota:send"));
    installation
        .script("reload")
        .expect_out("0 lines to be added\n")
        .expect_out("scripts/restart is needed for clients.max_recipients\n");
}

#[test]
fn settings_that_differ_are_named() {
    let installation = with_file(THREE_WORKERS);
    let settings = || {
        let mut command = installation.command(bin_dir().join(CHATCTL));
        command.env_remove("CHAT_WORKERS").env_remove("CHAT_LISTEN");
        installation.run({
            command.args(["settings", "--differing"]);
            command
        })
    };
    script(&installation, "start", &[]).expect_status(0);
    let said = settings();
    assert_eq!((said.status, said.out.as_str()), (0, ""), "{said:?}");
    script(&installation, "status", &[])
        .expect_status(0)
        .expect_out("\nhealthy\n");

    write(
        &installation,
        "[process]\nworkers = 2\nlog_level = 'debug'\n[network]\nlisten = ['127.0.0.1:0']\n",
    );
    let differ = "settings differ from the file: process.log_level (scripts/reload)";
    script(&installation, "status", &[])
        .expect_out(&format!("reason: chat-stated: {differ}\n"))
        .expect_out(&format!(
            "reason: chat-frontd: {differ}, process.workers (scripts/restart)\n"
        ))
        .expect_out("\ndegraded\n");
    script(&installation, "reload", &[]).expect_status(0);
    let said = settings();
    assert_eq!(said.out.lines().count(), 2, "{said:?}");
    said.expect_out("process.workers  3        yes      2  ")
        .expect_out("chatserv.toml:2\n");
    write(&installation, "[process\n");
    script(&installation, "status", &[])
        .expect_out("reason: chat-frontd: the settings cannot be read again: ")
        .expect_out("\ndegraded\n");
    fs::remove_file(installation.file("chatserv.toml")).unwrap();
    let listen = [("CHAT_LISTEN", "127.0.0.1:0"), ("CHAT_WORKERS", "1")];
    script(&installation, "restart", &listen)
        .expect_status(0)
        .expect_out("These settings change with this restart:\n")
        .expect_out("process.workers    3      ")
        .expect_out("CHAT_WORKERS\n");
    script(&installation, "status", &[])
        .expect_status(0)
        .expect_out("\nhealthy\n");
    // Who sets the level by hand has settings of his own.
    installation
        .program(CHATCTL, &["log-level", "debug"])
        .expect_status(0);
    installation
        .program(CHATCTL, &["settings", "--differing"])
        .expect_out("process.log_level  debug    yes      info        default\n");
}

#[test]
fn invalid_file_reloads_nothing() {
    let installation = Installation::of_ann_and_bob();
    write(&installation, "");
    installation.script("start").expect_status(0);
    write(&installation, "[clients]\ntime_out = 1\ntime_uot = 2\n");
    let accounts = fs::read_to_string(installation.file("user_pass.txt")).unwrap();
    let more = accounts + "new,53649f6e45138ef119c955d04bf042562f6e2946\n";
    fs::write(installation.file("user_pass.txt"), more).unwrap();
    installation
        .script("reload")
        .expect_status(1)
        .expect_err("chat-stated: ")
        .expect_err("chat-frontd: ")
        .expect_err(
            "chatserv.toml:3: clients.time_uot is no setting; did you mean clients.time_out?",
        );
    for program in [STATED, FRONTD] {
        kill(installation.parent(program), Signal::SIGHUP);
        wait_until("the reload has failed", || {
            let log = installation.log(program);
            log.contains("did you mean clients.time_out?; nothing was reloaded")
        });
    }
    assert_eq!(installation.ask_as("new"), "register\n");
    write(&installation, "");
    installation.script("reload").expect_status(0);
    assert_eq!(installation.ask_as("new"), "password\n");
}
