//! A server that is killed again and again under a client that types: each message is stored once and in order, and
//! none is shown twice.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Run;
use crate::screen::model::target::Target;
use crate::screen::model::transcript::Author;
use crate::screen::model::{Action, Input};

/// Lines that the server needs after a message before its confirmation is on disk.
const LAG_LINES: usize = 2;

/// A server with one user, and what lies between it and the client.
#[derive(Default)]
struct Server {
    /// Texts of the user, in the order in which they were stored.
    stored: Vec<String>,
    /// Answers by ID.
    answers: BTreeMap<String, String>,
    /// Texts for the user.
    queue: Vec<String>,
    /// So many of them are confirmed on disk.
    confirmed: usize,
    session: Option<Session>,
}

#[derive(Default)]
struct Session {
    lines: usize,
    has_numbers: bool,
    pushes: bool,
    /// So many texts were put into the pipe, and so many have come out.
    sent: usize,
    arrived: usize,
    /// How many had arrived when each line came.
    arrived_at: VecDeque<usize>,
    to_client: VecDeque<String>,
    to_server: VecDeque<String>,
}

impl Server {
    fn message(&self, index: usize, has_number: bool) -> String {
        let number = if has_number {
            format!("#{} ", index + 10)
        } else {
            String::new()
        };
        let second = index % 60;
        let minute = index / 60 % 60;
        format!(
            "[2026-11-22T11:{minute:02}:{second:02}Z] {number}ann: {}",
            self.queue[index]
        )
    }

    fn push(&mut self) {
        let Some(mut session) = self.session.take() else {
            return;
        };
        while session.sent < self.queue.len() {
            let line = self.message(session.sent, session.has_numbers);
            session.to_client.push_back(line);
            session.sent += 1;
        }
        self.session = Some(session);
    }

    /// Does the oldest line of the client.
    fn work(&mut self) {
        let Some(line) = self
            .session
            .as_mut()
            .and_then(|session| session.to_server.pop_front())
        else {
            return;
        };
        let answer = self.answer(&line);
        let Some(session) = &mut self.session else {
            return;
        };
        session.lines += 1;
        session.to_client.push_back(answer);
        if session.lines <= 2 {
            if session.lines == 2 {
                self.push();
                self.say("DONE");
            }
            return;
        }
        session.arrived_at.push_back(session.arrived);
        if session.arrived_at.len() > LAG_LINES {
            let durable = session.arrived_at.pop_front().unwrap_or(0);
            self.confirmed = self.confirmed.max(durable);
        }
        self.push();
        self.say("DONE");
    }

    fn say(&mut self, line: &str) {
        if let Some(session) = &mut self.session {
            session.to_client.push_back(line.to_owned());
        }
    }

    fn answer(&mut self, line: &str) -> String {
        let session = self.session.as_mut().expect("a session");
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        match words.as_slice() {
            ["bob"] => "password".to_owned(),
            ["secret"] => "welcome".to_owned(),
            ["once", id, "send", "ann", text] => {
                if let Some(answer) = self.answers.get(*id) {
                    return answer.clone();
                }
                self.stored.push((*text).to_owned());
                self.answers.insert((*id).to_owned(), "sent:".to_owned());
                "sent:".to_owned()
            }
            ["ids", "on"] => {
                session.has_numbers = true;
                "ids:on".to_owned()
            }
            ["push", "ack"] => {
                session.pushes = true;
                "push:ack".to_owned()
            }
            ["history", ..] => "error:denied:history".to_owned(),
            ["fetch"] => "fetching".to_owned(),
            ["who"] => "ann bob".to_owned(),
            ["features"] => "features:time_out=60 line=8192".to_owned(),
            [word, ..] => format!("{word}:"),
            [] => String::new(),
        }
    }

    fn begin(&mut self) {
        self.session = Some(Session {
            sent: self.confirmed,
            arrived: self.confirmed,
            ..Session::default()
        });
    }
}

struct Scene {
    run: Run,
    server: Server,
    random: u64,
    typed: Vec<String>,
    kills: usize,
}

impl Scene {
    fn start(seed: u64) -> Self {
        let mut scene = Self {
            run: Run::start(),
            server: Server::default(),
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            typed: Vec::new(),
            kills: 0,
        };
        scene.server.begin();
        scene.run.press("bob\r");
        scene.settle();
        scene.run.press("secret\r");
        scene.settle();
        scene.run.press("/query ann\r");
        scene.settle();
        scene
    }

    fn chance(&mut self, of: u64) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random.is_multiple_of(of)
    }

    /// What the model wants is done.
    fn act(&mut self) {
        for action in std::mem::take(&mut self.run.actions) {
            match action {
                Action::Send(line) => {
                    let line = String::from_utf8_lossy(&line)
                        .trim_end_matches('\n')
                        .to_owned();
                    if let Some(session) = &mut self.server.session {
                        session.to_server.push_back(line);
                    }
                }
                Action::Connect => {
                    self.server.begin();
                    self.run.give(Input::Connected);
                    self.act();
                }
                Action::Close => self.server.session = None,
                _ => {}
            }
        }
    }

    /// A line of the server arrives.
    fn arrive(&mut self) {
        let Some(session) = &mut self.server.session else {
            return;
        };
        if let Some(line) = session.to_client.pop_front() {
            session.arrived += usize::from(line.starts_with('['));
            self.run.hear(&line);
            self.act();
        }
    }

    /// A step of something.
    fn step(&mut self) {
        if self.chance(3) {
            let text = format!("m{}", self.typed.len());
            self.run.press(&format!("{text}\r"));
            self.typed.push(text);
        }
        if self.chance(4) {
            let text = format!("a{}", self.server.queue.len());
            self.server.queue.push(text);
            if self
                .server
                .session
                .as_ref()
                .is_some_and(|session| session.pushes)
            {
                self.server.push();
            }
        }
        self.act();
        if self.chance(2) {
            self.server.work();
        }
        if self.chance(2) {
            self.arrive();
        }
        if self.chance(30) && self.server.session.take().is_some() {
            self.kills += 1;
            self.run.give(Input::Lost(None));
        }
        self.run.wait(Duration::from_millis(100));
        self.act();
    }

    /// Until nothing is under way.
    fn settle(&mut self) {
        self.act();
        while self
            .server
            .session
            .as_ref()
            .is_some_and(|session| !session.to_client.is_empty() || !session.to_server.is_empty())
        {
            self.server.work();
            self.arrive();
            self.act();
        }
    }

    fn shown(&mut self) -> Vec<String> {
        let ann = self
            .run
            .model
            .transcripts
            .with(&Target::Person("ann".to_owned()));
        let from_ann = ann
            .entries
            .iter()
            .filter(|entry| matches!(entry.author, Author::User(_)));
        from_ann.map(|entry| entry.text.to_string()).collect()
    }
}

#[test]
fn kills_lose_and_double_nothing() {
    let mut kills = 0;
    let mut messages = 0;
    for seed in 1..=20 {
        let mut scene = Scene::start(seed);
        for _ in 0..600 {
            scene.step();
        }
        for _ in 0..100 {
            scene.run.wait(Duration::from_secs(1));
            scene.settle();
        }
        assert_eq!(scene.server.stored, scene.typed, "seed {seed}");
        assert_eq!(scene.shown(), scene.server.queue, "seed {seed}");
        assert!(scene.run.model.link.unsent_lines().is_empty());
        kills += scene.kills;
        messages += scene.typed.len();
    }
    assert!(
        kills >= 200 && messages >= 2_000,
        "{kills} kills, {messages} messages"
    );
}
