//! The client in a pipe: what goes where, and the exit statuses.

// Each test is a program of its own, and uses another part of it.
#[allow(dead_code)]
mod support;

use std::fs::Permissions;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Instant;

use support::{FakeServer, PATIENCE, Run, Step, client, dialogue, run_script, run_with_input};

const MESSAGE: &str = "[2026-11-22T11:18:31Z] eve: hi  there";

/// Whole and byte by byte; the outcome is the same, and is given once.
fn play(input: &str, steps: &str) -> Run {
    let steps = dialogue(steps);
    let whole = run_script(input, &steps, false);
    assert_eq!(whole, run_script(input, &steps, true));
    whole
}

fn stderr_lines(run: &Run) -> Vec<&str> {
    run.stderr.lines().collect()
}

#[test]
fn script_sends_and_reads() {
    let run = play(
        "bob\npw\nsend alice hi\nwho\nwhois eve\n\nquit\n",
        &format!(
            "> bob\n < password\n > pw\n < welcome\n < {MESSAGE}\n < DONE
            > send alice hi\n < sent:\n < DONE
            > who\n < alice bob\n < DONE
            > whois eve\n < whois:eve,1\n < DONE
            > fetch\n < fetching\n < {MESSAGE}\n < DONE
            > logout\n < goodbye\n ! end"
        ),
    );
    assert_eq!(run.status, Some(0), "{run:?}");
    assert_eq!(
        run.stdout,
        format!("{MESSAGE}\nalice bob\nwhois:eve,1\n{MESSAGE}\n")
    );
    assert_eq!(
        stderr_lines(&run),
        [
            "Welcome, bob. `help` shows the commands.",
            "Sent.",
            "Goodbye."
        ]
    );
}

#[test]
fn end_of_input_logs_out() {
    // The last line has no end, and counts.
    let run = play(
        "bob\npw\nfetch",
        &format!(
            "> bob\n < password\n > pw\n < welcome\n < DONE
            > fetch\n < fetching\n < {MESSAGE}\n < DONE
            > logout\n < {MESSAGE}\n < goodbye\n ! end"
        ),
    );
    assert_eq!(
        (run.status, run.stdout),
        (Some(0), format!("{MESSAGE}\n{MESSAGE}\n"))
    );
}

