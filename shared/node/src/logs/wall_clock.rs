//! The time of day, for people. A time outside the calendar becomes the nearest time within it.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// The current time of day.
pub fn now() -> Timestamp {
    timestamp(SystemTime::now())
}

fn timestamp(time: SystemTime) -> Timestamp {
    let nearest = match time < UNIX_EPOCH {
        true => Timestamp::MIN,
        false => Timestamp::MAX,
    };
    Timestamp::try_from(time).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn shown(seconds: i64) -> String {
        let apart = Duration::from_secs(seconds.unsigned_abs());
        let time = match seconds < 0 {
            true => UNIX_EPOCH.checked_sub(apart),
            false => UNIX_EPOCH.checked_add(apart),
        };
        let time = timestamp(time.unwrap());
        format!("{time:.3}")
    }

    #[test]
    fn every_second_there_is_has_time() {
        assert_eq!(shown(1_795_346_311), "2026-11-22T11:18:31.000Z");
        assert_eq!(shown(-1), "1969-12-31T23:59:59.000Z");
        let year_10000 = 253_402_300_800;
        for seconds in [year_10000, i64::MAX] {
            assert!(shown(seconds).starts_with("9999-12-30T22:00:00."));
        }
        for seconds in [-year_10000 * 2, i64::MIN] {
            assert!(shown(seconds).starts_with("-009999-01-0"), "{seconds}");
        }
    }
}
