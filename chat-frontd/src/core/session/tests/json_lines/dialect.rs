//! Lines of JSON, each with a number of the client's that its answer repeats. A login is one line.

use chat_model::{Audience, Message, NameList, Outcome, Password, PushMode, Request, text::clean};
use serde::Deserialize;
use serde_json::json;

use crate::core::dialect::{CloseReason, Dialect, Intent, LineContext};
use crate::core::session::Output;

/// A client's side. It needs no memory: lines mean the same before and after the login.
#[derive(Debug, Default)]
pub(super) struct JsonLines;

/// The number of a line, and why it is refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Memo {
    id: u64,
    refused: Option<&'static str>,
}

#[derive(Deserialize)]
struct Line {
    id: u64,
    #[serde(flatten)]
    command: Command,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Command {
    LogIn { user: String, password: String },
    Say { to: Vec<String>, text: String },
    SayToAll(String),
    Online(()),
    Push(bool),
    Bye(()),
}

impl Dialect for JsonLines {
    type Memo = Memo;
    type Parked = ();
    type Scratch = ();

    fn park(&self) {}

    fn restore((): ()) -> Self {
        Self
    }

    fn take_line<'a>(
        &mut self,
        line: &'a [u8],
        context: &mut LineContext<'_>,
        _output: &mut Output,
    ) -> Intent<'a, Memo> {
        let Ok(Line { id, command }) = serde_json::from_slice(line) else {
            return refused(0, "syntax");
        };
        let memo = Memo { id, refused: None };
        let request = match command {
            Command::LogIn { user, password } => Request::LogIn {
                name: user.into(),
                password: Password::from(password.as_bytes()),
                address: context.address,
                asked_boot_ms: 0,
            },
            Command::Say { to, text } => {
                let names: NameList<'_> = to.iter().map(String::as_str).collect();
                if !names.may_be_recipients() {
                    return refused(id, "recipients");
                }
                Request::Send {
                    audience: Audience::Accounts(names),
                    text: clean(text.as_bytes()).into_owned().into(),
                }
            }
            Command::SayToAll(text) => Request::Send {
                audience: Audience::Everyone,
                text: clean(text.as_bytes()).into_owned().into(),
            },
            Command::Online(()) => Request::ListUsers {
                seen_within_minutes: None,
            },
            Command::Push(true) => return Intent::Push(PushMode::On, memo),
            Command::Push(false) => return Intent::Push(PushMode::Off, memo),
            Command::Bye(()) => return Intent::LogOut,
        };
        Intent::Request(request, memo)
    }

    fn take_long_line(&mut self, _line: &[u8], _output: &mut Output) -> Intent<'static, Memo> {
        refused(0, "length")
    }

    fn too_many_recipients(memo: Memo) -> Memo {
        Memo {
            refused: Some("recipients"),
            ..memo
        }
    }

    fn is_refused(memo: &Memo) -> bool {
        memo.refused.is_some()
    }

    fn held_bytes(_memo: &Memo) -> usize {
        0
    }

    fn answer(&mut self, memo: &Memo, outcome: &Outcome<'_>, output: &mut Vec<u8>) {
        let id = memo.id;
        let answer = match (memo.refused, outcome) {
            (Some(why), Outcome::Done) => json!({"id": id, "refused": why}),
            (_, Outcome::Stored { unknown }) => {
                json!({"id": id, "unknown": unknown.iter().collect::<Vec<_>>()})
            }
            (_, Outcome::LoggedIn | Outcome::Done) => json!({"id": id, "ok": true}),
            (_, other) => json!({"id": id, "failed": format!("{other:?}")}),
        };
        append(&answer, output);
    }

    fn end_answer(&self, output: &mut Vec<u8>) {
        append(&json!("."), output);
    }

    fn kept(messages: &[Message<'_>], _: bool, _: bool) -> Vec<u8> {
        format!("{{\"kept\":{}}}\n", messages.len()).into_bytes()
    }

    fn users(names: &NameList<'_>) -> Vec<u8> {
        let mut line = Vec::new();
        let names: Vec<&str> = names.iter().collect();
        append(&json!({"online": names}), &mut line);
        line
    }

    fn message(&self, (): &mut (), message: &Message<'_>, output: &mut Vec<u8>) {
        append(&json!({message.sender: message.text}), output);
    }

    fn close(&self, reason: CloseReason, output: &mut Vec<u8>) {
        append(&json!({"closed": format!("{reason:?}")}), output);
    }
}

fn refused(id: u64, why: &'static str) -> Intent<'static, Memo> {
    let refused = Some(why);
    Intent::Request(Request::Fetch, Memo { id, refused })
}

fn append(line: &serde_json::Value, output: &mut Vec<u8>) {
    output.extend_from_slice(line.to_string().as_bytes());
    output.push(b'\n');
}
