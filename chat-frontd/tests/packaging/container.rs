//! Process 1 of the container, without a container.

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::installation::{self, FRONTD, Installation, STATED, bin_dir, wait_until};
use crate::packaged;

/// Starts it, and waits until clients are served.
fn start(installation: &Installation) -> Child {
    let path = std::env::var("PATH").unwrap();
    let mut command = installation.command(packaged("container/start"));
    command.env("PATH", format!("{}:{path}", bin_dir().display()));
    let outputs = command.stdin(Stdio::null()).stderr(Stdio::null());
    let child = outputs.spawn().unwrap();
    wait_until("clients are served", || {
        installation.program(FRONTD, &["--status"]).status == 0
    });
    child
}

#[test]
fn container_stops_in_order() {
    let installation = Installation::new();
    let mut container = start(&installation);
    let processes = installation.all_processes();
    let pid = Pid::from_raw(container.id().cast_signed());
    kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(container.wait().unwrap().code(), Some(0));
    installation.expect_nothing_left(&processes);
}

#[test]
fn container_ends_with_a_daemon() {
    let installation = Installation::new();
    let mut container = start(&installation);
    installation::kill(installation.parent(STATED), Signal::SIGKILL);
    assert_eq!(container.wait().unwrap().code(), Some(1));
    installation.script("status").expect_status(3);
}

/// Nothing compiles these files before somebody installs the package.
#[test]
fn shell_scripts_can_be_parsed() {
    for (name, is_program) in [
        ("certbot-deploy-hook", true),
        ("container/start", true),
        ("debian/postinst", true),
        ("debian/postrm", true),
        ("debian/prerm", true),
        ("debian/test", false),
    ] {
        let path = packaged(name);
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o111 != 0, is_program, "{name}");
        let (status, said) = crate::run(std::process::Command::new("sh").arg("-n").arg(path));
        assert_eq!(status, 0, "{said}");
    }
}
