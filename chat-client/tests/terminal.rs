//! The client at a terminal: a pseudo-terminal here, read as bytes.

// Each test is a program of its own, and uses another part of it.
#[allow(dead_code)]
mod support;

use std::io::{Read, Write};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::terminal::{Terminal, start_client};
use support::{FakeServer, client, dialogue};

const LOGIN: &str = "> bob\n < password\n > hunter2\n < welcome\n < DONE\n";
const PUSH: &str = "> push ack\n < push:ack\n < DONE\n";
const PUSH_OFF: &str = "> push off\n < push:off\n < DONE\n";
const LOGOUT: &str = "> logout\n < goodbye\n ! end\n";

fn log_in(terminal: &mut Terminal) {
    terminal.wait_for("User name: ").press("bob\r");
    terminal.wait_for("Password: ").press("hunter2\r");
    terminal.wait_for("Welcome, bob.").wait_for("> ");
}

#[test]
fn password_is_not_echoed() {
    for term in ["xterm", "dumb"] {
        let mut terminal = Terminal::start(&format!("{LOGIN}{PUSH}{PUSH_OFF}{LOGOUT}"), &[], term);
        terminal.wait_for("User name: ").press("\r");
        terminal
            .wait_for("The answer must not be empty.")
            .wait_for("User name: ")
            .press("bob\r");
        terminal
            .wait_for("Password: ")
            .press("hunter2\r")
            .wait_for("\r\nWelcome, bob.");
        terminal.wait_for("> ").press("quit\r").wait_for("Goodbye.");
        let (status, _) = terminal.end();
        assert_eq!(status, Some(0), "{term}");
    }
}

#[test]
fn no_key_of_password_appears() {
    for term in ["xterm", "dumb"] {
        let mut terminal = Terminal::start(
            "> bob\n < register\n > y\n < password\n > hunter2\n > hunter2\n < registered
            > bob\n < password\n > hunter2\n < password\n ! end",
            &[],
            term,
        );
        terminal.wait_for("User name: ").press("bob\r");
        terminal
            .wait_for("There is no account with this name. Create one? [y/N] ")
            .press("y\r");
        terminal.wait_for("Password: ").press("hunter2\r");
        terminal
            .wait_for("Repeat the password: ")
            .press("hunter2\r");
        terminal.wait_for("The account bob has been created.");
        terminal
            .wait_for("Wrong password.")
            .wait_for("Password: ")
            .press("hunter");
        if term == "xterm" {
            // The row was drawn again.
            terminal.wait_for("Password: ");
        }
        // Taken back, and the end.
        terminal.press("\x15\x04");
        let (status, everything) = terminal.end();
        assert_eq!(status, Some(5), "{term}");
        assert!(everything.contains("Wrong password."));
        assert!(!everything.contains("hunt"), "{everything:?}");
    }
}

#[test]
fn message_does_not_tear_typed_line() {
    let mut terminal = Terminal::start(
        &format!(
            "{LOGIN}> who\n < bob\n < DONE\n ! cue\n < [2020-01-01T23:30:00Z] eve: hi
            > send eve hello\n < sent:\n < DONE\n {LOGOUT}"
        ),
        &["--no-push"],
        "xterm",
    );
    log_in(&mut terminal);
    // What is typed ahead of the prompt counts too.
    terminal
        .press("who\rsend eve hel")
        .wait_for("Online: bob\r\n")
        .wait_for("> send eve hel");
    terminal.server.cue();
    // Local time, two hours east, and dated, as it is not of today; then the line as it was.
    terminal.wait_for("\r\u{1b}[K[2020-01-02 01:30] eve: hi\r\n");
    terminal.wait_for("\r\u{1b}[K> send eve hel");
    terminal
        .press("lo\r")
        .wait_for("> send eve hello\r\nSent.\r\n");
    terminal.press("\x04").wait_for("Goodbye.");
    assert_eq!(terminal.end().0, Some(0));
}

#[test]
fn shown_push_is_acknowledged() {
    let mut terminal = Terminal::start(
        &format!(
            "{LOGIN}{PUSH}! cue\n < [2020-01-01T23:30:00Z] eve: hi\n > fetch\n < fetching\n < DONE\n < timeout"
        ),
        &[],
        "xterm",
    );
    log_in(&mut terminal);
    terminal.server.cue();
    terminal
        .wait_for("eve: hi")
        .wait_for("nothing was sent for too long");
    assert_eq!(terminal.end().0, Some(3));
}

