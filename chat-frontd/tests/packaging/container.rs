//! Process 1 of the container, without a container.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use crate::free_port::free_port;
use crate::installation::{self, FRONTD, Installation, STATED, bin_dir, repository, wait_until};
use crate::{has_tool, packaged, run};

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

/// What a container engine takes away from it, taken away by the tools of this host.
#[test]
fn container_needs_no_privileges() {
    if !geteuid().is_root() || !has_tool("unshare", "util-linux") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["run", "bin"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    fs::copy(packaged("container/start"), dir.path().join("start")).unwrap();
    let script = repository().join("chat-frontd/tests/packaging/unprivileged.sh");
    let listen = free_port().unwrap();
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
        ])
        .args([&script, dir.path(), bin_dir()])
        .env("CHAT_LISTEN", listen.to_string())
        .env("CHAT_PORT", listen.port().to_string())
        .env("CHAT_WORKERS", "1")
        .env("CHAT_SANDBOX", "require");
    let (status, said) = run(&mut command);
    assert_eq!(status, 0, "{said}");
    for line in [
        "Uid 990",
        "CapEff 0000000000000000",
        "CapBnd 0000000000000000",
        "NoNewPrivs 1",
        "root ro",
        "Sent.",
        "stopped",
    ] {
        assert!(said.lines().any(|it| it == line), "no {line:?} in {said}");
    }
    assert!(said.contains("ann: hello\n"), "{said}");
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
        let (status, said) = run(Command::new("sh").arg("-n").arg(path));
        assert_eq!(status, 0, "{said}");
    }
}
