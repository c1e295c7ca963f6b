//! Command lines of scripts and programs, and their errors.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::installation::{FRONTD, Installation, STATED, bin_dir, repository};

/// The scripts for operators.
const OPERATORS_SCRIPTS: [&str; 7] = [
    "start",
    "stop",
    "restart",
    "reload",
    "status",
    "build",
    "make-cert",
];

#[test]
fn bad_value_names_its_variable() {
    let installation = Installation::new();
    for (program, variable) in [(FRONTD, "CHAT_WORKERS"), (STATED, "BLOCK_TIME")] {
        let mut command = installation.command(bin_dir().join(program));
        command.arg("--detach").env(variable, "many");
        let said = installation.run(command);
        said.expect_status(2)
            .expect_err("many")
            .expect_err(&format!("from the environment variable {variable}"));
    }
    for program in [FRONTD, STATED] {
        let mut command = installation.command(bin_dir().join(program));
        command.arg("--detach").env("CHAT_LOG", "loud");
        let said = installation.run(command);
        said.expect_status(2)
            .expect_err("the levels are off, error, warn, info, debug and trace")
            .expect_err("from the environment variable CHAT_LOG");
    }
    let said = installation.program(FRONTD, &["--detach", "--workers=many"]);
    said.expect_status(2);
    assert!(!said.err.contains("environment variable"), "{}", said.err);
}

