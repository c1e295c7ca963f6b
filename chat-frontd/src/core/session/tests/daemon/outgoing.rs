//! What goes to the worker: replies, lists, pushes and pages.

use chat_model::{Message, MessageNumber, NameList, Outcome, StreamOffset};
use chat_rpc::{ToWorker, UsersRequest};

use super::{Daemon, Decision, SERIAL, frame};

impl Daemon {
    pub(super) fn read(
        &self,
        reader: &str,
        after: MessageNumber,
        through: MessageNumber,
    ) -> impl Iterator<Item = Message<'_>> {
        let after = after.max(self.accounts[reader].cursor);
        (1..).map(MessageNumber).zip(&self.messages).filter_map({
            let reader = reader.to_owned();
            move |(number, stored)| {
                let is_wanted =
                    after < number && number <= through && stored.readers.contains(&reader);
                is_wanted.then_some(Message {
                    number,
                    time_ms: 0,
                    sender: &stored.sender,
                    sent_to: chat_model::SentTo::People,
                    text: &stored.text,
                })
            }
        })
    }

    /// The first messages of the user's queue after and through these, and whether there are more.
    fn slice(&self, after: MessageNumber, through: MessageNumber) -> (Vec<Message<'_>>, bool) {
        let Some(user) = &self.user else {
            return (Vec::new(), false);
        };
        let mut messages: Vec<_> = self.read(user, after, through).collect();
        let more = messages.len() > self.slice_messages;
        messages.truncate(self.slice_messages);
        (messages, more)
    }

    /// What goes with an answer or a push, and whether the worker is to ask for more.
    fn next_slice(&self) -> (Vec<Message<'_>>, bool) {
        if self.volatile.promised_through.is_some() {
            return (Vec::new(), true);
        }
        self.slice(self.volatile.sent_through, self.newest())
    }

    fn sent_slice(&mut self, more: bool) {
        self.volatile.sent_through = self.newest();
        self.volatile.promised_through = more.then_some(self.newest());
    }

    pub(super) fn reply(&mut self, offset: StreamOffset, decision: &Decision) {
        let outcome = match decision {
            Decision::Plain(outcome) => outcome.clone(),
            Decision::Users { names } => return self.list(offset, names),
            Decision::Sent { unknown } => Outcome::Stored {
                unknown: unknown.iter().map(String::as_str).collect(),
            },
        };
        let is_online = self.user.is_some();
        let (messages, more) = self.next_slice();
        let frame = frame(&ToWorker::Reply {
            connection: SERIAL,
            offset,
            outcome,
            messages,
            through: if is_online {
                self.newest()
            } else {
                MessageNumber(0)
            },
            more: more && is_online,
        });
        self.out.push_back(frame);
        if is_online {
            self.sent_slice(more);
        }
    }

    /// Gives names; what waits with them is to be asked for.
    fn list(&mut self, offset: StreamOffset, names: &NameList<'_>) {
        let more = {
            let (messages, more) = self.next_slice();
            !messages.is_empty() || more
        };
        let request = UsersRequest {
            connection: SERIAL,
            offset,
            through: self.newest(),
            more,
        };
        let requests = vec![request];
        let names = names.borrowed();
        self.out
            .push_back(frame(&ToWorker::Users { requests, names }));
        self.sent_slice(more);
    }

    pub(super) fn push(&mut self) {
        let is_due = self.volatile.is_pushed
            && self.user.is_some()
            && self.volatile.promised_through.is_none();
        if !is_due {
            return;
        }
        let (messages, more) = self.next_slice();
        if !messages.is_empty() {
            let frame = frame(&ToWorker::Push {
                connections: vec![SERIAL],
                messages,
                through: self.newest(),
                more,
            });
            self.out.push_back(frame);
            self.sent_slice(more);
        }
    }

    pub(super) fn send_page(&mut self, after: MessageNumber, through: MessageNumber) {
        let (messages, more) = self.slice(after, through);
        let frame = frame(&ToWorker::Page {
            connection: SERIAL,
            messages,
            more,
        });
        self.out.push_back(frame);
        let promised = self.volatile.promised_through;
        if !more && promised.is_none_or(|promised| promised <= through) {
            self.volatile.promised_through = None;
            self.volatile.sent_through = self.volatile.sent_through.max(through);
            self.push();
        }
    }
}
