use chat_shared::rpc::{ConnectionSerial, LifeId, Message, Progress, StreamOffset};

use super::*;
use crate::checkpoint::MemoryCheckpoint;
use crate::entry::{AccountChange, Action, ConnectionId, Entry, Limits, RequestName};
use crate::state::save::READ_MEANWHILE_TABLE;
use crate::state::{Effects, Restoration, RestoreError, SliceLimits};
use crate::text_page::{self, Content, GatheredText, TEXT_TABLE};

const ACCOUNTS: u64 = 12;
const ALL: SliceLimits = SliceLimits {
    messages: usize::MAX,
    text_bytes: usize::MAX,
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
struct Stored {
    state: State,
    checkpoint: MemoryCheckpoint,
    left_over: Vec<Record>,
}

impl Stored {
    /// As if a page that texts were to come from were damaged; says whether there was one.
    fn keep_a_page(&mut self) -> bool {
        let placed_on = |record: &Record| match &record.value {
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
        self.left_over = self.state.keep_damaged_page(page, records);
        assert!(
            self.left_over
                .iter()
                .filter_map(placed_on)
                .all(|on| on != page)
        );
        true
    }

    fn write(&mut self, records: Vec<Record>, finds_room: bool) {
        self.left_over.extend(records);
        if finds_room {
            let changes = std::mem::take(&mut self.left_over);
            self.checkpoint.write(&changes).expect("texts are there");
            self.state.checkpoint_is_current();
        }
    }
}

/// The same entries in two states: the checkpoints of one are taken in pieces, those of the other in one go.
struct Pair {
    dice: Dice,
    offset: u64,
    in_pieces: Stored,
    in_one_go: Stored,
    /// Whether the checkpoint under way finds room, and the other's as it was when that began.
    under_way: Option<(bool, MemoryCheckpoint)>,
    /// What was applied since.
    since: Vec<Entry>,
    checkpoints: usize,
    /// How often a page was taken for damaged.
    kept_pages: usize,
}

impl Pair {
    fn new(seed: u64) -> Self {
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
        pair.apply(&Entry::BeginLife { secret, pid: 1 });
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

    fn request(&mut self, account: u64, action: Action) {
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
            address: [127, 0, 0, 1].into(),
            password_version: record.password_version,
            new_secret: None,
        };
        self.request(account, action);
    }

    /// Somebody does something.
    fn step(&mut self) {
        let account = self.dice.below(ACCOUNTS);
        match self.dice.below(100) {
            0..60 => {
                let readers = 1 + self.dice.below(3) * self.dice.below(2);
                let recipients: Vec<String> = (0..readers)
                    .map(|_| name(self.dice.below(ACCOUNTS)))
                    .collect();
                let text = self.text();
                let recipients = recipients.join(" ");
                self.request(account, Action::Send { recipients, text });
            }
            60..65 => {
                let text = self.text();
                self.request(account, Action::Broadcast { text });
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

    fn read(&mut self, account: u64, through: u64) {
        self.apply(&Entry::Progress {
            connection: connection(account),
            progress: Progress {
                written: MessageNumber(through),
                received: MessageNumber(through),
                had: MessageNumber(through),
            },
        });
    }

    fn begin(&mut self) {
        if self.under_way.is_some() {
            return;
        }
        let finds_room = self.checkpoints < 2 || self.dice.below(4) > 0;
        self.in_pieces.state.begin_snapshot();
        let records = self.in_one_go.state.take_changes();
        self.in_one_go.write(records, finds_room);
        self.under_way = Some((finds_room, self.in_one_go.checkpoint.clone()));
    }

    fn go_on(&mut self) {
        let steps = [0, 0, 0, 0, 0, 2, 20, 500][self.dice.below(8) as usize];
        match self.dice.below(4) {
            0 => self.take_piece(steps),
            _ => {
                let state = &mut self.in_pieces.state;
                state.take_snapshot_without_messages(steps);
            }
        }
    }

    fn finish(&mut self) {
        while self.under_way.is_some() {
            self.take_piece(1_000);
        }
    }

    fn take_piece(&mut self, steps: usize) {
        let Some(records) = self.in_pieces.state.take_snapshot_piece(steps) else {
            return;
        };
        let (finds_room, expected) = self.under_way.take().expect("it was begun");
        self.in_pieces.write(records, finds_room);
        if !finds_room && self.dice.below(4) > 0 {
            self.kept_pages += usize::from(self.in_pieces.keep_a_page());
        }
        self.in_pieces.state.messages.assert_consistent();
        let since = std::mem::take(&mut self.since);
        if finds_room {
            self.checkpoints += 1;
            assert_same(&self.in_pieces.checkpoint, &expected, &since);
        }
    }
}

fn name(account: u64) -> String {
    format!("user{account}")
}

fn connection(account: u64) -> ConnectionId {
    ConnectionId {
        life: LifeId(1),
        serial: ConnectionSerial(account),
    }
}

fn set_account(account: u64, secret: u64) -> AccountChange {
    AccountChange::Set {
        name: name(account),
        secret: secret.to_string(),
    }
}

/// Holds what two checkpoints stand for against each other, with what was applied since: on which pages is not the same, and
/// one has no texts of what was read since.
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
            let places = state.missing_texts(id, none, newest, ALL, usize::MAX);
            let texts = checkpoint.read_texts(&places).expect("right pages");
            let slice = state.read_queue_with(id, none, newest, ALL, &texts);
            assert!(!slice.more, "all texts are there");
            let facts = |message: &Message<'_>| {
                (
                    message.number,
                    message.wall_s,
                    message.sender.to_owned(),
                    message.text.len(),
                )
            };
            slice.messages.iter().map(facts).collect::<Vec<_>>()
        });
        assert_eq!(queues[0], queues[1]);
    }
}

