//! What the daemons give up, seen from outside: the users, what is theirs, and what they say of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use chat_node::process::identity::ProcessIdentity;
use nix::unistd::geteuid;

use super::installation::{FRONTD, Installation, STATED, repository, wait_until};

/// The defaults of `--state-user` and `--worker-user`.
const STATE_USER: u32 = 64_190;
const WORKER_USER: u32 = 64_191;

fn status_line(process: &ProcessIdentity, key: &str) -> String {
    let path = format!("/proc/{}/status", process.pid);
    let status = fs::read_to_string(path).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap().trim_start_matches(':').trim().to_owned()
}

fn required() -> Installation {
    Installation::new().with("CHAT_SANDBOX", "require")
}

#[test]
fn children_have_no_privileges() {
    let installation = required();
    installation.script("start").expect_status(0);
    for daemon in [STATED, FRONTD] {
        for child in installation.children(daemon) {
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(status_line(&child, set), "0000000000000000", "{set}");
            }
            assert_eq!(status_line(&child, "NoNewPrivs"), "1");
            assert_eq!(status_line(&child, "Seccomp"), "2");
            let limits = fs::read_to_string(format!("/proc/{}/limits", child.pid)).unwrap();
            let limit = |name: &str| {
                let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
                line[name.len()..]
                    .split_whitespace()
                    .next()
                    .unwrap()
                    .to_owned()
            };
            assert_eq!(limit("Max processes"), "0");
            let descriptors: u64 = limit("Max open files").parse().unwrap();
            assert!(descriptors <= 18_128, "{descriptors}");
            assert_ne!(limit("Max data size"), "unlimited");
        }
    }
    // Parents, too: the master holds a key.
    for process in installation.all_processes() {
        let limits = fs::read_to_string(format!("/proc/{}/limits", process.pid)).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        let values: Vec<&str> = line.unwrap().split_whitespace().skip(4).collect();
        assert_eq!(values[..2], ["0", "0"], "{limits}");
    }
    let said = installation.script("status");
    said.expect_status(0)
        .expect_out("    sandbox: user ")
        .expect_out("no files, no TCP connections made (Landlock ")
        .expect_out("killed at any other");
}

#[test]
fn root_starts_children_as_two_users() {
    if !geteuid().is_root() {
        return;
    }
    let mut installation = required();
    // Directories that are made above it can be passed as well.
    installation.run_dir = installation.run_dir.join("in another/one");
    installation.script("start").expect_status(0);
    let ids = |user: u32| [user.to_string().as_str(); 4].join("\t");
    for (daemon, user) in [(STATED, STATE_USER), (FRONTD, WORKER_USER)] {
        for child in installation.children(daemon) {
            assert_eq!(status_line(&child, "Uid"), ids(user));
            assert_eq!(status_line(&child, "Gid"), ids(user));
            assert_eq!(status_line(&child, "Groups"), "");
            assert_eq!(status_line(&child, "CapBnd"), "0000000000000000");
        }
        let parent = installation.parent(daemon);
        assert_eq!(status_line(&parent, "Uid"), ids(0));
    }
    let owner = |name: &str| fs::metadata(installation.file(name)).unwrap().uid();
    for name in ["state", "state/journal.db", "state/lock", "user_pass.txt"] {
        assert_eq!(owner(name), STATE_USER, "{name}");
    }
    for name in ["chat-stated.pid", "chat-frontd.log", "chat-stated.status"] {
        assert_eq!(owner(name), 0, "{name}");
    }
    // Whose is nothing in it passes it, and can neither look nor put anything there.
    let run_dir = fs::metadata(&installation.run_dir).unwrap();
    assert_eq!(run_dir.mode() & 0o7777, 0o1771);
    assert_eq!((run_dir.uid(), run_dir.gid()), (0, STATE_USER));
    let socket = fs::metadata(installation.file("chat-stated.sock")).unwrap();
    assert_eq!((socket.uid(), socket.gid()), (0, WORKER_USER));
    assert_eq!(socket.mode() & 0o777, 0o660);
}

