//! From the name to `welcome`.

use chat_line_protocol::words;
use chat_model::Password;

use super::chat::Chat;
use super::{Conversation, Question, Stage, parse_error};
use crate::exit_status::ExitStatus;
use crate::report::Report;

/// Where a login stands.
enum Step {
    Name,
    NameSent,
    MakeAccount,
    /// The offer to make an account was answered.
    Declined,
    Agreed,
    NewPassword,
    RepeatPassword(Password<'static>),
    NewPasswordSent(Password<'static>),
    Password,
    PasswordSent,
}

/// A login that is going on.
pub(super) struct Login {
    step: Step,
    name: Vec<u8>,
    /// The password of the account that was just made: its maker need not type it again.
    new_password: Option<Password<'static>>,
    just_registered: bool,
}

impl Login {
    pub(super) fn new() -> Login {
        Login {
            step: Step::Name,
            name: Vec::new(),
            new_password: None,
            just_registered: false,
        }
    }

    pub(super) fn question(&self) -> Option<Question> {
        match self.step {
            Step::Name => Some(Question::Name),
            Step::MakeAccount => Some(Question::MakeAccount),
            Step::Password => Some(Question::Password),
            Step::NewPassword => Some(Question::NewPassword),
            Step::RepeatPassword(_) => Some(Question::RepeatPassword),
            _ => None,
        }
    }

    /// Whether an account was made, and nothing was asked for since.
    pub(super) fn has_just_registered(&self) -> bool {
        self.just_registered && matches!(self.step, Step::Name)
    }

    /// Whether there is no account of this name, and nobody has said yet what to do.
    pub(super) fn lacks_an_account(&self) -> bool {
        matches!(self.step, Step::MakeAccount)
    }

    fn shown_name(&self) -> String {
        crate::safe_text::safe(&self.name)
    }
}

impl Conversation {
    /// The person's answer to the question of the step.
    pub(super) fn login_answer(&mut self, line: &[u8]) {
        let Stage::Login(login) = &mut self.stage else {
            return;
        };
        if line.is_empty() && !matches!(login.step, Step::MakeAccount) {
            self.show(Report::EmptyAnswer);
            self.end_of_script(ExitStatus::NotLoggedIn);
            return;
        }
        match std::mem::replace(&mut login.step, Step::Name) {
            Step::Name => {
                login.name = line.to_vec();
                login.just_registered = false;
                login.step = Step::NameSent;
                self.send(line);
            }
            Step::Password => {
                login.step = Step::PasswordSent;
                self.send(line);
            }
            Step::MakeAccount => self.answer_whether_to_register(line),
            Step::NewPassword => login.step = Step::RepeatPassword(line.into()),
            Step::RepeatPassword(first) if first.as_bytes() == line => {
                login.step = Step::NewPasswordSent(first);
                self.send(line);
                self.send(line);
            }
            Step::RepeatPassword(_) => {
                login.step = Step::NewPassword;
                self.show(Report::PasswordsDiffer);
                self.end_of_script(ExitStatus::NotLoggedIn);
            }
            // Nothing was asked.
            step => login.step = step,
        }
    }

    fn answer_whether_to_register(&mut self, line: &[u8]) {
        let answer = String::from_utf8_lossy(line).trim().to_ascii_lowercase();
        let yes = matches!(answer.as_str(), words::YES | "yes");
        let no = matches!(answer.as_str(), "" | "n" | "no");
        if !yes && !no && !self.options.interactive {
            // Most likely the password of an account that the script takes for granted.
            let name = self.login_name();
            self.show(Report::NoSuchAccount(name));
            self.end(ExitStatus::NotLoggedIn);
            return;
        }
        if yes {
            self.step_to(Step::Agreed);
            self.send(words::YES.as_bytes());
        } else if no {
            self.step_to(Step::Declined);
            self.send(b"n");
        } else {
            self.step_to(Step::MakeAccount);
        }
    }

    /// A line of the server before `welcome`.
    pub(super) fn login_line(&mut self, line: &str) {
        let Stage::Login(login) = &mut self.stage else {
            return;
        };
        if line == words::TIMEOUT {
            return self.time_out();
        }
        match (&mut login.step, line) {
            (Step::NameSent, words::REGISTER) => login.step = Step::MakeAccount,
            (Step::NameSent, words::PASSWORD) => self.password_wanted(),
            (Step::Agreed, words::PASSWORD) => login.step = Step::NewPassword,
            (Step::NewPasswordSent(_), words::PASSWORD) => {
                login.step = Step::NewPassword;
                self.refuse(Report::PasswordsDiffer);
            }
            (Step::PasswordSent, words::PASSWORD) => {
                login.step = Step::Password;
                self.refuse(Report::WrongPassword);
            }
            (Step::NewPasswordSent(password), words::REGISTERED) => {
                let password = password.clone();
                self.registered(password);
            }
            (Step::PasswordSent, words::WELCOME) => self.welcomed(),
            (Step::NameSent | Step::PasswordSent, words::CONNECTED) => {
                login.step = Step::Name;
                let name = login.shown_name();
                self.refuse(Report::AlreadyConnected(name));
            }
            (Step::Declined, words::USERNAME) => login.step = Step::Name,
            (Step::NameSent | Step::Agreed | Step::NewPasswordSent(_), words::USERNAME) => {
                let impossible = matches!(login.step, Step::NameSent);
                login.step = Step::Name;
                let name = login.shown_name();
                self.refuse(if impossible {
                    Report::NameNotPossible(name)
                } else {
                    Report::NameTaken(name)
                });
            }
            _ => self.other_login_line(line),
        }
    }

    fn password_wanted(&mut self) {
        let Stage::Login(login) = &mut self.stage else {
            return;
        };
        match login.new_password.take().or(self.options.password.take()) {
            Some(password) => {
                login.step = Step::PasswordSent;
                self.send(&password);
            }
            None => login.step = Step::Password,
        }
    }

    fn registered(&mut self, password: Password<'static>) {
        let name = self.login_name();
        self.show(Report::Registered(name));
        let Stage::Login(login) = &mut self.stage else {
            return;
        };
        login.just_registered = true;
        login.step = Step::Name;
        if self.options.interactive {
            login.new_password = Some(password);
            login.step = Step::NameSent;
            let name = login.name.clone();
            self.send(&name);
        }
    }

    fn welcomed(&mut self) {
        let name = self.login_name();
        self.show(Report::Welcome(name));
        self.stage = Stage::Chat(Chat::welcomed());
    }

    /// Blocks, errors, and what this client does not know.
    fn other_login_line(&mut self, line: &str) {
        let Stage::Login(login) = &mut self.stage else {
            return;
        };
        let blocked_seconds = match login.step {
            Step::NameSent => line
                .strip_prefix(words::BLOCKED)
                .and_then(|rest| rest.strip_prefix(':')),
            Step::PasswordSent => Some(line),
            _ => None,
        };
        if let Some(seconds) = blocked_seconds.and_then(|digits| digits.parse().ok()) {
            let now = matches!(login.step, Step::PasswordSent);
            self.show(Report::Blocked { seconds, now });
            return self.end(ExitStatus::Blocked);
        }
        let Some(error) = parse_error(line) else {
            return self.show(Report::Unexpected(line.to_owned()));
        };
        match login.step {
            // The step stands: the server waits for the same thing again.
            Step::NameSent => login.step = Step::Name,
            Step::PasswordSent => login.step = Step::Password,
            _ => {
                self.show(error);
                return self.end(ExitStatus::NotLoggedIn);
            }
        }
        login.new_password = None;
        self.refuse(error);
    }

    /// Tells of a refusal; a script is not asked again.
    fn refuse(&mut self, report: Report) {
        if let Stage::Login(login) = &mut self.stage {
            login.new_password = None;
        }
        self.show(report);
        self.end_of_script(ExitStatus::NotLoggedIn);
    }

    fn end_of_script(&mut self, status: ExitStatus) {
        if !self.options.interactive {
            self.end(status);
        }
    }

    fn step_to(&mut self, step: Step) {
        if let Stage::Login(login) = &mut self.stage {
            login.step = step;
        }
    }

    pub(super) fn login_name(&self) -> String {
        match &self.stage {
            Stage::Login(login) => login.shown_name(),
            _ => String::new(),
        }
    }
}
