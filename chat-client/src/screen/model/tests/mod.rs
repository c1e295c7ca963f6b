//! The model, driven by keys and by lines of a server that the tests play.

mod conversations;
mod kills;
mod login;
mod paste;
mod sending;

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::link::{Credentials, Link};
use super::{Action, Input, Model};
use crate::conversation::Keeping;
use crate::screen::keys::Decoder;

/// What the client asks after each login, and the answers.
pub(crate) const SET_UP: &[(&str, &str)] = &[
    (
        "features",
        "features:time_out=60 line=8192 push ids once rooms history",
    ),
    ("ids on", "ids:on"),
    ("push ack", "push:ack"),
    ("rooms", "rooms:#tea"),
    ("who", "ann bob"),
];

/// A model, the time, and what it wants to have done.
pub(crate) struct Run {
    pub(crate) model: Model,
    pub(crate) now: Duration,
    pub(crate) actions: Vec<Action>,
}

impl Run {
    /// A model whose connection is made.
    pub(crate) fn start() -> Self {
        let credentials = Credentials {
            user: None,
            password: None,
            keeping: Keeping::Nothing,
            tls: false,
            answer_timeout: Duration::from_secs(120),
        };
        let link = Link::new(credentials, "abc", 7);
        let mut run = Self {
            model: Model::new(link, "host port 4119".to_owned(), TimeZone::UTC),
            now: Duration::ZERO,
            actions: Vec::new(),
        };
        run.give(Input::Connected);
        run
    }

    /// The same, logged in as bob, who is in the room `#tea`.
    pub(crate) fn logged_in() -> Self {
        let mut run = Self::start();
        run.press("bob\r");
        run.hear("password");
        run.press("secret\r");
        run.welcome(&[]);
        run.actions.clear();
        run
    }

    /// The server welcomes the user, and answers what the client asks then.
    pub(crate) fn welcome(&mut self, messages: &[&str]) {
        self.hear("welcome");
        messages.iter().for_each(|message| self.hear(message));
        self.hear("DONE");
        for (line, answer) in SET_UP {
            self.answer(line, answer);
        }
    }

    pub(crate) fn give(&mut self, input: Input<'_>) {
        let wall: Timestamp = "2026-11-22T11:20:00Z".parse().expect("a time");
        self.actions
            .extend(self.model.handle(input, self.now, wall));
    }

    /// These bytes come from the terminal.
    pub(crate) fn press(&mut self, bytes: &str) {
        let mut decoder = Decoder::default();
        let keys: Vec<_> = bytes
            .bytes()
            .filter_map(|byte| decoder.take(byte))
            .collect();
        for key in keys.into_iter().chain(decoder.nothing_followed()) {
            self.give(Input::Typed(key));
        }
    }

    /// The server says a line.
    pub(crate) fn hear(&mut self, line: &str) {
        self.give(Input::ServerLine(line.as_bytes()));
    }

    /// The lines to send since the last call.
    pub(crate) fn sent(&mut self) -> Vec<String> {
        let mut sent = Vec::new();
        self.actions.retain(|action| match action {
            Action::Send(line) => {
                sent.push(
                    String::from_utf8_lossy(line)
                        .trim_end_matches('\n')
                        .to_owned(),
                );
                false
            }
            _ => true,
        });
        sent
    }

    /// The client has sent this line alone, and is answered.
    #[track_caller]
    pub(crate) fn answer(&mut self, line: &str, answer: &str) {
        let sent = self.sent();
        assert_eq!(sent.last().map(String::as_str), Some(line), "{sent:?}");
        answer.lines().for_each(|line| self.hear(line));
        self.hear("DONE");
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, pause: Duration) {
        self.now += pause;
        self.give(Input::Tick);
    }

    /// The texts of the conversation that is shown.
    pub(crate) fn texts(&self) -> Vec<&str> {
        let entries = &self.model.transcripts.current().entries;
        entries.iter().map(|entry| &*entry.text).collect()
    }

    /// How the conversation that is shown is called.
    pub(crate) fn current(&self) -> String {
        self.model.transcripts.current().target.name()
    }
}
