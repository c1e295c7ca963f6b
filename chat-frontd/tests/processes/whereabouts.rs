//! The working directory of a start and the name of the run directory make no difference.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::certificate::Certificate;
use crate::installation::{FRONTD, Installation, STATED, bin_dir, kill, repository, wait_until};

#[test]
fn daemons_leave_their_working_directory() {
    let mut installation = Installation::new().observable();
    let started_in = installation.run_dir.clone();
    fs::create_dir(&started_in).unwrap();
    Certificate::make(&started_in);
    installation.run_dir = started_in.join("run");
    let start = |program: &str| {
        let mut command = installation.command(bin_dir().join(program));
        command
            .current_dir(&started_in)
            .args(["--detach", "--run-dir=run"]);
        command.env("CHAT_LISTEN_TLS", "127.0.0.1:0");
        command
            .env("CHAT_TLS_CERT", "cert.pem")
            .env("CHAT_TLS_KEY", "key.pem");
        installation.run(command).expect_status(0);
    };
    start(STATED);
    start(FRONTD);
    let processes = installation.all_processes();
    for process in &processes {
        let directory = fs::read_link(format!("/proc/{}/cwd", process.pid)).unwrap();
        assert_eq!(directory, Path::new("/"));
    }
    // Relative paths keep their meaning, also for children that start later.
    for program in [STATED, FRONTD] {
        kill(installation.children(program)[0], Signal::SIGKILL);
        wait_until("another one serves", || {
            let child = installation.status(program).unwrap().children[0].clone();
            child.restarts == 1 && child.phase.word() == "serving"
        });
    }
    let reloaded = installation.script("reload");
    reloaded
        .expect_status(0)
        .expect_out("is for [chat.example]");
    assert_eq!(installation.ask(), "register\n");
}

#[test]
fn run_directory_may_look_like_flag() {
    for name in ["-rf", "--help", "a\nb * $(exit 1)"] {
        let mut installation = Installation::new();
        let above = installation.run_dir.with_file_name("above");
        fs::create_dir(&above).unwrap();
        installation.run_dir = above.join(name);
        let script = |script: &str| {
            let mut command = installation.command(repository().join("scripts").join(script));
            command.current_dir(&above).env("CHAT_RUN_DIR", name);
            installation.run(command)
        };
        script("start")
            .expect_status(0)
            .expect_out("  nc 127.0.0.1 ");
        for each in ["start", "status", "reload", "restart", "stop"] {
            assert_eq!(script(each).expect_status(0).err, "", "{name}");
        }
        let entries = fs::read_dir(&above).unwrap().count();
        assert_eq!(entries, 1, "all is in the run directory {name:?}");
    }
}
