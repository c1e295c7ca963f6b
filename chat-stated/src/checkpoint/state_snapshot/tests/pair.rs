//! The same entries in two states, whose checkpoints must stand for the same.

use chat_model::Message;
use chat_model::{
    Audience, ConnectionSerial, MessageNumber, Progress, StreamOffset, WorkerSessionId,
};

use crate::checkpoint::{Change, MemoryCheckpoint, Restoration, StateSnapshot, keep_damaged_page};
use crate::entry::{AccountChange, Action, Entry, Limits};
use crate::state::{Effects, Reader, SliceLimits, State};
use crate::text_page::{Content, GatheredText};
use chat_model::{ConnectionId, RequestName, UserSession};

pub(super) const ACCOUNTS: u64 = 12;
pub(super) const ALL: SliceLimits = SliceLimits {
    messages: usize::MAX,
    text_bytes: usize::MAX,
    names_groups: false,
};

/// Numbers that look random, by splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[derive(Default)]
pub(super) struct Stored {
    pub(super) state: State,
    pub(super) checkpoint: MemoryCheckpoint,
    pub(super) snapshot: Option<StateSnapshot>,
    pub(super) left_over: Vec<Change>,
}

impl Stored {
    /// As if a page that texts were to come from were damaged; says whether there was one.
    fn keep_a_page(&mut self) -> bool {
        let placed_on = |record: &Change| match &record.value {
            Some(Content::Texts(gathering)) => gathering.texts.iter().find_map(|text| match text {
                GatheredText::Placed(place) => Some(place.page),
                GatheredText::Given(..) => None,
            }),
            _ => None,
        };
        let Some(page) = self.left_over.iter().find_map(placed_on) else {
            return false;
        };
        let records = std::mem::take(&mut self.left_over);
        self.left_over = keep_damaged_page(&mut self.state, page, records);
        assert!(
            self.left_over
                .iter()
                .filter_map(placed_on)
                .all(|on| on != page)
        );
        true
    }

    pub(super) fn write(&mut self, records: Vec<Change>, finds_room: bool) {
        self.left_over.extend(records);
        if finds_room {
            let changes = std::mem::take(&mut self.left_over);
            self.checkpoint.write(&changes).expect("texts are there");
            self.state.checkpoint_is_current();
        }
    }
}

/// The same entries in two states: the checkpoints of one are taken in pieces, those of the other in one go.
pub(super) struct Pair {
    dice: Dice,
    offset: u64,
    pub(super) in_pieces: Stored,
    in_one_go: Stored,
    /// Whether the checkpoint under way finds room, and the other's as it was when that began.
    under_way: Option<(bool, MemoryCheckpoint)>,
    /// What was applied since.
    pub(super) since: Vec<Entry>,
    pub(super) checkpoints: usize,
    /// How often a page was taken for damaged.
    pub(super) kept_pages: usize,
}

impl Pair {
    pub(super) fn new(seed: u64) -> Self {
        let mut pair = Self {
            dice: Dice(seed),
            offset: 0,
            in_pieces: Stored::default(),
            in_one_go: Stored::default(),
            under_way: None,
            since: Vec::new(),
            checkpoints: 0,
            kept_pages: 0,
        };
        pair.apply(&Entry::Configure(Limits {
            sender_share_percent: 100,
            broadcasts_per_minute: u32::MAX,
            ..Limits::default()
        }));
        let secret = [1; 16];
        pair.apply(&Entry::BeginWorkerSession {
            secret,
            pid: 1,
            host: None,
        });
        for account in 0..ACCOUNTS {
            pair.apply(&Entry::ChangeAccounts(vec![set_account(account, 0)]));
            pair.log_in(account);
        }
        pair
    }

    fn apply(&mut self, entry: &Entry) {
        for stored in [&mut self.in_pieces, &mut self.in_one_go] {
            let mut effects = Effects::default();
            stored.state.apply(entry.clone(), 0, &mut effects);
        }
        if self.under_way.is_some() {
            self.since.push(entry.clone());
        }
    }

    pub(super) fn request(&mut self, account: u64, action: Action) {
        self.offset += 1;
        self.apply(&Entry::Request {
            name: RequestName {
                connection: connection(account),
                offset: StreamOffset(self.offset),
            },
            answered: StreamOffset(self.offset - 1),
            progress: Progress::default(),
            action,
        });
    }

    fn log_in(&mut self, account: u64) {
        let state = &self.in_one_go.state;
        let (id, record) = state.account(&name(account)).expect("it was made");
        let action = Action::LogIn {
            account: id,
            session: UserSession::Plain,
            address: [127, 0, 0, 1].into(),
            password_version: record.password_version,
            new_secret: None,
            asked_boot_ms: None,
        };
        self.request(account, action);
    }

    /// Somebody does something.
    pub(super) fn step(&mut self) {
        let account = self.dice.below(ACCOUNTS);
        match self.dice.below(100) {
            0..60 => {
                let readers = 1 + self.dice.below(3) * self.dice.below(2);
                let recipients: Vec<String> = (0..readers)
                    .map(|_| name(self.dice.below(ACCOUNTS)))
                    .collect();
                let text = self.text();
                let recipients = recipients.iter().map(String::as_str).collect();
                let audience = Audience::Accounts(recipients);
                self.request(account, Action::Send { audience, text });
            }
            60..65 => {
                let text = self.text();
                self.request(
                    account,
                    Action::Send {
                        audience: Audience::Everyone,
                        text,
                    },
                );
            }
            65..90 => {
                let newest = self.in_one_go.state.last_message().0;
                let unread = self.dice.below(newest + 1) / (1 + self.dice.below(40));
                self.read(account, newest - unread);
            }
            90..92 => {
                self.request(account, Action::LogOut);
                self.log_in(account);
            }
            92..94 => {
                let secret = self.dice.below(1_000);
                let change = set_account(self.dice.below(2 * ACCOUNTS), secret);
                self.apply(&Entry::ChangeAccounts(vec![change]));
            }
            94..96 => self.read(account, self.in_one_go.state.last_message().0),
            96 => {
                let until_bytes = self.dice.below(50_000);
                let state = &mut self.in_pieces.state;
                state.drop_texts(until_bytes, usize::MAX);
            }
            _ => self.begin(),
        }
        self.go_on();
    }

