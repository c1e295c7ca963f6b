//! Dialogues, played without any I/O.

mod commands;
mod endings;
mod kept_login;
mod login;
mod push;

use std::time::Duration;

use super::{Conversation, Effect, Input, Keeping, Options, Prompt};
use crate::wording::text_of;

/// A conversation, and its effects as lines: `-> sent`, `* shown`, `~ kept logins`, `= status`.
struct Play {
    conversation: Conversation,
    now: Duration,
    log: Vec<String>,
}

impl Play {
    fn new(interactive: bool, push: bool) -> Play {
        Play::with(Options {
            interactive,
            push,
            tls: false,
            answer_timeout: Duration::from_secs(100),
            user: None,
            password: None,
            keeping: Keeping::Nothing,
        })
    }

    fn with(options: Options) -> Play {
        Play {
            conversation: Conversation::new(options),
            now: Duration::ZERO,
            log: Vec::new(),
        }
    }

    fn script() -> Play {
        Play::new(false, false)
    }

    fn interactive() -> Play {
        Play::new(true, false)
    }

    /// Has named bob and sent his password.
    fn logging_in(mut self) -> Play {
        self.person_says("bob").server_says("password");
        self.person_says("pw");
        self
    }

    /// Logged in as bob, nothing waiting, the log empty.
    fn in_chat(self) -> Play {
        let mut play = self.logging_in();
        play.server_says("welcome").server_says("DONE");
        if play.conversation.options.push {
            play.is_asked(None)
                .server_says("push:ack")
                .server_says("DONE");
            assert_eq!(play.log.last().expect("a command"), "-> push ack");
        }
        play.is_asked(ASKED).log.clear();
        play
    }

    fn handle(&mut self, input: Input<'_>) -> &mut Play {
        for effect in self.conversation.handle(input, self.now) {
            self.log.push(match effect {
                Effect::Send(line) => {
                    let line = String::from_utf8(line).expect("text");
                    format!("-> {}", line.strip_suffix('\n').expect("a line end"))
                }
                Effect::Show(report) => format!("* {}", text_of(&report)),
                Effect::FindLogin(account) => format!("~ find {account}"),
                Effect::StoreLogin(account, login) => {
                    let secret = String::from_utf8_lossy(&login.secret).into_owned();
                    format!("~ store {account} {} {secret}", login.token_name)
                }
                Effect::RemoveLogin(account) => format!("~ remove {account}"),
                Effect::End(status) => format!("= {}", status.code()),
            });
        }
        self
    }

    fn server_says(&mut self, line: &str) -> &mut Play {
        self.handle(Input::ServerLine(line.as_bytes()))
    }

    fn person_says(&mut self, line: &str) -> &mut Play {
        assert!(
            self.conversation.prompt().is_some(),
            "asked for nothing: {line}"
        );
        self.handle(Input::Line(line.as_bytes()))
    }

    fn seconds_pass(&mut self, seconds: u64) -> &mut Play {
        self.now += Duration::from_secs(seconds);
        self.handle(Input::Tick)
    }

    fn is_asked(&mut self, prompt: Option<Prompt>) -> &mut Play {
        assert_eq!(self.conversation.prompt(), prompt);
        self
    }

    /// Compares and forgets what came out so far.
    fn came_out(&mut self, expected: &[&str]) -> &mut Play {
        assert_eq!(std::mem::take(&mut self.log), expected);
        self
    }
}

const ASKED: Option<Prompt> = Some(Prompt::Command);
