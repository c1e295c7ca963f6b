//! Clocks of a host that only go where they are told to.

use chat_stated::entry::Timestamp;

/// A time of the first boot, so many milliseconds after it began.
pub(super) fn timestamp(boot_ms: u64) -> Timestamp {
    Timestamp {
        wall_ms: 1_795_346_311_000_i64.wrapping_add(boot_ms as i64),
        boot_ms,
        boot_id: [1; 16],
    }
}
