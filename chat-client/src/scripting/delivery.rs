//! How `listen` gives a message away. Only then it counts as handled.

use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::failure::Failure;
use super::records::{Printer, Record};
use crate::back_off::BackOff;
use crate::conversation::message::Message;
use crate::safe_text::LINE_BREAK;
use crate::signals::SignalPipe;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Of what a pause is without its random part.
const SPREAD: RangeInclusive<f64> = 0.75..=1.25;
/// The longest pause before a command that failed is run again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Where messages go.
pub(crate) enum Delivery<'a> {
    /// To the standard output.
    Print,
    /// The same, and a line of the standard input says that it was handled.
    PrintOnRequest,
    /// To this command of the shell.
    Run(&'a str),
}

/// Whether a message was given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// It is handled.
    Yes,
    /// Nobody asks for messages any more.
    NoMore,
}

impl Delivery<'_> {
    /// Returns when the message is handled.
    pub(crate) fn give(
        &self,
        message: &Message,
        printer: &mut Printer,
        leave: &SignalPipe,
    ) -> Result<Given, Failure> {
        match self {
            Self::Print => printer.print(&Record::of_message(message))?,
            Self::PrintOnRequest => {
                printer.print(&Record::of_message(message))?;
                return wait_for_request(leave);
            }
            Self::Run(command) => run_until_done(command, message, printer, leave)?,
        }
        Ok(Given::Yes)
    }
}

/// Waits for a line of the standard input.
fn wait_for_request(leave: &SignalPipe) -> Result<Given, Failure> {
    let stdin = io::stdin();
    let mut byte = [0];
    loop {
        let mut fds = [
            PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
            PollFd::new(leave.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(no_input(error)),
        }
        if fds[1].any() == Some(true) {
            return Err(Failure::interrupted());
        }
        if fds[0].any() != Some(true) {
            continue;
        }
        // A byte at a time: what stands behind the line asks for another message.
        match nix::unistd::read(&stdin, &mut byte) {
            Ok(0) => return Ok(Given::NoMore),
            Ok(_) if byte[0] == b'\n' => return Ok(Given::Yes),
            Ok(_) | Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(error) => return Err(no_input(error)),
        }
    }
}

fn no_input(error: Errno) -> Failure {
    Failure::local(format!("cannot read the standard input: {error}"))
}

/// Runs the command until it succeeds.
fn run_until_done(
    command: &str,
    message: &Message,
    printer: &mut Printer,
    leave: &SignalPipe,
) -> Result<(), Failure> {
    let mut back_off = back_off(LONGEST_PAUSE);
    loop {
        let status = run(command, message)
            .map_err(|error| Failure::local(format!("cannot run `{command}`: {error}")))?;
        if status.success() {
            return Ok(());
        }
        printer.say(&format!(
            "the command failed ({status}); it gets the message again"
        ))?;
        pause(back_off.next(fastrand::f64()), leave)?;
    }
}

/// Pauses of a command, up to this length.
pub(crate) fn back_off(longest: Duration) -> BackOff {
    BackOff::new(FIRST_PAUSE, longest, SPREAD)
}

/// Waits, but not beyond a signal to end.
pub(crate) fn pause(length: Duration, leave: &SignalPipe) -> Result<(), Failure> {
    let mut fds = [PollFd::new(leave.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(length).unwrap_or(PollTimeout::MAX);
    match poll(&mut fds, timeout) {
        Ok(0) => Ok(()),
        Ok(_) => Err(Failure::interrupted()),
        Err(_) => {
            thread::sleep(length);
            Ok(())
        }
    }
}

/// The text goes to the standard input of the command, and what else is known into its environment. The shell sees
/// none of it.
fn run(command: &str, message: &Message) -> io::Result<std::process::ExitStatus> {
    let number = message.number.map(|number| number.to_string());
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .env("CHAT_MESSAGE_FROM", &message.sender)
        .env("CHAT_MESSAGE_ROOM", message.room.as_deref().unwrap_or(""))
        .env("CHAT_MESSAGE_TIME", message.time.to_string())
        .env("CHAT_MESSAGE_NUMBER", number.unwrap_or_default())
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        let text = message.text.replace(LINE_BREAK, "\n") + "\n";
        // A command that does not read its input may succeed all the same.
        let _ = stdin.write_all(text.as_bytes());
    }
    child.wait()
}
