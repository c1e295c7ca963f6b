//! The promises of the scripts and of supervision, with real processes.

#[cfg(test)]
mod calling;
#[cfg(test)]
#[allow(dead_code)]
#[path = "../support/certificate.rs"]
mod certificate;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod control;
#[cfg(test)]
mod damaged_text;
#[cfg(test)]
mod draining;
#[cfg(test)]
mod empty_variables;
#[cfg(test)]
mod installation;
#[cfg(test)]
mod log_files;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod namespaces;
#[cfg(test)]
mod orderly_stop;
#[cfg(test)]
mod output;
#[cfg(test)]
#[path = "../support/process_memory.rs"]
mod process_memory;
#[cfg(test)]
mod reloading;
#[cfg(test)]
mod rooms;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod service_manager;
#[cfg(test)]
mod settings_file;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod system_limits;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod whereabouts;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use chat_node::process::identity::ProcessIdentity;
use installation::{FRONTD, Installation, STATED, kill, repository, wait_until};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

#[test]
fn started_daemons_keep_no_descriptors() {
    let installation = Installation::new().observable();
    let dir = tempfile::tempdir().unwrap();
    let mine = dir.path().join("of the starter");
    // The script's output is a pipe that is read to its end. 7 and 9 are unexpected descriptors.
    let mut command = installation.command("/bin/sh");
    command.args(["-c", "exec 7>&1 9>\"$0\"; \"$1\" | cat"]);
    command.arg(&mine).arg(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../scripts/start")
            .as_os_str(),
    );
    let said = installation.run(command);
    said.expect_status(0).expect_out("  nc 127.0.0.1 ");
    said.expect_out("chat-client 127.0.0.1 ");

    let own_session = nix::unistd::getsid(None).unwrap().as_raw();
    for process in installation.all_processes() {
        assert_ne!(installation::session_of(&process), own_session);
        for file in installation::open_files(&process) {
            let is_foreign = file.starts_with("pipe:") || Path::new(&file) == mine;
            assert!(!is_foreign, "process {} holds {file}", process.pid);
        }
    }
}

#[test]
fn repeated_start_and_stop_are_harmless() {
    let installation = Installation::started();
    let before = installation.all_processes();
    let again = installation.script("start");
    again.expect_status(0).expect_out("already running");
    again.expect_out("  nc 127.0.0.1 ");
    for daemon in [STATED, FRONTD] {
        let pid = installation.parent(daemon).pid;
        let said = installation.program(daemon, &["--detach"]);
        said.expect_status(1)
            .expect_err("already running in ")
            .expect_err(&format!("as process {pid}"));
        let said = installation.program(daemon, &[]);
        said.expect_status(1)
            .expect_err(&format!("as process {pid}"));
    }
    assert_eq!(installation.all_processes(), before);

    let said = installation.script("stop");
    said.expect_status(0).expect_out("chat-stated: stopped");
    installation.expect_nothing_left(&before);
    let said = installation.script("stop");
    said.expect_status(0).expect_out("chat-stated: not running");
    said.expect_out("chat-frontd: not running");
    assert_eq!(said.err, "");
}

#[test]
fn exit_status_tells_health() {
    let installation = Installation::new();
    installation.script("status").expect_status(3);
    installation.script("reload").expect_status(1);
    installation.script("start").expect_status(0);
    let said = installation.script("status");
    said.expect_status(0).expect_out("a client was served");
    said.expect_out("worker 2: serving")
        .expect_out("state 1: serving");
    installation.program(FRONTD, &["--stop"]).expect_status(0);
    installation.script("status").expect_status(2);
    installation.script("stop").expect_status(0);
    installation.script("status").expect_status(3);
}

#[test]
fn misspelt_setting_is_named() {
    let misspelt = Installation::new().with("CHAT_LOGIN_BRUST", "1");
    let said = misspelt.script("start");
    said.expect_status(0)
        .expect_err("warning: CHAT_LOGIN_BRUST is no setting");
    // Variables of the client are no settings of the daemons, but valid.
    let right = Installation::new()
        .with("CHAT_LOGIN_BURST", "1000")
        .with("CHAT_HOST", "127.0.0.1");
    assert_eq!(right.script("start").expect_status(0).err, "");
}

