//! The dialogue up to `welcome`.

use std::borrow::Cow;

use chat_line_protocol::words;
use chat_model::{Outcome, text};

use super::line_buffer::Line;
use super::slot::{Question, Slot};
use super::{Session, Step, refusal};

impl Session {
    pub(super) fn take_login_line(&mut self, line: &Line) {
        let content = self.input.content(line);
        match std::mem::replace(&mut self.step, Step::Name) {
            Step::Name => {
                let name = text::clean(content).into_owned();
                self.ask(Slot::new(line.end, Cow::default(), Question::Name { name }));
            }
            Step::OfferRegistration { name } => {
                if content == b"y" {
                    self.output.line(words::PASSWORD);
                    self.step = Step::NewPassword { name, first: None };
                } else {
                    self.output.line(words::USERNAME);
                }
            }
            Step::NewPassword { name, first: None } => {
                let first = Some(content.into());
                self.step = Step::NewPassword { name, first };
            }
            Step::NewPassword {
                name,
                first: Some(first),
            } => self.take_second_password(line, name, &first),
            Step::Password { name } if content.is_empty() => {
                self.output.line(words::PASSWORD);
                self.step = Step::Password { name };
            }
            Step::Password { name } => {
                let password = content.into();
                self.step = Step::Password { name: name.clone() };
                let question = Question::LogIn { name, password };
                self.ask(Slot::new(line.end, Cow::default(), question));
            }
            step @ (Step::Chat | Step::Over) => self.step = step,
        }
    }

    fn take_second_password(&mut self, line: &Line, name: String, first: &[u8]) {
        let content = self.input.content(line);
        if content.is_empty() || content != first {
            self.output.line(words::PASSWORD);
            self.step = Step::NewPassword { name, first: None };
            return;
        }
        let question = Question::Register {
            name,
            password: content.into(),
        };
        self.ask(Slot::new(line.end, Cow::default(), question));
    }

    /// What the daemon said to a line before the chat: the next step, and the line to be shown.
    pub(super) fn understand_login(
        &mut self,
        question: &Question,
        outcome: &Outcome<'_>,
    ) -> Option<Cow<'static, str>> {
        let name = match question {
            Question::Name { name }
            | Question::Register { name, .. }
            | Question::LogIn { name, .. } => name.clone(),
            _ => String::new(),
        };
        let (line, step) = match outcome {
            Outcome::PasswordNeeded => (words::PASSWORD.into(), Step::Password { name }),
            Outcome::NameFree => (words::REGISTER.into(), Step::OfferRegistration { name }),
            Outcome::NameUnavailable => (words::USERNAME.into(), Step::Name),
            Outcome::AlreadyLoggedIn => (words::CONNECTED.into(), Step::Name),
            Outcome::Registered => (words::REGISTERED.into(), Step::Name),
            Outcome::LoggedIn => (words::WELCOME.into(), Step::Chat),
            Outcome::Blocked { seconds_left } => (
                format!("{}:{seconds_left}", words::BLOCKED).into(),
                Step::Over,
            ),
            Outcome::Locked { seconds_left } => (seconds_left.to_string().into(), Step::Over),
            Outcome::DiskFull => (refusal("full", "").into(), self.step.clone()),
            Outcome::Busy => (refusal("busy", "").into(), self.step.clone()),
            // A worker and a daemon of one build never disagree on what may be asked.
            other => {
                log::error!("the state daemon gave {other:?} to a login");
                (refusal("busy", "").into(), self.step.clone())
            }
        };
        // From here on, what comes is no password.
        self.input.keeps_secrets(step != Step::Chat);
        self.step = step;
        Some(line)
    }
}
