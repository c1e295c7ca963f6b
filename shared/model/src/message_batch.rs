//! Many messages of one client in one piece, so that what a line costs beside its text is paid once for many.

use serde::{Deserialize, Serialize};

use crate::{Names, StreamOffset};

/// Lines that one batch holds at most.
pub const MAX_BATCHED_MESSAGES: usize = 1_024;
/// Bytes of names and texts after which a batch takes no other line.
const PACKED_BYTES: usize = 256 * 1024;

/// Lines of one client, one behind the other, each with a message to some accounts. It stands for as many requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageBatch {
    /// Where the first line ends.
    first: StreamOffset,
    lines: Vec<PackedLine>,
    /// Bytes of each name, of all lines.
    name_lengths: Vec<u32>,
    /// Names and text of each line, nothing between.
    packed: String,
}

/// How a line of [`MessageBatch`] is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedLine {
    /// How much further it ends than the line before; 0 for the first.
    pub step: u32,
    /// How many recipients; 0 if they are those of the line before.
    pub names: u32,
    /// Length of the text.
    pub text_bytes: u32,
}

/// One line of [`MessageBatch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchedMessage<'a> {
    /// Where it ends.
    pub offset: StreamOffset,
    /// As typed; at least one.
    pub recipients: Names<'a>,
    /// They are the recipients of the line before, too.
    pub has_same_recipients: bool,
    /// The message.
    pub text: &'a str,
}

impl BatchedMessage<'_> {
    /// Length of names and text.
    pub fn bytes(&self) -> usize {
        self.recipients.bytes() + self.text.len()
    }
}

impl MessageBatch {
    /// Lines by rising offset, however many bytes they have. `None` where a line cannot be told to follow the one
    /// before, or has no recipients, and where there are more than [`MAX_BATCHED_MESSAGES`].
    pub fn of<'a>(
        lines: impl IntoIterator<Item = (StreamOffset, Names<'a>, &'a str)>,
    ) -> Option<Self> {
        let mut builder = MessageBatchBuilder::default();
        for (offset, recipients, text) in lines {
            if !builder.push_any_bytes(offset, recipients, text) {
                return None;
            }
        }
        Some(builder.batch)
    }

    /// How many lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The line, if there is one and no more.
    pub fn only(&self) -> Option<BatchedMessage<'_>> {
        match self.len() {
            1 => self.iter().next(),
            _ => None,
        }
    }

    /// Where the first line ends.
    pub fn first(&self) -> StreamOffset {
        self.first
    }

    /// Bytes of names and texts of all lines together.
    pub fn bytes(&self) -> usize {
        self.packed.len()
    }

    /// Names and text of each line, one behind the other; names only where they are not those of the line before.
    pub fn packed(&self) -> &str {
        &self.packed
    }

    /// How each line is packed in [`MessageBatch::packed`] and [`MessageBatch::name_lengths`].
    pub fn packed_lines(&self) -> impl ExactSizeIterator<Item = PackedLine> {
        self.lines.iter().copied()
    }

    /// Bytes of each name in [`MessageBatch::packed`].
    pub fn name_lengths(&self) -> &[u32] {
        &self.name_lengths
    }

    /// Whether it holds lines and nothing else, as every batch that [`MessageBatchBuilder`] made. One that another
    /// process sent may not.
    pub fn is_well_formed(&self) -> bool {
        let names: u64 = self.lines.iter().map(|line| u64::from(line.names)).sum();
        let lengths = self.name_lengths.iter();
        let name_bytes: u64 = lengths.map(|length| u64::from(*length)).sum();
        let texts = self.lines.iter().map(|line| u64::from(line.text_bytes));
        let lines = self.iter();
        let whole =
            lines.filter(|line| line.has_same_recipients || line.recipients.is_well_formed());
        (1..=MAX_BATCHED_MESSAGES).contains(&self.lines.len())
            && self.lines[0].step == 0
            && self.lines[0].names > 0
            && self.lines[1..].iter().all(|line| line.step > 0)
            && names == self.name_lengths.len() as u64
            && name_bytes + texts.sum::<u64>() == self.packed.len() as u64
            && whole.count() == self.lines.len()
    }

    /// Its lines; ends early where it is not well formed.
    pub fn iter(&self) -> impl Iterator<Item = BatchedMessage<'_>> {
        let mut offset = self.first;
        let mut rest = self.packed.as_str();
        let mut lengths = self.name_lengths.as_slice();
        let mut recipients = Names::default();
        self.lines.iter().map_while(move |line| {
            offset.0 = offset.0.checked_add(u64::from(line.step))?;
            if line.names > 0 {
                let (own, packed);
                (own, lengths) = lengths.split_at_checked(line.names as usize)?;
                let bytes: u64 = own.iter().map(|length| u64::from(*length)).sum();
                (packed, rest) = rest.split_at_checked(usize::try_from(bytes).ok()?)?;
                recipients = Names::of(packed, own);
            }
            let text;
            (text, rest) = rest.split_at_checked(line.text_bytes as usize)?;
            Some(BatchedMessage {
                offset,
                recipients,
                has_same_recipients: line.names == 0,
                text,
            })
        })
    }
}