    fn text(&mut self) -> String {
        let bytes = match self.dice.below(50) {
            0 => 20_000,
            _ => self.dice.below(200),
        };
        "x".repeat(bytes as usize)
    }

    pub(super) fn read(&mut self, account: u64, through: u64) {
        self.apply(&Entry::Progress {
            connection: connection(account),
            progress: Progress {
                sent: MessageNumber(through),
                acknowledged: MessageNumber(through),
                confirmed: MessageNumber(through),
            },
        });
    }

    pub(super) fn begin(&mut self) {
        if self.under_way.is_some() {
            return;
        }
        let finds_room = self.checkpoints < 2 || self.dice.below(4) > 0;
        self.in_pieces.snapshot = Some(StateSnapshot::begin(&mut self.in_pieces.state));
        let records = StateSnapshot::take_whole(&mut self.in_one_go.state);
        self.in_one_go.write(records, finds_room);
        self.under_way = Some((finds_room, self.in_one_go.checkpoint.clone()));
    }

    fn go_on(&mut self) {
        let steps = [0, 0, 0, 0, 0, 2, 20, 500][self.dice.below(8) as usize];
        match self.dice.below(4) {
            0 => self.take_piece(steps),
            _ => {
                self.take_without_messages(steps);
            }
        }
    }

    pub(super) fn finish(&mut self) {
        while self.under_way.is_some() {
            self.take_piece(1_000);
        }
    }

    pub(super) fn take_without_messages(&mut self, steps: usize) -> bool {
        let Stored {
            state, snapshot, ..
        } = &mut self.in_pieces;
        let Some(snapshot) = snapshot else {
            return true;
        };
        snapshot.take_without_messages(state, steps)
    }

    fn take_piece(&mut self, steps: usize) {
        let Stored {
            state, snapshot, ..
        } = &mut self.in_pieces;
        let Some(mut under_way) = snapshot.take() else {
            return;
        };
        if !under_way.take_piece(state, steps) {
            *snapshot = Some(under_way);
            return;
        }
        let records = under_way.into_changes();
        let (finds_room, expected) = self.under_way.take().expect("it was begun");
        self.in_pieces.write(records, finds_room);
        if !finds_room && self.dice.below(4) > 0 {
            self.kept_pages += usize::from(self.in_pieces.keep_a_page());
        }
        self.in_pieces.state.assert_consistent();
        let since = std::mem::take(&mut self.since);
        if finds_room {
            self.checkpoints += 1;
            assert_same(&self.in_pieces.checkpoint, &expected, &since);
        }
    }
}

pub(super) fn name(account: u64) -> String {
    format!("user{account}")
}

fn connection(account: u64) -> ConnectionId {
    ConnectionId {
        worker_session: WorkerSessionId(1),
        serial: ConnectionSerial(account),
    }
}

fn set_account(account: u64, secret: u64) -> AccountChange {
    AccountChange::Set {
        name: name(account),
        secret: secret.to_string(),
    }
}

/// Holds what two checkpoints stand for against each other, with what was applied since: on which pages is not the
/// same, and one has no texts of what was read since.
fn assert_same(one: &MemoryCheckpoint, other: &MemoryCheckpoint, since: &[Entry]) {
    assert_eq!(one.records[&(0, 0)], other.records[&(0, 0)], "the header");
    let [first, second] = [one, other].map(|checkpoint| replayed(checkpoint, 0, since));
    assert_eq!(
        replayed(one, u64::MAX, since).waiting_messages(),
        first.waiting_messages()
    );
    assert!(first.records().eq(second.records()));
    assert_eq!(first.waiting_messages(), second.waiting_messages());
    for (id, _) in first.records() {
        let queues = [(one, &first), (other, &second)].map(|(checkpoint, state)| {
            let (none, newest) = (MessageNumber(0), state.last_message());
            let reader = Reader::first(id);
            let places = state.missing_texts(reader, none, newest, ALL, usize::MAX);
            let texts = checkpoint.read_texts(&places).expect("right pages");
            let slice = state.read_queue_with(reader, none, newest, ALL, &texts);
            assert!(!slice.more, "all texts are there");
            let facts = |message: &Message<'_>| {
                (
                    message.number,
                    message.time_ms,
                    message.sender.to_owned(),
                    message.text.len(),
                )
            };
            slice.messages.iter().map(facts).collect::<Vec<_>>()
        });
        assert_eq!(queues[0], queues[1]);
    }
}

pub(super) fn restored(checkpoint: &MemoryCheckpoint, resident_text_bytes: u64) -> State {
    let mut restoration = Restoration::within(resident_text_bytes);
    for (table, key, value) in checkpoint.records() {
        let is_right = restoration.add(table, key, &value);
        is_right.expect("its own records can be read");
    }
    restoration.finish().expect("its own records fit together")
}

pub(super) fn replayed(
    checkpoint: &MemoryCheckpoint,
    resident_text_bytes: u64,
    since: &[Entry],
) -> State {
    let mut state = restored(checkpoint, resident_text_bytes);
    for entry in since {
        state.apply(entry.clone(), 0, &mut Effects::default());
    }
    assert_eq!(state.check_replayed(), Ok(()));
    state.assert_consistent();
    state
}
