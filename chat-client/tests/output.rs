//! The client and an output that is full, closed, broken, or does not block.

// Each test is a program of its own, and uses another part of it.
#[allow(dead_code)]
mod support;

use std::fs::{File, OpenOptions};
use std::io::{PipeReader, Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{FakeServer, PATIENCE, Run, Step, client, dialogue, run_with_input};

const LOGIN: &str = "> bob\n < password\n > pw\n < welcome\n < DONE\n";
const MESSAGE: &str = "[2026-11-22T11:18:31Z] eve: hi";

/// So many messages, of which a pipe takes some.
fn messages(count: usize) -> Vec<u8> {
    let lines = (0..count).map(|number| format!("[2026-11-22T11:18:31Z] eve: {number:040}\n"));
    lines.collect::<String>().into_bytes()
}

fn against(server: &FakeServer) -> Command {
    let mut command = client();
    command.args(["127.0.0.1", &server.address.port().to_string()]);
    command
}

/// A client with its output in a pipe, and this input; more may come.
fn start(server: &FakeServer, input: &[u8], output: Stdio) -> Child {
    let mut child = against(server)
        .stdin(Stdio::piped())
        .stdout(output)
        .stderr(Stdio::null())
        .spawn()
        .expect("the client");
    let stdin = child.stdin.as_mut().expect("a pipe");
    stdin.write_all(input).expect("room in the pipe");
    child
}

fn send_signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().cast_signed());
    kill(pid, signal).expect("a process");
}

/// Waits until no more fits into the pipe, and the client has nothing to do.
fn wait_until_full(child: &Child, output: &PipeReader) {
    let capacity = fcntl(output, FcntlArg::F_GETPIPE_SZ).expect("a pipe");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let waiting = waiting_bytes(output);
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("a process");
        let sleeps = stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" S"));
        if sleeps && waiting + 4096 > usize::try_from(capacity).expect("a size") {
            return;
        }
        assert!(Instant::now() < deadline, "{waiting} bytes in {output:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn waiting_bytes(output: &PipeReader) -> usize {
    let mut bytes: nix::libc::c_int = 0;
    // SAFETY: FIONREAD writes one int, to which the pointer is valid for the call.
    #[allow(unsafe_code)]
    let result =
        unsafe { nix::libc::ioctl(output.as_raw_fd(), nix::libc::FIONREAD, &raw mut bytes) };
    assert_eq!(result, 0);
    usize::try_from(bytes).expect("a size")
}

/// A client with a command to send, stopped while its login is answered with 345 kB of messages; then it goes on.
fn client_with_more_than_fits(end: &str) -> (FakeServer, Child, PipeReader) {
    let mut steps = dialogue("> bob\n < password\n > pw\n ! reached\n ! cue");
    steps.push(Step::SayBytes(
        [b"welcome\nDONE\n", &messages(5000)[..]].concat(),
    ));
    steps.extend(dialogue(&format!("! reached\n{end}")));
    let server = FakeServer::play(steps, false);
    let (output, writer) = pipe().expect("a pipe");
    let child = start(&server, b"bob\npw\nwho\n", writer.into());
    server.wait_until_reached();
    send_signal(&child, Signal::SIGSTOP);
    server.cue();
    server.wait_until_reached();
    send_signal(&child, Signal::SIGCONT);
    wait_until_full(&child, &output);
    (server, child, output)
}

#[test]
fn nothing_is_sent_before_all_was_written() {
    let (server, mut child, _output) = client_with_more_than_fits("! broken");
    send_signal(&child, Signal::SIGKILL);
    child.wait().expect("an end");
    server.finish();
}

#[test]
fn command_follows_once_all_was_written() {
    let end = "> who\n < bob\n < DONE\n > logout\n < goodbye\n ! end";
    let (server, mut child, mut output) = client_with_more_than_fits(end);
    drop(child.stdin.take());
    let mut text = Vec::new();
    output.read_to_end(&mut text).expect("the output");
    assert_eq!(text, [&messages(5000)[..], b"bob\n"].concat());
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    server.finish();
}

#[test]
fn termination_with_full_output_confirms_nothing() {
    let (server, mut child, _output) = client_with_more_than_fits("! broken");
    send_signal(&child, Signal::SIGTERM);
    assert_eq!(child.wait().expect("an end").code(), Some(1));
    server.finish();
}

#[test]
fn full_output_pauses_answer_timeout() {
    let mut steps = dialogue("> bob\n < password\n > pw\n < welcome");
    steps.push(Step::SayBytes(messages(5000)));
    steps.extend(dialogue(
        "< DONE\n > who\n ! cue\n < bob\n < DONE\n > logout\n < goodbye\n ! end",
    ));
    let server = FakeServer::play(steps, false);
    let (mut output, writer) = pipe().expect("a pipe");
    let mut child = against(&server)
        .args(["--answer-timeout", "4"])
        .stdin(Stdio::piped())
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .expect("the client");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(b"bob\npw\nwho\n")
        .expect("room in the pipe");
    drop(stdin);
    wait_until_full(&child, &output);
    // Longer than an answer is waited for.
    thread::sleep(Duration::from_millis(4500));
    server.cue();
    let mut text = Vec::new();
    output.read_to_end(&mut text).expect("the output");
    assert_eq!(text, [&messages(5000)[..], b"bob\n"].concat());
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    server.finish();
}

