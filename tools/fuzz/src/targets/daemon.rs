//! The state daemon's core with workers that say whatever they like: none is answered what it did not ask, one that
//! sends what cannot be read is disconnected, and nothing grows beyond the limits.

use std::collections::{BTreeMap, BTreeSet};

use chat_model::text::is_clean;
use chat_model::{ConnectionSerial, Message, Request, StreamOffset};
use chat_rpc::{
    FrameReader, FrameWriter, FromWorker, Greeting, Hello, ResumeToken, ToWorker, decode_items,
};
use chat_stated::account_file::format::parse;
use chat_stated::checkpoint::{Change, MemoryCheckpoint};
use chat_stated::core::pending_work::{MemoryHost, PendingWork, Work};
use chat_stated::core::{Action, Core, CoreSettings, LinkId, SourceLimits};
use chat_stated::database::NoRoom;
use chat_stated::entry::{Batch, Limits};
use chat_stated::journal::LogIndex;
use chat_stated::passwords::pool::{PasswordJob, PasswordResult};
use chat_stated::passwords::remembered::RememberedPasswords;
use chat_stated::state::State;
use chat_stated::text_page::{TextPlace, Texts};
use xxhash_rust::xxh3::xxh3_128;

use super::items::push_from_worker;
use super::timestamps::timestamp;
use crate::choices::Choices;

const MAX_LINKS: usize = 4;
const LIMITS: Limits = Limits {
    block_time_ms: 5_000,
    accounts: 6,
    queue_messages: 5,
    queue_bytes: 200,
    sender_share_percent: 60,
    broadcast_messages: 4,
    broadcast_bytes: 200,
    broadcasts_per_minute: 60,
};

/// What happens, one after the other.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut host = Host::new();
    host.finish_all_work();
    while !choices.is_over() {
        host.core.begin_turn(timestamp(host.now_ms));
        match choices.below(12) {
            0 => host.open(),
            1 => host.close(&mut choices),
            2 | 3 => host.say_hello(&mut choices),
            4 => host.say_raw(&mut choices),
            5 | 6 => host.finish_work(&mut choices),
            7 => host.now_ms += u64::from(choices.byte()) * 20,
            _ => host.say_items(&mut choices),
        }
        host.end_turn();
    }
    host.finish_all_work();
    host.check_limits();
}

/// A worker's connection.
#[derive(Default)]
struct Link {
    is_open: bool,
    is_closing: bool,
    has_greeting: bool,
    reader: FrameReader,
    /// What it asked, and how often that was not answered.
    asked: BTreeMap<(ConnectionSerial, StreamOffset), usize>,
    /// Those of them that came with others.
    packed: BTreeMap<(ConnectionSerial, StreamOffset), usize>,
    pages: BTreeMap<ConnectionSerial, usize>,
    push: BTreeSet<ConnectionSerial>,
    opened: BTreeSet<ConnectionSerial>,
}

struct Host {
    core: Core,
    now_ms: u64,
    links: Vec<Link>,
    work: PendingWork,
    disk: Disk,
    credentials: Vec<ResumeToken>,
    secrets: u8,
}

/// Completes the core's work.
struct Disk {
    position: LogIndex,
    checkpoint: MemoryCheckpoint,
    account_file: Vec<u8>,
}

impl MemoryHost for Disk {
    fn commit(&mut self, _: &Batch) -> LogIndex {
        self.position.0 += 1;
        self.position
    }

    fn write_checkpoint(&mut self, _: LogIndex, records: &[Change]) -> Result<(), String> {
        let written = self.checkpoint.write(records);
        written.map_err(|error| error.to_string())
    }

    fn read_texts(&mut self, places: &[TextPlace]) -> Result<Texts, String> {
        let read = self.checkpoint.read_texts(places);
        read.map_err(|error| error.to_string())
    }

    fn hash(&mut self, job: &PasswordJob) -> PasswordResult {
        match job {
            PasswordJob::Hash { password } => PasswordResult::Hashed(secret(password.as_bytes())),
            PasswordJob::Verify {
                secret: known,
                password,
            } => PasswordResult::Verified {
                right: *known == secret(password.as_bytes()),
                new_secret: None,
            },
        }
    }

    fn account_file(&mut self) -> &mut Vec<u8> {
        &mut self.account_file
    }
}

fn secret(password: &[u8]) -> String {
    format!("00000000{:032x}", xxh3_128(password))
}

