//! Fuzz targets: everything in chatserv that takes in bytes from outside, and what must hold whatever they are.
//!
//! A target is a plain function of bytes that panics if something does not hold. The same functions are run in two
//! ways: by `cargo test -p chat-fuzz`, over the kept corpus and some thousand mutations of it from fixed seeds; and by
//! `scripts/fuzz`, for as long as one likes, guided by coverage.

pub mod choices;
pub mod corpus;
pub mod mutation;
pub mod short_run;
pub mod targets;

/// Something that takes in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder in `corpus/`.
    pub name: &'static str,
    /// Takes in bytes; a panic is a finding.
    pub run: fn(&[u8]),
    /// Words that mean something to it, for mutations.
    pub words: &'static [&'static [u8]],
    /// Longest input worth trying, in bytes.
    pub max_bytes: usize,
    /// Mutations in a short run.
    pub mutations: usize,
}

/// Words of the line protocol.
const PROTOCOL_WORDS: &[&[u8]] = &[
    b"foobar\npasspass\n",
    b"who\n",
    b"last 5\n",
    b"send bob hi\n",
    b"send (bob foobar) hi\n",
    b"broadcast hi\n",
    b"fetch\n",
    b"push on\n",
    b"push ack\n",
    b"push off\n",
    b"ids on\n",
    b"ids off\n",
    b"to on\n",
    b"to off\n",
    b"logout\n",
    b"y\n",
    b"\r\n",
    b"(",
    b") ",
    b"\x1b[0m",
    "\u{fffd}".as_bytes(),
    "\u{85}".as_bytes(),
    "\u{202e}".as_bytes(),
];

/// What has meaning in our binary formats: lengths and numbers at their ends.
const NUMBERS: &[&[u8]] = &[
    b"\xfb\xff\xff",
    b"\xfc\xff\xff\xff\xff",
    b"\xfd\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xfd\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x01",
    b"\0\0\0\0\0\0\0\0",
    b"chatserv\x01\0\0\0",
    b"chatserv\x02\0\0\0",
];

/// All there are.
pub const TARGETS: &[Target] = &[
    Target {
        name: "line",
        run: targets::line::run,
        words: PROTOCOL_WORDS,
        max_bytes: 4_096,
        mutations: 20_000,
    },
    Target {
        name: "session",
        run: targets::session::run,
        words: PROTOCOL_WORDS,
        max_bytes: 4_096,
        mutations: 6_000,
    },
    Target {
        name: "frame",
        run: targets::frame::run,
        words: NUMBERS,
        max_bytes: 4_096,
        mutations: 20_000,
    },
    Target {
        name: "daemon",
        run: targets::daemon::run,
        words: NUMBERS,
        max_bytes: 4_096,
        mutations: 5_000,
    },
    Target {
        name: "worker",
        run: targets::worker::run,
        words: NUMBERS,
        max_bytes: 4_096,
        mutations: 10_000,
    },
    Target {
        name: "entry",
        run: targets::entry::run,
        words: NUMBERS,
        max_bytes: 4_096,
        mutations: 6_000,
    },
    Target {
        name: "account_file",
        run: targets::account_file::run,
        words: targets::account_file::WORDS,
        max_bytes: 4_096,
        mutations: 10_000,
    },
    Target {
        name: "tls",
        run: targets::tls::run,
        words: targets::tls::WORDS,
        max_bytes: 4_096,
        mutations: 600,
    },
    Target {
        name: "backup",
        run: targets::backup::run,
        words: NUMBERS,
        max_bytes: 4_096,
        mutations: 10_000,
    },
    Target {
        name: "status_file",
        run: targets::status_file::run,
        words: targets::status_file::WORDS,
        max_bytes: 4_096,
        mutations: 10_000,
    },
    Target {
        name: "proxy_header",
        run: targets::proxy_header::run,
        words: targets::proxy_header::WORDS,
        max_bytes: 8_192,
        mutations: 10_000,
    },
];

/// Takes in bytes by the target of this name.
pub fn run(name: &str, bytes: &[u8]) {
    match TARGETS.iter().find(|target| target.name == name) {
        Some(target) => (target.run)(&bytes[..bytes.len().min(target.max_bytes)]),
        None => panic!("there is no fuzz target {name}"),
    }
}
