//! Staying logged in: a token is asked for once and kept, and replaces the password at later logins.

use chat_line_protocol::client::Answer;
use chat_line_protocol::words;
use chat_model::{Password, UserSession};

use super::chat::Origin;
use super::{Conversation, Effect, MAX_LINE_BYTES, Stage, refused};
use crate::exit_status::ExitStatus;
use crate::report::Report;

/// A login that is kept between runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptLogin {
    /// The name of the token, for dropping it.
    pub(crate) token_name: String,
    /// The token.
    pub(crate) secret: Password<'static>,
}

/// What to do with the login that is kept for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// It is not used.
    Nothing,
    /// Use it. If there is none, or the server refuses it, make one after the login.
    Keep {
        /// The name for a new token.
        token_name: String,
    },
    /// Give it up, and end.
    Forget,
}

/// What the client does with a token before the first command of the user.
#[derive(Debug)]
pub(super) enum Errand {
    /// Make one of this name, and keep it.
    Make(String),
    /// Drop the one of this name.
    Drop(String),
}

impl Conversation {
    /// The name for the server. To forget a login, a session that only sends will do: no message comes in it, and it
    /// disturbs no other.
    pub(super) fn name_to_send(&self) -> Vec<u8> {
        match self.options.keeping {
            Keeping::Forget => UserSession::SendOnly
                .full_name(&self.account())
                .into_bytes(),
            _ => self.given_name().to_vec(),
        }
    }

    /// The account of the name that was given.
    fn account(&self) -> String {
        if let Stage::Chat(chat) = &self.stage {
            return chat.account.clone();
        }
        let name = String::from_utf8_lossy(self.given_name());
        let account = UserSession::split(&name).map_or(&*name, |(account, _)| account);
        account.to_owned()
    }

    /// A login is begun: the kept one is tried before a password.
    pub(super) fn login_wanted(&mut self) {
        match self.options.keeping {
            Keeping::Nothing => self.give_password_of_options(),
            _ => self.effects.push(Effect::FindLogin(self.account())),
        }
    }

    pub(super) fn login_found(&mut self, found: Result<Option<KeptLogin>, String>) {
        match found {
            Err(reason) => {
                self.show(Report::KeptLoginUnusable(reason));
                self.end(ExitStatus::Lost);
            }
            Ok(Some(found)) => {
                let secret = found.secret.clone();
                if let Stage::Login(login) = &mut self.stage {
                    login.token = Some(found);
                    self.give_password(&secret);
                }
            }
            Ok(None) if self.options.keeping == Keeping::Forget => {
                self.show(Report::NoKeptLogin(self.account()));
                self.end(ExitStatus::NotLoggedIn);
            }
            Ok(None) => self.give_password_of_options(),
        }
    }

    /// Without a password, the user is asked for it. The input of a script has none if logins are kept: it could not
    /// know whether to give one.
    fn give_password_of_options(&mut self) {
        if let Some(password) = self.options.password.take() {
            self.give_password(&password);
        } else if !self.options.interactive && self.options.keeping != Keeping::Nothing {
            self.show(Report::NoPassword(self.account()));
            self.end(ExitStatus::NotLoggedIn);
        }
    }

    /// Whether a token was sent as the password.
    pub(super) fn token_was_sent(&self) -> bool {
        matches!(&self.stage, Stage::Login(login) if login.token.is_some())
    }

    /// The server does not take the token any more.
    pub(super) fn token_refused(&mut self) {
        if let Stage::Login(login) = &mut self.stage {
            login.token = None;
        }
        if self.options.keeping == Keeping::Forget {
            return self.effects.push(Effect::RemoveLogin(self.account()));
        }
        self.show(Report::TokenRefused(self.account()));
        self.give_password_of_options();
    }

    /// The server offers to make the account, as there is none.
    pub(super) fn account_missing(&mut self) {
        if self.options.keeping == Keeping::Forget {
            self.effects.push(Effect::RemoveLogin(self.account()));
        }
    }