#[test]
fn files_are_private_and_accounts_kept() {
    let installation = Installation::new();
    fs::create_dir(&installation.run_dir).unwrap();
    let accounts = installation.file("user_pass.txt");
    fs::write(&accounts, "# mine\n").unwrap();
    installation.script("start").expect_status(0);
    assert_eq!(fs::read_to_string(&accounts).unwrap(), "# mine\n");
    // The workers, which connect to the socket, run as another user if possible.
    let group = if geteuid().is_root() { 0o060 } else { 0 };
    for (name, others) in [
        ("chat-stated.sock", group),
        ("chat-stated.log", 0),
        ("chat-frontd.pid", 0),
        ("state", 0),
    ] {
        let mode = fs::metadata(installation.file(name)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o077, others, "{name}");
    }
}

#[test]
fn killed_worker_is_replaced() {
    let installation = Installation::started();
    let before = installation.children(FRONTD);
    kill(before[0], Signal::SIGKILL);
    wait_until("a new worker serves", || {
        let status = installation.status(FRONTD).unwrap();
        let child = &status.children[0];
        child.restarts == 1 && child.phase.word() == "serving"
    });
    let after = installation.children(FRONTD);
    assert_ne!(after[0], before[0]);
    assert_eq!(after[1], before[1]);
    assert!(!before[0].is_alive());
    installation
        .script("status")
        .expect_status(0)
        .expect_out("1 restarts")
        .expect_out("killed by signal 9 (SIGKILL)");
}

#[test]
fn failed_status_write_is_retried() {
    let installation = Installation::started();
    let logged = |daemon, text: &str| installation.log(daemon).matches(text).count();
    for daemon in [STATED, FRONTD] {
        let before = installation.children(daemon);
        // As on a full disk, the new status file cannot be created.
        let obstacle = installation.file(&format!("{daemon}.status.new"));
        fs::create_dir(&obstacle).unwrap();
        kill(before[0], Signal::SIGKILL);
        wait_until("it is noticed", || {
            logged(daemon, "cannot write the status file") > 0
        });
        wait_until("a new process begins", || {
            logged(daemon, "started as process") > before.len()
        });
        assert_eq!(installation.ask(), "register\n");
        assert_eq!(installation.children(daemon), before);
        fs::remove_dir(&obstacle).unwrap();
        wait_until("the status is true again", || {
            let status = installation.status(daemon).unwrap();
            let child = &status.children[0];
            child.restarts == 1 && child.phase.word() == "serving"
        });
        assert_eq!(logged(daemon, "cannot write the status file"), 1);
        wait_until("that is said, too", || {
            logged(daemon, "is written again") > 0
        });
        assert_eq!(logged(daemon, "is written again"), 1);
    }
    installation.script("status").expect_status(0);
    installation.script("start").expect_status(0);
}

#[test]
fn killed_state_process_is_replaced() {
    let installation = Installation::started();
    let before = installation.children(STATED);
    let workers = installation.children(FRONTD);
    kill(before[0], Signal::SIGKILL);
    for _ in 0..20 {
        UnixStream::connect(installation.file("chat-stated.sock")).unwrap();
    }
    wait_until("a new process serves", || {
        let status = installation.status(STATED).unwrap();
        let child = &status.children[0];
        child.restarts == 1 && child.phase.word() == "serving"
    });
    assert_ne!(installation.children(STATED), before);
    assert_eq!(installation.children(FRONTD), workers);
    assert_eq!(installation.ask(), "register\n");
}

#[test]
fn start_recovers_from_killed_parents() {
    let installation = Installation::started();
    let before = installation.all_processes();
    kill(installation.parent(FRONTD), Signal::SIGKILL);
    kill(installation.parent(STATED), Signal::SIGKILL);
    // Without waiting: the new processes start while the old ones end.
    installation.script("start").expect_status(0);
    wait_until("the old ones are gone", || {
        before.iter().all(|process| !process.is_alive())
    });
    assert_eq!(installation.ask(), "register\n");
    installation.script("status").expect_status(0);
}

