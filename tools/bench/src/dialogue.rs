//! One client's side of the line protocol: what the next line means. No sockets, no clocks.

use std::collections::VecDeque;

use crate::message_line::MessageLine;

/// What a client asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `send`.
    Send,
    /// `fetch`.
    Fetch,
    /// `push` or `ids` with whatever argument.
    Mode,
    /// `logout`.
    LogOut,
}

/// How far the dialogue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The name was sent.
    Name,
    /// The password was sent.
    Password,
    /// What waits is on its way.
    Backlog,
    Chat,
    /// After `goodbye`, or after a line that is none of this protocol.
    Over,
}

/// What a line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// The name is known: send the password.
    PasswordWanted,
    /// The user is still logged in: send the name again, later.
    Connected,
    /// The server cannot log anybody in now: send the same line again, later.
    NotNow,
    /// Logged in; what waits follows.
    Welcome,
    /// A message.
    Message(MessageLine<'a>),
    /// `DONE` after the messages that waited at the login.
    CaughtUp,
    /// A command was answered so.
    Answer(Command, &'a [u8]),
    /// The `DONE` of a command.
    Done(Command),
    /// The server says good-bye and closes.
    Goodbye,
    /// A line that has no place here.
    Unexpected(&'a [u8]),
}

/// The dialogue of one connection.
#[derive(Debug)]
pub struct Dialogue {
    step: Step,
    /// Asked and not done, oldest first.
    asked: VecDeque<Command>,
    /// The oldest was answered, its `DONE` is to come.
    is_answered: bool,
}

impl Default for Dialogue {
    fn default() -> Self {
        Self {
            step: Step::Name,
            asked: VecDeque::new(),
            is_answered: false,
        }
    }
}

impl Dialogue {
    /// Begins anew, for a new connection whose first line is the name.
    pub fn restart(&mut self) {
        self.step = Step::Name;
        self.asked.clear();
        self.is_answered = false;
    }

    /// Whether commands may be sent.
    pub fn is_chatting(&self) -> bool {
        self.step == Step::Chat
    }

    /// Whether the password is what was sent last, or is to be sent again.
    pub fn is_at_password(&self) -> bool {
        self.step == Step::Password
    }

    /// Whether what waited at the login is still coming.
    pub fn is_in_backlog(&self) -> bool {
        self.step == Step::Backlog
    }

    /// Commands that are not done.
    pub fn asked(&self) -> usize {
        self.asked.len()
    }

    /// A command was sent.
    pub fn ask(&mut self, command: Command) {
        self.asked.push_back(command);
    }

    /// A line came.
    pub fn hear<'a>(&mut self, line: &'a [u8]) -> Heard<'a> {
        let heard = match self.step {
            Step::Name | Step::Password => self.hear_before_login(line),
            Step::Backlog | Step::Chat => self.hear_in_chat(line),
            Step::Over => Heard::Unexpected(line),
        };
        if let Heard::Unexpected(_) | Heard::Goodbye = heard {
            self.step = Step::Over;
        }
        heard
    }

    fn hear_before_login<'a>(&mut self, line: &'a [u8]) -> Heard<'a> {
        match (self.step, line) {
            (Step::Name, b"password") => {
                self.step = Step::Password;
                Heard::PasswordWanted
            }
            (Step::Password, b"welcome") => {
                self.step = Step::Backlog;
                Heard::Welcome
            }
            (_, b"connected") => {
                self.step = Step::Name;
                Heard::Connected
            }
            (_, b"error:busy:" | b"error:full:") => Heard::NotNow,
            _ => Heard::Unexpected(line),
        }
    }

    fn hear_in_chat<'a>(&mut self, line: &'a [u8]) -> Heard<'a> {
        if line.first() == Some(&b'[') {
            return MessageLine::parse(line).map_or(Heard::Unexpected(line), Heard::Message);
        }
        if self.step == Step::Backlog {
            if line != b"DONE" {
                return Heard::Unexpected(line);
            }
            self.step = Step::Chat;
            return Heard::CaughtUp;
        }
        match self.asked.front().copied() {
            Some(command) if self.is_answered && line == b"DONE" => {
                self.is_answered = false;
                self.asked.pop_front();
                Heard::Done(command)
            }
            Some(Command::LogOut) if line == b"goodbye" => Heard::Goodbye,
            Some(command) if !self.is_answered => {
                self.is_answered = true;
                Heard::Answer(command, line)
            }
            _ => Heard::Unexpected(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged_in() -> Dialogue {
        let mut dialogue = Dialogue::default();
        for line in ["password", "welcome", "DONE"] {
            dialogue.hear(line.as_bytes());
        }
        assert!(dialogue.is_chatting());
        dialogue
    }

    #[test]
    fn a_login_with_messages_that_wait() {
        let mut dialogue = Dialogue::default();
        assert_eq!(dialogue.hear(b"connected"), Heard::Connected);
        assert_eq!(dialogue.hear(b"password"), Heard::PasswordWanted);
        assert_eq!(dialogue.hear(b"connected"), Heard::Connected);
        assert_eq!(dialogue.hear(b"password"), Heard::PasswordWanted);
        assert_eq!(dialogue.hear(b"welcome"), Heard::Welcome);
        assert!(matches!(dialogue.hear(b"[t] a: b"), Heard::Message(_)));
        assert!(dialogue.is_in_backlog());
        assert_eq!(dialogue.hear(b"DONE"), Heard::CaughtUp);
    }

    #[test]
    fn answers_belong_to_commands_in_order_and_messages_come_between() {
        let mut dialogue = logged_in();
        dialogue.ask(Command::Send);
        dialogue.ask(Command::Fetch);
        assert!(matches!(dialogue.hear(b"[t] a: b"), Heard::Message(_)));
        assert_eq!(
            dialogue.hear(b"sent:"),
            Heard::Answer(Command::Send, b"sent:")
        );
        assert!(matches!(dialogue.hear(b"[t] a: b"), Heard::Message(_)));
        assert_eq!(dialogue.hear(b"DONE"), Heard::Done(Command::Send));
        dialogue.hear(b"fetching");
        assert_eq!(dialogue.hear(b"DONE"), Heard::Done(Command::Fetch));
        assert_eq!(dialogue.asked(), 0);
        dialogue.ask(Command::LogOut);
        assert_eq!(dialogue.hear(b"goodbye"), Heard::Goodbye);
    }

    #[test]
    fn an_answer_nobody_asked_for_is_unexpected() {
        assert_eq!(logged_in().hear(b"sent:"), Heard::Unexpected(b"sent:"));
        assert_eq!(logged_in().hear(b"DONE"), Heard::Unexpected(b"DONE"));
        let mut dialogue = logged_in();
        dialogue.ask(Command::Send);
        dialogue.hear(b"sent:");
        assert_eq!(dialogue.hear(b"sent:"), Heard::Unexpected(b"sent:"));
        assert_eq!(dialogue.hear(b"DONE"), Heard::Unexpected(b"DONE"));
    }
}
