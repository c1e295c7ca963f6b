//! Senders and readers: what they say, and whether each reader gets each message once, in order.

use std::io::Write;

use anyhow::ensure;
use chat_line_protocol::client::Command;

use super::Options;
use crate::crowd::{Audience, Closed, Crowd};
use crate::installation::Accounts;
use crate::payload::{Label, Payload};
use crate::strict_client::{Event, StrictClient};

/// Clients below the number of pairs send, the others read.
pub(super) struct Pairs {
    payload: Payload,
    window: usize,
    lead: usize,
    push_line: String,
    clients: Vec<StrictClient>,
    pairs: Vec<Pair>,
    ready: usize,
    gone: usize,
    received: u64,
    quota: u64,
    /// Acknowledged and received by all pairs together.
    acknowledged: u64,
    failure: Option<anyhow::Error>,
}

struct Pair {
    reader_name: String,
    quota: u32,
    sent: u32,
    received: u32,
}

impl Pairs {
    pub(super) fn new(options: &Options, accounts: &Accounts) -> Self {
        let count = options.pairs;
        let share = |pair: usize| {
            let (each, rest) = (
                options.messages / count as u64,
                options.messages % count as u64,
            );
            // The most messages of all fit one pair.
            (each + u64::from((pair as u64) < rest)) as u32
        };
        Self {
            payload: Payload::new(0, options.run.text_bytes),
            window: options.window,
            lead: options.lead,
            push_line: format!("push {}", options.push.word()),
            clients: (0..count * 2)
                .map(|client| StrictClient::new(accounts.name(client)))
                .collect(),
            pairs: (0..count)
                .map(|pair| Pair {
                    reader_name: accounts.name(count + pair),
                    quota: share(pair),
                    sent: 0,
                    received: 0,
                })
                .collect(),
            ready: 0,
            gone: 0,
            received: 0,
            quota: options.messages,
            acknowledged: 0,
            failure: None,
        }
    }

    pub(super) fn are_ready(&self) -> bool {
        self.ready == self.clients.len()
    }

    pub(super) fn are_done(&self) -> bool {
        self.received == self.quota && self.acknowledged == self.quota
    }

    pub(super) fn are_gone(&self) -> bool {
        self.gone == self.clients.len()
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// What went wrong, if something did.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Has senders with a half-empty window fill it, many lines at once.
    pub(super) fn send(&mut self, crowd: &mut Crowd) {
        for (client, pair) in self.pairs.iter_mut().enumerate() {
            let sender = &mut self.clients[client];
            if pair.sent == pair.quota || sender.asked() > self.window / 2 {
                continue;
            }
            let Some(output) = crowd.output(client) else {
                continue;
            };
            while pair.sent < pair.quota
                && sender.asked() < self.window
                && ((pair.sent - pair.received) as usize) < self.lead
            {
                // Writing to a vector cannot fail.
                let _ = write!(output, "send {} ", pair.reader_name);
                let label = Label {
                    sender: client as u32,
                    reader: client as u32,
                    sequence: pair.sent,
                };
                self.payload.append(output, label);
                output.push(b'\n');
                sender.asked_to_send();
                pair.sent += 1;
            }
        }
    }

    pub(super) fn log_out(&mut self, crowd: &mut Crowd) {
        for (client, dialogue) in self.clients.iter_mut().enumerate() {
            if let Some(output) = crowd.output(client) {
                dialogue.ask("logout", output);
            }
        }
    }

    fn hear(&mut self, client: usize, line: &[u8], output: &mut Vec<u8>) -> anyhow::Result<()> {
        match self.clients[client].hear(line, output)? {
            Event::None => Ok(()),
            Event::CaughtUp if client < self.pairs.len() => {
                self.ready += 1;
                Ok(())
            }
            Event::CaughtUp => {
                self.clients[client].ask(&self.push_line, output);
                Ok(())
            }
            Event::Done(Command::Send) => {
                self.acknowledged += 1;
                Ok(())
            }
            Event::Done(_) => {
                self.ready += 1;
                Ok(())
            }
            Event::Message(message) => self.take(client, message.text),
        }
    }

    fn take(&mut self, client: usize, text: &[u8]) -> anyhow::Result<()> {
        let number = client.checked_sub(self.pairs.len());
        let pair = number.and_then(|number| Some((number as u32, self.pairs.get_mut(number)?)));
        let Some((number, pair)) = pair else {
            anyhow::bail!("a sender got a message");
        };
        let expected = Label {
            sender: number,
            reader: number,
            sequence: pair.received,
        };
        let found = self.payload.recognise(text, number);
        ensure!(
            found == Some(expected),
            "message {} of pair {number} is due, and {} came",
            expected.sequence,
            found.map_or("a foreign text".to_owned(), |label| label
                .sequence
                .to_string())
        );
        pair.received += 1;
        self.received += 1;
        Ok(())
    }
}

impl Audience for Pairs {
    fn opened(&mut self, client: usize, output: &mut Vec<u8>) {
        self.clients[client].opened(output);
    }

    fn line(&mut self, client: usize, line: &[u8], output: &mut Vec<u8>) {
        if let Err(error) = self.hear(client, line, output) {
            self.failure.get_or_insert(error);
        }
    }

    fn closed(&mut self, client: usize, how: Closed) {
        self.gone += 1;
        if let Err(error) = self.clients[client].closed(how) {
            self.failure.get_or_insert(error);
        }
    }
}
