//! The clock that the processes of a host share, and that nobody can set.

use nix::time::{ClockId, clock_gettime};

/// Milliseconds since the host was booted, sleep included (`CLOCK_BOOTTIME`). Never goes back in a boot.
pub fn now_ms() -> u64 {
    let time =
        clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has had this clock since 2.6.39");
    time.tv_sec() as u64 * 1_000 + time.tv_nsec() as u64 / 1_000_000
}