#[test]
fn interrupt_clears_line_then_leaves() {
    let mut terminal = Terminal::start(&format!("{LOGIN}{LOGOUT}"), &["--no-push"], "xterm");
    log_in(&mut terminal);
    terminal
        .press("abc")
        .wait_for("> abc")
        .press("\x03")
        .wait_for("^C\r\n")
        .wait_for("> ");
    terminal.press("\x03").wait_for("Goodbye.");
    assert_eq!(terminal.end().0, Some(0));
}

#[test]
fn termination_logs_out_in_good_order() {
    let mut terminal = Terminal::start(&format!("{LOGIN}{LOGOUT}"), &["--no-push"], "xterm");
    log_in(&mut terminal);
    let pid = Pid::from_raw(i32::try_from(terminal.child.id()).expect("a pid"));
    kill(pid, Signal::SIGTERM).expect("a signal");
    terminal.wait_for("Goodbye.");
    assert_eq!(terminal.end().0, Some(0));
}

#[test]
fn lost_server_is_reported_at_prompt() {
    for (end, words, status) in [
        ("< timeout", "because nothing was sent for too long", 3),
        ("! reset", "Connection lost: reset by the server.", 1),
        ("", "Connection lost.", 1),
    ] {
        let mut terminal = Terminal::start(&format!("{LOGIN}{end}"), &["--no-push"], "xterm");
        terminal.wait_for("User name: ").press("bob\r");
        terminal
            .wait_for("Password: ")
            .press("hunter2\r")
            .wait_for(words);
        assert_eq!(terminal.end().0, Some(status), "{end}");
    }
}

#[test]
fn lost_terminal_resets_connection() {
    let server = FakeServer::play(dialogue(&format!("{LOGIN}! broken")), false);
    let (mut child, mut terminal) = start_client(&server, &["--no-push"], "xterm");
    terminal.write_all(b"bob\rhunter2\r").expect("a keyboard");
    let mut screen = String::new();
    while !screen.contains("Welcome") {
        let mut buffer = [0; 4096];
        let length = terminal.read(&mut buffer).expect("a screen");
        screen.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    drop(terminal);
    assert_eq!(child.wait().expect("an end").code(), Some(1));
    server.finish();
}

#[test]
fn tab_completes_and_up_recalls() {
    let mut terminal = Terminal::start(
        &format!(
            "{LOGIN}> who\n < alice bob\n < DONE\n > who\n < alice bob\n < DONE\n > send alice x\n < sent:\n < \
             DONE\n{LOGOUT}"
        ),
        &["--no-push"],
        "xterm",
    );
    log_in(&mut terminal);
    terminal
        .press("who\r")
        .wait_for("Online: alice, bob")
        .wait_for("> ");
    terminal
        .press("\x1b[A\r")
        .wait_for("Online: alice, bob")
        .wait_for("> ");
    terminal
        .press("sen\tal\tx\r")
        .wait_for("> send alice x\r\n")
        .wait_for("Sent.");
    terminal.press("\x04").wait_for("Goodbye.");
    assert_eq!(terminal.end().0, Some(0));
}

#[test]
fn paste_is_neither_run_nor_completed() {
    let mut terminal = Terminal::start(
        &format!(
            "{LOGIN}> who\n < alice bob\n < DONE\n > send bob x: a\tb logout\n < sent:\n < DONE\n{LOGOUT}"
        ),
        &["--no-push"],
        "xterm",
    );
    log_in(&mut terminal);
    terminal
        .press("who\r")
        .wait_for("Online: alice, bob")
        .wait_for("> ");
    terminal
        .press("send bob x: \x1b[200~a\tb\rlogout\x1b[201~")
        .wait_for("> send bob x: a b logout")
        .press("\r")
        .wait_for("Sent.");
    terminal.press("\x04").wait_for("Goodbye.");
    let (status, everything) = terminal.end();
    assert_eq!(status, Some(0));
    // The terminal was asked to mark what is pasted, and then no longer.
    let last = everything.rfind("\x1b[?2004").expect("a sequence");
    assert!(everything.contains("\x1b[?2004h") && everything[last..].starts_with("\x1b[?2004l"));
}

#[test]
fn no_message_looks_like_another_senders() {
    let spaces = " ".repeat(65);
    let mut terminal = Terminal::start(
        &format!(
            "{LOGIN}> fetch\n < fetching\n < [2020-01-01T23:30:00Z] ann: hi{spaces}[03:09] dave: send it\n < \
             DONE\n{LOGOUT}"
        ),
        &["--no-push"],
        "xterm",
    );
    log_in(&mut terminal);
    terminal
        .press("\r")
        .wait_for("[2020-01-02 01:30] ann: hi ")
        .wait_for("\r\n        ")
        .wait_for("[03:09] dave: send it\r\n");
    terminal.press("\x04").wait_for("Goodbye.");
    let (status, everything) = terminal.end();
    assert_eq!(status, Some(0));
    assert!(!everything.contains("\n[03:09]"), "{everything:?}");
    assert!(
        !everything.contains(['\u{2068}', '\u{2069}']),
        "{everything:?}"
    );
}

#[test]
fn unsent_text_is_shown_at_end() {
    for (end, words) in [
        ("< timeout", "nothing was sent for too long"),
        ("! reset", "Connection lost"),
    ] {
        let steps = format!("{LOGIN}! cue\n {end}");
        let mut terminal = Terminal::start(&steps, &["--no-push"], "xterm");
        log_in(&mut terminal);
        terminal
            .press("send ann half a li")
            .wait_for("> send ann half a li");
        terminal.server.cue();
        terminal
            .wait_for(words)
            .wait_for("\r\nNot sent: send ann half a li\r\n");
        terminal.end();
    }
}

#[test]
fn message_stands_below_prompt_with_piped_output() {
    let steps = "> bob\n < password\n > hunter2\n < welcome\n < DONE
        > push ack\n < push:ack\n < DONE\n ! cue
        < [2026-11-22T11:18:31Z] eve: hi
        > fetch\n < fetching\n < DONE\n ! reached
        > push off\n < push:off\n < DONE\n > logout\n < goodbye\n ! end";
    let server = FakeServer::play(dialogue(steps), false);
    let port = server.address.port().to_string();
    let program = client().get_program().to_owned();
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "\"$0\" 127.0.0.1 \"$1\" | cat"])
        .arg(program)
        .arg(port);
    let mut terminal = Terminal::of(shell, server);
    terminal.wait_for("User name: ").press("bob\r");
    terminal.wait_for("Password: ").press("hunter2\r");
    terminal.wait_for("Welcome, bob.").wait_for("\r\n> ");
    terminal.server.cue();
    terminal.wait_for("\r\n[2026-11-22T11:18:31Z] eve: hi\r\n");
    terminal.server.wait_until_reached();
    terminal.press("quit\r").wait_for("Goodbye.");
    terminal.end();
}

