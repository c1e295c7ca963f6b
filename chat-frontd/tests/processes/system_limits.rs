//! What the system limits: the size of a file, descriptors, memory, the disk. Each limit is an answer, not a crash.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use nix::unistd::geteuid;

use super::installation::{
    FRONTD, Installation, PATIENCE, STATED, Said, bin_dir, repository, wait_until,
};

const MIB: u64 = 1024 * 1024;

/// Runs a script or a program below limits as `prlimit` names them.
fn within(limits: &[String], installation: &Installation, program: &str, flags: &[&str]) -> Said {
    let path = match program {
        STATED | FRONTD => bin_dir().join(program),
        script => repository().join("scripts").join(script),
    };
    let mut command = installation.command("prlimit");
    command.args(limits).arg(path).args(flags);
    installation.run(command)
}

/// A client that is logged in.
struct Client {
    stream: TcpStream,
    lines: std::io::Lines<BufReader<TcpStream>>,
}

impl Client {
    fn log_in(installation: &Installation, name: &str) -> Self {
        let mut client = Self::connect(installation);
        // The session before may just be ending.
        wait_until("nobody else is logged in", || {
            client.say(name);
            match &client.line()[..] {
                "password" => true,
                "connected" => {
                    client = Self::connect(installation);
                    false
                }
                other => panic!("{other}"),
            }
        });
        client.say("password");
        assert_eq!(client.line(), "welcome");
        client
    }

