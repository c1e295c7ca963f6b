//! What cannot be seen is not gone, and a number is not an identity: containers and hosts that show less than others
//! do.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::unistd::geteuid;

use crate::installation::{Installation, Said, bin_dir, repository};

/// Somebody without any rights.
pub(crate) const ORDINARY: &str = "1234";

/// Whether a test can have these namespaces; if not, says so.
fn may_have(namespaces: &[&str]) -> bool {
    let mut command = Command::new("unshare");
    let tried = command.args(namespaces).arg("true").output();
    let is_possible = geteuid().is_root() && tried.is_ok_and(|output| output.status.success());
    if !is_possible {
        eprintln!("skipped: no `unshare {}` here", namespaces.join(" "));
    }
    is_possible
}

/// Whether an ordinary user can run the programs of this build; if not, says so.
pub(crate) fn are_programs_open_to_all() -> bool {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can become user {ORDINARY}");
        return false;
    }
    let is_open = |path: &Path| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", ORDINARY, "--regid", ORDINARY, "--clear-groups"]);
        let tried = command.arg("test").arg("-x").arg(path).status();
        tried.is_ok_and(|status| status.success())
    };
    let needed = [
        bin_dir().join("chat-stated"),
        repository().join("scripts/start"),
    ];
    let are_open = needed.iter().all(|path| is_open(path));
    if !are_open {
        eprintln!("skipped: user {ORDINARY} cannot run {needed:?}");
    }
    are_open
}

/// Runs a shell script in namespaces of its own. `$scripts` are the checkout's, `$ordinary` makes a command one of an
/// ordinary user's.
fn run_in(installation: &Installation, namespaces: &[&str], script: &str) -> Said {
    let mut command = installation.command("unshare");
    command.args(namespaces).args(["sh", "-c", script]);
    command.env("scripts", repository().join("scripts"));
    command.env(
        "ordinary",
        format!("setpriv --reuid {ORDINARY} --regid {ORDINARY} --clear-groups"),
    );
    installation.run(command)
}

/// One whose run directory an ordinary user has.
pub(crate) fn of_ordinary_user() -> Installation {
    let installation = Installation::new();
    fs::create_dir(&installation.run_dir).unwrap();
    let owner = Some(ORDINARY.parse().unwrap());
    std::os::unix::fs::chown(&installation.run_dir, owner, owner).unwrap();
    installation
}

const PID_NAMESPACE: [&str; 4] = ["--pid", "--fork", "--mount-proc", "--kill-child"];

#[test]
fn scripts_do_not_signal_other_namespaces() {
    if !may_have(&PID_NAMESPACE) {
        return;
    }
    let installation = Installation::new();
    // The numbers of the daemons in the container are those of sleeping processes outside.
    let script = r#"
        for i in $(seq 150); do sleep 300 & sleeping="$sleeping $!"; done
        unshare --pid --fork --mount-proc --kill-child sh -c '
            "$scripts/start" >/dev/null && : >"$CHAT_RUN_DIR/ready"
            while [ ! -e "$CHAT_RUN_DIR/called" ]; do sleep 0.02; done
            "$scripts/status" >"$CHAT_RUN_DIR/inside"; echo "status inside $?"
            "$scripts/stop" >/dev/null; echo "stop inside $?"
        ' &
        container=$!
        while [ ! -e "$CHAT_RUN_DIR/ready" ]; do kill -0 $container || exit 1; sleep 0.02; done
        for name in stop reload status start restart; do
            "$scripts/$name" 2>&1; echo "$name outside $?"
        done
        unshare --pid --fork --mount-proc --kill-child "$scripts/stop" 2>&1
        echo "stop beside $?"
        mv "$CHAT_RUN_DIR/chat-stated.pid" "$CHAT_RUN_DIR/moved"
        alive=0
        for pid in $sleeping; do ! kill -0 "$pid" || alive=$((alive + 1)); done
        echo "alive $alive"
        mv "$CHAT_RUN_DIR/moved" "$CHAT_RUN_DIR/chat-stated.pid"
        : >"$CHAT_RUN_DIR/called"
        wait $container
    "#;
    let said = run_in(&installation, &PID_NAMESPACE, script);
    said.expect_status(0).expect_out("alive 150\n");
    for name in ["stop", "reload", "status", "start", "restart"] {
        said.expect_out(&format!("\n{name} outside 1\n"));
    }
    said.expect_out("stop beside 1\n")
        .expect_out("it runs in another PID namespace, perhaps of a container, as process ");
    said.expect_out("status inside 0\nstop inside 0\n");
    let inside = fs::read_to_string(installation.file("inside")).unwrap();
    assert_eq!(inside.matches(" 0 restarts").count(), 3, "{inside}");
}

