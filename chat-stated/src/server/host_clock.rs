//! The clocks of this host.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use chat_node::boot_clock;

use crate::entry::Timestamp;

const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";

/// Reads the clocks of this host.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostClock {
    boot_id: [u8; 16],
}

impl HostClock {
    pub(super) fn new() -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(BOOT_ID_FILE)
            .with_context(|| format!("cannot read {BOOT_ID_FILE}"))?;
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        let boot_id = u128::from_str_radix(&digits, 16)
            .with_context(|| format!("{BOOT_ID_FILE} does not hold a boot id: {text:?}"))?
            .to_be_bytes();
        Ok(Self { boot_id })
    }

    pub(super) fn timestamp(&self) -> Timestamp {
        let wall_ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_millis() as i64,
            Err(before) => -(before.duration().as_millis() as i64),
        };
        Timestamp {
            wall_ms,
            boot_ms: boot_clock::now_ms(),
            boot_id: self.boot_id,
        }
    }
}