#[test]
fn state_daemon_is_restarted_during_start() {
    let installation = Installation::started();
    installation.program(FRONTD, &["--stop"]).expect_status(0);
    let state = installation.parent(STATED);
    let child = installation.children(STATED)[0];
    // It runs, but serves nobody: the front end starts, and waits for it.
    kill(child, Signal::SIGSTOP);
    thread::scope(|scope| {
        let start = scope.spawn(|| installation.script("start"));
        wait_until("the front end is starting", || {
            installation.status(FRONTD).is_some()
        });
        kill(state, Signal::SIGKILL);
        kill(child, Signal::SIGKILL);
        start.join().unwrap().expect_status(0);
    });
    assert_eq!(installation.ask(), "register\n");
}

#[test]
fn stop_ends_orphans() {
    let installation = Installation::started();
    let before = installation.all_processes();
    for daemon in [STATED, FRONTD] {
        // Stopped, so that they cannot end before the script checks them.
        kill(installation.children(daemon)[0], Signal::SIGSTOP);
        kill(installation.parent(daemon), Signal::SIGKILL);
    }
    installation.script("stop").expect_status(0);
    let left = before.iter().filter(|process| process.is_alive()).count();
    assert_eq!(left, 0);
}

#[test]
fn stale_pid_file_is_ignored() {
    let installation = Installation::new();
    fs::create_dir(&installation.run_dir).unwrap();
    let mut untrusted = Command::new("sleep").arg("600").spawn().unwrap();
    let pid = untrusted.id();
    for daemon in [STATED, FRONTD] {
        fs::write(
            installation.file(&format!("{daemon}.pid")),
            format!("{pid}\n"),
        )
        .unwrap();
    }
    installation.script("status").expect_status(3);
    installation.script("stop").expect_status(0);
    installation.script("start").expect_status(0);
    installation.script("stop").expect_status(0);
    let is_alive = untrusted.try_wait().unwrap().is_none();
    untrusted.kill().unwrap();
    untrusted.wait().unwrap();
    assert!(is_alive);
}

#[test]
fn port_in_use_fails_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut installation = Installation::new();
    installation.listen = taken.local_addr().unwrap().to_string();
    let words = format!(
        "chat-frontd: cannot listen on {}: address in use",
        installation.listen
    );
    installation
        .script("start")
        .expect_status(1)
        .expect_err(&words);
    installation.expect_nothing_left(&[]);
    let log = fs::read_to_string(installation.file("chat-frontd.log")).unwrap();
    assert!(log.contains("cannot listen on"), "{log}");

    // The running daemons are not affected.
    installation.program(STATED, &["--detach"]).expect_status(0);
    let state = installation.children(STATED);
    installation.script("start").expect_status(1);
    assert_eq!(installation.children(STATED), state);
    drop(taken);
    installation.script("start").expect_status(0);
    assert_eq!(installation.children(STATED), state);
}

#[test]
fn unusable_run_directory_is_named() {
    let mut installation = Installation::new();
    let file = installation.run_dir.clone();
    fs::write(&file, "a file, not a directory").unwrap();
    for run_dir in [file.clone(), file.join("below")] {
        installation.run_dir = run_dir.clone();
        let name = run_dir.to_str().unwrap();
        let said = installation.script("start");
        said.expect_status(1)
            .expect_err("cannot make the run directory");
        for daemon in [STATED, FRONTD] {
            let said = installation.program(daemon, &["--detach"]);
            said.expect_status(1).expect_err(name);
            let said = installation.program(daemon, &[]);
            said.expect_status(1).expect_err(name);
        }
    }
    assert_eq!(fs::read(&file).unwrap(), b"a file, not a directory");
}

#[test]
fn missing_account_file_disables_nobody() {
    let installation = Installation::new();
    fs::create_dir(&installation.run_dir).unwrap();
    let accounts = installation.file("user_pass.txt");
    fs::write(&accounts, format!("ann,{}\n", "0".repeat(40))).unwrap();
    installation.script("start").expect_status(0);
    assert_eq!(installation.ask_as("ann"), "password\n");
    installation.script("stop").expect_status(0);
    fs::remove_file(&accounts).unwrap();
    installation.script("start").expect_status(0);
    assert_eq!(installation.ask_as("ann"), "password\n");
}