/// Puts lines together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageBatchBuilder {
    batch: MessageBatch,
    /// Where the last line ends.
    last: StreamOffset,
    /// The last line's recipients: where their names begin, and how many bytes these have.
    names: (usize, usize),
    /// The same of their lengths: where they begin. They go to the end.
    lengths_at: usize,
}

impl MessageBatchBuilder {
    /// Forgets all lines, and keeps the memory.
    pub fn clear(&mut self) {
        self.batch.lines.clear();
        self.batch.name_lengths.clear();
        self.batch.packed.clear();
    }

    /// The lines so far.
    pub fn batch(&self) -> &MessageBatch {
        &self.batch
    }

    /// All lines.
    pub fn into_batch(self) -> MessageBatch {
        self.batch
    }

    /// Where the last line ends.
    pub fn last(&self) -> StreamOffset {
        self.last
    }

    /// Takes the lines out that end at this offset or later, if there are such and others.
    pub fn split_off(&mut self, at: StreamOffset) -> Option<Self> {
        let repacked = |is_behind: bool| {
            let mut builder = Self::default();
            let lines = self.batch.iter();
            for line in lines.filter(|line| (line.offset >= at) == is_behind) {
                // Any part of a batch fits into a batch.
                builder.push(line.offset, line.recipients, line.text);
            }
            builder
        };
        let (before, behind) = (repacked(false), repacked(true));
        if before.batch.is_empty() || behind.batch.is_empty() {
            return None;
        }
        *self = before;
        Some(behind)
    }

    /// Adds a line. Returns false if it needs another batch, because this one is full or the line does not end behind
    /// the last, or if it has no recipients.
    pub fn push(&mut self, offset: StreamOffset, recipients: Names<'_>, text: &str) -> bool {
        let bytes = recipients.bytes() + text.len();
        let has_room = self.batch.is_empty() || self.batch.bytes() + bytes <= PACKED_BYTES;
        has_room && self.push_any_bytes(offset, recipients, text)
    }

    /// The same, however many bytes the batch has already.
    pub fn push_any_bytes(
        &mut self,
        offset: StreamOffset,
        recipients: Names<'_>,
        text: &str,
    ) -> bool {
        let is_first = self.batch.is_empty();
        let step = match offset.0.checked_sub(self.last.0) {
            _ if is_first => Some(0),
            None | Some(0) => None,
            Some(step) => u32::try_from(step).ok(),
        };
        let lengths = (u32::try_from(recipients.len()), u32::try_from(text.len()));
        let (Some(step), (Ok(names), Ok(text_bytes))) = (step, lengths) else {
            return false;
        };
        if self.batch.len() >= MAX_BATCHED_MESSAGES || names == 0 {
            return false;
        }
        let is_same = !is_first && self.has_same_recipients(recipients);
        if !is_same {
            self.names = (self.batch.packed.len(), recipients.bytes());
            self.lengths_at = self.batch.name_lengths.len();
            self.batch.packed.push_str(recipients.packed());
            self.batch
                .name_lengths
                .extend_from_slice(recipients.lengths());
        }
        self.batch.packed.push_str(text);
        if is_first {
            self.batch.first = offset;
        }
        self.last = offset;
        self.batch.lines.push(PackedLine {
            step,
            names: if is_same { 0 } else { names },
            text_bytes,
        });
        true
    }

