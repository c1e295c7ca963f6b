//! The control sockets of real daemons, and `chatctl`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use serde_json::Value;

use crate::installation::{
    CHATCTL, FRONTD, Installation, PATIENCE, STATED, Said, bin_dir, kill, wait_until,
};

pub(crate) const HELLO: &str = "{\"version\":2}\n";

impl Installation {
    pub(super) fn chatctl(&self, arguments: &[&str]) -> Said {
        self.program(CHATCTL, arguments)
    }

    pub(crate) fn connect_control(&self, daemon: &str) -> UnixStream {
        let stream = UnixStream::connect(self.file(&format!("{daemon}.ctl"))).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A client that says this, and stays.
    pub(super) fn client(&self, lines: &[&str]) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
            .write_all((lines.join("\n") + "\n").as_bytes())
            .unwrap();
        BufReader::new(stream)
    }

    /// Sends bytes to a control socket. Returns what comes until the daemon closes.
    fn converse(&self, daemon: &str, bytes: &[u8]) -> String {
        let mut stream = self.connect_control(daemon);
        stream.write_all(bytes).unwrap();
        let mut said = Vec::new();
        // A daemon that closes while bytes of ours are unread resets the connection.
        let _ = stream.read_to_end(&mut said);
        String::from_utf8(said).unwrap()
    }
}

pub(super) fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

#[test]
fn status_ends_with_health_and_reasons() {
    let installation = Installation::new();
    installation
        .chatctl(&["status"])
        .expect_status(3)
        .expect_out("reason: nothing runs in the run directory /")
        .expect_out(" (CHAT_RUN_DIR or --run-dir names another one)\ndown\n");
    installation.script("start").expect_status(0);
    let said = installation.chatctl(&["status"]);
    said.expect_status(0)
        .expect_out("chat-stated: serving, process ")
        .expect_out("  worker 2: serving since ")
        .expect_out(&format!("  version {}\n", chat_node::VERSION));
    assert!(said.out.ends_with("\nhealthy\n"), "{said:?}");
    let found = json(&installation.chatctl(&["status", "--json"]));
    assert_eq!(found["health"], "healthy");
    assert_eq!(
        found["daemons"][1]["status"]["children"][1]["phase"],
        "serving"
    );
    let said = installation.script("status");
    assert!(said.out.ends_with("\nhealthy\n"), "{said:?}");

    installation.program(FRONTD, &["--stop"]).expect_status(0);
    installation
        .chatctl(&["status", "--summary"])
        .expect_status(2)
        .expect_out("reason: chat-frontd does not run\ndown\n");
    installation
        .script("status")
        .expect_status(2)
        .expect_out("reason: chat-frontd does not run\ndown\n");
}

#[test]
fn failed_disk_stays_in_status() {
    let installation = Installation::started();
    installation.script("stop").expect_status(0);
    // What a process leaves that a failed write or sync has ended.
    fs::write(installation.file("state/disk-failed"), "").unwrap();
    installation.script("start").expect_status(0);
    installation
        .chatctl(&["status", "--summary"])
        .expect_status(1)
        .expect_out(
            "reason: chat-stated: state 1: the disk failed, and all files were written anew",
        );
    installation.script("restart").expect_status(0);
    installation.chatctl(&["status"]).expect_status(0);
}

#[test]
fn stopped_worker_is_noticed_within_five_seconds() {
    let installation = Installation::started();
    let worker = installation.children(FRONTD)[0];
    kill(worker, Signal::SIGSTOP);
    let stopped_at = Instant::now();
    let said = installation.chatctl(&["status", "--summary"]);
    let elapsed = stopped_at.elapsed();
    said.expect_status(1).expect_out("chat-frontd: worker 1 g");
    assert!(said.out.ends_with("\ndegraded\n"), "{said:?}");
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    kill(worker, Signal::SIGCONT);
    wait_until("all is well again", || {
        installation.chatctl(&["status"]).status == 0
    });
}

#[test]
fn stopped_parent_does_not_block_tool() {
    let installation = Installation::started();
    let parent = installation.parent(FRONTD);
    kill(parent, Signal::SIGSTOP);
    let said = installation.chatctl(&["status", "--summary"]);
    kill(parent, Signal::SIGCONT);
    said.expect_status(1)
        .expect_out("reason: chat-frontd does not answer within 5 s: it is stopped or hangs\n");
}