#[test]
fn bad_setting_does_not_prevent_stop() {
    let installation = Installation::started();
    let processes = installation.all_processes();
    for (script, status) in [
        ("start", 0),
        ("status", 0),
        ("reload", 0),
        ("stop", 0),
        ("start", 1),
    ] {
        let mut command = installation.command(repository().join("scripts").join(script));
        command.env("TIME_OUT", "soon").env("BLOCK_TIME", "later");
        installation.run(command).expect_status(status);
    }
    installation.expect_nothing_left(&processes);
}

#[test]
fn unwritable_log_is_named() {
    let installation = Installation::new();
    fs::create_dir_all(installation.file("chat-frontd.log")).unwrap();
    installation
        .script("start")
        .expect_status(1)
        .expect_err("chat-frontd: cannot write to the log");
    installation.expect_nothing_left(&[]);
}

#[test]
fn start_reports_error_of_state_process() {
    let installation = Installation::new();
    fs::create_dir(&installation.run_dir).unwrap();
    fs::write(installation.file("state"), "a file, not a directory").unwrap();
    let said = installation.script("start");
    said.expect_status(1).expect_err("chat-stated: ");
    let words = said.err.lines().next().unwrap();
    let words = words
        .strip_prefix("chat-stated: state does not start: ")
        .unwrap();
    let log = fs::read_to_string(installation.file("chat-stated.log")).unwrap();
    // Three times by the child, as the reason of its end, and finally by the supervisor.
    assert!(log.matches(words).count() >= 4, "{words:?} in {log}");
    installation.expect_nothing_left(&[]);
}

#[test]
fn foreground_daemon_stops_on_signal() {
    let installation = Installation::new();
    let start = |daemon: &str| {
        let program = Path::new(env!("CARGO_BIN_EXE_chat-frontd")).with_file_name(daemon);
        installation.program(daemon, &["--status"]).expect_status(3);
        let mut command = installation.command(program);
        let log = fs::File::create(installation.run_dir.with_file_name(daemon)).unwrap();
        let child = command.stdin(Stdio::null()).stderr(log).spawn().unwrap();
        wait_until("it serves", || {
            installation
                .status(daemon)
                .is_some_and(|status| status.phase.word() == "serving")
        });
        child
    };
    let end = |daemon: &str, mut child: std::process::Child, signal: Signal| {
        let children = installation.children(daemon);
        kill(ProcessIdentity::of(child.id() as i32).unwrap(), signal);
        assert!(child.wait().unwrap().success());
        assert!(children.iter().all(|process| !process.is_alive()));
    };
    let stated = start(STATED);
    // A worker serves only once it is attached to the state daemon.
    let frontd = start(FRONTD);
    end(FRONTD, frontd, Signal::SIGINT);
    end(STATED, stated, Signal::SIGTERM);
}

/// A worker that was never attached to the state daemon serves nobody, but answers everybody.
#[test]
fn new_workers_report_missing_state_daemon() {
    let installation = Installation::started();
    let mut ended = vec![installation.parent(STATED)];
    ended.extend(installation.children(STATED));
    ended.extend(installation.children(FRONTD));
    for process in ended {
        kill(process, Signal::SIGKILL);
    }
    assert_eq!(installation.ask(), "error:busy:\n");
    installation.script("start").expect_status(0);
    assert_eq!(installation.ask(), "register\n");
}

#[test]
fn concurrent_starts_all_succeed() {
    let installation = Installation::new();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                installation.script("start").expect_status(0);
            });
        }
    });
    let said = installation.script("status");
    said.expect_status(0);
}

#[test]
fn two_installations_live_side_by_side() {
    let (one, other) = (Installation::started(), Installation::started());
    assert_ne!(one.address(), other.address());
    one.script("stop").expect_status(0);
    other.script("status").expect_status(0);
}