fn restored(checkpoint: &MemoryCheckpoint, resident_text_bytes: u64) -> State {
    let mut restoration = Restoration::within(resident_text_bytes);
    for (table, key, value) in checkpoint.records() {
        let is_right = restoration.add(table, key, &value);
        is_right.expect("its own records can be read");
    }
    restoration.finish().expect("its own records fit together")
}

fn replayed(checkpoint: &MemoryCheckpoint, resident_text_bytes: u64, since: &[Entry]) -> State {
    let mut state = restored(checkpoint, resident_text_bytes);
    for entry in since {
        state.apply(entry.clone(), 0, &mut Effects::default());
    }
    assert_eq!(state.check_replayed(), Ok(()));
    state.messages.assert_consistent();
    state
}

#[test]
fn a_snapshot_in_pieces_is_the_state_as_it_was_when_it_began() {
    let mut kept_pages = 0;
    for seed in 0..24 {
        let mut pair = Pair::new(seed);
        for _ in 0..2_000 {
            pair.step();
        }
        pair.in_pieces.state.messages.assert_consistent();
        assert!(pair.checkpoints > 10, "{} checkpoints", pair.checkpoints);
        kept_pages += pair.kept_pages;
    }
    assert!(kept_pages > 10, "{kept_pages} pages taken for damaged");
}

/// With so many messages for each account.
fn with_queues(messages: u64) -> Pair {
    let mut pair = Pair::new(0);
    for number in 0..messages * ACCOUNTS {
        pair.request(
            0,
            Action::Send {
                recipients: name(number % ACCOUNTS),
                text: "hello".to_owned(),
            },
        );
    }
    pair
}

#[test]
fn a_piece_is_no_more_than_it_was_given_and_a_page() {
    let mut state = with_queues(1_000).in_pieces.state;
    state.begin_snapshot();
    let (mut on_pages, mut pieces) = (0, 0);
    loop {
        let records = state.take_snapshot_piece(2_048);
        let gathered = state.messages.on_pages() - on_pages;
        assert!(gathered < 2_048 + 256, "{gathered} messages at once");
        on_pages += gathered;
        pieces += 1;
        if records.is_some() {
            break;
        }
    }
    assert_eq!(on_pages, 12_000);
    assert!((6..=7).contains(&pieces), "{pieces} pieces");
}

/// Queues that messages came into and left again cost something too.
#[test]
fn a_piece_is_bounded_even_if_nothing_waits_any_more() {
    let mut pair = with_queues(10);
    for account in 0..ACCOUNTS {
        pair.read(account, 120);
    }
    let mut state = pair.in_pieces.state;
    assert_eq!(state.waiting_messages(), 0);
    state.begin_snapshot();
    let mut pieces = 1;
    while state.take_snapshot_piece(2).is_none() {
        pieces += 1;
    }
    assert!(
        pieces >= 12,
        "{pieces} pieces for 12 accounts, each with a queue"
    );
}

