//! However the full screen ends or stops, the terminal is as it was: its own mode, and those that two emulators see.
//! `Screen::end` compares them, and looks for the password in all that was shown.

// Each test is a program of its own, and uses another part of it.
#[allow(dead_code)]
mod support;

use std::fs;
use std::io::Read;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::Pid;
use support::screen::Screen;
use support::terminal::{pseudo_terminal, spawn_at};
use support::{FakeServer, PATIENCE, Step, client, dialogue};

const SIZE: (u16, u16) = (80, 24);
const LOGIN: &str = "> bob\n < password\n > hunter2\n < welcome\n < DONE\n";
const SET_UP: &str = "> features\n < features:time_out=600 line=8192 push ids once rooms history\n < DONE\n \
     > ids on\n < ids:on\n < DONE\n \
     > push ack\n < push:ack\n < DONE\n \
     > rooms\n < rooms:\n < DONE\n \
     > who\n ! reached\n < bob\n < DONE\n";
const LEAVE: &str = "> push off\n < push:off\n < DONE\n > logout\n < goodbye\n ! end\n";

fn server(parts: &[&str]) -> FakeServer {
    let steps: Vec<Step> = dialogue(&parts.concat());
    FakeServer::play(steps, false)
}

/// A program in a session of its own, with the terminal that it is started at.
fn in_own_session(program: &Command) -> Command {
    let mut command = Command::new("setsid");
    command.arg("--ctty").arg(program.get_program());
    command.args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

fn client_of(server: &FakeServer) -> Command {
    let mut command = client();
    command.args(["--full-screen", "127.0.0.1"]);
    command.arg(server.address.port().to_string());
    command
}

fn start(server: FakeServer) -> Screen {
    Screen::of(in_own_session(&client_of(&server)), server, SIZE)
}

#[test]
fn keys_leave_terminal_whole() {
    for keys in ["/quit\r", "\x04", "\x03\x03"] {
        let mut screen = start(server(&[LOGIN, SET_UP, LEAVE]));
        screen.log_in();
        screen.press(keys);
        assert_eq!(screen.end().0, Some(0), "{keys:?}");
    }
}

#[test]
fn signals_leave_terminal_whole() {
    for (signal, leave, status) in [
        (Signal::SIGTERM, LEAVE, Some(0)),
        (Signal::SIGINT, LEAVE, Some(0)),
        (Signal::SIGHUP, "! broken\n", Some(1)),
        (Signal::SIGQUIT, "! broken\n", Some(1)),
    ] {
        let mut screen = start(server(&[LOGIN, SET_UP, leave]));
        screen.log_in();
        screen.signal(signal);
        assert_eq!(screen.end().0, status, "{signal}");
    }
}

#[test]
fn signals_leave_terminal_whole_at_password() {
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        let end = match signal {
            Signal::SIGTERM | Signal::SIGINT => "! end\n",
            _ => "! broken\n",
        };
        let mut screen = start(server(&["> bob\n < password\n", end]));
        screen.wait_for("User name:").press("bob\r");
        screen.wait_for("Password:").press("hunter2");
        screen.signal(signal);
        let (status, _) = screen.end();
        assert!(matches!(status, Some(1 | 5)), "{signal}: {status:?}");
    }
}

#[test]
fn wrong_password_leaves_terminal_whole() {
    let server = server(&["> bob\n < password\n > hunter3\n < password\n ! end\n"]);
    let mut screen = start(server);
    screen.wait_for("User name:").press("bob\r");
    screen.wait_for("Password:").press("hunter3\r");
    screen.wait_for("Wrong password.").press("\x04");
    assert_eq!(screen.end().0, Some(5));
}

#[test]
fn lost_server_leaves_terminal_whole() {
    let mut screen = start(server(&[LOGIN, SET_UP, "! reset\n"]));
    screen.log_in();
    screen.wait_for("Not connected").press("/quit\r");
    assert_eq!(screen.end().0, Some(1));
}

