//! Logging in without a person, and making an account.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chat_line_protocol::client::Event;
use chat_model::{Password, UserSession};
use rustls::ClientConfig;

use super::failure::Failure;
use super::session::Session;
use crate::conversation::KeptLogin;
use crate::exit_status::ExitStatus;
use crate::report::Report;
use crate::state_directory::{NO_DIRECTORY, file_name};
use crate::target::Target;

/// Everything that a login needs, read once: a command may log in several times.
pub(crate) struct Login {
    target: Target,
    tls: Option<ClientConfig>,
    /// The account, without a session.
    pub(crate) account: String,
    /// The session that was named with the user.
    pub(crate) session: UserSession,
    pub(crate) password: Option<Password<'static>>,
    token: Option<KeptLogin>,
}

/// What the server expects after a name.
enum Expected {
    Password,
    Registration,
}

impl Login {
    /// Reads the password and the certificates. Without a password, a login that was kept is used.
    pub(crate) fn of(target: Target) -> Result<Self, String> {
        let user = target.user.clone();
        let user = user.ok_or("who logs in? Use --user, CHAT_USER or a named server")?;
        let (account, session) = UserSession::split(&user).unwrap_or((&user, UserSession::Plain));
        let account = account.to_owned();
        let source = target.password.as_ref();
        let password = source.map(|source| source.read()).transpose()?;
        let token = match password {
            Some(_) => None,
            None => target.kept_logins().find(&account)?,
        };
        Ok(Self {
            tls: target.tls_config()?,
            target,
            account,
            session,
            password,
            token,
        })
    }

    /// Connects. The deadline is for everything that is done over the connection.
    pub(crate) fn connect(
        &self,
        deadline: Option<Instant>,
        interrupt: Option<OwnedFd>,
    ) -> Result<Session, Failure> {
        let left = deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            // Nothing connects in no time.
            left.max(Duration::from_millis(1))
        });
        let connection = self.target.connect(self.tls.clone(), left);
        let connection = connection.map_err(Failure::lost)?;
        let answer_timeout = self.target.answer_timeout;
        Ok(Session::new(
            connection,
            answer_timeout,
            deadline,
            interrupt,
        ))
    }

    /// Where `listen` keeps what it has given in this session.
    pub(crate) fn handled_file(&self, which: UserSession) -> Result<PathBuf, String> {
        let directory = self.target.state_directory("listen");
        let directory = directory.ok_or(NO_DIRECTORY)?;
        Ok(directory.join(file_name(&which.full_name(&self.account))))
    }

    /// Logs in to this session of the account, up to `welcome`. What waits for it comes next.
    pub(crate) fn log_in(&self, session: &mut Session, which: UserSession) -> Result<(), Failure> {
        let name = which.full_name(&self.account);
        match self.give_name(session, &name)? {
            Expected::Password => {}
            Expected::Registration => {
                let report = Report::NoSuchAccount(self.account.clone());
                return Err(Failure {
                    text: format!("there is no account named {}", self.account),
                    ..Failure::lasting(&report, ExitStatus::NotLoggedIn)
                });
            }
        }
        let token = self.token.as_ref().map(|token| &token.secret);
        let Some(secret) = self.password.as_ref().or(token) else {
            let report = Report::NoPassword(self.account.clone());
            return Err(Failure::lasting(&report, ExitStatus::NotLoggedIn));
        };
        let due = session.send(|dialogue, output| dialogue.give_password(secret, output))?;
        session.hear_of_login(due, |event| match event {
            Event::Welcome => Some(Ok(())),
            Event::AlreadyConnected => Some(Err(self.already_connected())),
            Event::WrongPassword if self.password.is_none() => {
                let report = Report::TokenRefused(self.account.clone());
                Some(Err(Failure::lasting(&report, ExitStatus::NotLoggedIn)))
            }
            _ => None,
        })?
    }

    /// Logs in to a session that only sends: it disturbs no other, and gets no messages.
    pub(crate) fn open_send_only(&self, deadline: Option<Instant>) -> Result<Session, Failure> {
        let mut session = self.connect(deadline, None)?;
        self.log_in(&mut session, UserSession::SendOnly)?;
        session.catch_up()?;
        Ok(session)
    }

    /// Makes the account.
    pub(crate) fn register(&self) -> Result<(), Failure> {
        let Some(password) = &self.password else {
            return Err(Failure::input(
                "a password is needed: --password-file, --password-fd or --password-command",
            ));
        };
        let mut session = self.connect(None, None)?;
        let name = &self.account;
        if let Expected::Password = self.give_name(&mut session, name)? {
            return Err(Failure::input(&format!("there is an account named {name}")));
        }
        let due = session.send(|dialogue, output| dialogue.answer_offer(true, output))?;
        let taken = || {
            let report = Report::NameTaken(name.clone());
            Some(Err(Failure::lasting(&report, ExitStatus::Refused)))
        };
        session.hear_of_login(due, |event| match event {
            Event::NewPasswordWanted => Some(Ok(())),
            Event::NameTaken => taken(),
            _ => None,
        })??;
        let due = session.send(|dialogue, output| dialogue.give_new_password(password, output))?;
        session.hear_of_login(due, |event| match event {
            Event::Registered => Some(Ok(())),
            Event::NameTaken => taken(),
            _ => None,
        })?
    }

    fn give_name(&self, session: &mut Session, name: &str) -> Result<Expected, Failure> {
        let due = session.send(|dialogue, output| dialogue.give_name(name.as_bytes(), output))?;
        session.hear_of_login(due, |event| match event {
            Event::PasswordWanted => Some(Ok(Expected::Password)),
            Event::OfferToRegister => Some(Ok(Expected::Registration)),
            Event::NameNotPossible => {
                let report = Report::NameNotPossible(name.to_owned());
                Some(Err(Failure::lasting(&report, ExitStatus::NotLoggedIn)))
            }
            Event::AlreadyConnected => Some(Err(self.already_connected())),
            _ => None,
        })?
    }

    fn already_connected(&self) -> Failure {
        let report = Report::AlreadyConnected(self.account.clone());
        Failure::lasting(&report, ExitStatus::NotLoggedIn)
    }
}
