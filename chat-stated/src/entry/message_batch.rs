//! Many messages of one client in one entry, as the journal has them.

use chat_model::StreamOffset;

/// Lines that travel together at most.
pub const MAX_BATCHED_MESSAGES: usize = 1_024;
/// Bytes of names and texts after which no other line is added.
const PACKED_BYTES: usize = 256 * 1024;

/// Lines of one client, one behind the other, each with a message to some accounts. It stands for as many requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageBatch {
    /// Where the first line ends.
    first: StreamOffset,
    lines: Vec<PackedLine>,
    /// Names and text of each line, nothing between.
    packed: String,
}

/// How a line of [`MessageBatch`] is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedLine {
    /// How much further it ends than the line before; 0 for the first.
    pub step: u32,
    /// 0 if the recipients are those of the line before.
    pub recipients_bytes: u32,
    /// Length of the message.
    pub text_bytes: u32,
}

/// One line of [`MessageBatch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchedMessage<'a> {
    /// Where it ends.
    pub offset: StreamOffset,
    /// Names, one space between.
    pub recipients: &'a str,
    /// They are the recipients of the line before, too.
    pub has_same_recipients: bool,
    /// The message.
    pub text: &'a str,
}

impl MessageBatch {
    /// Lines by rising offset. `None` where a line cannot be told to follow the one before, or has no recipients.
    pub fn of<'a>(
        lines: impl IntoIterator<Item = (StreamOffset, &'a str, &'a str)>,
    ) -> Option<Self> {
        let mut packer = MessageBatchBuilder::default();
        for (offset, recipients, text) in lines {
            if !packer.push(offset, recipients, text) {
                return None;
            }
        }
        Some(packer.sends)
    }

    /// Lines as they are packed; `None` if they are not well formed.
    pub fn of_packed(first: StreamOffset, lines: Vec<PackedLine>, packed: String) -> Option<Self> {
        let batch = Self {
            first,
            lines,
            packed,
        };
        batch.is_well_formed().then_some(batch)
    }

    /// How its lines are packed.
    pub fn packed_lines(&self) -> &[PackedLine] {
        &self.lines
    }

    /// How many lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Where the first line ends.
    pub fn first(&self) -> StreamOffset {
        self.first
    }

    /// Names and texts of all lines together.
    pub fn packed(&self) -> &str {
        &self.packed
    }

    /// Whether it holds lines and nothing else, as one made by [`MessageBatchBuilder`] does.
    pub fn is_well_formed(&self) -> bool {
        let lines = self.lines.iter();
        let bytes: u64 = lines
            .map(|line| u64::from(line.recipients_bytes) + u64::from(line.text_bytes))
            .sum();
        (1..=MAX_BATCHED_MESSAGES).contains(&self.lines.len())
            && self.lines[0].step == 0
            && self.lines[0].recipients_bytes > 0
            && self.lines[1..].iter().all(|line| line.step > 0)
            && bytes == self.packed.len() as u64
            && self.iter().count() == self.lines.len()
    }

    /// Its lines; ends early where it is not well formed.
    pub fn iter(&self) -> impl Iterator<Item = BatchedMessage<'_>> {
        let mut offset = self.first;
        let mut rest = self.packed.as_str();
        let mut recipients = "";
        self.lines.iter().map_while(move |line| {
            offset.0 = offset.0.checked_add(u64::from(line.step))?;
            if line.recipients_bytes > 0 {
                (recipients, rest) = rest.split_at_checked(line.recipients_bytes as usize)?;
            }
            let text;
            (text, rest) = rest.split_at_checked(line.text_bytes as usize)?;
            Some(BatchedMessage {
                offset,
                recipients,
                has_same_recipients: line.recipients_bytes == 0,
                text,
            })
        })
    }
}

/// Puts lines together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageBatchBuilder {
    sends: MessageBatch,
    /// Where the last line ends.
    last: StreamOffset,
    /// Where the last line's recipients stand in what is packed.
    recipients_at: usize,
    recipients_bytes: usize,
}