    /// Whether these are the recipients of the last line.
    fn has_same_recipients(&self, recipients: Names<'_>) -> bool {
        let (at, bytes) = self.names;
        self.batch.packed.as_bytes()[at..at + bytes] == *recipients.packed().as_bytes()
            && self.batch.name_lengths[self.lengths_at..] == *recipients.lengths()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NameList;

    const LINES: [(u64, &[&str], &str); 4] = [
        (10, &["bob"], "one"),
        (25, &["bob"], "two"),
        (26, &["bo", "b"], ""),
        (5_000_000_000 - 1, &["bob"], "שלום"),
    ];

    fn batch(lines: &[(u64, &[&str], &str)]) -> Option<MessageBatch> {
        let names = lines
            .iter()
            .map(|(_, names, _)| names.iter().copied().collect());
        let names: Vec<NameList<'_>> = names.collect();
        MessageBatch::of(
            lines
                .iter()
                .zip(&names)
                .map(|((offset, _, text), names)| (StreamOffset(*offset), names.names(), *text)),
        )
    }

    fn builder(lines: &[(u64, &[&str], &str)]) -> MessageBatchBuilder {
        let mut builder = MessageBatchBuilder::default();
        for (offset, names, text) in lines {
            let names: NameList<'_> = names.iter().copied().collect();
            assert!(builder.push(StreamOffset(*offset), names.names(), text));
        }
        builder
    }

    #[test]
    fn lines_come_out_as_they_went_in() {
        let near = batch(&LINES[..3]).unwrap();
        let lines = near.iter().zip(&LINES[..3]);
        for (line, (offset, names, text)) in lines {
            assert_eq!((line.offset.0, line.text), (*offset, *text));
            assert_eq!(&line.recipients.iter().collect::<Vec<_>>(), names);
        }
        assert!(near.is_well_formed());
        assert_eq!((near.len(), &*near.packed), (3, "bobonetwobob"));
        let same = near.iter().map(|line| line.has_same_recipients);
        assert_eq!(same.collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn line_too_far_behind_does_not_fit() {
        assert_eq!(batch(&LINES), None);
        assert_eq!(batch(&[LINES[1], LINES[0]]), None);
        assert_eq!(batch(&[LINES[0], LINES[0]]), None);
        assert_eq!(batch(&[(1, &[], "text")]), None);
    }

    #[test]
    fn lines_are_added_until_it_is_full() {
        let bob = NameList::one("bob");
        let mut builder = MessageBatchBuilder::default();
        let lines = (1..).take_while(|at| builder.push(StreamOffset(*at), bob.names(), "x"));
        assert_eq!(lines.count(), MAX_BATCHED_MESSAGES);
        builder.clear();
        let text = "x".repeat(PACKED_BYTES);
        assert!(
            builder.push(StreamOffset(1), bob.names(), &text),
            "a line alone fits"
        );
        assert!(!builder.push(StreamOffset(2), bob.names(), "x"));
    }

    #[test]
    fn lines_are_taken_out_from_one_on() {
        for at in [0, 10, 11, 25, 26, 27] {
            let mut before = builder(&LINES[..3]);
            let whole = before.clone();
            let behind = before.split_off(StreamOffset(at));
            let split = LINES[..3].partition_point(|line| line.0 < at);
            if split == 0 || split == 3 {
                assert_eq!((behind, before), (None, whole));
                continue;
            }
            assert_eq!(before, builder(&LINES[..split]));
            assert_eq!(behind, Some(builder(&LINES[split..3])));
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_noticed() {
        let batch = batch(&LINES[..3]).unwrap();
        let spoilt = |spoil: fn(&mut MessageBatch)| {
            let mut batch = batch.clone();
            spoil(&mut batch);
            assert!(!batch.is_well_formed(), "{batch:?}");
            batch.iter().count()
        };
        spoilt(|batch| batch.packed.push('x'));
        spoilt(|batch| batch.lines.clear());
        spoilt(|batch| batch.lines[0].names = 0);
        spoilt(|batch| batch.lines[1].step = 0);
        spoilt(|batch| batch.first.0 = u64::MAX);
        spoilt(|batch| batch.name_lengths.push(0));
        assert_eq!(spoilt(|batch| batch.lines[1].text_bytes = 1_000), 1);
        assert_eq!(spoilt(|batch| batch.packed = "bobé".into()), 0);
        assert_eq!(spoilt(|batch| batch.lines[2].names = 3), 2);
        assert_eq!(
            spoilt(|batch| {
                batch.name_lengths[1..].copy_from_slice(&[1, 2]);
                batch.packed = "bobonetwoéb".into();
            }),
            3
        );
    }
}