#[test]
fn nonblocking_output_is_awaited() {
    let mut steps = dialogue("> bob\n < password\n > pw\n < welcome");
    steps.push(Step::SayBytes(messages(8000)));
    steps.extend(dialogue("< DONE\n > logout\n < goodbye\n ! end"));
    let server = FakeServer::play(steps, false);
    let (mut output, writer) = pipe().expect("a pipe");
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("a pipe");
    let mut child = start(&server, b"bob\npw\nlogout\n", writer.into());
    wait_until_full(&child, &output);
    let mut text = Vec::new();
    output.read_to_end(&mut text).expect("the output");
    assert_eq!(text, messages(8000));
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    server.finish();
}

#[test]
fn closed_output_is_an_early_error() {
    // Nobody listens there: it does not come to that.
    let mut command = shell(">&-", "1");
    command.stdin(Stdio::null());
    let run: Run = command.output().expect("a shell").into();
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(
        run.stderr.contains("the standard output is closed"),
        "{run:?}"
    );
}

/// The client, started by a shell with this redirection.
fn shell(redirection: &str, port: &str) -> Command {
    let mut shell = Command::new("sh");
    let client = client();
    for (name, value) in client.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
        .args(["-c", &format!("exec \"$0\" \"$@\" {redirection}")])
        .arg(client.get_program())
        .args(["127.0.0.1", port]);
    shell
}

#[test]
fn failed_output_leaves_messages_queued() {
    let full = || OpenOptions::new().write(true).open("/dev/full");
    for output in [full(), File::open("/dev/null")] {
        let server = FakeServer::play(
            dialogue(&format!(
                "> bob\n < password\n > pw\n < welcome\n < {MESSAGE}\n < DONE\n ! broken"
            )),
            false,
        );
        let output = output.expect("a device");
        let mut child = start(&server, b"bob\npw\nlogout\n", output.into());
        assert_eq!(child.wait().expect("an end").code(), Some(1));
        server.finish();
    }
}

#[test]
fn unwritable_help_is_an_error() {
    for (redirection, status) in [("", 0), (">/dev/full", 1), (">&-", 1)] {
        let mut command = shell(&format!("--help {redirection}"), "1");
        let run: Run = command.output().expect("a shell").into();
        assert_eq!(run.status, Some(status), "{redirection}: {run:?}");
        assert_eq!(run.stderr.is_empty(), status == 0, "{run:?}");
    }
}

#[test]
fn lost_words_do_not_stop_work() {
    for redirection in ["2>/dev/full", "2>&-", "2</dev/null"] {
        let steps = format!(
            "> bob\n < password\n > pw\n < welcome\n < {MESSAGE}\n < DONE\n > send x hi\n < send:x\n < DONE
            > logout\n < goodbye\n ! end"
        );
        let server = FakeServer::play(dialogue(&steps), false);
        let command = shell(redirection, &server.address.port().to_string());
        let run = run_with_input(command, b"bob\npw\nsend x hi\nlogout\n");
        assert_eq!(
            (run.status, run.stdout),
            (Some(6), format!("{MESSAGE}\n")),
            "{redirection}"
        );
        server.finish();
    }
}

#[test]
fn words_wait_for_room() {
    // A standard error that does not block, is full, and is read late.
    let server = FakeServer::play(
        dialogue(&format!("{LOGIN}> logout\n < goodbye\n ! end")),
        false,
    );
    let (mut words, writer) = pipe().expect("a pipe");
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("a pipe");
    while nix::unistd::write(writer.as_fd(), &[b'x'; 4096]).is_ok() {}
    let mut command = against(&server);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(writer);
    let mut child = command.spawn().expect("the client");
    drop(command);
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(b"bob\npw\nlogout\n")
        .expect("room in the pipe");
    let mut text = String::new();
    words.read_to_string(&mut text).expect("words");
    let said = text.trim_start_matches('x');
    assert_eq!(said, "Welcome, bob. `help` shows the commands.\nGoodbye.\n");
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    server.finish();
}

#[test]
fn closed_input_is_empty_one() {
    let server = FakeServer::play(dialogue("! end"), false);
    let mut command = shell("<&-", &server.address.port().to_string());
    let run: Run = command.output().expect("a shell").into();
    assert_eq!(run.status, Some(5), "{run:?}");
    assert_eq!(run.stderr, "The input ended before the login.\n");
    server.finish();
}