impl MessageBatchBuilder {
    /// The lines.
    pub fn into_batch(self) -> MessageBatch {
        self.sends
    }

    /// Adds a line, or says that it has to go with others: there is no more room, it does not end behind the last, or it
    /// has no recipients.
    pub fn push(&mut self, offset: StreamOffset, recipients: &str, text: &str) -> bool {
        let is_first = self.sends.is_empty();
        let step = match offset.0.checked_sub(self.last.0) {
            _ if is_first => Some(0),
            None | Some(0) => None,
            Some(step) => u32::try_from(step).ok(),
        };
        let lengths = (u32::try_from(recipients.len()), u32::try_from(text.len()));
        let (Some(step), (Ok(recipients_bytes), Ok(text_bytes))) = (step, lengths) else {
            return false;
        };
        let is_full = self.sends.len() >= MAX_BATCHED_MESSAGES
            || !is_first && self.sends.packed.len() + recipients.len() + text.len() > PACKED_BYTES;
        if is_full || recipients_bytes == 0 {
            return false;
        }
        let packed = &mut self.sends.packed;
        let before = self.recipients_at..self.recipients_at + self.recipients_bytes;
        let is_same = !is_first && packed.as_bytes()[before] == *recipients.as_bytes();
        if !is_same {
            (self.recipients_at, self.recipients_bytes) = (packed.len(), recipients.len());
            packed.push_str(recipients);
        }
        packed.push_str(text);
        if is_first {
            self.sends.first = offset;
        }
        self.last = offset;
        self.sends.lines.push(PackedLine {
            step,
            recipients_bytes: if is_same { 0 } else { recipients_bytes },
            text_bytes,
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [(StreamOffset, &str, &str); 4] = [
        (StreamOffset(10), "bob", "one"),
        (StreamOffset(25), "bob", "two"),
        (StreamOffset(26), "bob ann", ""),
        (StreamOffset(5_000_000_000 - 1), "bob", "שלום"),
    ];

    #[test]
    fn what_is_packed_comes_out_again() {
        let near = MessageBatch::of(LINES[..3].iter().copied()).unwrap();
        let out: Vec<_> = near
            .iter()
            .map(|send| (send.offset, send.recipients, send.text))
            .collect();
        assert_eq!(out, LINES[..3]);
        assert!(near.is_well_formed());
        assert_eq!(near.packed(), "bobonetwobob ann");
        assert_eq!(
            near.iter()
                .map(|send| send.has_same_recipients)
                .collect::<Vec<_>>(),
            [false, true, false]
        );
    }

    #[test]
    fn a_line_too_far_behind_does_not_fit() {
        assert_eq!(MessageBatch::of(LINES), None);
        let back = [LINES[1], LINES[0]];
        assert_eq!(MessageBatch::of(back), None);
        assert_eq!(MessageBatch::of([LINES[0], LINES[0]]), None);
        assert_eq!(MessageBatch::of([(StreamOffset(1), "", "text")]), None);
    }

    #[test]
    fn lengths_that_cannot_be_are_noticed() {
        let sends = MessageBatch::of(LINES[..3].iter().copied()).unwrap();
        let spoilt = |spoil: fn(&mut MessageBatch)| {
            let mut sends = sends.clone();
            spoil(&mut sends);
            assert!(!sends.is_well_formed(), "{sends:?}");
            sends.iter().count()
        };
        spoilt(|sends| sends.packed.push('x'));
        spoilt(|sends| sends.lines.clear());
        spoilt(|sends| sends.lines[0].recipients_bytes = 0);
        spoilt(|sends| sends.lines[1].step = 0);
        spoilt(|sends| sends.first.0 = u64::MAX);
        assert_eq!(spoilt(|sends| sends.lines[1].text_bytes = 1_000), 1);
        assert_eq!(spoilt(|sends| sends.packed = "bobé".into()), 0);
    }
}