    fn connect(installation: &Installation) -> Self {
        let stream = TcpStream::connect(installation.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        Self { stream, lines }
    }

    fn say(&mut self, line: &str) {
        self.stream
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// The first line of an answer, and how many lines are behind it.
    fn answer(&mut self) -> (String, usize) {
        let first = self.line();
        if first.starts_with("error:") {
            return (first, 0);
        }
        let more = std::iter::from_fn(|| Some(self.line()).filter(|line| line != "DONE"));
        let count = more.count();
        (first, count)
    }

    fn log_out(mut self) {
        self.say("logout");
        while self.line() != "goodbye" {}
    }
}

#[test]
fn file_size_limit_refuses_only_additions() {
    let installation = Installation::of_ann_and_bob()
        .with("CHAT_LINES_PER_SECOND", "100000")
        .with("CHAT_LINE_BURST", "100000");
    let limit = [format!("--fsize={}", 4 * MIB)];
    let flags = ["--detach", "--disk-reserve=1"];
    within(&limit, &installation, STATED, &flags).expect_status(0);
    installation.program(FRONTD, &["--detach"]).expect_status(0);
    let said = installation.program(STATED, &["--status"]);
    said.expect_status(0)
        .expect_out("warning: the system allows no file of more than 4096 KiB");
    let mut ann = Client::log_in(&installation, "ann");
    while ann.line() != "DONE" {}
    let line = format!("send bob {}", "x".repeat(6_000));
    let sent = (0..1_100).take_while(|_| {
        ann.say(&line);
        ann.answer().0 == "sent:"
    });
    let sent = sent.count();
    assert!((100..1_000).contains(&sent), "{sent}");
    // Logging in takes some room, too.
    for _ in 0..5 {
        let mut bob = Client::log_in(&installation, "bob");
        let messages = std::iter::from_fn(|| Some(bob.line()).filter(|line| line != "DONE"));
        assert_eq!(messages.count(), sent);
    }
    let said = installation.program(STATED, &["--status"]);
    said.expect_status(1)
        .expect_out("has reached the size that the system allows")
        .expect_out(", 0 restarts");
    let mut bob = Client::log_in(&installation, "bob");
    while bob.line() != "DONE" {}
    bob.log_out();
    wait_until("what was read makes room", || {
        ann.say(&line);
        ann.answer().0 == "sent:"
    });
    installation
        .program(STATED, &["--status"])
        .expect_out(", 0 restarts");
}

#[test]
fn few_descriptors_warn_or_refuse() {
    let installation = Installation::new();
    let said = within(&["--nofile=64:64".into()], &installation, "start", &[]);
    let words =
        "warning: at most 32 clients per worker: the system allows a process 64 descriptors";
    said.expect_status(0).expect_err(words);
    let clients: Vec<TcpStream> = (0..20)
        .map(|_| TcpStream::connect(installation.address()).unwrap())
        .collect();
    assert_eq!(installation.ask(), "register\n");
    drop(clients);
    installation
        .script("status")
        .expect_status(1)
        .expect_out(words)
        .expect_out("\ndegraded\n");
    installation.script("stop").expect_status(0);
    // The soft limit is raised as far as it may be.
    let said = within(&["--nofile=64:4096".into()], &installation, "start", &[]);
    assert_eq!(said.expect_status(0).err, "");
    installation.script("stop").expect_status(0);
    let said = within(&["--nofile=40:40".into()], &installation, "start", &[]);
    said.expect_status(1)
        .expect_err("the system allows a process 40 descriptors, but it needs at least 48");
    installation.expect_nothing_left(&[]);
}

#[test]
fn too_little_memory_fails_the_start() {
    let installation = Installation::new();
    for (limit, least) in [("--as", 192), ("--data", 96)] {
        let limit = [format!("{limit}={}", 90 * MIB)];
        let said = within(&limit, &installation, "start", &[]);
        let words = format!("a process 90 MiB of memory, but it needs at least {least}");
        said.expect_status(1).expect_err(&words);
        installation.expect_nothing_left(&[]);
    }
}

/// Runs shell commands beside a run directory on a small disk in memory, which nobody else sees. Only root may.
fn on_disk_of(size: &str, commands: &str) -> Option<String> {
    if !geteuid().is_root() {
        return None;
    }
    let installation = Installation::of_ann_and_bob();
    let mount = format!(
        "mount -t tmpfs -o size={size},mode=755 tmpfs \"$CHAT_RUN_DIR\" || exit 99; cd /; {commands} \"$0/stop\" || \
         true"
    );
    let mut command = installation.command("unshare");
    command.args(["-m", "sh", "-c", &mount]);
    command.arg(repository().join("scripts"));
    let said = installation.run(command);
    said.expect_status(0);
    Some(format!("{}{}", said.out, said.err))
}

#[test]
fn small_disk_is_reported() {
    let commands = "\"$0/start\" 2>&1 | sed 's/^/start: /'; \
                    status=0; \"$0/status\" || status=$?; echo \"status: $status\"; \
                    sed 's/^/log: /' \"$CHAT_RUN_DIR/chat-stated.log\";";
    let Some(said) = on_disk_of("20m", commands) else {
        return;
    };
    for words in [
        "start: chatserv is running",
        "start: warning: the disk is full: messages and registrations are refused",
        "    warning: the disk is full",
        "status: 1\n",
        "ERROR chat-stated",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// Filled to its last byte, with logs that end with a page: nothing can be added to them before the reserve is given
/// up.
#[test]
fn full_disk_is_reported() {
    let commands = "\"$0/start\" >/dev/null; log=\"$CHAT_RUN_DIR/chat-stated.log\"; size=$(wc -c <\"$log\"); \
                    head -c $((4096 - size % 4096)) /dev/zero | tr '\\0' '\\n' >>\"$log\"; \
                    cat /dev/zero >\"$CHAT_RUN_DIR/filling\" 2>/dev/null; \
                    port=$(sed -n 's/^address.1=127.0.0.1://p' \"$CHAT_RUN_DIR/chat-frontd.status\"); \
                    for i in 1 2 3; do printf 'new%s\\ny\\npw\\npw\\n' $i | \
                    \"$CHAT_BIN_DIR/chat-client\" 127.0.0.1 $port 2>&1 || true; done; sleep 2; \
                    status=0; \"$0/status\" || status=$?; echo \"status: $status\"; sed 's/^/log: /' \"$log\"; \
                    \"$0/stop\"; \"$0/start\" 2>&1 | sed 's/^/again: /'; \
                    ! [ -e \"$CHAT_RUN_DIR/state/disk-failed\" ] || echo 'a failed disk';";
    let Some(said) = on_disk_of("60m", commands) else {
        return;
    };
    for words in [
        "    warning: the disk is full",
        "status: 1\n",
        "ERROR chat-stated",
        "again: chatserv is running",
        "again: warning: the disk is full",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("a failed disk"), "{said}");
    assert!(!said.contains("disk I/O error"), "{said}");
}
