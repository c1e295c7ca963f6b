//! Writes the pages that are made from the settings: `cargo run -p chat-settings --example pages`, in the root of the
//! checkout.

use std::fs;
use std::io;

fn main() -> io::Result<()> {
    fs::write("docs/chatserv.toml", chat_settings::example::example())?;
    fs::write("docs/settings.md", chat_settings::manual::manual())
}
