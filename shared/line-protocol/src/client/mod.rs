//! The client's end: commands become lines, and the server's lines become events.

mod dialogue;
mod line_splitter;
mod message_line;

pub use crate::answer::{Answer, Refusal};
pub use crate::command::{Command, split_word};
pub use dialogue::{Dialogue, Event, Step};
pub use line_splitter::{Line, LineSplitter};
pub use message_line::{MessageLine, WentTo, number};