    /// What to do after this login, and for which account.
    pub(super) fn errand(&self) -> (Option<Errand>, String) {
        let token = match &self.stage {
            Stage::Login(login) => login.token.as_ref(),
            _ => None,
        };
        let errand = match (&self.options.keeping, token) {
            (Keeping::Keep { token_name }, None) => Some(Errand::Make(token_name.clone())),
            (Keeping::Forget, Some(token)) => Some(Errand::Drop(token.token_name.clone())),
            _ => None,
        };
        (errand, self.account())
    }

    /// Begins the errand, if there is one.
    pub(super) fn run_errand(&mut self) {
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        let is_leaving = chat.is_leaving();
        let Some(errand) = chat.errand.take() else {
            return;
        };
        if is_leaving {
            // The user does not want to wait for it.
            self.something_refused = true;
            return;
        }
        let (verb, name, origin) = match errand {
            Errand::Make(name) => ("new", name, Origin::MakeToken),
            Errand::Drop(name) => (words::DROP, name, Origin::ForgetToken),
        };
        self.request_token(verb, &name, origin);
    }

    fn request_token(&mut self, verb: &str, name: &str, origin: Origin) {
        let line = format!("{} {verb} {name}", words::TOKEN);
        self.request(line.as_bytes(), origin);
    }

    /// The answer to the request for a token. It is never shown.
    pub(super) fn token_made(&mut self, answer: Answer<'_>) {
        let Keeping::Keep { token_name } = &self.options.keeping else {
            return;
        };
        match answer {
            Answer::Token(secret) if (1..=MAX_LINE_BYTES).contains(&secret.len()) => {
                let login = KeptLogin {
                    token_name: token_name.clone(),
                    secret: secret.into(),
                };
                let account = self.account();
                self.effects.push(Effect::StoreLogin(account, login));
            }
            Answer::Refused(refusal) => {
                self.something_refused = true;
                let kind = String::from_utf8_lossy(refusal.kind).into_owned();
                self.show(Report::NoToken { kind });
            }
            _ => {
                self.something_refused = true;
                let reason = "the server answered something else".to_owned();
                self.show(Report::LoginNotKept(reason));
            }
        }
    }

    pub(super) fn login_stored(&mut self, stored: Result<(), String>) {
        match stored {
            Ok(()) => self.show(Report::LoginKept),
            Err(reason) => {
                self.something_refused = true;
                self.show(Report::LoginNotKept(reason));
                // Nobody has this token.
                if let Keeping::Keep { token_name } = &self.options.keeping {
                    let token_name = token_name.clone();
                    self.request_token(words::DROP, &token_name, Origin::TakeBackToken);
                }
            }
        }
    }

    /// The answer to the end of a kept login.
    pub(super) fn token_dropped(&mut self, answer: Answer<'_>) {
        match answer {
            Answer::Token(_) => self.effects.push(Effect::RemoveLogin(self.account())),
            // Somebody else has just dropped it.
            Answer::Refused(refusal) if refusal.kind == words::ARGS.as_bytes() => {
                self.effects.push(Effect::RemoveLogin(self.account()));
            }
            Answer::Refused(refusal) => {
                self.show(refused(&refusal));
                self.not_forgotten();
            }
            _ => self.not_forgotten(),
        }
    }

    fn not_forgotten(&mut self) {
        self.something_refused = true;
        let reason = "the server did not drop the token".to_owned();
        self.show(Report::LoginNotForgotten(reason));
        self.leave_chat();
    }

    pub(super) fn login_removed(&mut self, removed: Result<(), String>) {
        let status = match removed {
            Ok(()) => {
                self.show(Report::LoginForgotten(self.account()));
                ExitStatus::Good
            }
            Err(reason) => {
                self.something_refused = true;
                self.show(Report::LoginNotForgotten(reason));
                ExitStatus::Refused
            }
        };
        match self.stage {
            Stage::Login(_) => self.end(status),
            Stage::Chat(_) => self.leave_chat(),
            Stage::Over => {}
        }
    }
}
