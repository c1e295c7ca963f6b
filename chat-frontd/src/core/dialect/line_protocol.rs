//! The line protocol as a session's dialect.

use chat_line_protocol::server::{
    self, Asked, LineBuffer, LineForm, Login, MessageLines, PasswordChange, PasswordsDiffer,
    ServerLimits, append_line, append_refusal, kept_lines, parse, users_line,
};
use chat_line_protocol::{Command, words};
use chat_model::{Message, NameList, Outcome, Request};

use super::{CloseReason, Dialect, Intent, LineContext};
use crate::core::session::Output;

/// One client's dialogue: the steps of its login, and then what its lines look like.
#[derive(Debug)]
pub(crate) struct LineProtocol {
    /// `None` once the client is logged in.
    login: Option<Login>,
    form: LineForm,
    /// Between `passwd` and the last of its lines.
    password_change: Option<Box<PasswordChange>>,
}

/// What is remembered of a line until it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Memo {
    /// Of the login.
    Login {
        /// The user named.
        name: String,
    },
    /// Of the chat.
    Chat(Asked),
}

impl Default for LineProtocol {
    fn default() -> Self {
        Self {
            login: Some(Login::default()),
            form: LineForm::default(),
            password_change: None,
        }
    }
}

impl Dialect for LineProtocol {
    type Memo = Memo;
    type Parked = LineForm;
    type Scratch = MessageLines;

    fn park(&self) -> LineForm {
        self.form
    }

    fn restore(form: LineForm) -> Self {
        Self {
            login: None,
            form,
            password_change: None,
        }
    }

    /// No name has such an end. Without an answer its user would wait, and not know for what.
    fn take_stray(&mut self, input: &mut LineBuffer, output: &mut Output) -> bool {
        let awaits_name = self.login.as_ref().is_some_and(Login::awaits_name);
        let is_of_telnet = awaits_name && input.skip_telnet_line();
        if is_of_telnet {
            append_line(words::USERNAME, output.buffer());
        }
        is_of_telnet
    }

    fn take_line<'a>(
        &mut self,
        line: &'a [u8],
        context: &mut LineContext<'_>,
        output: &mut Output,
    ) -> Intent<'a, Memo> {
        if let Some(login) = &mut self.login {
            let request = login.take_line(line, context.address, output.buffer());
            return request.map_or(Intent::Handled, |request| {
                let name = match &request {
                    Request::Identify { name, .. }
                    | Request::Register { name, .. }
                    | Request::LogIn { name, .. } => name.clone().into_owned(),
                    _ => String::new(),
                };
                Intent::Request(request, Memo::Login { name })
            });
        }
        if let Some(change) = &mut self.password_change {
            return match change.take_line(line, context.address) {
                None => Intent::Handled,
                Some(asked) => {
                    self.password_change = None;
                    intent_of_password_change(asked)
                }
            };
        }
        let parsed = parse(line);
        let limits = || ServerLimits {
            time_out_s: context.limits.time_out_ms.div_ceil(1_000),
            max_line_bytes: context.limits.max_line_bytes,
        };
        let memo = Memo::Chat(Asked::of(&parsed, limits));
        match parsed {
            Ok(server::Intent::Request(request)) => Intent::Request(request, memo),
            Ok(server::Intent::Push(mode)) => Intent::Push(mode, memo),
            Ok(server::Intent::LogOut) => Intent::LogOut,
            Ok(server::Intent::Passwd) => {
                self.password_change = Some(Box::default());
                Intent::Prompt(memo)
            }
            Ok(server::Intent::NewToken(name)) => {
                let secret = context.secrets.next();
                let memo = Memo::Chat(Asked::NewToken(secret.clone()));
                let name = name.into();
                Intent::Request(Request::NewToken { name, secret }, memo)
            }
            Ok(server::Intent::To(true)) => Intent::Request(Request::NameGroups, memo),
            // What the daemon names is not shown then: it may be on its way.
            Ok(server::Intent::To(false) | server::Intent::Ids(_) | server::Intent::Features)
            | Err(_) => Intent::Request(Request::Fetch, memo),
        }
    }

    fn take_long_line(&mut self, line: &[u8], output: &mut Output) -> Intent<'static, Memo> {
        if self.login.is_some() {
            append_refusal(words::LENGTH, "", output.buffer());
            return Intent::Close;
        }
        let of_passwd = self.password_change.take().is_some();
        let line = if of_passwd {
            words::PASSWD.as_bytes()
        } else {
            line
        };
        Intent::Request(Request::Fetch, Memo::Chat(Asked::too_long(line)))
    }

    fn awaits_secret(&self) -> bool {
        self.password_change.is_some()
    }

    fn too_many_recipients(memo: Memo) -> Memo {
        match memo {
            Memo::Chat(asked) => Memo::Chat(asked.with_wrong_arguments()),
            login @ Memo::Login { .. } => login,
        }
    }

    fn is_refused(memo: &Memo) -> bool {
        matches!(memo, Memo::Chat(Asked::Refused { .. }))
    }

    fn held_bytes(memo: &Memo) -> usize {
        match memo {
            Memo::Login { name } => name.len(),
            Memo::Chat(asked) => asked.held_bytes(),
        }
    }

    fn answer(&mut self, memo: &Memo, outcome: &Outcome<'_>, output: &mut Vec<u8>) {
        let is_possible = match (memo, &mut self.login) {
            (Memo::Chat(asked), _) => {
                match (asked, outcome) {
                    (Asked::Ids(is_on), Outcome::Done) => self.form.has_id = *is_on,
                    (Asked::To(is_on), Outcome::Done) => self.form.has_to = *is_on,
                    _ => {}
                }
                asked.answer(outcome, output)
            }
            (Memo::Login { name }, Some(login)) => {
                let is_possible = login.answer(name, outcome, output);
                if *outcome == Outcome::LoggedIn {
                    self.login = None;
                }
                is_possible
            }
            (Memo::Login { .. }, None) => false,
        };
        if !is_possible {
            // A worker and a daemon of one build never disagree on what may be asked.
            log::error!("the state daemon gave {outcome:?} to {memo:?}");
        }
    }

    fn end_answer(&self, output: &mut Vec<u8>) {
        append_line(words::DONE, output);
    }

    fn users(names: &NameList<'_>) -> Vec<u8> {
        users_line(names)
    }

    fn kept(messages: &[Message<'_>], is_search: bool, has_more: bool) -> Vec<u8> {
        kept_lines(messages, is_search, has_more)
    }

    fn message(&self, lines: &mut MessageLines, message: &Message<'_>, output: &mut Vec<u8>) {
        lines.append(output, message, self.form);
    }

    fn close(&self, reason: CloseReason, output: &mut Vec<u8>) {
        match reason {
            CloseReason::LoggedOut => append_line(words::GOODBYE, output),
            CloseReason::TimedOut => append_line(words::TIMEOUT, output),
            CloseReason::Replaced => append_line(words::REPLACED, output),
            CloseReason::TooManyConnections => append_refusal(words::BUSY, "", output),
        }
    }
}

/// What the lines of a `passwd` come to.
fn intent_of_password_change(asked: Result<Request<'_>, PasswordsDiffer>) -> Intent<'_, Memo> {
    match asked {
        Ok(request) => Intent::Request(request, Memo::Chat(Asked::Command(Command::Passwd))),
        Err(PasswordsDiffer) => Intent::Request(Request::Fetch, Memo::Chat(Asked::PasswordsDiffer)),
    }
}
