//! Queueing messages for users who are not there.

use std::io::Write;

use super::{Options, SENDERS, Work};
use crate::crowd::{Audience, Closed, Crowd};
use crate::installation::Accounts;
use crate::payload::{Label, Payload};
use crate::strict_client::{Event, StrictClient};

/// The senders. Their accounts come behind those of the users.
pub(crate) struct Filling<'a> {
    options: &'a Options,
    accounts: &'a Accounts,
    payload: Payload,
    senders: Vec<Sender>,
    is_connected: bool,
    acknowledged: u64,
    gone: usize,
    failure: Option<anyhow::Error>,
}

struct Sender {
    client: StrictClient,
    is_ready: bool,
    is_leaving: bool,
    sent: u64,
}

impl<'a> Filling<'a> {
    pub(crate) fn new(options: &'a Options, accounts: &'a Accounts, payload: Payload) -> Self {
        let sender = |number| Sender {
            client: StrictClient::new(accounts.name(options.users + number)),
            is_ready: false,
            is_leaving: false,
            sent: 0,
        };
        Self {
            options,
            accounts,
            payload,
            senders: (0..SENDERS).map(sender).collect(),
            is_connected: false,
            acknowledged: 0,
            gone: 0,
            failure: None,
        }
    }
}

impl Work for Filling<'_> {
    fn progress(&self) -> u64 {
        self.acknowledged + self.gone as u64
    }

    fn is_done(&self) -> bool {
        self.gone == SENDERS
    }

    fn begin_more(&mut self, crowd: &mut Crowd) -> anyhow::Result<()> {
        if !self.is_connected {
            self.is_connected = true;
            for sender in 0..SENDERS {
                crowd.connect(sender)?;
            }
        }
        let options = self.options;
        for (number, sender) in self.senders.iter_mut().enumerate() {
            let asked = sender.client.asked();
            if !sender.is_ready || sender.is_leaving || asked > options.window / 2 {
                continue;
            }
            let Some(output) = crowd.output(number) else {
                continue;
            };
            let share = options.share(number);
            while sender.sent < share && sender.client.asked() < options.window {
                let (user, sequence) = options.route(number, sender.sent);
                // Writing to a vector cannot fail.
                let _ = write!(output, "send {} ", self.accounts.name(user));
                let label = Label {
                    sender: number as u32,
                    reader: user as u32,
                    sequence,
                };
                self.payload.append(output, label);
                output.push(b'\n');
                sender.client.asked_to_send();
                sender.sent += 1;
            }
            if sender.sent == share && sender.client.asked() == 0 {
                sender.is_leaving = true;
                sender.client.ask("logout", output);
            }
        }
        Ok(())
    }

    fn check(&mut self) -> anyhow::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }
}

impl Audience for Filling<'_> {
    fn opened(&mut self, client: usize, output: &mut Vec<u8>) {
        self.senders[client].client.opened(output);
    }

    fn line(&mut self, client: usize, line: &[u8], output: &mut Vec<u8>) {
        let sender = &mut self.senders[client];
        match sender.client.hear(line, output) {
            Ok(Event::CaughtUp) => sender.is_ready = true,
            Ok(Event::Done(_)) => self.acknowledged += 1,
            Ok(_) => {}
            Err(error) => {
                self.failure.get_or_insert(error);
            }
        }
    }

    fn closed(&mut self, client: usize, how: Closed) {
        self.gone += 1;
        if let Err(error) = self.senders[client].client.closed(how) {
            self.failure.get_or_insert(error);
        }
    }
}
