//! The time zone in which times are shown.

use std::env;

use jiff::tz::TimeZone;

/// When daylight saving time begins and ends if `TZ` has no rule; the same as in glibc.
const DEFAULT_RULE: &str = ",M3.2.0,M11.1.0";

/// The zone of `TZ` or of this system; UTC if neither can be found.
pub(crate) fn local() -> TimeZone {
    let zone = env::var("TZ").unwrap_or_default();
    TimeZone::try_system()
        .or_else(|error| without_rule(&zone).ok_or(error))
        .unwrap_or(TimeZone::UTC)
}

/// Adds the default rule to a zone like `CET-1CEST`, which has daylight saving time but no rule for it.
fn without_rule(zone: &str) -> Option<TimeZone> {
    let zone = zone.strip_prefix(':').unwrap_or(zone);
    TimeZone::posix(&format!("{zone}{DEFAULT_RULE}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_without_rule_uses_default_rule() {
        let zone = without_rule("CET-1CEST").expect("a zone");
        let hour = |time: &str| {
            let time: jiff::Timestamp = time.parse().expect("a time");
            time.to_zoned(zone.clone()).hour()
        };
        assert_eq!(
            (hour("2026-01-10T12:00:00Z"), hour("2026-07-10T12:00:00Z")),
            (13, 14)
        );
        assert!(without_rule("no such zone").is_none());
    }
}
