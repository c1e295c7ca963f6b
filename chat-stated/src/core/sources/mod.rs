//! Who has how many connections, and tries how much: per address, per /64 of IPv6, and in all.
//!
//! Pure, and in memory only: workers tell of every connection when it is made, and again to a daemon that is new. A
//! worker's connections go with its link. Sources that are trusted count in the totals only.

mod connections;
mod tally;

use std::collections::HashMap;
use std::net::IpAddr;

use chat_model::ConnectionSerial;
use chat_node::limits::network::{Networks, source_of};
use chat_node::limits::token_bucket::{Rate, TokenBucket};
use chat_node::logs::security_log::Event;

use super::link::LinkId;
use connections::{Connection, Connections};
use tally::Tally;

/// Sources whose rates are remembered; more than that are forgotten only when they are as good as new, and refused
/// until then.
const MAX_RATED_SOURCES: usize = 65_536;

/// Connections that were rejected and are not closed yet: far beyond what workers can have.
const MAX_TURNED_AWAY: usize = 1_000_000;

/// Connections that are counted at all, those too that were there before this daemon was.
const MAX_COUNTED: usize = 2_000_000;

/// What one source, and all of them, may have and do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLimits {
    /// Who is spared what is counted by source.
    pub trusted: Networks,
    /// Somebody may register. If not, an unknown name is answered like one that cannot be had.
    pub is_registration_open: bool,
    /// Connections in all.
    pub connections: usize,
    /// Connections of an address.
    pub address_connections: u32,
    /// Connections of a /64 of IPv6.
    pub network_connections: u32,
    /// Connections in all on which nobody is logged in.
    pub unauthenticated: usize,
    /// The same of an IPv4 address or a /64.
    pub source_unauthenticated: u32,
    /// Passwords that a source may try for whichever users; right ones do not count.
    pub logins: Rate,
    /// Registrations that a source may ask for.
    pub registrations: Rate,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self {
            trusted: Networks::LOOPBACK.parse().unwrap_or_default(),
            is_registration_open: true,
            connections: 100_000,
            address_connections: 100,
            network_connections: 200,
            unauthenticated: 50_000,
            source_unauthenticated: 30,
            logins: Rate::new(30, 60_000, 60),
            registrations: Rate::new(20, 3_600_000, 20),
        }
    }
}

/// Names a client's connection for as long as its worker is attached.
type Key = (LinkId, ConnectionSerial);

/// All that is counted.
#[derive(Debug)]
pub(super) struct Sources {
    limits: SourceLimits,
    connections: Connections,
    unauthenticated: usize,
    /// Of those that are not trusted.
    tally: Tally,
    logins: HashMap<IpAddr, TokenBucket>,
    registrations: HashMap<IpAddr, TokenBucket>,
}

impl Sources {
    pub(super) fn new(limits: SourceLimits) -> Self {
        Self {
            limits,
            connections: Connections::default(),
            unauthenticated: 0,
            tally: Tally::default(),
            logins: HashMap::new(),
            registrations: HashMap::new(),
        }
    }

    /// Connections that are there stay, whatever the new limits. Who was trusted when he came stays trusted.
    pub(super) fn change_limits(&mut self, limits: SourceLimits) {
        self.limits = limits;
    }

    pub(super) fn is_registration_open(&self) -> bool {
        self.limits.is_registration_open
    }

    /// Somebody connected. The event says which limit is in the way; nothing of the connection is heard any more then.
    pub(super) fn open(&mut self, key: Key, address: IpAddr) -> Result<(), Event> {
        if let Some(event) = self.limit_in_the_way(address.to_canonical()) {
            // A worker that tells of more is no worker of ours.
            self.connections.reject(key, MAX_TURNED_AWAY);
            return Err(event);
        }
        self.take_in(key, address, false);
        Ok(())
    }

    fn limit_in_the_way(&self, address: IpAddr) -> Option<Event> {
        let limits = &self.limits;
        if self.connections.len() >= limits.connections {
            return Some(Event::Connections);
        }
        if self.unauthenticated >= limits.unauthenticated {
            return Some(Event::Unauthenticated);
        }
        if limits.trusted.contains(address) {
            return None;
        }
        let tallied = self.tally.of(address);
        if tallied.of_address >= limits.address_connections {
            Some(Event::AddressConnections)
        } else if address.is_ipv6() && tallied.of_source.connections >= limits.network_connections {
            Some(Event::NetworkConnections)
        } else if tallied.of_source.unauthenticated >= limits.source_unauthenticated {
            Some(Event::SourceUnauthenticated)
        } else {
            None
        }
    }

