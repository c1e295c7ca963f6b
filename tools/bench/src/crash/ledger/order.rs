//! Whether everybody received the messages in the same order, and whether that is the right one.

use std::collections::HashMap;
use std::hash::Hash;

use super::{Entry, Fate, Reading};

/// What is wrong with the order.
#[derive(Debug, Default)]
pub(super) struct Order {
    pub(super) doubled: u64,
    pub(super) out_of_order: u64,
    pub(super) findings: Vec<String>,
}

/// Compares the readers with the one that received most, and that one with the numbers and with what was sent.
pub(super) fn check(entries: &[Entry], readings: &[Reading]) -> Order {
    let mut order = Order::default();
    let Some(longest) = readings.iter().max_by_key(|reading| reading.order().len()) else {
        return order;
    };
    order.check_numbers(entries, longest.order());
    order.check_senders(entries, longest.order());
    let mut ranks = vec![None; entries.len()];
    for (rank, message) in longest.order().iter().enumerate() {
        ranks[*message as usize] = Some(rank);
    }
    for (reader, reading) in readings.iter().enumerate() {
        order.check_reader(reader, reading.order(), &ranks);
    }
    order
}

impl Order {
    fn check_numbers(&mut self, entries: &[Entry], received: &[u32]) {
        let mut last = 0;
        for message in received {
            let Some(number) = entries[*message as usize].number else {
                continue;
            };
            if number == last {
                self.doubled += 1;
                let finding = format!("number {number} came twice, now with {message}");
                self.findings.push(finding);
            } else if number < last {
                self.out_of_order += 1;
                let finding = format!("message {message} has number {number}, after {last}");
                self.findings.push(finding);
            }
            last = last.max(number);
        }
    }

    fn check_senders(&mut self, entries: &[Entry], received: &[u32]) {
        let mut last_of_stream = HashMap::new();
        let mut last_of_account = HashMap::new();
        for message in received {
            let Entry { origin, fate, .. } = entries[*message as usize];
            let after = later(&mut last_of_stream, origin.stream, *message);
            let after = match fate {
                Fate::Acknowledged => {
                    later(&mut last_of_account, origin.account, *message).or(after)
                }
                Fate::Unanswered | Fate::Refused => after,
            };
            if let Some(last) = after {
                self.out_of_order += 1;
                self.findings
                    .push(format!("message {message} came after {last}"));
            }
        }
    }

    fn check_reader(&mut self, reader: usize, received: &[u32], ranks: &[Option<usize>]) {
        let mut last = None;
        for message in received {
            let rank = ranks[*message as usize];
            if rank.is_some() && rank < last {
                self.out_of_order += 1;
                self.findings.push(format!(
                    "reader {reader} received message {message} in another order than others"
                ));
            }
            last = last.max(rank);
        }
    }
}

/// Which message that was sent later has come before this one. If none has, this one is now the last.
fn later<Key: Copy + Eq + Hash>(
    last: &mut HashMap<Key, u32>,
    key: Key,
    message: u32,
) -> Option<u32> {
    let last = last.entry(key).or_insert(message);
    let later = Some(*last).filter(|last| *last > message);
    *last = message.max(*last);
    later
}
