//! What has come for many clients of a worker, pushed to all of them as one.

use chat_model::{AccountId, ConnectionSerial, Message, MessageNumber};
use smallvec::SmallVec;

use super::delivery::{PUSH_WINDOW_BYTES, SLICE, next_push, push, push_bytes};
use super::link::Link;
use crate::state::{CommonPart, Reader, State};

/// Pushes to clients of a worker what they have not been sent. What is the same for several is read and sent once.
pub(super) fn push_to_many(
    state: &State,
    link: &mut Link,
    serials: Vec<ConnectionSerial>,
    through: MessageNumber,
) {
    let mut gathered = Gathered::default();
    let mut rest = serials.into_iter();
    while let Some(serial) = rest.next() {
        if gathered.add_alike(state, link, serial, through) {
            continue;
        }
        let after = link.known_mut(serial).map(|client| client.sent_through);
        // What others may have in common with the last one is nobody's question.
        if let Some((messages, more)) = next_push(state, link, serial, through)
            && gathered.add(link, serial, messages, through, more)
            && rest.len() > 0
        {
            gathered.common = after.and_then(|after| {
                let reader = state.reader_on(link.connection(serial)?)?;
                Common::of(state, reader, after, &gathered.messages, through)
            });
        }
    }
    gathered.send(link, through);
}

/// Several clients' equal pushes, one behind the other, as one.
#[derive(Default)]
struct Gathered<'a> {
    connections: Vec<ConnectionSerial>,
    messages: Vec<Message<'a>>,
    common: Option<Common>,
}

/// Whose push is the same as the last one.
struct Common {
    part: CommonPart,
    senders: SmallVec<[AccountId; 4]>,
    bytes: usize,
}

impl Common {
    /// Nothing, if nobody else gets what this reader got.
    fn of(
        state: &State,
        reader: Reader,
        after: MessageNumber,
        messages: &[Message<'_>],
        through: MessageNumber,
    ) -> Option<Self> {
        let part = state.common_part(reader, after)?;
        let senders = state.senders_of(part, through);
        let bytes = push_bytes(messages);
        let is_whole = !senders.contains(&reader.account) && bytes > 0;
        is_whole.then_some(Self {
            part,
            senders,
            bytes,
        })
    }
}

impl<'a> Gathered<'a> {
    /// Adds a client whose push is the same as the last one; says whether it is.
    fn add_alike(
        &mut self,
        state: &State,
        link: &mut Link,
        serial: ConnectionSerial,
        through: MessageNumber,
    ) -> bool {
        let Some(common) = self.common.as_ref().filter(|_| !link.is_behind()) else {
            return false;
        };
        let reader = link.connection(serial).and_then(|it| state.reader_on(it));
        let (Some(reader), Some(client)) = (reader, link.known_mut(serial)) else {
            return false;
        };
        let is_alike = client.promised_through().is_none()
            && client.sent_through < through
            && client.pushed_bytes() < PUSH_WINDOW_BYTES
            && !common.senders.contains(&reader.account)
            && state.common_part(reader, client.sent_through) == Some(common.part);
        if is_alike {
            debug_assert_eq!(
                state
                    .read_queue(reader, client.sent_through, through, SLICE)
                    .messages,
                self.messages
            );
            client.sent_through = through;
            client.add_pushed(common.bytes);
            self.connections.push(serial);
        }
        is_alike
    }

    /// Adds a client, or pushes to it if there is more for it. Says whether it is the first with these messages.
    fn add(
        &mut self,
        link: &mut Link,
        serial: ConnectionSerial,
        messages: Vec<Message<'a>>,
        through: MessageNumber,
        more: bool,
    ) -> bool {
        if more {
            push(link, vec![serial], messages, through, more);
            return false;
        }
        let is_same = self.messages.len() == messages.len()
            && self.messages.first().map(|first| first.number)
                == messages.first().map(|first| first.number)
            && self.messages.last().map(|last| last.number)
                == messages.last().map(|last| last.number)
            && self.messages == messages;
        if !is_same {
            let earlier = std::mem::replace(
                self,
                Self {
                    messages,
                    ..Self::default()
                },
            );
            earlier.send(link, through);
        }
        self.connections.push(serial);
        !is_same
    }

    fn send(self, link: &mut Link, through: MessageNumber) {
        if !self.connections.is_empty() {
            push(link, self.connections, self.messages, through, false);
        }
    }
}