    /// Counts a connection, whatever the limits: it is a new one within them, or was there before this daemon.
    pub(super) fn take_in(&mut self, key: Key, address: IpAddr, is_authenticated: bool) {
        let address = address.to_canonical();
        let is_trusted = address.is_unspecified() || self.limits.trusted.contains(address);
        let connection = Connection {
            address,
            is_trusted,
            is_authenticated,
        };
        if let Some(before) = self.connections.insert(key, connection) {
            self.uncount(&before);
        }
        self.unauthenticated += usize::from(!is_authenticated);
        if !is_trusted {
            self.tally.add(address, is_authenticated);
        }
    }

    /// Whether there are more than all workers together can have.
    pub(super) fn is_beyond_belief(&self) -> bool {
        self.connections.len() >= MAX_COUNTED
    }

    /// A connection is gone.
    pub(super) fn close(&mut self, key: Key) {
        self.connections.forget_rejected(key);
        if let Some(connection) = self.connections.remove(key) {
            self.uncount(&connection);
        }
    }

    /// A worker is gone, and with it its connections.
    pub(super) fn close_link(&mut self, link: LinkId) {
        for connection in self.connections.remove_link(link) {
            self.uncount(&connection);
        }
    }

    fn uncount(&mut self, connection: &Connection) {
        self.unauthenticated -= usize::from(!connection.is_authenticated);
        if !connection.is_trusted {
            self.tally
                .remove(connection.address, connection.is_authenticated);
        }
    }

    /// Whether nothing of a connection is heard any more.
    pub(super) fn is_rejected(&self, key: Key) -> bool {
        self.connections.is_rejected(key)
    }

    /// Somebody logged in: the try was none.
    pub(super) fn logged_in(&mut self, key: Key) {
        let Some(before) = self.connections.authenticate(key) else {
            return;
        };
        if before.is_authenticated {
            return;
        }
        self.unauthenticated -= 1;
        if before.is_trusted {
            return;
        }
        self.tally.authenticated(before.address);
        if let Some(bucket) = self.logins.get_mut(&source_of(before.address)) {
            bucket.give_back(self.limits.logins);
        }
    }

    /// Who tried to log in last on a connection, and from where.
    pub(super) fn last_try(&self, key: Key) -> Option<(IpAddr, &str)> {
        let user = self.connections.last_try(key)?;
        Some((self.connections.get(key)?.address, user))
    }

    /// Whether a password may be tried from there now; if so, that was one.
    pub(super) fn may_log_in(
        &mut self,
        key: Key,
        user: &str,
        address: IpAddr,
        now_ms: u64,
    ) -> bool {
        self.connections.set_last_try(key, user);
        self.limits.trusted.contains(address)
            || may(&mut self.logins, self.limits.logins, address, now_ms)
    }

    /// Whether an account may be asked for from there now; if so, that was one.
    pub(super) fn may_register(&mut self, address: IpAddr, now_ms: u64) -> bool {
        let rate = self.limits.registrations;
        self.limits.trusted.contains(address) || may(&mut self.registrations, rate, address, now_ms)
    }
}

