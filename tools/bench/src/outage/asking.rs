//! Clients who always want an answer, and how long each waits for it.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::Options;
use crate::crowd::{Audience, Closed, Crowd};
use crate::installation::Accounts;
use crate::payload::{Label, Payload};
use crate::strict_client::{Event, StrictClient};

/// Clients who log in at the same time: fewer than logins may wait at the daemon.
const LOGINS_AT_ONCE: usize = 32;
/// How long nothing at all may come.
const STALL_PATIENCE: Duration = Duration::from_secs(60);
const TURN_TIMEOUT: Duration = Duration::from_millis(20);

/// All of them.
pub(super) struct Asking {
    payload: Payload,
    /// The account, and the number in the crowd, of the first.
    first: usize,
    clients: Vec<Client>,
    /// Whether the next question follows an answer.
    goes_on: bool,
    answers: u64,
    gone: usize,
    failure: Option<anyhow::Error>,
}

struct Client {
    name: String,
    client: StrictClient,
    is_caught_up: bool,
    asked_at: Option<Instant>,
    answers: u32,
    longest_wait: Duration,
    sent: u32,
}

impl Asking {
    pub(super) fn new(options: &Options, accounts: &Accounts, payload: Payload) -> Self {
        let client = |number| Client {
            name: accounts.name(options.first_client() + number),
            client: StrictClient::new(accounts.name(options.first_client() + number)),
            is_caught_up: false,
            asked_at: None,
            answers: 0,
            longest_wait: Duration::ZERO,
            sent: 0,
        };
        Self {
            payload,
            first: options.first_client(),
            clients: (0..options.clients).map(client).collect(),
            goes_on: false,
            answers: 0,
            gone: 0,
            failure: None,
        }
    }

    /// Answers that came.
    pub(super) fn answers(&self) -> u64 {
        self.answers
    }

    /// The longest wait of each since the last call.
    pub(super) fn take_waits(&mut self) -> Vec<Duration> {
        let clients = self.clients.iter_mut();
        clients
            .map(|client| std::mem::take(&mut client.longest_wait))
            .collect()
    }

    pub(super) fn log_in(&mut self, crowd: &mut Crowd) -> anyhow::Result<()> {
        for from in (0..self.clients.len()).step_by(LOGINS_AT_ONCE) {
            let to = (from + LOGINS_AT_ONCE).min(self.clients.len());
            for client in from..to {
                crowd.connect(self.first + client)?;
            }
            self.turn_until(crowd, |asking| {
                asking.clients[from..to]
                    .iter()
                    .all(|client| client.is_caught_up)
            })?;
        }
        Ok(())
    }

    /// Everybody asks, again after each answer, for so long.
    pub(super) fn go_on_for(&mut self, time: Duration, crowd: &mut Crowd) -> anyhow::Result<()> {
        self.goes_on = true;
        for number in 0..self.clients.len() {
            let client = &mut self.clients[number];
            if client.asked_at.is_none()
                && let Some(output) = crowd.output(self.first + number)
            {
                client.ask(self.first + number, &self.payload, output);
            }
        }
        let end = Instant::now() + time;
        self.turn_until(crowd, |_| Instant::now() >= end)
    }

    /// Until each has had two answers more. The first may have been under way when the process that gave it was killed;
    /// the second was asked for after that.
    pub(super) fn until_all_are_answered(&mut self, crowd: &mut Crowd) -> anyhow::Result<()> {
        let before: Vec<u32> = self.clients.iter().map(|client| client.answers).collect();
        self.turn_until(crowd, |asking| {
            let mut clients = asking.clients.iter().zip(&before);
            clients.all(|(client, before)| client.answers >= before + 2)
        })
    }

    pub(super) fn log_out(&mut self, crowd: &mut Crowd) -> anyhow::Result<()> {
        self.goes_on = false;
        self.turn_until(crowd, |asking| {
            asking
                .clients
                .iter()
                .all(|client| client.asked_at.is_none())
        })?;
        for (number, client) in self.clients.iter_mut().enumerate() {
            if let Some(output) = crowd.output(self.first + number) {
                client.client.ask("logout", output);
            }
        }
        self.turn_until(crowd, |asking| asking.gone == asking.clients.len())
    }

    fn turn_until(
        &mut self,
        crowd: &mut Crowd,
        is_done: impl Fn(&Self) -> bool,
    ) -> anyhow::Result<()> {
        let (mut progress, mut progress_at) = (0, Instant::now());
        while !is_done(self) {
            crowd.turn(TURN_TIMEOUT, self)?;
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if self.answers > progress {
                (progress, progress_at) = (self.answers, Instant::now());
            }
            ensure!(
                progress_at.elapsed() < STALL_PATIENCE,
                "nothing happened for {} s",
                STALL_PATIENCE.as_secs()
            );
        }
        Ok(())
    }
}

impl Client {
    fn ask(&mut self, number: usize, payload: &Payload, output: &mut Vec<u8>) {
        output.extend_from_slice(format!("send {} ", self.name).as_bytes());
        let label = Label {
            sender: number as u32,
            reader: number as u32,
            sequence: self.sent,
        };
        payload.append(output, label);
        output.push(b'\n');
        self.client.asked_to_send();
        self.sent += 1;
        self.asked_at = Some(Instant::now());
    }

    fn answered(&mut self, now: Instant) {
        if let Some(asked_at) = self.asked_at.take() {
            self.longest_wait = self.longest_wait.max(now - asked_at);
        }
        self.answers += 1;
    }
}

impl Audience for Asking {
    fn opened(&mut self, number: usize, output: &mut Vec<u8>) {
        self.clients[number - self.first].client.opened(output);
    }

    fn line(&mut self, number: usize, line: &[u8], output: &mut Vec<u8>) {
        let client = &mut self.clients[number - self.first];
        match client.client.hear(line, output) {
            Ok(Event::CaughtUp) => {
                client.is_caught_up = true;
                self.answers += 1;
            }
            Ok(Event::Done(_)) => {
                client.answered(Instant::now());
                self.answers += 1;
                if self.goes_on {
                    client.ask(number, &self.payload, output);
                }
            }
            Ok(_) => {}
            Err(error) => {
                self.failure.get_or_insert(error);
            }
        }
    }

    fn closed(&mut self, number: usize, how: Closed) {
        self.gone += 1;
        if let Err(error) = self.clients[number - self.first].client.closed(how) {
            self.failure.get_or_insert(error);
        }
    }
}
