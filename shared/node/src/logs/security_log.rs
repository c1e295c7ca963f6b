//! The security log: a line in a fixed form for each refusal and block, and the counts of them.
//!
//! `security: event=login-failed source=192.0.2.7 user=ann`, fields in this order, values without spaces. A message
//! that a limit forbids has `queue=bob limit=queue-messages` after these. Programs read these lines
//! (`packaging/fail2ban/`), so values chosen by untrusted clients are escaped: they cannot look like a field, a line,
//! or another source. The rate of lines is limited, for each source and in total.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::net::IpAddr;

use log::{Level, Record};

use crate::limits::network::source_of;
use crate::limits::token_bucket::{Rate, TokenBucket};
use crate::metrics::refusals::Refusals;

/// Longest value of a field, in bytes before escaping.
const MAX_VALUE_BYTES: usize = 64;
/// Sources with a rate of their own; further sources share one.
const MAX_SOURCES: usize = 4_096;

/// A security event. The names are used in the log, in the status and in filters, so they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// A wrong password.
    LoginFailed,
    /// The third wrong password began a block.
    BlockBegan,
    /// A login by a user who is blocked from this source.
    Blocked,
    /// Too many login tries from one source.
    LoginThrottled,
    /// Too many registrations from one source.
    RegistrationThrottled,
    /// Too many connections in total.
    Connections,
    /// Too many connections from one address.
    AddressConnections,
    /// Too many connections from one /64.
    NetworkConnections,
    /// Too many unauthenticated connections in total.
    Unauthenticated,
    /// Too many unauthenticated connections from one source.
    SourceUnauthenticated,
    /// Too many connections per second from one source.
    ConnectionsThrottled,
    /// A worker has its maximum number of connections.
    WorkerFull,
    /// A login took too long.
    LoginTimeOut,
    /// A client sent lines too fast, so reading was delayed.
    LinesDelayed,
    /// The buffers of all clients were too large, so the client with the largest one was disconnected.
    Memory,
    /// A balancer sent no PROXY header, or not in time.
    ProxyHeader,
    /// A message had too many recipients.
    GroupSize,
    /// A queue, a share of it, the budget of broadcasts, or a sender's share of the waiting messages was full.
    Quota,
    /// The budget of waiting messages was full.
    Full,
    /// Too many questions to the history waited for their answers.
    HistoryBusy,
    /// A TLS handshake failed.
    TlsHandshake,
    /// Somebody logged in. Nothing was refused.
    Login,
}

impl Event {
    /// The name in log and status.
    pub fn name(self) -> &'static str {
        match self {
            Self::LoginFailed => "login-failed",
            Self::BlockBegan => "block-began",
            Self::Blocked => "blocked",
            Self::LoginThrottled => "login-throttled",
            Self::RegistrationThrottled => "registration-throttled",
            Self::Connections => "connections",
            Self::AddressConnections => "address-connections",
            Self::NetworkConnections => "network-connections",
            Self::Unauthenticated => "unauthenticated",
            Self::SourceUnauthenticated => "source-unauthenticated",
            Self::ConnectionsThrottled => "connections-throttled",
            Self::WorkerFull => "worker-full",
            Self::LoginTimeOut => "login-time-out",
            Self::LinesDelayed => "lines-delayed",
            Self::Memory => "memory",
            Self::ProxyHeader => "proxy-header",
            Self::GroupSize => "group-size",
            Self::Quota => "quota",
            Self::Full => "full",
            Self::HistoryBusy => "history-busy",
            Self::TlsHandshake => "tls-handshake",
            Self::Login => "login",
        }
    }

    fn level(self) -> Level {
        match self {
            Self::Login => Level::Info,
            _ => Level::Warn,
        }
    }
}

/// What the line of an event says beside its name, in this order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Details<'a> {
    /// Where the client comes from.
    pub source: Option<IpAddr>,
    /// Who it is, or wants to be.
    pub user: Option<&'a str>,
    /// The recipient whose queue is full.
    pub queue: Option<&'a str>,
    /// The setting whose limit is reached.
    pub limit: Option<&'static str>,
    /// The connection, which the other daemon's log names in the same way.
    pub connection: Option<ConnectionNumber>,
}