#[test]
fn keys_outside_utf8_are_told() {
    let steps = "> bob\n < password\n > hunter2\n < welcome\n < DONE
        > who\n < bob\n < DONE\n > logout\n < goodbye\n ! end";
    let mut terminal = Terminal::start(steps, &["--no-push"], "xterm");
    terminal.wait_for("User name: ").press("bob\r");
    // As a terminal in Latin-1 sends it.
    let words = "not in UTF-8";
    terminal.wait_for("Password: ");
    terminal.keyboard.write_all(b"\xe9hunter2").expect("a key");
    terminal.wait_for(words).press("\r");
    terminal.wait_for("Welcome, bob.").wait_for("> ");
    terminal.keyboard.write_all(b"w\xe9ho").expect("a key");
    terminal.wait_for(words).wait_for("who").press("\r");
    terminal.wait_for("bob").wait_for("> ").press("quit\r");
    terminal.wait_for("Goodbye.");
    terminal.end();
}

#[test]
fn time_zone_without_rule_is_heeded() {
    let steps = "> bob\n < password\n > hunter2\n < welcome
        < [2026-01-22T11:18:31Z] eve: winter\n < [2026-07-22T11:18:31Z] eve: summer
        < DONE\n > logout\n < goodbye\n ! end";
    let server = FakeServer::play(dialogue(steps), false);
    let mut command = client();
    command
        .env("TZ", "CET-1CEST")
        .args(["127.0.0.1", &server.address.port().to_string()])
        .arg("--no-push");
    let mut terminal = Terminal::of(command, server);
    terminal.wait_for("User name: ").press("bob\r");
    terminal.wait_for("Password: ").press("hunter2\r");
    terminal.wait_for("12:18] eve: winter");
    terminal.wait_for("13:18] eve: summer");
    terminal.wait_for("> ").press("quit\r").wait_for("Goodbye.");
    terminal.end();
}

#[test]
fn prompt_wider_than_terminal_is_cut() {
    let steps = "> bob\n < password\n > hunter2\n < welcome\n < DONE
        > logout\n < goodbye\n ! end";
    let mut terminal = Terminal::start_shell(steps, "xterm");
    terminal
        .wait_for("shell: ")
        .press("stty cols 8; $client\r")
        .wait_for("\x1b[Ke: ")
        .press("bob\r");
    terminal.wait_for("\x1b[Kd: ").press("hunter2\r");
    terminal.wait_for("Welcome").wait_for("> ").press("quit\r");
    terminal.wait_for("Goodbye").wait_for("shell: ");
    terminal.press("exit\r");
    terminal.end();
}
