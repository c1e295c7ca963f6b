//! Messages to some accounts: one, or many of one client at once.

use std::collections::HashSet;

use smallvec::SmallVec;

use super::State;
use super::accounts::Accounts;
use super::answer::Decision;
use super::apply::{Decided, Effects};
use super::last_message::LastMessage;
use super::message::{Readers, StoredMessage, Text};
use super::messages::Messages;
use super::waiting::message_bytes;
use super::worker_sessions::WorkerSessions;
use crate::entry::{Limits, SendBatch, WaitingLimits};
use chat_model::{AccountId, RequestName};

/// A message to be stored.
pub(super) struct Draft<'a> {
    pub(super) sender: AccountId,
    pub(super) text: &'a str,
    /// The wall time of its batch.
    pub(super) wall_ms: i64,
}

/// Those whom names stand for.
#[derive(Default)]
struct Recipients {
    /// Sorted, each once.
    readers: SmallVec<[AccountId; 8]>,
    /// Names that no account has, each once.
    unknown: Vec<String>,
}

impl Recipients {
    fn of(names: &str, accounts: &Accounts) -> Self {
        let mut recipients = Self::default();
        if !names.as_bytes().contains(&b' ') {
            match accounts.id_of(names) {
                Some(id) => recipients.readers.push(id),
                None => recipients.unknown.push(names.to_owned()),
            }
            return recipients;
        }
        // A line holds thousands of names: each must cost the same.
        let mut unknown_seen: HashSet<&str> = HashSet::new();
        for name in names.split(' ') {
            match accounts.id_of(name) {
                Some(id) => recipients.readers.push(id),
                None if unknown_seen.insert(name) => recipients.unknown.push(name.to_owned()),
                None => {}
            }
        }
        recipients.readers.sort_unstable();
        recipients.readers.dedup();
        recipients
    }

    fn sent(&self) -> Decision {
        Decision::Sent {
            unknown: self.unknown.clone(),
        }
    }
}

/// Where messages go.
struct Post<'a> {
    accounts: &'a mut Accounts,
    messages: &'a mut Messages,
    limits: &'a Limits,
    waiting_limits: &'a WaitingLimits,
    last_message: &'a mut LastMessage,
}

impl Post<'_> {
    /// Stores a message, unless there is no room for it. Whether somebody has it now.
    fn send(&mut self, recipients: &Recipients, draft: Draft<'_>) -> (Decision, bool) {
        let Draft {
            sender,
            text,
            wall_ms,
        } = draft;
        let readers = recipients.readers.as_slice();
        if readers.is_empty() {
            return (recipients.sent(), false);
        }
        if let Some(refusal) = self.refusal(readers, sender, text.len()) {
            return (refusal, false);
        }
        let LastMessage { number, time_ms } = self.last_message.advance(wall_ms);
        let message = StoredMessage {
            number,
            sender,
            time_ms,
            text: Text::Resident(text.into()),
            readers: match readers {
                [reader] => Readers::One(*reader),
                several => Readers::Some(self.messages.group(several)),
            },
        };
        let key = self.messages.store(message, readers.len() as u32);
        let (mut shares_before, mut shares) = (0, 0);
        for reader in readers {
            let queue = self.accounts.queue_mut(*reader);
            shares_before += queue.shares();
            queue.push(key, sender, text.len());
            shares += queue.shares();
        }
        self.messages
            .waiting_bytes
            .shares_changed(shares_before, shares);
        (recipients.sent(), true)
    }

    /// Why a message cannot be stored: what all messages may take, the sender's share of it, a queue, or the sender's
    /// share of that. What is cheap to find out comes first: a flood of refusals must not hold others up.
    fn refusal(
        &self,
        readers: &[AccountId],
        sender: AccountId,
        text_bytes: usize,
    ) -> Option<Decision> {
        let bytes = message_bytes(text_bytes, readers.len());
        let waiting_bytes = &self.messages.waiting_bytes;
        let refusal = waiting_bytes.refusal(sender, bytes, 0, self.waiting_limits);
        if refusal.is_some() {
            return refusal;
        }
        let mut new_shares = 0;
        for reader in readers {
            let account = self.accounts.get(*reader);
            let room =
                account.and_then(|account| account.queue.room_for(sender, text_bytes, self.limits));
            match room {
                Some(shares) => new_shares += shares,
                None => return Some(Decision::Quota),
            }
        }
        waiting_bytes.refusal(sender, bytes, new_shares, self.waiting_limits)
    }
}

impl State {
    fn post(&mut self) -> (Post<'_>, &mut WorkerSessions) {
        let post = Post {
            accounts: &mut self.accounts,
            messages: &mut self.messages,
            limits: &self.limits,
            waiting_limits: &self.waiting_limits,
            last_message: &mut self.last_message,
        };
        (post, &mut self.worker_sessions)
    }

    pub(super) fn send(
        &mut self,
        recipients: &str,
        draft: Draft<'_>,
        effects: &mut Effects,
    ) -> Decision {
        let recipients = Recipients::of(recipients, &self.accounts);
        let (decision, is_stored) = self.post().0.send(&recipients, draft);
        if is_stored {
            effects.reached.extend(recipients.readers);
        }
        decision
    }

    /// The same as to apply the lines one by one as requests, at less cost for each.
    pub(super) fn apply_send_batch(
        &mut self,
        sends: &SendBatch,
        wall_ms: i64,
        effects: &mut Effects,
    ) {
        let Some(connection) = self.worker_sessions.connection_or_new(sends.connection) else {
            return;
        };
        connection.forget_through(sends.answered);
        let sender = connection.account();
        let are_new = connection.are_new(sends.lines.first(), sends.lines.len());
        let (Some(sender), true) = (sender, are_new) else {
            for request in sends.requests() {
                self.apply(request, wall_ms, effects);
            }
            return;
        };
        self.progress(sender, sends.progress);
        let (mut post, worker_sessions) = self.post();
        let connection = worker_sessions.connection_mut(sends.connection);
        let connection = connection.expect("it was there, and nothing closed it");
        connection.make_room(sends.lines.len());
        let mut recipients = Recipients::default();
        let mut is_reached = false;
        for send in sends.lines.iter() {
            if !send.has_same_recipients {
                recipients = Recipients::of(send.recipients, post.accounts);
                is_reached = false;
            }
            let draft = Draft {
                sender,
                text: send.text,
                wall_ms,
            };
            let (decision, is_stored) = post.send(&recipients, draft);
            if is_stored && !std::mem::replace(&mut is_reached, true) {
                effects.reached.extend_from_slice(&recipients.readers);
            }
            connection.keep(send.offset, &decision);
            let name = RequestName {
                connection: sends.connection,
                offset: send.offset,
            };
            effects.decide_of_several(name, decision);
        }
    }
}

impl Effects {
    /// Adds a decision about the line behind the one that was decided last.
    fn decide_of_several(&mut self, request: RequestName, decision: Decision) {
        if let Some(last) = self.decided.last_mut()
            && last.request.connection == request.connection
            && last.decision.is_sent_to_all()
            && decision.is_sent_to_all()
        {
            last.through = request.offset;
            return;
        }
        self.decided.push(Decided {
            request,
            through: request.offset,
            decision,
            after: None,
            is_repeated: false,
        });
    }
}