#[test]
fn control_sockets_are_for_owner_only() {
    let installation = Installation::started();
    for daemon in [STATED, FRONTD] {
        let path = installation.file(&format!("{daemon}.ctl"));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path:?}");
    }
    if geteuid().is_root() {
        // Permissions of files do not hold back whom the socket would serve; its own check does.
        let path = installation.file("chat-stated.ctl");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        fs::set_permissions(&installation.run_dir, PermissionsExt::from_mode(0o711)).unwrap();
        let dir = installation.run_dir.parent().unwrap();
        fs::set_permissions(dir, PermissionsExt::from_mode(0o711)).unwrap();
        let mut command = installation.command("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(bin_dir().join(CHATCTL)).arg("status");
        let said = installation.run(command);
        assert!(matches!(said.status, 4 | 126 | 127), "{said:?}");
        if said.status == 4 {
            said.expect_out("user 65534 may not control this server");
            let log = installation.log(STATED);
            assert!(log.contains("event=control-refused uid=65534"), "{log}");
        }
    }
}

#[test]
fn hostile_control_clients_hurt_nobody() {
    let installation = Installation::started();
    let flood = vec![b'x'; 300_000];
    let endless = [HELLO.as_bytes(), &flood].concat();
    let silent: Vec<UnixStream> = (0..4)
        .map(|_| installation.connect_control(FRONTD))
        .collect();
    for daemon in [STATED, FRONTD] {
        for bytes in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"{\"version\":1}\n",
            b"\0\0\0\0\n",
            &[HELLO.as_bytes(), b"{\"request\":\"dance\"}\n"].concat(),
        ] {
            let said = installation.converse(daemon, bytes);
            assert!(said.starts_with("{\"version\":2,"), "{said}");
            assert!(said.contains("\"report\":\"failed\""), "{said}");
        }
        let mut stream = installation.connect_control(daemon);
        // It is closed in the middle.
        let _ = stream.write_all(&endless);
        // Asks again and again, and reads nothing.
        let mut deaf = installation.connect_control(daemon);
        deaf.set_nonblocking(true).unwrap();
        deaf.write_all(HELLO.as_bytes()).unwrap();
        let ask = "{\"request\":\"ask\",\"child\":1,\"question\":{\"question\":\"ping\"}}\n";
        while deaf.write_all(ask.repeat(64).as_bytes()).is_ok() {}
        assert_eq!(installation.ask(), "register\n");
        let unknown = "{\"request\":\"ask\",\"child\":99,\"question\":{\"question\":\"ping\"}}\n";
        let mut stream = installation.connect_control(daemon);
        stream
            .write_all(format!("{HELLO}{unknown}").as_bytes())
            .unwrap();
        stream.shutdown(Shutdown::Read).unwrap();
    }
    installation.chatctl(&["status"]).expect_status(0);
    let many: Vec<UnixStream> = (0..40)
        .map(|_| installation.connect_control(FRONTD))
        .collect();
    let said = installation.converse(FRONTD, b"");
    assert!(
        said.is_empty() || said.contains("control connections already"),
        "{said}"
    );
    assert_eq!(installation.ask(), "register\n");
    drop((many, silent));
    wait_until("there is room again", || {
        installation.chatctl(&["status"]).status == 0
    });
}

/// Reads until a line comes.
pub(super) fn read_until(client: &mut BufReader<TcpStream>, wanted: &str) {
    let mut line = String::new();
    while line.trim_end() != wanted {
        line.clear();
        let bytes = client.read_line(&mut line).unwrap();
        assert!(bytes > 0, "the connection ended before {wanted}");
    }
}