/// A client's connection, as `3-17`.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionNumber {
    /// The worker session that holds it.
    pub worker_session: u64,
    /// Its serial in that session.
    pub serial: u64,
}

impl fmt::Display for ConnectionNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.worker_session, self.serial)
    }
}

/// Counts events, and decides which of them are logged.
#[derive(Debug, Default)]
pub struct SecurityLog {
    refusals: Refusals,
    refused: Budget,
    /// Logins have a budget of their own, so that many of them cost no refusal its line.
    logins: Budget,
}

/// How many lines may still be written.
#[derive(Debug, Default)]
struct Budget {
    /// By event and source.
    buckets: HashMap<(Event, Option<IpAddr>), TokenBucket>,
    all: TokenBucket,
    suppressed: u64,
}

/// The rate of lines per event and source: enough for programs that count them.
fn source_rate() -> Rate {
    Rate::new(6, 60_000, 20)
}

/// The rate of all lines together.
fn total_rate() -> Rate {
    Rate::new(20, 1_000, 400)
}

impl SecurityLog {
    /// Records an event: counts it if it is a refusal, and logs it unless there were too many like it lately.
    pub fn record(&mut self, now_ms: u64, event: Event, details: Details<'_>) {
        let Some(fields) = self.fields(now_ms, event, details) else {
            return;
        };
        let level = event.level();
        if level > log::max_level() {
            return;
        }
        let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, it)| (*name, &**it)).collect();
        let line = line(&fields);
        // In one expression: the arguments live no longer.
        log::logger().log(
            &Record::builder()
                .level(level)
                .target(module_path!())
                .args(format_args!("{line}"))
                .key_values(&pairs)
                .build(),
        );
    }

    /// Counts of refusals by name.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// What the line of an event says; none if there is to be no line.
    fn fields(&mut self, now_ms: u64, event: Event, details: Details<'_>) -> Option<Fields> {
        let budget = match event {
            Event::Login => &mut self.logins,
            _ => {
                self.refusals.count(event.name());
                &mut self.refused
            }
        };
        if !budget.may_write(now_ms, event, details.source) {
            budget.suppressed += 1;
            return None;
        }
        let suppressed = std::mem::take(&mut budget.suppressed);
        let mut fields = vec![("event", event.name().to_owned())];
        if let Some(source) = details.source {
            fields.push(("source", source.to_canonical().to_string()));
        }
        let names = [
            ("user", details.user),
            ("queue", details.queue),
            ("limit", details.limit),
        ];
        for (field, text) in names {
            fields.extend(text.map(|text| (field, value(text))));
        }
        if let Some(connection) = details.connection {
            fields.push(("connection", connection.to_string()));
        }
        if suppressed > 0 {
            fields.push(("suppressed", suppressed.to_string()));
        }
        Some(fields)
    }
}