#[test]
fn incomplete_sandbox_is_reported_or_refused() {
    if !geteuid().is_root() {
        return;
    }
    let start = |installation: &Installation| {
        let mut command = installation.command("setpriv");
        command.arg("--bounding-set=-setuid");
        command.arg(repository().join("scripts/start"));
        installation.run(command)
    };
    let why = "children keep the user of their parent: started as root without CAP_SETUID";
    let installation = required();
    start(&installation).expect_status(1).expect_err(why);
    let installation = Installation::new();
    start(&installation).expect_status(0);
    for daemon in [STATED, FRONTD] {
        let lines = installation.log(daemon).matches(why).count();
        // The warning and the summary of each child, and no more.
        assert_eq!(lines, 2 * installation.children(daemon).len());
    }
    let status = installation.script("status");
    status.expect_status(0).expect_out(&format!("NOT: {why}"));
}

#[test]
fn reload_restores_account_file_owner() {
    let installation = required();
    installation.script("start").expect_status(0);
    let accounts = installation.file("user_pass.txt");
    let owner = fs::metadata(&accounts).unwrap().uid();
    let edited = installation.file("edited");
    fs::write(&edited, "new,53649f6e45138ef119c955d04bf042562f6e2946\n").unwrap();
    fs::set_permissions(&edited, Permissions::from_mode(0o600)).unwrap();
    fs::rename(&edited, &accounts).unwrap();
    installation.script("reload").expect_status(0);
    wait_until("the new file is read", || {
        installation
            .log(STATED)
            .contains("account file: 1 accounts")
    });
    assert_eq!(fs::metadata(&accounts).unwrap().uid(), owner);
}

#[test]
fn unreachable_directory_is_named() {
    if !geteuid().is_root() {
        return;
    }
    let installation = Installation::new();
    let above = installation.run_dir.parent().unwrap();
    fs::set_permissions(above, Permissions::from_mode(0o700)).unwrap();
    let said = installation.script("start");
    said.expect_status(1)
        .expect_err(&format!("{} is closed to user 64190", above.display()))
        .expect_err("chmod o+x")
        .expect_err("CHAT_RUN_DIR");
    fs::set_permissions(above, Permissions::from_mode(0o711)).unwrap();
    installation.script("start").expect_status(0);
}

#[test]
fn unsuitable_users_are_refused() {
    for (user, why) in [
        ("nobody", "other programs run as nobody"),
        ("65534", "other programs run as nobody"),
        ("root", "root is not for children"),
        ("0:7", "root is not for children"),
    ] {
        let installation = Installation::new();
        let said = installation.program(FRONTD, &[&format!("--worker-user={user}")]);
        said.expect_status(2).expect_err(why);
    }
    if geteuid().is_root() {
        let installation = Installation::new();
        let said = installation.program(STATED, &["--worker-user=64190"]);
        said.expect_status(1).expect_err("choose two users");
    }
}

#[test]
fn users_and_sandbox_are_settings() {
    let installation = Installation::new()
        .with("CHAT_STATE_USER", "64200:64300")
        .with("CHAT_WORKER_USER", "64201");
    installation.script("start").expect_status(0);
    if geteuid().is_root() {
        let state = installation.children(STATED)[0];
        assert!(status_line(&state, "Uid").starts_with("64200\t"));
        assert!(status_line(&state, "Gid").starts_with("64300\t"));
    }
    installation.script("stop").expect_status(0);
    let installation = installation.with("CHAT_SANDBOX", "off");
    installation.script("start").expect_status(0);
    let state = installation.children(STATED)[0];
    assert_eq!(status_line(&state, "Seccomp"), "0");
    let said = installation.script("status");
    said.expect_status(0).expect_out("    sandbox: off");
}