#[test]
fn lists_show_users_queues_and_blocks() {
    let installation = Installation::of_ann_and_bob();
    installation.script("start").expect_status(0);
    let mut ann = installation.client(&[
        "ann",
        "password",
        "send bob one",
        "send bob two",
        "broadcast three",
        "who",
    ]);
    read_until(&mut ann, "ann");
    let mut stranger = installation.client(&["bob", "x", "x", "x"]);
    read_until(&mut stranger, "password");
    wait_until("bob is blocked", || {
        installation
            .chatctl(&["blocks", "list"])
            .out
            .contains("bob")
    });

    let who = installation.chatctl(&["who"]);
    who.expect_status(0).expect_out("USER  SOURCE     SINCE");
    assert_eq!(who.out.lines().count(), 2, "{who:?}");
    let who = json(&installation.chatctl(&["who", "--json"]));
    assert_eq!(who[0]["user"], "ann");
    assert_eq!(who[0]["source"], "127.0.0.1");
    assert_eq!(who[0]["is_tls"], false);
    assert!(
        who[0]["worker"]
            .as_u64()
            .is_some_and(|it| it == 1 || it == 2)
    );

    let queues = json(&installation.chatctl(&["queues", "--json"]));
    assert_eq!(queues[0]["name"], "bob");
    assert_eq!(queues[0]["messages"], 2);
    assert_eq!(queues[0]["bytes"], 6);
    assert_eq!(queues[0]["broadcasts"], 1);
    assert_eq!(queues[0]["is_full"], false);
    installation
        .chatctl(&["queues"])
        .expect_status(0)
        .expect_out("; bob holds the most, 1\n");
    let full = installation.chatctl(&["queues", "--full"]);
    assert_eq!(full.out.lines().count(), 1, "{full:?}");

    let accounts = json(&installation.chatctl(&["accounts", "list", "--json"]));
    assert_eq!(accounts[1]["name"], "bob");
    assert_eq!(accounts[1]["waiting"], 3);
    assert_eq!(accounts[0]["is_online"], true);
    assert_eq!(accounts[1]["is_in_file"], true);

    let blocks = json(&installation.chatctl(&["blocks", "list", "--json"]));
    assert_eq!(blocks[0]["name"], "bob");
    assert_eq!(blocks[0]["address"], "127.0.0.1");
    assert!(
        blocks[0]["seconds_left"]
            .as_u64()
            .is_some_and(|left| left <= 60)
    );

    // A list that is not complete says so.
    let worker = installation.children(FRONTD)[0];
    kill(worker, Signal::SIGSTOP);
    installation
        .chatctl(&["who"])
        .expect_status(1)
        .expect_err("the list is not complete: worker 1 does not answer within 3 s");
    kill(worker, Signal::SIGCONT);
    installation.script("stop").expect_status(0);
    installation.chatctl(&["who"]).expect_status(3);
}

#[test]
fn kick_ends_session_and_is_logged() {
    let installation = Installation::of_ann_and_bob();
    installation.script("start").expect_status(0);
    installation
        .chatctl(&["kick", "ann"])
        .expect_status(1)
        .expect_err("ann is not logged in");
    let mut ann = installation.client(&["ann", "password", "who"]);
    read_until(&mut ann, "ann");
    let processes = installation.all_processes();
    installation
        .chatctl(&["kick", "ann"])
        .expect_status(0)
        .expect_out("ann is disconnected\n");
    let mut rest = Vec::new();
    ann.read_to_end(&mut rest).unwrap();
    wait_until("her session is over", || {
        installation.chatctl(&["who"]).out.lines().count() == 1
    });
    let log = installation.log(FRONTD);
    let uid = geteuid();
    let connection_of = |log: &str, act: &str| {
        let (_, rest) = log.split_once(act)?;
        let (_, rest) = rest.split_once(" connection=")?;
        Some(rest.split_whitespace().next()?.to_owned())
    };
    let of_login = connection_of(&installation.log(STATED), "event=login ");
    assert!(of_login.is_some());
    let of_kick = connection_of(&log, "security: event=kick user=ann");
    assert_eq!(of_kick, of_login, "{log}");
    assert!(log.contains(&format!(" by uid={uid} pid=")), "{log}");
    let mut ann = installation.client(&["ann", "password", "who"]);
    read_until(&mut ann, "ann");
    assert_eq!(
        installation.all_processes(),
        processes,
        "nothing was restarted"
    );
}

