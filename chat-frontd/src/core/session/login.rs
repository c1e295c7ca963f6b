//! The dialogue up to `welcome`.

use chat_shared::protocol::{text, words};
use chat_shared::rpc::Answer;

use super::line_buffer::Line;
use super::slot::{Question, Slot};
use super::{Session, Step, refusal};

impl Session {
    pub(super) fn take_login_line(&mut self, line: Line) {
        match std::mem::replace(&mut self.step, Step::Name) {
            Step::Name => {
                let name = text::clean(&line.bytes).into_owned();
                self.ask(Slot::new(line.end, String::new(), Question::Name { name }));
            }
            Step::OfferRegistration { name } => {
                if line.bytes == b"y" {
                    self.output.line(words::PASSWORD);
                    self.step = Step::NewPassword { name, first: None };
                } else {
                    self.output.line(words::USERNAME);
                }
            }
            Step::NewPassword { name, first: None } => {
                let first = Some(line.bytes.into());
                self.step = Step::NewPassword { name, first };
            }
            Step::NewPassword {
                name,
                first: Some(first),
            } => self.take_second_password(line, name, &first),
            Step::Password { name } if line.bytes.is_empty() => {
                self.output.line(words::PASSWORD);
                self.step = Step::Password { name };
            }
            Step::Password { name } => {
                self.step = Step::Password { name: name.clone() };
                let password = line.bytes.into();
                let question = Question::LogIn { name, password };
                self.ask(Slot::new(line.end, String::new(), question));
            }
            step @ (Step::Chat | Step::Over) => self.step = step,
        }
    }

    fn take_second_password(&mut self, line: Line, name: String, first: &[u8]) {
        if line.bytes.is_empty() || line.bytes != first {
            self.output.line(words::PASSWORD);
            self.step = Step::NewPassword { name, first: None };
            return;
        }
        let question = Question::Register {
            name,
            password: line.bytes.into(),
        };
        self.ask(Slot::new(line.end, String::new(), question));
    }

    /// What the daemon said to a line before the chat: the next step, and the line to be shown.
    pub(super) fn understand_login(
        &mut self,
        question: &Question,
        answer: &Answer<'_>,
    ) -> Option<String> {
        let name = match question {
            Question::Name { name }
            | Question::Register { name, .. }
            | Question::LogIn { name, .. } => name.clone(),
            _ => String::new(),
        };
        let (line, step) = match answer {
            Answer::Password => (words::PASSWORD.to_owned(), Step::Password { name }),
            Answer::Register => (words::REGISTER.to_owned(), Step::OfferRegistration { name }),
            Answer::Username => (words::USERNAME.to_owned(), Step::Name),
            Answer::Connected => (words::CONNECTED.to_owned(), Step::Name),
            Answer::Registered => (words::REGISTERED.to_owned(), Step::Name),
            Answer::Welcome => (words::WELCOME.to_owned(), Step::Chat),
            Answer::Blocked { seconds_left } => {
                (format!("{}:{seconds_left}", words::BLOCKED), Step::Over)
            }
            Answer::Locked { seconds_left } => (seconds_left.to_string(), Step::Over),
            Answer::Full => (refusal("full", ""), self.step.clone()),
            Answer::Busy => (refusal("busy", ""), self.step.clone()),
            // A worker and a daemon of one build never disagree on what may be asked.
            other => {
                log::error!("the state daemon gave {other:?} to a login");
                (refusal("busy", ""), self.step.clone())
            }
        };
        self.step = step;
        Some(line)
    }
}
