//! What is answered to a command: how the server writes it, and how a client understands it.

mod asked;
mod reading;
mod writing;

pub use asked::{Asked, ServerLimits};
pub(crate) use reading::after_word;
pub use reading::{Answer, Refusal};
pub use writing::{append_refusal, kept_lines, users_line};