#[test]
fn log_level_and_checkpoint_take_effect() {
    let installation = Installation::started();
    installation
        .chatctl(&["log-level", "loud"])
        .expect_status(64);
    installation.chatctl(&["checkpoint"]).expect_status(0);
    installation.register("ann");
    installation.chatctl(&["log-level", "off"]).expect_status(0);
    let log = |daemon| installation.log(daemon);
    assert!(log(STATED).contains("security: event=checkpoint-requested by uid="));
    for daemon in [STATED, FRONTD] {
        let line = "security: event=log-level-changed level=OFF by uid=";
        assert_eq!(log(daemon).matches(line).count(), 1, "{}", log(daemon));
    }
    let before = log(FRONTD);
    kill(installation.children(FRONTD)[0], Signal::SIGKILL);
    wait_until("another worker serves", || {
        let worker = &installation.status(FRONTD).unwrap().children[0];
        worker.restarts == 1 && worker.is_serving()
    });
    assert!(!log(FRONTD)[before.len()..].contains("killed by signal"));
    installation
        .chatctl(&["log-level", "info"])
        .expect_status(0);
    kill(installation.children(FRONTD)[1], Signal::SIGKILL);
    wait_until("the log says so", || {
        log(FRONTD).contains("worker 2: killed by signal 9")
    });
}

#[test]
fn reload_by_tool_does_as_script_does() {
    let installation = Installation::of_ann_and_bob();
    installation.chatctl(&["reload"]).expect_status(3);
    installation.script("start").expect_status(0);
    installation
        .chatctl(&["reload"])
        .expect_status(0)
        .expect_out("chat-stated: account file: 2 accounts, 0 changes, ")
        .expect_out("chat-frontd: TLS is off, so there are no files to read\n");
    let log = installation.log(STATED);
    assert!(
        log.contains("security: event=reload-requested force=false by uid="),
        "{log}"
    );
    fs::write(installation.file("user_pass.txt"), "").unwrap();
    installation
        .chatctl(&["reload"])
        .expect_status(1)
        .expect_err("chatctl: chat-stated: ")
        .expect_err("scripts/reload --force")
        .expect_out("chat-frontd: ");
    installation
        .chatctl(&["reload", "--force"])
        .expect_status(0)
        .expect_out("chat-stated: account file: ")
        .expect_out(" accounts, 2 changes, ");
    assert_eq!(installation.ask_as("ann"), "username\n");
    installation.program(FRONTD, &["--stop"]).expect_status(0);
    installation
        .chatctl(&["reload"])
        .expect_status(1)
        .expect_err("chatctl: chat-frontd does not run\n");
}

#[test]
fn backup_by_tool_is_whole() {
    let installation = Installation::of_ann_and_bob();
    let file = installation.file("chat.backup");
    let file = file.to_string_lossy();
    installation
        .chatctl(&["backup", &file])
        .expect_status(1)
        .expect_err("is it running?");
    installation.script("start").expect_status(0);
    installation
        .chatctl(&["backup", &file])
        .expect_status(0)
        .expect_out("account file: 2 accounts\n")
        .expect_out("everything is whole\n");
    let log = installation.log(STATED);
    assert!(
        log.contains("security: event=backup-requested by uid="),
        "{log}"
    );
    installation
        .chatctl(&["backup", &file])
        .expect_status(1)
        .expect_err("replace it with --force");
    installation
        .chatctl(&["backup", "--force", &file])
        .expect_status(0);
}

#[test]
fn wrong_usage_has_status_of_its_own() {
    let installation = Installation::new();
    installation.chatctl(&["dance"]).expect_status(64);
    installation.chatctl(&[]).expect_status(64);
    installation.chatctl(&["--help"]).expect_status(0);
}

#[test]
fn socket_of_stranger_is_not_believed() {
    if !geteuid().is_root() {
        return;
    }
    let installation = Installation::new();
    fs::create_dir(&installation.run_dir).unwrap();
    let path = installation.file("chat-stated.ctl");
    let dir = installation.run_dir.parent().unwrap();
    fs::set_permissions(dir, PermissionsExt::from_mode(0o711)).unwrap();
    fs::set_permissions(&installation.run_dir, PermissionsExt::from_mode(0o777)).unwrap();
    let script = "IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) and sleep 600";
    let mut command = installation.command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.args(["perl", "-MIO::Socket::UNIX", "-e", script]);
    let Ok(mut stranger) = command.arg(&path).spawn() else {
        return;
    };
    wait_until("the stranger listens, or there is no perl", || {
        path.exists() || stranger.try_wait().unwrap().is_some()
    });
    if path.exists() {
        installation
            .chatctl(&["status"])
            .expect_status(2)
            .expect_out("is served by user 65534, who does not own the run directory");
    }
    let _ = stranger.kill();
    stranger.wait().unwrap();
}
