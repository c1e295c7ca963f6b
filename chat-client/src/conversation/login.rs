//! From the name to `welcome`.

use chat_line_protocol::client::{Dialogue, Event, Step};
use chat_line_protocol::words;
use chat_model::Password;

use super::chat::Chat;
use super::kept_login::{Keeping, KeptLogin};
use super::{Conversation, Prompt, Stage, refused};
use crate::exit_status::ExitStatus;
use crate::report::Report;

/// What is known of a login beside the step of the dialogue.
#[derive(Default)]
pub(super) struct Login {
    name: Vec<u8>,
    /// Typed for a new account; to be repeated, or sent twice and not answered yet.
    first_password: Option<Password<'static>>,
    /// The password of the account that was just made: its maker need not type it again.
    new_password: Option<Password<'static>>,
    just_registered: bool,
    /// The token that was sent as the password, or is about to be.
    pub(super) token: Option<KeptLogin>,
}

impl Login {
    pub(super) fn prompt(&self, step: Step) -> Option<Prompt> {
        match step {
            Step::Name => Some(Prompt::Name),
            Step::Offer => Some(Prompt::MakeAccount),
            Step::Password => Some(Prompt::Password),
            Step::NewPassword if self.first_password.is_some() => Some(Prompt::RepeatPassword),
            Step::NewPassword => Some(Prompt::NewPassword),
            _ => None,
        }
    }

    /// Whether an account was made, and nothing was asked for since.
    pub(super) fn has_just_registered(&self, step: Step) -> bool {
        self.just_registered && step == Step::Name
    }

    fn shown_name(&self) -> String {
        crate::safe_text::safe(&self.name)
    }
}

impl Conversation {
    /// The user's answer to the prompt of this step.
    pub(super) fn login_answer(&mut self, line: &[u8]) {
        let step = self.dialogue.step();
        let Stage::Login(login) = &mut self.stage else {
            return;
        };
        if line.is_empty() && step != Step::Offer {
            self.show(Report::EmptyAnswer);
            self.end_of_script(ExitStatus::NotLoggedIn);
            return;
        }
        match step {
            Step::Name => self.give_name(line),
            Step::Password => self.give_password(line),
            Step::Offer => self.answer_whether_to_register(line),
            Step::NewPassword => match login.first_password.take() {
                None => login.first_password = Some(line.into()),
                Some(first) if first.as_bytes() == line => {
                    login.first_password = Some(first);
                    self.send(|dialogue, output| dialogue.give_new_password(line, output));
                }
                Some(_) => {
                    self.show(Report::PasswordsDiffer);
                    self.end_of_script(ExitStatus::NotLoggedIn);
                }
            },
            // Nothing was asked.
            _ => {}
        }
    }

    /// Answers the first question for a name, if the command line has done so.
    pub(super) fn give_first_name(&mut self) {
        if let Some(user) = self.options.user.take() {
            self.give_name(user.as_bytes());
        }
    }

    fn give_name(&mut self, name: &[u8]) {
        let Stage::Login(login) = &mut self.stage else {
            return;
        };
        login.name = name.to_vec();
        login.just_registered = false;
        let name = self.name_to_send();
        self.send(|dialogue, output| dialogue.give_name(&name, output));
    }

    /// The name that was given.
    pub(super) fn given_name(&self) -> &[u8] {
        match &self.stage {
            Stage::Login(login) => &login.name,
            _ => &[],
        }
    }

    pub(super) fn give_password(&mut self, password: &[u8]) {
        self.send(|dialogue, output| dialogue.give_password(password, output));
    }

    fn answer_whether_to_register(&mut self, line: &[u8]) {
        let answer = String::from_utf8_lossy(line).trim().to_ascii_lowercase();
        let yes = matches!(answer.as_str(), words::YES | "yes");
        let no = matches!(answer.as_str(), "" | words::NO | "no");
        if yes || no {
            self.send(|dialogue: &mut Dialogue, output| dialogue.answer_offer(yes, output));
        } else if !self.options.interactive {
            // Most likely the password of an account that the script takes for granted.
            let name = self.login_name();
            self.show(Report::NoSuchAccount(name));
            self.end(ExitStatus::NotLoggedIn);
        }
    }

    /// What the server said at this step, before `welcome`.
    pub(super) fn login_event(&mut self, event: Event<'_>, step: Step, line: &str) {
        let name = self.login_name();
        match event {
            Event::OfferToRegister => self.account_missing(),
            Event::NewPasswordWanted | Event::NameWanted => {}
            Event::PasswordWanted => self.password_wanted(),
            Event::WrongPassword if self.token_was_sent() => self.token_refused(),
            Event::WrongPassword => self.refuse(Report::WrongPassword),
            Event::PasswordsDiffer => self.refuse(Report::PasswordsDiffer),
            Event::Registered => self.registered(),
            Event::Welcome => self.welcomed(),
            Event::AlreadyConnected => self.refuse(Report::AlreadyConnected(name)),
            Event::NameNotPossible => self.refuse(Report::NameNotPossible(name)),
            Event::NameTaken => self.refuse(Report::NameTaken(name)),
            Event::Blocked { seconds } => self.blocked(seconds, false),
            Event::Locked { seconds } => self.blocked(seconds, true),
            Event::TimedOut => self.time_out(),
            Event::Replaced => self.replaced(),
            Event::LoginRefused(refusal) => match step {
                // The server waits for the same thing again.
                Step::NameSent | Step::PasswordSent => self.refuse(refused(&refusal)),
                _ => {
                    self.show(refused(&refusal));
                    self.end(ExitStatus::NotLoggedIn);
                }
            },
            _ => self.show(Report::Unexpected(line.to_owned())),
        }
    }

    pub(super) fn blocked(&mut self, seconds: u64, now: bool) {
        self.show(Report::Blocked { seconds, now });
        self.end(ExitStatus::Blocked);
    }

    fn password_wanted(&mut self) {
        let Stage::Login(login) = &mut self.stage else {
            return;
        };
        match login.new_password.take() {
            Some(password) => self.give_password(&password),
            None => self.login_wanted(),
        }
    }

    fn registered(&mut self) {
        let name = self.login_name();
        self.show(Report::Registered(name));
        let Stage::Login(login) = &mut self.stage else {
            return;
        };
        login.just_registered = true;
        let password = login.first_password.take();
        if self.options.interactive {
            login.new_password = password;
            let name = login.name.clone();
            self.send(|dialogue, output| dialogue.give_name(&name, output));
        }
    }

    fn welcomed(&mut self) {
        let name = self.login_name();
        let (errand, account) = self.errand();
        if self.options.keeping != Keeping::Forget {
            self.show(Report::Welcome(name));
        }
        self.stage = Stage::Chat(Chat::new(account, errand));
    }

    /// Tells of a refusal; a script is not asked again.
    pub(super) fn refuse(&mut self, report: Report) {
        if let Stage::Login(login) = &mut self.stage {
            login.first_password = None;
            login.new_password = None;
            login.token = None;
        }
        self.show(report);
        self.end_of_script(ExitStatus::NotLoggedIn);
    }

    pub(super) fn end_of_script(&mut self, status: ExitStatus) {
        if !self.options.interactive {
            self.end(status);
        }
    }

    pub(super) fn login_name(&self) -> String {
        match &self.stage {
            Stage::Login(login) => login.shown_name(),
            _ => String::new(),
        }
    }
}
