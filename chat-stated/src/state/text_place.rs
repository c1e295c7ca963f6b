//! Where a text is that is not in memory, and texts that were read.

use std::collections::BTreeMap;

use chat_model::MessageNumber;

/// Texts of messages. A message's number is never given again and its text never changes, so a text that was read is
/// right wherever its page has gone meanwhile.
pub type Texts = BTreeMap<MessageNumber, Box<str>>;

/// Where the checkpoint has the text of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextPlace {
    /// Whose text.
    pub number: MessageNumber,
    /// How long it is.
    pub text_bytes: u32,
    /// The page it was on when last heard.
    pub page: u64,
    /// The page it is on instead, once the checkpoint that is being written is current.
    pub moved_to: Option<u64>,
}

impl TextPlace {
    /// Whether two texts are looked for on the same pages.
    pub fn lies_with(&self, other: &Self) -> bool {
        (self.page, self.moved_to) == (other.page, other.moved_to)
    }
}
