//! Flags that all the runs have which put an installation of their own under load and check what comes of it.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;

use crate::installation::programs_beside_this;

/// What is loaded, with what, and where the report goes.
#[derive(clap::Args, Clone, Debug)]
pub struct RunOptions {
    /// Length of a message
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 64,
        value_parser = RangedU64ValueParser::<usize>::new().range(34..=4_096)
    )]
    pub text_bytes: usize,

    /// Directory of chat-stated and chat-frontd [default: where this program is]
    #[arg(long, value_name = "DIR", env = "CHAT_BIN_DIR")]
    pub programs: Option<PathBuf>,

    /// Workers of its own installation
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 2,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=64)
    )]
    pub workers: usize,

    /// Writes the report there too, as a page with the text and the JSON line
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

impl RunOptions {
    /// The directory of the programs.
    pub fn programs_dir(&self) -> std::io::Result<PathBuf> {
        self.programs.clone().map_or_else(programs_beside_this, Ok)
    }

    /// The flags that a repeated run needs.
    pub fn flags(&self) -> String {
        let Self {
            text_bytes,
            workers,
            ..
        } = self;
        format!("--text-bytes {text_bytes} --workers {workers}")
    }
}
