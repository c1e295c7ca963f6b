//! The client as a job of a shell: stopped, continued, and started by a script.

// Each test is a program of its own, and uses another part of it.
#[allow(dead_code)]
mod support;

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::Pid;
use support::terminal::Terminal;
use support::{Step, dialogue};

const LOGIN: &str = "> bob\n < password\n > hunter2\n < welcome\n < DONE\n";
const WHO: &str = "> who\n < bob\n < DONE\n";
const LOGOUT: &str = "> logout\n < goodbye\n ! end\n";

#[test]
fn password_stays_hidden_after_stop() {
    for term in ["dumb", "xterm"] {
        let mut terminal = Terminal::start_shell(&format!("{LOGIN}{LOGOUT}"), term);
        terminal.wait_for("shell: ").press("$client\r");
        terminal.wait_for("User name: ").press("bob\r");
        terminal.wait_for("Password: ").press("\x1a");
        terminal.wait_for("Stopped").wait_for("shell: ");
        // The shell reads what is typed, and shows it.
        terminal
            .press("echo 'in the '\"shell\"\r")
            .wait_for("in the shell\r\n");
        terminal.wait_for("shell: ").press("fg\r");
        terminal.wait_for("Password: ").press("hunter2\r");
        terminal.wait_for("Welcome, bob.").wait_for("> ");
        // Echoed again, or drawn by the client.
        terminal.press("quit").wait_for("quit").press("\r");
        terminal.wait_for("Goodbye.").wait_for("shell: ");
        terminal.press("exit\r");
        let (_, everything) = terminal.end();
        assert!(!everything.contains("hunt"), "{term}: {everything:?}");
    }
}

/// By a signal that no program can catch, and by something that changes the mode meanwhile, as shells do.
#[test]
fn password_stays_hidden_after_external_stop() {
    for term in ["dumb", "xterm"] {
        let mut terminal = Terminal::start(&format!("{LOGIN}{LOGOUT}"), &["--no-push"], term);
        terminal.wait_for("User name: ").press("bob\r");
        terminal.wait_for("Password: ");
        let pid = Pid::from_raw(terminal.child.id().cast_signed());
        kill(pid, Signal::SIGSTOP).expect("a process");
        let mut mode = tcgetattr(&terminal.keyboard).expect("a terminal");
        mode.local_flags
            .insert(LocalFlags::ECHO | LocalFlags::ICANON);
        tcsetattr(&terminal.keyboard, SetArg::TCSANOW, &mode).expect("a terminal");
        kill(pid, Signal::SIGCONT).expect("a process");
        terminal.wait_for("Password: ").press("hunter2\r");
        terminal.wait_for("Welcome, bob.").wait_for("> ");
        terminal.press("quit\r").wait_for("Goodbye.");
        let (status, everything) = terminal.end();
        assert_eq!(status, Some(0), "{term}");
        assert!(!everything.contains("hunt"), "{term}: {everything:?}");
    }
}

#[test]
fn surrounding_script_stops_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = dir.path().join("script");
    fs::write(&script, "$client\necho status $?\n").expect("a file");
    for term in ["xterm", "dumb"] {
        let steps = format!("{LOGIN}{WHO}{LOGOUT}");
        let mut terminal = Terminal::start_shell(&steps, term);
        let start = format!("sh {}\r", script.display());
        terminal.wait_for("shell: ").press(&start);
        terminal.wait_for("User name: ").press("bob\r");
        terminal.wait_for("Password: ").press("hunter2\r");
        terminal.wait_for("Welcome, bob.").wait_for("> ");
        for _ in 0..3 {
            terminal
                .press("\x1a")
                .wait_for("Stopped")
                .wait_for("shell: ");
            terminal.press("fg\r").wait_for("> ");
        }
        terminal
            .press("who\r")
            .wait_for("Online: bob")
            .wait_for("> ");
        terminal
            .press("quit\r")
            .wait_for("Goodbye.")
            .wait_for("status 0");
        terminal.wait_for("shell: ").press("exit\r");
        terminal.end();
    }
}

#[test]
fn client_stops_with_full_output() {
    let mut steps = dialogue("> bob\n < password\n > hunter2\n < welcome");
    let message = "[2026-11-22T11:18:31Z] eve: hi\n".repeat(20_000);
    steps.push(Step::SayBytes(message.into_bytes()));
    steps.extend(dialogue("! broken"));
    let mut terminal = Terminal::shell_with(steps, "xterm");
    // Says when it has something to read, and reads nothing.
    let reader = "sh -c 'head -c 1 >/dev/null; echo begun >&2; exec sleep 1000'";
    terminal
        .wait_for("shell: ")
        .press(&format!("$client | {reader}\r"));
    terminal.wait_for("User name: ").press("bob\r");
    terminal.wait_for("Password: ").press("hunter2\r");
    terminal.wait_for("\nbegun\r\n");
    terminal
        .press("\x1a")
        .wait_for("Stopped")
        .wait_for("shell: ");
    // The client ends by the signal, or by its broken output.
    terminal.press("kill %1; fg\r").wait_for("shell: ");
    terminal.press("exit\r");
    terminal.end();
}
