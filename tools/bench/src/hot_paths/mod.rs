//! `chat-bench hot-path`: what is done for every message, over and over, for `scripts/instructions` to count.
//!
//! Counted are the instructions of twice as many rounds, less those of as many: so neither the preparation nor the
//! growth of buffers is in the figure, and it does not matter what the compiler puts where.

mod codec;
mod session;
mod state;

use clap::ValueEnum;

/// Messages of one round: what comes together in a busy turn.
const BATCH: u64 = 64;

/// Does one of the hot paths over and over
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Which one
    #[arg(value_enum)]
    pub path: HotPath,

    /// How often, with 64 messages each time
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub rounds: u64,
}

/// What is done for every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HotPath {
    /// A line is cut, parsed and answered by the session alone
    LineParse,
    /// A `send` goes through the session to the daemon, and its answer back to the client
    SessionTurn,
    /// A pushed message becomes a line for its reader
    SessionPush,
    /// A request is encoded into a frame
    RpcEncode,
    /// A request is decoded from a frame
    RpcDecode,
    /// A message is taken by the state, and its reader's cursor moves on
    StateApply,
    /// An entry is encoded for the journal, with the digest
    JournalEncode,
}

/// Does it.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let rounds = options.rounds;
    match options.path {
        HotPath::LineParse => session::parse_lines(rounds),
        HotPath::SessionTurn => session::send(rounds),
        HotPath::SessionPush => session::push(rounds),
        HotPath::RpcEncode => codec::encode_requests(rounds),
        HotPath::RpcDecode => codec::decode_requests(rounds),
        HotPath::StateApply => state::apply(rounds),
        HotPath::JournalEncode => state::encode_batches(rounds),
    }
}

/// A text of the usual length.
fn text() -> String {
    "x".repeat(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hot_path_can_be_gone() {
        for path in HotPath::value_variants() {
            let options = Options {
                path: *path,
                rounds: 3,
            };
            run(&options).unwrap();
        }
    }
}