#[test]
fn one_reader_s_messages_lie_together() {
    let mut state = with_queues(256).in_pieces.state;
    let records = state.take_changes();
    let is_page = |record: &&Record| record.table == super::super::save::PAGE_TABLE;
    assert_eq!(records.iter().filter(is_page).count(), 12);
    let mut checkpoint = MemoryCheckpoint::default();
    checkpoint.write(&records).unwrap();
    let state = replayed(&checkpoint, 0, &[]);
    for (id, _) in state.records() {
        let (none, newest) = (MessageNumber(0), state.last_message());
        assert_eq!(state.missing_texts(id, none, newest, ALL, 1).len(), 256);
    }
}

#[test]
fn what_was_read_before_it_came_onto_another_page_is_in_the_snapshot() {
    let mut pair = with_queues(20);
    pair.begin();
    pair.finish();
    for account in 0..ACCOUNTS - 2 {
        pair.read(account, 240);
    }
    assert_eq!(pair.in_pieces.state.given_up_pages(), 1);
    pair.begin();
    pair.read(ACCOUNTS - 2, 240);
    pair.finish();
    assert_eq!(pair.in_pieces.state.waiting_messages(), 20);
    assert_eq!(pair.checkpoints, 2);
}

/// What is read while a snapshot goes on is in it, and gone with the next one.
#[test]
fn what_was_read_before_it_came_onto_a_page_takes_no_room_for_long() {
    let mut pair = with_queues(100);
    pair.begin();
    for account in 0..ACCOUNTS {
        pair.read(account, 1_200);
    }
    pair.finish();
    assert!(pair.in_pieces.state.given_up_pages() > 0);
    let records = pair.in_pieces.state.take_changes();
    pair.in_pieces.write(records, true);
    assert_eq!(pair.in_pieces.state.given_up_pages(), 0);
    assert!(
        pair.in_pieces
            .checkpoint
            .records
            .range((2, 0)..)
            .next()
            .is_none()
    );
}

/// Promise 1 rests on it: whatever has no text was read, and that is durable.
#[test]
fn what_is_read_while_a_snapshot_is_taken_has_no_text_in_it_and_its_reading_must_be_in_the_journal()
{
    let mut pair = with_queues(100);
    pair.begin();
    for account in 0..ACCOUNTS - 1 {
        pair.read(account, 1_200);
    }
    let since = pair.since.clone();
    assert!(pair.in_pieces.state.take_snapshot_without_messages(1_000));
    pair.finish();
    let checkpoint = &pair.in_pieces.checkpoint;
    let texts = checkpoint
        .records
        .range((TEXT_TABLE, 0)..(TEXT_TABLE + 1, 0));
    let texts: Vec<_> = texts
        .flat_map(|(_, page)| text_page::decode(page))
        .collect();
    assert_eq!(
        texts.concat().len(),
        100,
        "those of the one who read nothing"
    );
    let waiting = |since| replayed(checkpoint, 0, since).waiting_messages();
    assert_eq!(waiting(&since), 100);
    let mut state = restored(checkpoint, u64::MAX);
    assert_eq!(
        state.waiting_messages(),
        1_200,
        "before the journal is replayed"
    );
    for entry in since {
        assert_eq!(state.check_replayed(), Err(RestoreError::ReadingMissing));
        state.apply(entry, 0, &mut Effects::default());
    }
    assert_eq!(state.check_replayed(), Ok(()));
    // The next checkpoint after a restore takes their pages away.
    let mut stored = Stored {
        checkpoint: checkpoint.clone(),
        state,
        ..Stored::default()
    };
    let records = stored.state.take_changes();
    stored.write(records, true);
    let of_read = (READ_MEANWHILE_TABLE, 0)..(READ_MEANWHILE_TABLE + 1, 0);
    assert_eq!(stored.checkpoint.records.range(of_read).count(), 0);
}

#[test]
fn where_the_journal_is_gone_what_has_no_text_counts_as_read() {
    let mut pair = with_queues(100);
    pair.request(0, Action::Broadcast { text: "all".into() });
    pair.request(
        1,
        Action::Send {
            recipients: "user2 user3".into(),
            text: "both".into(),
        },
    );
    pair.begin();
    for account in 0..ACCOUNTS - 1 {
        pair.read(account, 1_202);
    }
    pair.finish();
    let mut state = restored(&pair.in_pieces.checkpoint, 0);
    // The broadcast waits for the last one still.
    assert_eq!(state.take_missing_as_read(), 1_100 + 1);
    assert_eq!(state.check_replayed(), Ok(()));
    assert_eq!(state.waiting_messages(), 100 + 1);
    assert_eq!(state.take_missing_as_read(), 0);
    state.messages.assert_consistent();
}