#[test]
fn closed_pipe_ends_status_quietly() {
    let installation = Installation::new();
    installation.script("start").expect_status(0);
    for _ in 0..20 {
        let mut command = installation.command(repository().join("scripts").join("status"));
        let mut status = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Nobody reads the output.
        drop(status.stdout.take());
        let output = status.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, "", "a reader who has left is no failure");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn restart_with_bad_setting_stops_nothing() {
    let installation = Installation::started();
    let processes = installation.all_processes();
    let restart = |variables: &[(&str, &str)]| {
        let mut command = installation.command(repository().join("scripts").join("restart"));
        command.envs(variables.iter().copied());
        installation.run(command)
    };
    let nobody = installation.file("nobody.pem").display().to_string();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    for (variables, word) in [
        (&[("CHAT_WORKERS", "many")][..], "CHAT_WORKERS"),
        (&[("BLOCK_TIME", "many")], "BLOCK_TIME"),
        (&[("CHAT_LISTEN", &taken)], "address in use"),
        // Reserved for documentation, so no host has it.
        (&[("CHAT_LISTEN", "192.0.2.1:1")], "no such address"),
        (&[("CHAT_BIN_DIR", "/nowhere/at/all")], "CHAT_BIN_DIR"),
        (
            &[
                ("CHAT_LISTEN_TLS", "127.0.0.1:0"),
                ("CHAT_TLS_CERT", &nobody),
                ("CHAT_TLS_KEY", &nobody),
            ],
            "nobody.pem",
        ),
    ] {
        restart(variables).expect_status(1).expect_err(word);
        assert_eq!(installation.all_processes(), processes, "{word}");
    }
    installation.script("status").expect_status(0);
    // Its own port becomes free once it is stopped.
    let own = installation.address();
    restart(&[("CHAT_LISTEN", &own)]).expect_status(0);
}

#[test]
fn settings_check_changes_nothing() {
    let installation = Installation::new();
    for program in [FRONTD, STATED] {
        installation
            .program(program, &["--check-settings"])
            .expect_status(0)
            .expect_out(&format!("{program}: could start with these settings"));
    }
    installation
        .program(FRONTD, &["--check-settings", "--listen=none"])
        .expect_status(1)
        .expect_err("no address to listen on");
    installation.script("status").expect_status(3);
}

#[test]
fn script_may_be_called_through_link() {
    let installation = Installation::new();
    let dir = tempfile::tempdir().unwrap();
    for name in ["status", "stop", "reload", "restart", "start", "build"] {
        let link = dir.path().join(name);
        std::os::unix::fs::symlink(repository().join("scripts").join(name), &link).unwrap();
    }
    let call = |name: &str| installation.run(installation.command(dir.path().join(name)));
    call("status").expect_status(3);
    call("start").expect_status(0);
    call("status").expect_status(0);
    call("restart").expect_status(0);
    call("reload").expect_status(0);
    call("stop").expect_status(0);
    // Also with a shell that gets the path as an argument.
    let mut command = installation.command("/bin/sh");
    command.arg(dir.path().join("status"));
    installation.run(command).expect_status(3);
}

#[test]
fn script_help_has_no_side_effects() {
    let installation = Installation::started();
    let processes = installation.all_processes();
    let log = installation.log(STATED);
    let call = |name: &str, arguments: &[&str]| {
        let mut command = installation.command(repository().join("scripts").join(name));
        command.args(arguments);
        installation.run(command)
    };
    for name in OPERATORS_SCRIPTS {
        for flag in ["-h", "--help"] {
            let said = call(name, &[flag]);
            said.expect_status(0)
                .expect_out(&format!("Usage: scripts/{name}"))
                .expect_out("Environment: ")
                .expect_out("Exit status: 0 ");
            assert!(!said.out.contains(['#', '$']), "code is no help: {said:?}");
            assert_eq!(said.err, "");
        }
        let said = call(name, &["--now"]);
        said.expect_status(2)
            .expect_err("--now")
            .expect_err(&format!("Usage: scripts/{name}"));
        assert_eq!(said.out, "");
    }
    call("test", &["--help"]).expect_status(0);
    call("test", &["quickly"]).expect_status(2);
    assert_eq!(installation.all_processes(), processes);
    assert!(processes.iter().all(|process| process.is_alive()));
    assert_eq!(installation.log(STATED), log, "nothing was read again");
    assert!(!installation.file("cert.pem").exists());
}

#[test]
fn build_is_announced_with_reason() {
    let checkout = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(checkout.path()).unwrap();
    for dir in ["scripts", "shared", "chat-stated", "bin"] {
        fs::create_dir(root.join(dir)).unwrap();
    }
    for name in ["build", "environment.sh"] {
        fs::copy(
            repository().join("scripts").join(name),
            root.join("scripts").join(name),
        )
        .unwrap();
    }
    for name in ["Cargo.toml", "Cargo.lock", "shared/a.rs"] {
        fs::write(root.join(name), "").unwrap();
    }
    // A substitute for the compiler, which creates programs.
    let cargo = root.join("bin/cargo");
    let programs = "chat-stated chat-frontd chat-client chatctl";
    let text = format!(
        "#!/bin/sh\ncd \"$CARGO_TARGET_DIR/release\" && touch {programs} && chmod +x {programs}\n"
    );
    fs::write(&cargo, text).unwrap();
    fs::set_permissions(&cargo, Permissions::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        root.join("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let installation = Installation::new();
    let build = || {
        let mut command = installation.command(root.join("scripts/build"));
        command
            .env_remove("CHAT_BIN_DIR")
            .env("CARGO_TARGET_DIR", root.join("target"))
            .env("PATH", &path);
        let said = installation.run(command);
        said.expect_status(0);
        said.err
    };
    let announced = "building the release programs: ";
    assert_eq!(
        build(),
        format!("{announced}some are missing; the first time takes some minutes\n")
    );
    assert_eq!(build(), "");
    let source = fs::File::open(root.join("shared/a.rs")).unwrap();
    source
        .set_modified(SystemTime::now() + Duration::from_secs(3600))
        .unwrap();
    assert_eq!(
        build(),
        format!("{announced}shared/a.rs has changed since they were built\n")
    );
    fs::remove_file(root.join("target/release/.built-by-scripts")).unwrap();
    assert_eq!(
        build(),
        format!("{announced}their sources are unknown; this may take some minutes\n")
    );
}

#[test]
fn front_end_alone_gives_up() {
    let installation = Installation::new();
    let said = installation.program(FRONTD, &["--detach", "--start-patience=1"]);
    said.expect_status(1)
        .expect_err("not ready after 1 s, so it was stopped again")
        .expect_err("is chat-stated running in the same run directory?");
    installation.expect_nothing_left(&[]);
    installation.script("status").expect_status(3);
}

#[test]
fn every_script_finds_its_environment() {
    for entry in fs::read_dir(repository().join("scripts")).unwrap() {
        let path = entry.unwrap().path();
        // Those are sourced by the others.
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "sh") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.contains(". \"$(dirname -- \"$(readlink -f -- \"$0\")\")/environment.sh\""),
            "{}",
            path.display()
        );
        let checked = Command::new("sh").arg("-n").arg(&path).status().unwrap();
        assert!(checked.success());
    }
}