#[test]
fn refusals_give_status_6() {
    let run = play(
        "bob\npw\nsend (x alice) hi\nlogout\n",
        "> bob\n < password\n > pw\n < welcome\n < DONE
        > send (x alice) hi\n < send:x\n < DONE\n > logout\n < goodbye\n ! end",
    );
    assert_eq!(run.status, Some(6));
    assert!(
        run.stderr
            .contains("Not delivered to x: no such user. Delivered to the other recipient.")
    );
    for (error, words) in [
        ("error:command:do", "Unknown command `do`."),
        ("error:args:do", "The arguments of `do` are wrong."),
        ("error:length:do", "too long for this server"),
        ("error:quota:do", "the queue of a recipient is full"),
        ("error:full:do", "the server has no free space for it"),
        ("error:busy:do", "the server is busy"),
    ] {
        let run = play(
            "bob\npw\ndo it\nlogout\n",
            &format!(
                "> bob\n < password\n > pw\n < welcome\n < DONE
                > do it\n < {error}\n < DONE\n > logout\n < goodbye\n ! end"
            ),
        );
        assert_eq!(run.status, Some(6), "{error}");
        assert!(run.stderr.contains(words), "{error}: {}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn account_is_made_by_script() {
    let run = play(
        "new\ny\npw\npw\nnew\npw\n",
        "> new\n < register\n > y\n < password\n > pw\n > pw\n < registered
        > new\n < password\n > pw\n < welcome\n < DONE\n > logout\n < goodbye\n ! end",
    );
    assert_eq!(run.status, Some(0), "{run:?}");
}

#[test]
fn refused_login_gives_status_5() {
    for steps in [
        "> bob\n < register\n ! end",
        "> bob\n < username\n ! end",
        "> bob\n < connected\n ! end",
        "> bob\n < password\n > pw\n < password\n ! end",
        "> bob\n < password\n > pw\n < connected\n ! end",
        "> bob\n < error:busy:\n ! end",
    ] {
        let run = play("bob\npw\nsend alice hi\nlogout\n", steps);
        assert_eq!((run.status, run.stdout.as_str()), (Some(5), ""), "{steps}");
        assert!(
            !run.stderr.is_empty() && !run.stderr.contains("pw\n"),
            "{steps}"
        );
    }
    for input in ["nosuch\n", "nosuch\npw\n"] {
        let run = play(input, "> nosuch\n < register\n ! end");
        assert_eq!(run.status, Some(5));
        assert!(
            run.stderr.starts_with("There is no account named nosuch"),
            "{run:?}"
        );
    }
    let run = play("bob\npw\n", "> bob\n < username\n ! end");
    for words in ["has disabled the account", "accepts no more accounts"] {
        assert!(run.stderr.contains(words), "{run:?}");
    }
    assert_eq!(play("", "! end").status, Some(5));
    assert_eq!(play("bob\n", "> bob\n < password\n ! end").status, Some(5));
}

#[test]
fn blocks_and_time_outs_have_own_status() {
    let run = play("bob\npw\n", "> bob\n < blocked:43");
    assert_eq!(run.status, Some(4));
    assert!(
        run.stderr
            .contains("blocked from this address for another 43 seconds")
    );
    let run = play("bob\npw\n", "> bob\n < password\n > pw\n < 60");
    assert_eq!(run.status, Some(4));
    assert!(
        run.stderr
            .contains("blocked from this address for 60 seconds.")
    );
    let run = play(
        "bob\npw\nwho\n",
        "> bob\n < password\n > pw\n < welcome\n < DONE\n > who\n < bob\n < timeout",
    );
    assert_eq!(run.status, Some(3));
}

#[test]
fn dying_server_gives_status_1() {
    let steps = dialogue(
        "> bob\n < password\n > pw\n < welcome\n < DONE\n > who\n < bob\n < DONE\n > logout\n < goodbye",
    );
    for length in 0..steps.len() {
        for reset in [false, true] {
            let mut cut = steps[..length].to_vec();
            cut.extend(reset.then_some(Step::Reset));
            let run = run_script("bob\npw\nwho\nlogout\n", &cut, false);
            assert_eq!(
                run.status,
                Some(1),
                "after {length} steps, reset {reset}: {run:?}"
            );
            assert!(run.stderr.to_lowercase().contains("connect"), "{run:?}");
        }
    }
}

#[test]
fn torn_line_is_not_shown() {
    let mut steps = dialogue("> bob\n < password\n > pw\n < welcome");
    steps.push(Step::SayBytes(
        b"[2026-11-22T11:18:31Z] eve: do not att".to_vec(),
    ));
    let run = run_script("bob\npw\n", &steps, false);
    assert_eq!((run.status, run.stdout.as_str()), (Some(1), ""));
}

#[test]
fn no_server_is_trusted_with_terminal() {
    let mut steps = dialogue("> bob\n < password\n > pw\n < welcome");
    steps.push(Step::SayBytes(
        b"[2026-11-22T11:18:31Z] e\x1bve: \x1b]0;x\x07\x9b\r\n".to_vec(),
    ));
    steps.push(Step::SayBytes(b"\x1b[2J\xff\n\n".to_vec()));
    steps.extend(dialogue("< DONE\n > logout\n < goodbye\n ! end"));
    let run = run_script("bob\npw\n", &steps, false);
    assert_eq!(run.status, Some(0));
    assert_eq!(
        run.stdout,
        "[2026-11-22T11:18:31Z] e\u{fffd}ve: \u{fffd}]0;x\u{fffd}\u{fffd}\n"
    );
    assert!(
        run.stderr
            .contains("The server says: \u{2068}\u{fffd}[2J\u{fffd}\u{2069}")
    );
}

#[test]
fn lines_too_long_are_refused_here() {
    let longest = "x".repeat(8191);
    let run = play(
        &format!(
            "bob\npw\n{longest}x\n{longest}\n{}\nlogout\n",
            "y".repeat(1_000_000)
        ),
        &format!(
            "> bob\n < password\n > pw\n < welcome\n < DONE
            > {longest}\n < error:command:x\n < DONE\n > logout\n < goodbye\n ! end"
        ),
    );
    assert_eq!(run.status, Some(6));
    assert!(
        run.stderr
            .contains("it has 8192 bytes, but 8191 are allowed")
    );
    assert!(run.stderr.contains("it has 1000000 bytes"));
}

#[test]
fn script_may_request_push() {
    let run = play(
        "bob\npw\npush on\nids on\nlogout\n",
        "> bob\n < password\n > pw\n < welcome\n < DONE\n > push ack\n < push:ack\n < DONE
        > ids on\n < [2026-11-22T11:18:31Z] eve: 1\n < ids:on\n < DONE
        > push off\n < [2026-11-22T11:18:31Z] #2 eve: 2\n < push:off\n < DONE
        > logout\n < goodbye\n ! end",
    );
    assert_eq!(run.status, Some(0));
    assert_eq!(
        run.stdout,
        "[2026-11-22T11:18:31Z] eve: 1\n[2026-11-22T11:18:31Z] #2 eve: 2\n"
    );
}

#[test]
fn silent_server_is_given_up() {
    let server = FakeServer::play(dialogue("> bob\n ! end"), false);
    let mut command = client();
    command.args([
        "127.0.0.1",
        &server.address.port().to_string(),
        "--answer-timeout",
        "1",
    ]);
    let run = run_with_input(command, b"bob\npw\n");
    assert_eq!(run.status, Some(1));
    assert!(
        run.stderr.contains("has not answered for 1 second."),
        "{run:?}"
    );
    server.finish();
}

#[test]
fn unread_output_resets_connection() {
    // A reset, so that the server keeps the message queued: it was never shown.
    let server = FakeServer::play(
        dialogue(&format!(
            "> bob\n < password\n > pw\n < welcome\n < {MESSAGE}\n < DONE\n ! broken"
        )),
        false,
    );
    let mut child = client()
        .args(["127.0.0.1", &server.address.port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the client");
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"bob\npw\n").expect("room in the pipe");
    assert_eq!(child.wait().expect("an end").code(), Some(1));
    server.finish();
}

#[test]
fn missing_server_is_named() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").port()
    };
    let mut command = client();
    command.args(["127.0.0.1", &port.to_string()]);
    let run = run_with_input(command, b"");
    assert_eq!(run.status, Some(1));
    assert_eq!(
        run.stderr,
        format!(
            "chat-client: cannot connect to 127.0.0.1 port {port} (127.0.0.1:{port}: connection refused); is the \
             server running there?\n"
        )
    );
}

#[test]
fn server_comes_from_arguments_or_environment() {
    // `localhost` may be ::1 first, where nobody listens: the next address is tried.
    let server = FakeServer::play(dialogue("! end"), false);
    let mut command = client();
    command
        .env("CHAT_HOST", "localhost")
        .env("CHAT_PORT", server.address.port().to_string());
    assert_eq!(run_with_input(command, b"").status, Some(5));
    server.finish();
}

#[test]
fn ipv6_addresses_work_in_brackets_too() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        // This machine has no IPv6.
        return;
    };
    let port = listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string();
    for host in ["::1", "[::1]"] {
        let mut command = client();
        command.args([host, &port]);
        let run = run_with_input(command, b"");
        assert_eq!(run.status, Some(5), "{run:?}");
    }
}