fn may(
    buckets: &mut HashMap<IpAddr, TokenBucket>,
    rate: Rate,
    address: IpAddr,
    now_ms: u64,
) -> bool {
    let source = source_of(address);
    if !buckets.contains_key(&source) && buckets.len() >= MAX_RATED_SOURCES {
        buckets.retain(|_, bucket| !bucket.is_full(now_ms));
        if buckets.len() >= MAX_RATED_SOURCES {
            return false;
        }
    }
    buckets
        .entry(source)
        .or_default()
        .take(rate, now_ms)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> SourceLimits {
        SourceLimits {
            connections: 8,
            address_connections: 3,
            network_connections: 4,
            unauthenticated: 7,
            source_unauthenticated: 100,
            logins: Rate::new(60, 60_000, 2),
            registrations: Rate::new(1, 60_000, 1),
            ..SourceLimits::default()
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn key(link: LinkId, serial: u64) -> Key {
        (link, ConnectionSerial(serial))
    }

    fn is_empty(sources: &Sources) -> bool {
        sources.connections.is_empty() && sources.tally.is_empty() && sources.unauthenticated == 0
    }

    #[test]
    fn address_limit_spans_all_workers() {
        let mut sources = Sources::new(limits());
        for serial in 0..3 {
            assert_eq!(
                sources.open(key(serial as usize % 2, serial), ip("192.0.2.1")),
                Ok(())
            );
        }
        let refused = sources.open(key(0, 3), ip("192.0.2.1"));
        assert_eq!(refused, Err(Event::AddressConnections));
        assert!(sources.is_rejected(key(0, 3)) && !sources.is_rejected(key(1, 3)));
        assert_eq!(sources.open(key(0, 4), ip("192.0.2.2")), Ok(()));
        sources.close(key(0, 3));
        assert!(!sources.is_rejected(key(0, 3)));
        sources.close(key(1, 1));
        assert_eq!(sources.open(key(0, 5), ip("192.0.2.1")), Ok(()));
        sources.close_link(0);
        sources.close_link(1);
        assert!(is_empty(&sources));
    }

    #[test]
    fn ipv6_64_is_one_source() {
        let mut sources = Sources::new(limits());
        for serial in 0..4 {
            let address = ip(&format!("2001:db8::{serial}"));
            assert_eq!(sources.open(key(0, serial), address), Ok(()));
        }
        let refused = sources.open(key(0, 4), ip("2001:db8::ffff:1"));
        assert_eq!(refused, Err(Event::NetworkConnections));
        assert_eq!(sources.open(key(0, 5), ip("2001:db8:0:1::")), Ok(()));
    }

    #[test]
    fn trusted_sources_obey_only_totals() {
        let mut sources = Sources::new(limits());
        for serial in 0..7 {
            assert_eq!(sources.open(key(0, serial), ip("127.0.0.1")), Ok(()));
        }
        let refused = sources.open(key(0, 7), ip("127.0.0.1"));
        assert_eq!(refused, Err(Event::Unauthenticated));
        sources.logged_in(key(0, 0));
        sources.logged_in(key(0, 0));
        assert_eq!(sources.open(key(0, 8), ip("127.0.0.1")), Ok(()));
        let refused = sources.open(key(0, 9), ip("192.0.2.1"));
        assert_eq!(refused, Err(Event::Connections));
        sources.close_link(0);
        assert!(is_empty(&sources));
    }

    #[test]
    fn login_frees_unauthenticated_place() {
        let mut sources = Sources::new(SourceLimits {
            source_unauthenticated: 1,
            ..limits()
        });
        assert_eq!(sources.open(key(0, 0), ip("192.0.2.1")), Ok(()));
        let refused = sources.open(key(0, 1), ip("192.0.2.1"));
        assert_eq!(refused, Err(Event::SourceUnauthenticated));
        sources.logged_in(key(0, 0));
        assert_eq!(sources.open(key(0, 2), ip("192.0.2.1")), Ok(()));
        sources.close(key(0, 0));
        sources.close(key(0, 1));
        sources.close(key(0, 2));
        assert!(is_empty(&sources));
    }

    #[test]
    fn resumed_connections_are_counted_once() {
        let mut sources = Sources::new(limits());
        for serial in 0..5 {
            sources.take_in(key(0, serial), ip("192.0.2.1"), serial % 2 == 0);
            sources.take_in(key(0, serial), ip("192.0.2.1"), serial % 2 == 0);
        }
        let refused = sources.open(key(0, 6), ip("192.0.2.1"));
        assert_eq!(refused, Err(Event::AddressConnections));
        sources.close_link(0);
        assert!(is_empty(&sources));
    }

    #[test]
    fn only_failed_tries_count_by_source() {
        let mut sources = Sources::new(limits());
        let (ann, other) = (ip("2001:db8::1"), ip("2001:db8::2"));
        let elsewhere = ip("2001:db8:1::1");
        let key = key(0, 0);
        sources.open(key, ann).unwrap();
        assert!(sources.may_log_in(key, "a", ann, 0));
        assert!(sources.may_log_in(key, "b", other, 0));
        assert!(
            !sources.may_log_in(key, "c", ann, 0),
            "one /64 is one source"
        );
        assert_eq!(sources.last_try(key), Some((ann, "c")));
        assert!(sources.may_log_in(key, "c", elsewhere, 0), "others may");
        sources.logged_in(key);
        assert!(
            sources.may_log_in(key, "c", ann, 0),
            "a right one is given back"
        );
        assert!(!sources.may_log_in(key, "c", ann, 999));
        assert!(sources.may_log_in(key, "c", ann, 1_000));
        for _ in 0..100 {
            assert!(sources.may_log_in(key, "c", ip("127.0.0.1"), 0));
        }
    }

    #[test]
    fn registrations_count_by_source() {
        let mut sources = Sources::new(limits());
        assert!(sources.may_register(ip("192.0.2.1"), 0));
        assert!(!sources.may_register(ip("192.0.2.1"), 0));
        for number in 0..100_000_u32 {
            sources.may_register(IpAddr::from((number << 8).to_be_bytes()), 0);
        }
        assert_eq!(sources.registrations.len(), MAX_RATED_SOURCES);
        assert!(
            sources.may_register(ip("203.0.113.1"), 60_000),
            "forgotten in time"
        );
        assert!(sources.registrations.len() < 10);
    }
}
