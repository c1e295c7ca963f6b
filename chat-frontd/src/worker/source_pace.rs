//! How fast one source makes connections, so that it does not use up what all have together.

use std::collections::HashMap;
use std::net::IpAddr;

use chat_node::limits::network::source_of;
use chat_node::limits::token_bucket::{Rate, TokenBucket};

/// Sources that are remembered. Those beyond are not held to their pace, only to that of all: a flood from so many is
/// to keep nobody out who comes from elsewhere.
const MAX_SOURCES: usize = 16_384;
/// Those that are as good as new are forgotten so often.
const FORGET_MS: u64 = 1_000;

/// The pace of each source: an IPv4 address, or a /64 of IPv6.
#[derive(Debug)]
pub(super) struct SourcePace {
    rate: Rate,
    sources: HashMap<IpAddr, TokenBucket>,
    forget_at_ms: u64,
}

impl SourcePace {
    pub(super) fn new(connections_per_second: u32, burst: u32) -> Self {
        Self {
            rate: Rate::new(connections_per_second, 1_000, burst),
            sources: HashMap::new(),
            forget_at_ms: 0,
        }
    }

    /// Changes the pace.
    pub(super) fn change_rate(&mut self, connections_per_second: u32, burst: u32) {
        self.rate = Rate::new(connections_per_second, 1_000, burst);
    }

    /// Whether another connection may come from there now; if so, that was one.
    pub(super) fn may_come(&mut self, address: IpAddr, now_ms: u64) -> bool {
        if now_ms >= self.forget_at_ms {
            self.forget_at_ms = now_ms.saturating_add(FORGET_MS);
            self.sources.retain(|_, bucket| !bucket.is_full(now_ms));
            if self.sources.len() * 8 < self.sources.capacity() {
                self.sources.shrink_to(self.sources.len() * 2);
            }
        }
        let source = source_of(address);
        if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&source) {
            return true;
        }
        let bucket = self.sources.entry(source).or_default();
        bucket.take(self.rate, now_ms).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn numbered(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn sources_have_own_burst_and_rate() {
        let mut pace = SourcePace::new(10, 3);
        let (one, same, other) = (ip("2001:db8::1"), ip("2001:db8::2"), ip("192.0.2.1"));
        assert!(pace.may_come(one, 0) && pace.may_come(same, 0) && pace.may_come(one, 0));
        assert!(!pace.may_come(one, 0) && !pace.may_come(same, 99));
        assert!(pace.may_come(other, 0));
        assert!(pace.may_come(ip("2001:db8:0:1::1"), 0));
        assert!(pace.may_come(same, 100) && !pace.may_come(one, 100));
    }

    #[test]
    fn refusals_do_not_lower_rate() {
        let mut pace = SourcePace::new(10, 1);
        let taken = (0..10_000).filter(|ms| pace.may_come(ip("192.0.2.1"), *ms));
        assert_eq!(taken.count(), 100);
    }

    #[test]
    fn flood_of_sources_is_bounded() {
        let mut pace = SourcePace::new(1, 1);
        assert!((0..100_000).all(|number| pace.may_come(numbered(number), 0)));
        assert_eq!(pace.sources.len(), MAX_SOURCES);
        assert!(pace.sources.capacity() <= MAX_SOURCES * 2);
        assert!(
            !pace.may_come(numbered(0), 0),
            "who is remembered has its pace"
        );
        assert!(pace.may_come(numbered(0), 60_000));
        assert_eq!(pace.sources.len(), 1);
        assert!(pace.sources.capacity() < 100, "{}", pace.sources.capacity());
    }
}