#[test]
fn usage_help_and_version() {
    let run = |arguments: &[&str]| {
        let mut command = client();
        command.args(arguments);
        run_with_input(command, b"")
    };
    for wrong in [
        &["host", "0"][..],
        &["host", "x"],
        &["host", "1", "2"],
        &["--password=x"],
    ] {
        assert_eq!(run(wrong).status, Some(2), "{wrong:?}");
    }
    let help = run(&["--help"]);
    assert_eq!(help.status, Some(0));
    for text in [
        "CHAT_PORT",
        "--no-push",
        "Exit status:",
        "5  ended without a login",
        "a line was\n     too long",
        "could not be written",
    ] {
        assert!(help.stdout.contains(text), "{text}");
    }
    assert!(run(&["--version"]).stdout.starts_with("chat-client "));
}

#[test]
fn password_file_must_be_private() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "pw of bob\r\nnot this\n").unwrap();
    let steps =
        "> bob\n < password\n > pw of bob\n < welcome\n < DONE\n > logout\n < goodbye\n ! end";
    let attempt = |mode: u32, steps: &str| {
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let server = FakeServer::play(dialogue(steps), false);
        let mut command = client();
        command.arg("--password-file").arg(&file);
        command.arg(server.address.ip().to_string());
        command.arg(server.address.port().to_string());
        let run = run_with_input(command, b"bob\nlogout\n");
        server.finish();
        run
    };
    let run = attempt(0o600, steps);
    assert_eq!(run.status, Some(0), "{run:?}");
    // A wrong one is not tried again.
    let wrong = "> bob\n < password\n > pw of bob\n < password\n ! end";
    assert_eq!(attempt(0o400, wrong).status, Some(5));
    std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let mut command = client();
    command.arg("--password-file").arg(&file);
    let run = run_with_input(command, b"");
    assert_eq!(run.status, Some(1));
    assert!(run.stderr.contains("(mode 0640): chmod 600 it"), "{run:?}");
}

#[test]
fn dying_client_leaves_no_core_dump() {
    let server = FakeServer::play(dialogue("> bob\n < password\n ! end"), false);
    let mut command = client();
    command.arg(server.address.ip().to_string());
    command.arg(server.address.port().to_string());
    command.stdin(Stdio::piped()).stderr(Stdio::null());
    let mut client = command.spawn().unwrap();
    let mut input = client.stdin.take().unwrap();
    input.write_all(b"bob\n").unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", client.id())).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        let values: Vec<&str> = line.unwrap().split_whitespace().skip(4).collect();
        if values[..2] == ["0", "0"] {
            break;
        }
        assert!(Instant::now() < deadline, "{limits}");
    }
    drop(input);
    client.wait().unwrap();
    server.finish();
}