type Fields = Vec<(&'static str, String)>;

fn line(fields: &[(&str, String)]) -> String {
    let mut line = "security:".to_owned();
    for (name, value) in fields {
        // Writing to a string cannot fail.
        let _ = write!(line, " {name}={value}");
    }
    line
}

impl Budget {
    fn may_write(&mut self, now_ms: u64, event: Event, source: Option<IpAddr>) -> bool {
        let mut key = (event, source.map(source_of));
        if !self.buckets.contains_key(&key) && self.buckets.len() >= MAX_SOURCES {
            self.buckets.retain(|_, bucket| !bucket.is_full(now_ms));
            if self.buckets.len() >= MAX_SOURCES {
                key = (event, None);
            }
        }
        let bucket = self.buckets.entry(key).or_default();
        bucket.take(source_rate(), now_ms).is_ok() && self.all.take(total_rate(), now_ms).is_ok()
    }
}

/// Escapes a value: bytes other than letters, digits, `_`, `.` and `-` become `%` and two hex digits.
fn value(text: &str) -> String {
    let mut written = String::new();
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if index == MAX_VALUE_BYTES => {
                written.push_str("...");
                break;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => {
                written.push(char::from(byte));
            }
            byte => {
                // Writing to a string cannot fail.
                let _ = write!(written, "%{byte:02X}");
            }
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(
        log: &mut SecurityLog,
        now_ms: u64,
        event: Event,
        details: Details<'_>,
    ) -> Option<String> {
        log.fields(now_ms, event, details)
            .map(|fields| line(&fields))
    }

    fn at(source: IpAddr) -> Details<'static> {
        Details {
            source: Some(source),
            ..Details::default()
        }
    }

    fn from(source: &str) -> Details<'static> {
        at(source.parse().unwrap())
    }

    fn of<'a>(source: &str, user: &'a str) -> Details<'a> {
        Details {
            user: Some(user),
            ..from(source)
        }
    }

    #[test]
    fn line_has_event_source_and_user() {
        let mut log = SecurityLog::default();
        let line = line_of(
            &mut log,
            0,
            Event::LoginFailed,
            of("::ffff:192.0.2.7", "ann"),
        );
        let expected = "security: event=login-failed source=192.0.2.7 user=ann";
        assert_eq!(line.unwrap(), expected);
        let quota = Details {
            user: Some("bob"),
            queue: Some("ann"),
            limit: Some("queue-messages"),
            ..Details::default()
        };
        let line = line_of(&mut log, 0, Event::Quota, quota).unwrap();
        assert_eq!(
            line,
            "security: event=quota user=bob queue=ann limit=queue-messages"
        );
        assert_eq!(log.refusals().render(), "login-failed=1\nquota=1\n");
    }

    #[test]
    fn name_cannot_forge_field_or_line() {
        let mut log = SecurityLog::default();
        let name = "x source=10.0.0.1\nsecurity: %é\u{202e}";
        let line = line_of(&mut log, 0, Event::LoginFailed, of("::1", name));
        assert_eq!(
            line.unwrap(),
            "security: event=login-failed source=::1 \
             user=x%20source%3D10.0.0.1%0Asecurity%3A%20%25%C3%A9%E2%80%AE"
        );
        let long = "n".repeat(1_000);
        let line = line_of(&mut log, 0, Event::Blocked, of("::1", &long)).unwrap();
        assert_eq!(
            line.len(),
            "security: event=blocked source=::1 user=".len() + 64 + 3
        );
    }

    #[test]
    fn one_source_cannot_fill_the_log() {
        let mut log = SecurityLog::default();
        let flood =
            (0..10_000).filter_map(|_| line_of(&mut log, 0, Event::Blocked, from("192.0.2.1")));
        assert_eq!(flood.count(), 20);
        let other = line_of(&mut log, 0, Event::Blocked, from("192.0.2.2")).unwrap();
        assert!(
            other.ends_with("source=192.0.2.2 suppressed=9980"),
            "{other}"
        );
        let counts: Vec<_> = log.refusals().iter().collect();
        assert_eq!(
            counts,
            [("blocked", 10_001)],
            "suppressed lines are counted"
        );
        assert!(line_of(&mut log, 10_000, Event::Blocked, from("192.0.2.1")).is_some());
    }

    #[test]
    fn many_sources_cannot_fill_the_log() {
        let mut log = SecurityLog::default();
        let lines = (0..100_000_u32).filter_map(|number| {
            let source = IpAddr::from(number.to_be_bytes());
            line_of(&mut log, 0, Event::Blocked, at(source))
        });
        assert_eq!(lines.count(), 400);
        assert!(log.refused.buckets.len() <= MAX_SOURCES + 1);
    }

    #[test]
    fn logins_cost_no_refusal_its_line() {
        let mut log = SecurityLog::default();
        let login = Details {
            connection: Some(ConnectionNumber {
                worker_session: 3,
                serial: 17,
            }),
            ..of("192.0.2.7", "ann")
        };
        let first = line_of(&mut log, 0, Event::Login, login).unwrap();
        assert_eq!(
            first,
            "security: event=login source=192.0.2.7 user=ann connection=3-17"
        );
        let written = (0..10_000_u32).filter_map(|number| {
            let source = at(IpAddr::from(number.to_be_bytes()));
            line_of(&mut log, 0, Event::Login, source)
        });
        assert!(written.count() < 1_000);
        let refused = line_of(&mut log, 0, Event::LoginFailed, of("192.0.2.7", "ann")).unwrap();
        assert!(!refused.contains("suppressed"), "{refused}");
        assert_eq!(log.refusals().render(), "login-failed=1\n");
    }
}
