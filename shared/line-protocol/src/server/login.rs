//! The dialogue up to `welcome`.

use std::borrow::Cow;
use std::net::IpAddr;

use chat_model::{Outcome, Password, Request, text};

use super::{append_line, append_refusal};
use crate::words;

/// Where a login is.
#[derive(Debug, Default)]
pub struct Login {
    step: Step,
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    Name,
    OfferRegistration {
        name: String,
    },
    NewPassword {
        name: String,
        first: Option<Password<'static>>,
    },
    Password {
        name: String,
    },
}

impl Login {
    /// Whether a name is the next that a client sends.
    pub fn awaits_name(&self) -> bool {
        matches!(self.step, Step::Name)
    }

    /// Takes a line. What the state daemon has to be asked is returned; all else is answered here.
    pub fn take_line<'a>(
        &mut self,
        line: &'a [u8],
        address: IpAddr,
        output: &mut Vec<u8>,
    ) -> Option<Request<'a>> {
        let (step, answer) = match std::mem::take(&mut self.step) {
            Step::Name => {
                let name = text::clean(line);
                return Some(Request::Identify { name, address });
            }
            Step::OfferRegistration { name } if line == words::YES.as_bytes() => {
                (Step::NewPassword { name, first: None }, words::PASSWORD)
            }
            Step::OfferRegistration { .. } => (Step::Name, words::USERNAME),
            Step::NewPassword { name, first: None } => {
                let first = Some(line.into());
                self.step = Step::NewPassword { name, first };
                return None;
            }
            Step::NewPassword {
                name,
                first: Some(first),
            } if !line.is_empty() && first.as_bytes() == line => {
                return Some(Request::Register {
                    name: name.into(),
                    password: Password::borrowed(line),
                    address,
                });
            }
            Step::NewPassword { name, .. } => {
                (Step::NewPassword { name, first: None }, words::PASSWORD)
            }
            Step::Password { name } if line.is_empty() => {
                (Step::Password { name }, words::PASSWORD)
            }
            Step::Password { name } => {
                let request = Request::LogIn {
                    name: Cow::Owned(name.clone()),
                    password: Password::borrowed(line),
                    address,
                    asked_boot_ms: 0,
                };
                self.step = Step::Password { name };
                return Some(request);
            }
        };
        self.step = step;
        append_line(answer, output);
        None
    }

    /// Writes what came of a request of [`Login::take_line`] that named this user. Returns false if no such request
    /// can have this outcome.
    pub fn answer(&mut self, name: &str, outcome: &Outcome<'_>, output: &mut Vec<u8>) -> bool {
        let name = || name.to_owned();
        let (answer, step) = match outcome {
            Outcome::PasswordNeeded => (words::PASSWORD, Step::Password { name: name() }),
            Outcome::NameFree => (words::REGISTER, Step::OfferRegistration { name: name() }),
            Outcome::NameUnavailable => (words::USERNAME, Step::Name),
            Outcome::AlreadyLoggedIn => (words::CONNECTED, Step::Name),
            Outcome::Registered => (words::REGISTERED, Step::Name),
            Outcome::LoggedIn => (words::WELCOME, Step::Name),
            Outcome::Blocked { seconds_left } => {
                append_line(&format!("{}:{seconds_left}", words::BLOCKED), output);
                return true;
            }
            Outcome::Locked { seconds_left } => {
                append_line(&seconds_left.to_string(), output);
                return true;
            }
            Outcome::DiskFull => {
                append_refusal(words::FULL, "", output);
                return true;
            }
            other => {
                append_refusal(words::BUSY, "", output);
                return *other == Outcome::Busy;
            }
        };
        append_line(answer, output);
        self.step = step;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn take<'a>(login: &mut Login, line: &'a str) -> (Option<Request<'a>>, String) {
        let mut output = Vec::new();
        let request = login.take_line(line.as_bytes(), HERE, &mut output);
        (request, String::from_utf8(output).unwrap())
    }

    fn answer(login: &mut Login, outcome: &Outcome<'_>) -> String {
        let mut output = Vec::new();
        assert!(login.answer("ann", outcome, &mut output));
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn account_is_made_after_equal_passwords() {
        let mut login = Login::default();
        let (request, _) = take(&mut login, "ann");
        assert!(matches!(request, Some(Request::Identify { name, .. }) if name == "ann"));
        assert_eq!(answer(&mut login, &Outcome::NameFree), "register\n");
        assert_eq!(take(&mut login, "y"), (None, "password\n".into()));
        for (first, second) in [("a", "b"), ("", "")] {
            assert_eq!(take(&mut login, first), (None, String::new()));
            assert_eq!(take(&mut login, second), (None, "password\n".into()));
        }
        assert_eq!(take(&mut login, "a"), (None, String::new()));
        let (request, said) = take(&mut login, "a");
        assert!(matches!(request, Some(Request::Register { .. })) && said.is_empty());
        assert_eq!(answer(&mut login, &Outcome::Registered), "registered\n");
        assert!(login.awaits_name());
    }

    #[test]
    fn refused_password_is_wanted_again() {
        let mut login = Login::default();
        assert!(take(&mut login, "ann").0.is_some());
        assert_eq!(answer(&mut login, &Outcome::PasswordNeeded), "password\n");
        assert_eq!(take(&mut login, ""), (None, "password\n".into()));
        for (outcome, line) in [
            (Outcome::PasswordNeeded, "password\n"),
            (Outcome::Busy, "error:busy:\n"),
            (Outcome::DiskFull, "error:full:\n"),
        ] {
            assert!(matches!(
                take(&mut login, "x").0,
                Some(Request::LogIn { .. })
            ));
            assert_eq!(answer(&mut login, &outcome), line);
        }
        let locked = Outcome::Locked { seconds_left: 60 };
        assert_eq!(answer(&mut login, &locked), "60\n");
    }

    #[test]
    fn impossible_outcomes_are_noticed() {
        let (mut login, mut output) = (Login::default(), Vec::new());
        assert!(!login.answer("ann", &Outcome::Done, &mut output));
        assert_eq!(output, b"error:busy:\n");
    }
}
