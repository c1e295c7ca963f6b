//! Messages that were sent once. What is remembered of an account is forgotten in pieces of 64 messages.

use chat_model::Outcome;

use super::*;

const DAY_MS: u64 = 86_400_000;
const PIECE: usize = 64;

#[derive(Clone, Debug)]
struct Sent {
    id: [u8; 16],
    at_ms: u64,
    unknown: Vec<String>,
}

impl Sent {
    fn bytes(&self) -> u64 {
        let names = self.unknown.iter().map(|name| 4 + name.len() as u64);
        64 + names.sum::<u64>()
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct SentOnce {
    of_accounts: BTreeMap<usize, Vec<Vec<Sent>>>,
    /// While a message is sent: its sender, and what remembering it may take.
    most: Option<(usize, u64)>,
}

impl SentOnce {
    pub(super) fn bytes(&self) -> u64 {
        let accounts = self.of_accounts.values().flatten().flatten();
        accounts.map(Sent::bytes).sum::<u64>() + self.most.map_or(0, |(_, bytes)| bytes)
    }

    pub(super) fn bytes_of(&self, account: usize) -> u64 {
        let sent = self.of_accounts.get(&account);
        let bytes: u64 = sent.into_iter().flatten().flatten().map(Sent::bytes).sum();
        let most = self.most.filter(|(sender, _)| *sender == account);
        bytes + most.map_or(0, |(_, bytes)| bytes)
    }

    pub(super) fn forget_old(&mut self, now_ms: u64) {
        let is_of_late = |sent: &Sent| now_ms - sent.at_ms < DAY_MS;
        for pieces in self.of_accounts.values_mut() {
            pieces.retain(|piece| piece.last().is_some_and(is_of_late));
        }
    }

    pub(super) fn forget(&mut self, account: usize) {
        self.of_accounts.remove(&account);
    }
}

impl Model {
    pub(super) fn send_once(
        &mut self,
        sender: usize,
        id: [u8; 16],
        (audience, text): (&Audience<'_>, &str),
        wall_ms: i64,
        outcome: &mut Applied,
    ) -> Outcome<'static> {
        let now_ms = self.now_ms;
        let sent = self.sent_once.of_accounts.get(&sender);
        let mut sent = sent.into_iter().flatten().flatten();
        if let Some(sent) = sent.find(|sent| sent.id == id && now_ms - sent.at_ms < DAY_MS) {
            return Outcome::Stored {
                unknown: sent.unknown.iter().map(String::as_str).collect(),
            };
        }
        let most = 64 + 5 * audience.bytes() as u64;
        if let Some(refusal) = self.waiting_refusal(sender, most, 0) {
            return refusal;
        }
        self.sent_once.most = Some((sender, most));
        let sent = self.send_to(sender, audience, text, wall_ms, outcome);
        self.sent_once.most = None;
        if let Outcome::Stored { unknown } = &sent {
            let pieces = self.sent_once.of_accounts.entry(sender).or_default();
            if pieces.last().is_none_or(|piece| piece.len() == PIECE) {
                pieces.push(Vec::new());
            }
            pieces.last_mut().expect("it is there").push(Sent {
                id,
                at_ms: now_ms,
                unknown: unknown.iter().map(str::to_owned).collect(),
            });
        }
        sent
    }
}