impl Host {
    fn new() -> Self {
        let settings = CoreSettings {
            limits: LIMITS,
            sources: SourceLimits {
                connections: 8,
                address_connections: 2,
                unauthenticated: 6,
                ..SourceLimits::default()
            },
            max_links: MAX_LINKS - 1,
            checkpoint_every_entries: 10,
            checkpoint_interval_ms: 0,
            resident_text_bytes: 30,
            ..CoreSettings::default()
        };
        let remembered = match RememberedPasswords::new(10) {
            Ok(remembered) => remembered,
            Err(error) => panic!("no random numbers: {error}"),
        };
        let right = secret(b"passpass");
        let account_file = ["foobar", "bob", "carol"].map(|name| format!("{name},{right}\n"));
        Self {
            core: Core::new(
                settings,
                State::default(),
                LogIndex(0),
                remembered,
                timestamp(0),
            ),
            now_ms: 0,
            links: Vec::new(),
            work: PendingWork::default(),
            disk: Disk {
                position: LogIndex(0),
                checkpoint: MemoryCheckpoint::default(),
                account_file: account_file.concat().into_bytes(),
            },
            credentials: Vec::new(),
            secrets: 0,
        }
    }

    fn open(&mut self) {
        if self.links.iter().filter(|link| link.is_open).count() < MAX_LINKS {
            self.core.link_opened(self.links.len(), 100);
            self.links.push(Link {
                is_open: true,
                ..Link::default()
            });
        }
    }

    fn some_link(&self, choices: &mut Choices<'_>) -> Option<LinkId> {
        let open = self
            .links
            .iter()
            .enumerate()
            .filter(|(_, link)| link.is_open);
        let open: Vec<LinkId> = open.map(|(id, _)| id).collect();
        match open.is_empty() {
            true => None,
            false => Some(open[choices.below(open.len())]),
        }
    }

    fn close(&mut self, choices: &mut Choices<'_>) {
        if let Some(id) = self.some_link(choices) {
            self.links[id].is_open = false;
            self.core.link_closed(id);
        }
    }

    fn say_hello(&mut self, choices: &mut Choices<'_>) {
        let Some(id) = self.some_link(choices) else {
            return;
        };
        let payload = match choices.below(6) {
            0 | 1 => choices.some().to_vec(),
            2 if !self.credentials.is_empty() => {
                let mut credential = choices.one_of(&self.credentials);
                credential.secret[0] ^= choices.byte() & 1;
                let resume = Some(credential);
                Hello { resume }.encode().unwrap_or_default()
            }
            _ => Hello { resume: None }.encode().unwrap_or_default(),
        };
        self.take_frame(id, &payload);
    }

    fn say_raw(&mut self, choices: &mut Choices<'_>) {
        if let Some(id) = self.some_link(choices) {
            self.take_frame(id, choices.some());
        }
    }

    fn say_items(&mut self, choices: &mut Choices<'_>) {
        let Some(id) = self.some_link(choices) else {
            return;
        };
        let mut writer = FrameWriter::default();
        for _ in 0..1 + choices.below(4) {
            push_from_worker(choices, &mut writer);
        }
        let payload = writer.pending()[4..].to_vec();
        self.take_frame(id, &payload);
    }

    fn take_frame(&mut self, id: LinkId, payload: &[u8]) {
        if payload.is_empty() || self.links[id].is_closing {
            return;
        }
        if self.core.expects_hello(id) {
            self.secrets = self.secrets.wrapping_add(1);
            return self.core.hello(id, payload, [self.secrets; 16]);
        }
        self.links[id].note_asked(payload);
        self.core.received(id, payload);
        if decode_items::<FromWorker<'_>>(payload).any(|item| item.is_err()) {
            self.end_turn();
            assert!(self.links[id].is_closing, "what cannot be read was taken");
        }
    }

    fn end_turn(&mut self) {
        for action in self.core.end_turn() {
            if let Some(Action::CloseLink(id)) = self.work.add(action) {
                self.links[id].is_closing = true;
            }
        }
        for id in self.core.links_with_output() {
            if let Some(output) = self.core.output(id) {
                let said = output.pending().to_vec();
                output.advance(said.len());
                self.links[id].hear(&said, &mut self.credentials);
            }
        }
    }

    /// Finishes some work, in order among its kind.
    fn finish_work(&mut self, choices: &mut Choices<'_>) {
        if self.work.is_empty() {
            return;
        }
        let Some(work) = self.work.take(choices.below(self.work.len())) else {
            return;
        };
        match work {
            Work::Commit(batch) if choices.byte() == 0xff => self.core.no_room(batch, NoRoom::Full),
            work => {
                let completed = self.work.complete(work, &mut self.core, &mut self.disk);
                assert_eq!(completed, Ok(()));
            }
        }
    }

    fn finish_all_work(&mut self) {
        self.end_turn();
        for _ in 0..10_000 {
            if self.work.is_empty() {
                // A small batch may have waited for a turn.
                self.end_turn();
            }
            if self.work.is_empty() {
                return;
            }
            self.core.begin_turn(timestamp(self.now_ms));
            self.finish_work(&mut Choices::new(&[]));
            self.end_turn();
        }
        panic!("the work has no end");
    }

    fn check_limits(&self) {
        let state = self.core.state();
        assert!(state.account_count() <= LIMITS.accounts as usize);
        let most = LIMITS.accounts * LIMITS.queue_messages + LIMITS.broadcast_messages;
        assert!(state.waiting_messages() <= most as usize);
        let names = state.records().map(|(_, record)| record.name.clone());
        let names: BTreeSet<_> = names.collect();
        assert_eq!(names.len(), state.account_count());
        let parsed = parse(&self.disk.account_file);
        assert_eq!(parsed.unreadable_total, 0);
    }
}

