//! The server's end: a client's bytes become lines, lines become requests, and what comes of them becomes lines.

mod command;
mod line_buffer;
mod login;
mod message_lines;
mod password_change;

pub use crate::answer::{Asked, ServerLimits, append_refusal, kept_lines, users_line};
pub use command::{CommandError, Intent, command_word, parse};
pub use line_buffer::{Line, LineBuffer};
pub use login::Login;
pub use message_lines::{LineForm, MessageLines};
pub use password_change::{PasswordChange, PasswordsDiffer};

/// Writes a line and its end.
pub fn append_line(line: &str, output: &mut Vec<u8>) {
    output.extend_from_slice(line.as_bytes());
    output.push(b'\n');
}
