//! Reading what waited, and whether each user gets each message once, in order.

use std::ops::Range;
use std::time::Instant;

use anyhow::{Context, ensure};
use chat_line_protocol::client::MessageLine;

use super::{Options, SENDERS, Work};
use crate::crowd::{Audience, Closed, Crowd};
use crate::installation::Accounts;
use crate::payload::Payload;
use crate::strict_client::{Event, StrictClient};

/// Users who read at the same time: fewer than logins may wait at the daemon.
const READERS_AT_ONCE: usize = 32;

/// Some of the users, who log in, read what waits, and log out.
pub(super) struct Reading<'a> {
    options: &'a Options,
    payload: Payload,
    users: Range<usize>,
    readers: Vec<Reader>,
    /// The next user to connect.
    next: usize,
    gone: usize,
    /// Messages that came.
    pub(super) received: u64,
    /// When the last `DONE` after what waited came.
    pub(super) caught_up_at: Instant,
    failure: Option<anyhow::Error>,
}

struct Reader {
    client: StrictClient,
    /// Messages that came, by their sender.
    received: [u32; SENDERS],
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        options: &'a Options,
        accounts: &Accounts,
        payload: Payload,
        users: Range<usize>,
    ) -> Self {
        let reader = |user| Reader {
            client: StrictClient::new(accounts.name(user)),
            received: [0; SENDERS],
        };
        Self {
            options,
            payload,
            readers: users.clone().map(reader).collect(),
            next: users.start,
            users,
            gone: 0,
            received: 0,
            caught_up_at: Instant::now(),
            failure: None,
        }
    }

    fn hear(&mut self, user: usize, line: &[u8], output: &mut Vec<u8>) -> anyhow::Result<()> {
        let reader = &mut self.readers[user - self.users.start];
        match reader.client.hear(line, output)? {
            Event::Message(message) => {
                reader.take(user, &self.payload, message)?;
                self.received += 1;
            }
            Event::CaughtUp => {
                self.caught_up_at = Instant::now();
                reader.check_whole(user, self.options)?;
                reader.client.ask("logout", output);
            }
            Event::Done(_) | Event::None => {}
        }
        Ok(())
    }
}

impl Reader {
    fn take(
        &mut self,
        user: usize,
        payload: &Payload,
        message: MessageLine<'_>,
    ) -> anyhow::Result<()> {
        let label = payload
            .recognise(message.text, user as u32)
            .with_context(|| format!("a foreign text came for user {user}"))?;
        let received = self
            .received
            .get_mut(label.sender as usize)
            .context("a message of nobody came")?;
        ensure!(
            label.sequence == *received,
            "message {received} of sender {} to user {user} is due, and {} came",
            label.sender,
            label.sequence
        );
        *received += 1;
        Ok(())
    }

    fn check_whole(&self, user: usize, options: &Options) -> anyhow::Result<()> {
        for (sender, received) in self.received.iter().enumerate() {
            let sent = options.messages_between(sender, user);
            ensure!(
                u64::from(*received) == sent,
                "of {sent} messages of sender {sender} to user {user}, {received} came"
            );
        }
        Ok(())
    }
}

impl Work for Reading<'_> {
    fn progress(&self) -> u64 {
        self.received + self.gone as u64
    }

    fn is_done(&self) -> bool {
        self.gone == self.users.len()
    }

    fn begin_more(&mut self, crowd: &mut Crowd) -> anyhow::Result<()> {
        while self.next < self.users.end
            && self.next - self.users.start < self.gone + READERS_AT_ONCE
        {
            crowd.connect(self.next)?;
            self.next += 1;
        }
        Ok(())
    }

    fn check(&mut self) -> anyhow::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }
}

impl Audience for Reading<'_> {
    fn opened(&mut self, client: usize, output: &mut Vec<u8>) {
        self.readers[client - self.users.start]
            .client
            .opened(output);
    }

    fn line(&mut self, client: usize, line: &[u8], output: &mut Vec<u8>) {
        if let Err(error) = self.hear(client, line, output) {
            self.failure.get_or_insert(error);
        }
    }

    fn closed(&mut self, client: usize, how: Closed) {
        self.gone += 1;
        let reader = &self.readers[client - self.users.start];
        if let Err(error) = reader.client.closed(how) {
            self.failure.get_or_insert(error);
        }
    }
}
