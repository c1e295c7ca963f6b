//! A client of a server that nothing happens to: whatever is out of the ordinary is an error.

use anyhow::bail;
use chat_line_protocol::client::{self, Answer, Command, Dialogue, MessageLine};

use crate::crowd::Closed;
use crate::installation::Accounts;

/// One client; it logs in by itself once it is connected.
#[derive(Debug)]
pub struct StrictClient {
    name: String,
    dialogue: Dialogue,
    is_over: bool,
}

/// What is of interest after the login began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing.
    None,
    /// A message.
    Message(MessageLine<'a>),
    /// All that waited at the login has come.
    CaughtUp,
    /// A command was done; what it was answered is what it should be.
    Done(Command),
}

impl StrictClient {
    /// A client of this name, whose password is [`Accounts::PASSWORD`].
    pub fn new(name: String) -> Self {
        Self {
            name,
            dialogue: Dialogue::default(),
            is_over: false,
        }
    }

    /// Its connection is made.
    pub fn opened(&mut self, output: &mut Vec<u8>) {
        self.dialogue.give_name(self.name.as_bytes(), output);
    }

    /// Appends a command and remembers to hear its answer.
    pub fn ask(&mut self, line: &str, output: &mut Vec<u8>) {
        self.dialogue.ask(line.as_bytes(), output);
    }

    /// Remembers a `send` that the caller has written.
    pub fn asked_to_send(&mut self) {
        self.dialogue.asked_for(Command::Send);
    }

    /// Commands that are not done.
    pub fn asked(&self) -> usize {
        self.dialogue.asked()
    }

    /// A line came.
    pub fn hear<'a>(&mut self, line: &'a [u8], output: &mut Vec<u8>) -> anyhow::Result<Event<'a>> {
        Ok(match self.dialogue.hear(line) {
            client::Event::PasswordWanted => {
                let password = Accounts::PASSWORD.as_bytes();
                self.dialogue.give_password(password, output);
                Event::None
            }
            client::Event::Welcome => Event::None,
            client::Event::Goodbye => {
                self.is_over = true;
                Event::None
            }
            client::Event::Message(message) => Event::Message(message),
            client::Event::CaughtUp => Event::CaughtUp,
            client::Event::Answer(_, Answer::Sent | Answer::Push(_)) => Event::None,
            client::Event::Done(command) => Event::Done(command),
            _ => bail!("{} was told {:?}", self.name, String::from_utf8_lossy(line)),
        })
    }

    /// The connection is gone: it should be so after `goodbye` alone.
    pub fn closed(&self, how: Closed) -> anyhow::Result<()> {
        if !self.is_over || how != Closed::End {
            bail!("the connection of {} ended: {how:?}", self.name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_client_accepts_only_expected() {
        let mut client = StrictClient::new("bob".into());
        let mut output = Vec::new();
        client.opened(&mut output);
        assert_eq!(client.hear(b"password", &mut output).unwrap(), Event::None);
        assert_eq!(output, b"bob\nload\n");
        client.hear(b"welcome", &mut output).unwrap();
        assert_eq!(client.hear(b"DONE", &mut output).unwrap(), Event::CaughtUp);
        client.asked_to_send();
        client.hear(b"sent:", &mut output).unwrap();
        client.hear(b"DONE", &mut output).unwrap();
        assert!(client.closed(Closed::End).is_err());
        client.asked_to_send();
        assert!(client.hear(b"error:quota:send", &mut output).is_err());
    }

    #[test]
    fn after_goodbye_end_is_in_order() {
        let mut client = StrictClient::new("bob".into());
        let mut output = Vec::new();
        client.opened(&mut output);
        for line in ["password", "welcome", "DONE"] {
            client.hear(line.as_bytes(), &mut output).unwrap();
        }
        client.ask("logout", &mut output);
        client.hear(b"goodbye", &mut output).unwrap();
        assert!(client.closed(Closed::Broken).is_err());
        client.closed(Closed::End).unwrap();
    }
}