impl Link {
    fn note_asked(&mut self, payload: &[u8]) {
        for item in decode_items::<FromWorker<'_>>(payload).map_while(Result::ok) {
            match item {
                FromWorker::Request(request) => {
                    if let Request::SetPush { on: true } = request.request {
                        self.push.insert(request.connection);
                    }
                    *self
                        .asked
                        .entry((request.connection, request.offset))
                        .or_default() += 1;
                }
                FromWorker::Page { connection, .. } => {
                    *self.pages.entry(connection).or_default() += 1;
                }
                FromWorker::Resume { connections } => {
                    let pushed = connections.iter().filter(|resumed| resumed.push);
                    self.push.extend(pushed.map(|resumed| resumed.connection));
                }
                FromWorker::ClientConnected { connection, .. } => {
                    self.opened.insert(connection);
                }
                FromWorker::SendBatch(sends) => {
                    for request in sends.requests() {
                        let line = (request.connection, request.offset);
                        *self.asked.entry(line).or_default() += 1;
                        *self.packed.entry(line).or_default() += 1;
                    }
                }
                FromWorker::Progress { .. } | FromWorker::ClientClosed { .. } => {}
            }
        }
    }

    fn hear(&mut self, said: &[u8], credentials: &mut Vec<ResumeToken>) {
        let mut reader = std::mem::take(&mut self.reader);
        reader.extend(said);
        loop {
            match reader.next_frame() {
                Ok(Some(payload)) if !self.has_greeting => {
                    self.has_greeting = true;
                    self.check_greeting(payload, credentials);
                }
                Ok(Some(payload)) => self.check_items(payload),
                Ok(None) => break,
                Err(error) => panic!("the daemon wrote no frame: {error}"),
            }
        }
        self.reader = reader;
    }

    fn check_greeting(&self, payload: &[u8], credentials: &mut Vec<ResumeToken>) {
        match Greeting::decode(payload) {
            Ok(Greeting::Attached(credential)) => credentials.push(credential),
            Ok(Greeting::Refused(_)) => {}
            Err(error) => panic!("the daemon's greeting cannot be read: {error}"),
        }
    }

    fn check_items(&mut self, payload: &[u8]) {
        for item in decode_items::<ToWorker<'_>>(payload) {
            match item {
                Ok(ToWorker::Reply {
                    connection,
                    offset,
                    messages,
                    ..
                }) => {
                    take_one(&mut self.asked, (connection, offset));
                    if let Some(count) = self.packed.get_mut(&(connection, offset)) {
                        *count = count.saturating_sub(1);
                    }
                    check_messages(&messages);
                }
                Ok(ToWorker::Page {
                    connection,
                    messages,
                    ..
                }) => {
                    take_one(&mut self.pages, connection);
                    check_messages(&messages);
                }
                Ok(ToWorker::Push {
                    connections,
                    messages,
                    ..
                }) => {
                    assert!(connections.iter().all(|serial| self.push.contains(serial)));
                    check_messages(&messages);
                }
                Ok(ToWorker::Reject { connection }) => {
                    assert!(self.opened.contains(&connection));
                }
                Ok(ToWorker::Stored {
                    connection,
                    first,
                    last,
                    ..
                }) => {
                    let lines = (connection, first)..=(connection, last);
                    let packed = self.packed.range_mut(lines);
                    for (line, count) in packed.filter(|(_, count)| **count > 0) {
                        *count -= 1;
                        take_one(&mut self.asked, *line);
                    }
                }
                Ok(ToWorker::Kept {
                    request, messages, ..
                }) => {
                    take_one(&mut self.asked, (request.connection, request.offset));
                    check_messages(&messages);
                }
                Ok(ToWorker::Users { requests, names }) => {
                    for request in requests {
                        take_one(&mut self.asked, (request.connection, request.offset));
                    }
                    assert!(names.is_well_formed() && names.iter().all(is_clean));
                }
                Ok(ToWorker::Kick { .. } | ToWorker::Replaced { .. }) => {}
                Err(error) => panic!("the daemon wrote what cannot be read: {error}"),
            }
        }
    }
}

fn take_one<K: Ord + std::fmt::Debug>(asked: &mut BTreeMap<K, usize>, key: K) {
    match asked.get_mut(&key) {
        Some(count) if *count > 0 => *count -= 1,
        _ => panic!("an answer to what was not asked: {key:?}"),
    }
}

fn check_messages(messages: &[Message<'_>]) {
    assert!(messages.is_sorted_by(|one, next| one.number < next.number));
    let are_clean = |message: &Message<'_>| is_clean(message.text) && is_clean(message.sender);
    assert!(messages.iter().all(are_clean));
}
