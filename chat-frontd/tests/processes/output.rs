//! Output that cannot be written is said, and the exit status tells of the work all the same.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::Command;

use crate::installation::{FRONTD, Installation, STATED, Said, bin_dir, repository};

/// Where the standard output goes.
#[derive(Clone, Copy, Debug)]
enum Output {
    Full,
    Closed,
    /// To a pipe that nobody reads.
    Unread,
}

const ALL: [Output; 3] = [Output::Full, Output::Closed, Output::Unread];

fn run(installation: &Installation, program: &Path, arguments: &[&str], to: Output) -> Said {
    let redirection = match to {
        Output::Full => "exec \"$@\" >/dev/full",
        Output::Closed => "exec \"$@\" >&-",
        // Its status comes last on the error output.
        Output::Unread => "{ sleep 0.1; \"$@\"; echo $? >&3; } 3>&2 | :",
    };
    let mut command = installation.command("/bin/sh");
    command.args(["-c", redirection, "sh"]);
    command.arg(program).args(arguments);
    let mut said = installation.run(command);
    if let Output::Unread = to {
        let err = said.err.trim_end().to_owned();
        let (rest, status) = err.rsplit_once('\n').unwrap_or(("", &err));
        said.status = status.parse().unwrap();
        said.err = rest.to_owned();
    }
    said
}

#[track_caller]
fn expect(said: &Said, status: i32, to: Output) {
    said.expect_status(status);
    match to {
        Output::Unread => assert_eq!(said.err, "", "{to:?}"),
        _ => drop(said.expect_err("cannot write to the standard output")),
    }
    assert!(!said.err.contains("panicked"), "{said:?}");
}

#[test]
fn scripts_do_their_work_without_output() {
    let installation = Installation::new();
    let script = |name: &str| repository().join("scripts").join(name);
    let run = |name: &str, to| run(&installation, &script(name), &[], to);
    for to in ALL {
        expect(&run("start", to), 0, to);
        installation.script("status").expect_status(0);
        for name in ["start", "reload", "restart"] {
            expect(&run(name, to), 0, to);
        }
        // Here the words are the work.
        let lost = i32::from(!matches!(to, Output::Unread));
        expect(&run("status", to), lost, to);
        expect(&run("stop", to), 0, to);
        installation.script("status").expect_status(3);
    }
}

#[test]
fn programs_do_their_work_without_output() {
    let installation = Installation::new();
    installation.script("start").expect_status(0);
    let program = |name: &str, arguments: &[&str], to| {
        run(&installation, &bin_dir().join(name), arguments, to)
    };
    let make_cert = repository().join("scripts/make-cert");
    for to in ALL {
        let backup = installation.file("a.backup").display().to_string();
        expect(&program(STATED, &["backup", "--force", &backup], to), 0, to);
        expect(&program(STATED, &["check", &backup], to), 0, to);
        for daemon in [STATED, FRONTD] {
            expect(&program(daemon, &["--check-settings"], to), 0, to);
            // Here the words are the work.
            let failed = |failure| match to {
                Output::Unread => 0,
                _ => failure,
            };
            expect(&program(daemon, &["--status"], to), failed(4), to);
            expect(&program(daemon, &["--help"], to), failed(1), to);
            expect(&program(daemon, &["--version"], to), failed(1), to);
        }
        expect(
            &run(&installation, &make_cert, &["chat.example.org."], to),
            0,
            to,
        );
        for file in ["cert.pem", "key.pem"] {
            std::fs::remove_file(installation.file(file)).unwrap();
        }
    }
}

#[test]
fn nothing_panics_without_error_output() {
    let installation = Installation::new();
    for (program, arguments, status) in [
        (STATED, &["--unknown"][..], 2),
        (STATED, &["check", "/nowhere"], 2),
        (STATED, &["backup", "/nowhere/x"], 1),
        (STATED, &["--reload"], 1),
        (FRONTD, &["--check-settings", "--listen=none"], 1),
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command: Command = installation.command(bin_dir().join(program));
        let output = command.args(arguments).stderr(full).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(status),
            "{program} {arguments:?}"
        );
    }
}