#[test]
fn hidden_children_are_not_gone() {
    if !may_have(&["-m"]) || !are_programs_open_to_all() {
        return;
    }
    let installation = of_ordinary_user();
    let script = r#"
        mount -t proc -o hidepid=2 proc /proc || exit 99
        for name in start status reload stop; do
            $ordinary "$scripts/$name"; echo "$name $?"
        done
    "#;
    let said = run_in(&installation, &["-m"], script);
    assert_ne!(said.status, 99, "hidepid is not to be had: {said:?}");
    for name in ["start", "status", "reload", "stop"] {
        said.expect_out(&format!("{name} 0\n"));
    }
    assert_eq!(said.err, "");
    installation.expect_nothing_left(&[]);
}

#[test]
fn start_without_proc_has_advice() {
    if !may_have(&["-m"]) {
        return;
    }
    let installation = Installation::new();
    let script = r#"
        mount -t tmpfs tmpfs /proc
        "$scripts/status"; echo "status $?"
        "$scripts/start"; echo "start $?"
        "$scripts/stop"; echo "stop $?"
    "#;
    let said = run_in(&installation, &["-m"], script);
    said.expect_out("status 3\n").expect_out("stop 0\n");
    said.expect_out("start 1\n").expect_err("mount /proc");
}

#[test]
fn unreachable_address_is_a_warning() {
    if !may_have(&["-m", "-n"]) {
        return;
    }
    let mut installation = Installation::new();
    installation.listen = "0.0.0.0:0,[::]:0".to_owned();
    let script = r#"
        ip link set lo up || exit 99
        mount -t proc proc /proc
        for name in all lo; do echo 1 >/proc/sys/net/ipv6/conf/$name/disable_ipv6; done
        for name in start status restart stop; do
            "$scripts/$name"; echo "$name $?"
        done
    "#;
    let said = run_in(&installation, &["-m", "-n"], script);
    for name in ["start", "status", "restart", "stop"] {
        said.expect_out(&format!("{name} 0\n"));
    }
    said.expect_out("cannot be reached from here: ")
        .expect_out("a client was served in ");
}

#[test]
fn unmapped_users_keep_the_user() {
    if !may_have(&["-Ur"]) || !are_programs_open_to_all() {
        return;
    }
    let why = "this user namespace has no user 64190";
    let installation = of_ordinary_user();
    let script = |mode: &str| {
        format!(
            r#"
            export CHAT_SANDBOX={mode}
            $ordinary unshare -Ur sh -c '
                for name in start status reload stop; do
                    "$scripts/$name"; echo "$name $?"
                done
            '
        "#
        )
    };
    let said = run_in(&installation, &["-m"], &script("best-effort"));
    for name in ["start", "status", "reload", "stop"] {
        said.expect_out(&format!("{name} 0\n"));
    }
    let not = format!("NOT: children keep the user of their parent: {why}");
    said.expect_out(&not).expect_out("docs/containers.md");
    let said = run_in(&installation, &["-m"], &script("require"));
    said.expect_out("start 1\n").expect_err(why);
}