/// A shell with job control, as `^Z` needs it.
#[test]
fn stopped_job_leaves_terminal_whole() {
    let server = server(&[LOGIN, SET_UP, LEAVE]);
    let client = client_of(&server);
    let words = std::iter::once(client.get_program()).chain(client.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let mut shell = Command::new("bash");
    shell.args(["--norc", "--noprofile", "-i"]);
    for (name, value) in client.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
        .env("PS1", "shell: ")
        .env("HISTFILE", "/dev/null")
        .env("client", words.join(" "));
    let mut screen = Screen::of(in_own_session(&shell), server, SIZE);
    screen.wait_for("shell:");
    let of_shell = screen.modes();
    screen
        .press("$client\r")
        .wait_for("User name:")
        .press("bob\r");
    screen.wait_for("Password:");
    let of_client = screen.modes();
    assert!(of_client != of_shell);
    for _ in 0..3 {
        screen.press("\x1a");
        screen.wait_until_seen("the modes of the shell", |screen| {
            screen.modes() == of_shell
        });
        screen.wait_for("Stopped").press("fg\r");
        screen.wait_until_seen("the modes of the client", |screen| {
            screen.modes() == of_client
        });
        screen.wait_for("Password:");
    }
    screen.press("hunter2\r").wait_for("Welcome, bob.");
    screen.server.wait_until_reached();
    screen.press("\x1a");
    screen.wait_until_seen("the modes of the shell", |screen| {
        screen.modes() == of_shell
    });
    screen
        .press("fg\r")
        .wait_for("Welcome, bob.")
        .press("/quit\r");
    screen.wait_until_seen("the modes of the shell", |screen| {
        screen.modes() == of_shell
    });
    screen.press("exit\r");
    assert_eq!(screen.end().0, Some(0));
}

/// By a signal that no program can catch, and by something that changes all modes meanwhile, as shells do.
#[test]
fn external_stop_keeps_password_hidden() {
    let mut screen = start(server(&[LOGIN, SET_UP, LEAVE]));
    screen.wait_for("User name:").press("bob\r");
    screen.wait_for("Password:");
    let of_client = screen.modes();
    let pid = Pid::from_raw(screen.child.id().cast_signed());
    kill(pid, Signal::SIGSTOP).expect("a process");
    screen.wait_until_seen("a stopped process", |_| {
        let status = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
        status.contains(") T ")
    });
    let mut mode = tcgetattr(&screen.keyboard).expect("a mode");
    mode.local_flags
        .insert(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
    tcsetattr(&screen.keyboard, SetArg::TCSANOW, &mode).expect("a mode");
    screen.appeared(b"\x1b[?1049l\x1b[?2004l\x1b[?1002l\x1b[?1006l\x1b[?1004l\x1b[?7h\x1b[2J");
    assert!(screen.modes() != of_client);
    kill(pid, Signal::SIGCONT).expect("a process");
    screen.wait_until_seen("the modes of the client", |screen| {
        screen.modes() == of_client
    });
    screen.wait_for("Password:").press("hunter2\r");
    screen.wait_for("Welcome, bob.");
    screen.server.wait_until_reached();
    screen.press("/quit\r");
    assert_eq!(screen.end().0, Some(0));
}

/// Once with the signal that the system sends to those whose terminal it is, once by the end of the input alone.
#[test]
fn client_ends_with_its_terminal() {
    for is_own in [true, false] {
        let server = server(&["! broken\n"]);
        let command = match is_own {
            true => in_own_session(&client_of(&server)),
            false => client_of(&server),
        };
        let (mut keyboard, terminal) = pseudo_terminal();
        let mut child = spawn_at(command, &terminal);
        drop(terminal);
        let (mut shown, mut buffer) = (String::new(), [0; 4096]);
        while !shown.contains("User name:") {
            let length = keyboard.read(&mut buffer).expect("a screen");
            shown.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        drop(keyboard);
        let began = std::time::Instant::now();
        let status = loop {
            match child.try_wait().expect("a process") {
                Some(status) => break status.code(),
                None => assert!(began.elapsed() < PATIENCE, "it goes on without a terminal"),
            }
            std::thread::yield_now();
        };
        // The connection is broken off, so that what could not be shown stays queued.
        assert_eq!(status, Some(1), "{is_own}");
        server.finish();
    }
}
