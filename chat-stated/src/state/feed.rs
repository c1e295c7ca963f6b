//! A feed: messages that many readers read, each through a cursor of its own. A message enters it once, whatever the
//! number of its readers.

use std::collections::VecDeque;

use chat_model::MessageNumber;

use super::message::MessageKey;

/// Entries beyond those that somebody waits for, before a feed is compacted.
const SPARE_ENTRIES: usize = 64;

/// A message in a feed.
#[derive(Clone, Copy, Debug)]
struct Entry {
    number: MessageNumber,
    key: MessageKey,
    /// How many readers have not confirmed it. The key means nothing once there is none.
    unread: u32,
}

/// Messages by rising number.
#[derive(Debug, Default)]
pub(super) struct Feed {
    entries: VecDeque<Entry>,
    waiting: u32,
    bytes: u64,
}

impl Feed {
    /// Adds a message that is newer than all others, for so many readers; more than 0.
    pub(super) fn push(
        &mut self,
        number: MessageNumber,
        key: MessageKey,
        unread: u32,
        text_bytes: usize,
    ) {
        self.entries.push_back(Entry {
            number,
            key,
            unread,
        });
        self.waiting += 1;
        self.bytes += text_bytes as u64;
    }

    /// How many messages somebody waits for.
    pub(super) fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Bytes of the texts of those messages.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The oldest message, if there is one that somebody waits for.
    pub(super) fn first(&self) -> Option<(MessageNumber, MessageKey)> {
        self.after(MessageNumber(0)).next()
    }

    /// Removes the oldest message that somebody waits for, of so many bytes.
    pub(super) fn remove_first(&mut self, text_bytes: usize) {
        let mut entries = self.entries.iter_mut();
        if let Some(first) = entries.find(|entry| entry.unread > 0) {
            first.unread = 0;
            self.remove_read(text_bytes);
        }
    }

    /// Messages after a number that somebody waits for, oldest first.
    pub(super) fn after(
        &self,
        after: MessageNumber,
    ) -> impl Iterator<Item = (MessageNumber, MessageKey)> {
        self.entries
            .range(self.place_after(after)..)
            .filter(|entry| entry.unread > 0)
            .map(|entry| (entry.number, entry.key))
    }

    /// Whether there is nothing after a number.
    pub(super) fn is_past(&self, after: MessageNumber) -> bool {
        self.entries.back().is_none_or(|last| last.number <= after)
    }

    /// How many messages there are after a number, without counting them one by one.
    pub(super) fn count_after(&self, after: MessageNumber) -> usize {
        self.entries.len() - self.place_after(after)
    }

    /// The place of the first message after a number, for [`Feed::at`].
    pub(super) fn place_after(&self, after: MessageNumber) -> usize {
        self.entries.partition_point(|entry| entry.number <= after)
    }

    /// The number of the message at a place, and where it lies if somebody waits for it.
    pub(super) fn at(&self, place: usize) -> Option<(MessageNumber, Option<MessageKey>)> {
        let entry = self.entries.get(place)?;
        Some((entry.number, (entry.unread > 0).then_some(entry.key)))
    }

    /// One reader fewer for the messages after `after` and up to `through` that are `for_reader`. Gives how many these
    /// are, and those that nobody waits for any more: they are to be removed by [`Feed::remove_read`].
    pub(super) fn read(
        &mut self,
        after: MessageNumber,
        through: MessageNumber,
        for_reader: impl Fn(MessageKey) -> bool,
    ) -> (u64, Vec<MessageKey>) {
        let (mut confirmed, mut read) = (0, Vec::new());
        let start = self.place_after(after);
        let end = self.place_after(through).max(start);
        for entry in self.entries.range_mut(start..end) {
            if entry.unread > 0 && for_reader(entry.key) {
                entry.unread -= 1;
                confirmed += 1;
                if entry.unread == 0 {
                    read.push(entry.key);
                }
            }
        }
        (confirmed, read)
    }

    /// Nobody waits for a message of so many bytes any more, as [`Feed::read`] said.
    pub(super) fn remove_read(&mut self, text_bytes: usize) {
        self.waiting -= 1;
        self.bytes -= text_bytes as u64;
        while self.entries.front().is_some_and(|entry| entry.unread == 0) {
            self.entries.pop_front();
        }
        if self.entries.len() > 2 * self.waiting as usize + SPARE_ENTRIES {
            self.entries.retain(|entry| entry.unread > 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(index: usize) -> MessageKey {
        MessageKey::of(index)
    }

    fn feed_of(numbers: impl Iterator<Item = usize>, unread: u32) -> Feed {
        let mut feed = Feed::default();
        for number in numbers {
            feed.push(MessageNumber(number as u64), key(number), unread, 1);
        }
        feed
    }

    fn numbers_after(feed: &Feed, after: u64) -> Vec<u64> {
        let after = feed.after(MessageNumber(after));
        after.map(|(number, _)| number.0).collect()
    }

    fn read(feed: &mut Feed, after: u64, through: u64) -> u64 {
        let (after, through) = (MessageNumber(after), MessageNumber(through));
        let (confirmed, read) = feed.read(after, through, |_| true);
        for _ in read {
            feed.remove_read(1);
        }
        confirmed
    }

    #[test]
    fn message_leaves_after_its_last_reader() {
        let mut feed = feed_of([2, 4, 6].into_iter(), 2);
        assert_eq!(read(&mut feed, 0, 4), 2);
        assert_eq!(numbers_after(&feed, 0), [2, 4, 6]);
        assert_eq!(read(&mut feed, 2, 6), 2);
        assert_eq!(numbers_after(&feed, 0), [2, 6]);
        assert_eq!((feed.waiting(), feed.bytes()), (2, 2));
        assert_eq!(feed.count_after(MessageNumber(2)), 2);
    }

    #[test]
    fn own_messages_are_not_read() {
        let mut feed = feed_of(1..=3, 1);
        let not_own = |found: MessageKey| found != key(2);
        let (confirmed, gone) = feed.read(MessageNumber(0), MessageNumber(3), not_own);
        assert_eq!((confirmed, gone), (2, vec![key(1), key(3)]));
    }

    #[test]
    fn read_entries_do_not_pile_up() {
        let mut feed = feed_of(1..=10_000, 1);
        assert_eq!(read(&mut feed, 1, 10_000), 9_999);
        assert!(feed.entries.len() <= 2 + SPARE_ENTRIES);
        assert_eq!(numbers_after(&feed, 0), [1]);
    }

    #[test]
    fn entry_is_small() {
        assert_eq!(size_of::<Entry>(), 16);
    }
}
