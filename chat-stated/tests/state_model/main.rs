//! The state machine against a plain model of the protocol: random entries, every observation compared after each;
//! states restored from checkpoints at random points go on beside the first one, and so does one whose checkpoints are
//! taken in pieces, while it goes on.

mod entries;
mod history;
mod in_pieces;
mod model;
mod observe;
mod steps;

use std::collections::BTreeMap;

use chat_stated::checkpoint::{Change, MemoryCheckpoint, Restoration, StateSnapshot};
use chat_stated::entry::Timestamp;
use chat_stated::state::{Effects, State};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use history::History;
use in_pieces::InPieces;
use model::Model;
use steps::Step;

/// A state and its checkpoint.
#[derive(Default)]
struct Running {
    state: State,
    checkpoint: MemoryCheckpoint,
    /// Of checkpoints that found no room: they belong into the next one.
    left_over: Vec<Change>,
}

impl Running {
    fn checkpoint(&mut self) {
        let changes = StateSnapshot::take_whole(&mut self.state);
        self.left_over.extend(changes);
        let changes = std::mem::take(&mut self.left_over);
        self.checkpoint
            .write(&changes)
            .expect("texts that were dropped are in the checkpoint");
        self.state.checkpoint_is_current();
    }

    fn restored(&self, resident_text_bytes: u64) -> Self {
        let mut restoration = Restoration::within(resident_text_bytes);
        for (table, key, value) in self.checkpoint.records() {
            let is_right = restoration.add(table, key, &value);
            is_right.expect("its own records can be read");
        }
        Self {
            state: restoration.finish().expect("its own records fit together"),
            checkpoint: self.checkpoint.clone(),
            left_over: Vec::new(),
        }
    }

    /// Records of messages, or of their texts. The others are those for what is small, one an account, and those of
    /// what was sent once of rooms and of tokens.
    fn message_pages(&self, accounts: usize) -> usize {
        const OTHER_TABLES: [u8; 5] = [0, 5, 6, 7, 8];
        let records = self.checkpoint.records.keys();
        let others = records.filter(|(table, _)| !OTHER_TABLES.contains(table));
        others.count() - accounts
    }

    /// Each page of messages has at least one that waits.
    fn assert_bounded(&self) {
        let pages = self.message_pages(self.state.account_count());
        assert!(pages <= 2 * self.state.waiting_messages());
    }
}

/// The model, a state, another that gets the same but keeps its texts in memory, one whose checkpoints are taken in
/// pieces, and one that was restored from each checkpoint on.
struct Run {
    model: Model,
    first: Running,
    twin: Running,
    in_pieces: InPieces,
    restored: Option<Running>,
    history: History,
    timestamp: Timestamp,
}

impl Run {
    fn new() -> Self {
        Self {
            model: Model::new(),
            first: Running::default(),
            twin: Running::default(),
            in_pieces: InPieces::default(),
            restored: None,
            history: History::default(),
            timestamp: Timestamp {
                wall_ms: 1_800_000_000_000,
                boot_ms: 50_000,
                boot_id: [1; 16],
            },
        }
    }

    fn states(&mut self) -> impl Iterator<Item = &mut State> {
        [&mut self.first, &mut self.twin, &mut self.in_pieces.running]
            .into_iter()
            .chain(&mut self.restored)
            .map(|running| &mut running.state)
    }

    fn take(&mut self, step: &Step, seed: u64) {
        self.timestamp = entries::stamp_after(step, &self.timestamp);
        let timestamp = self.timestamp;
        self.model.advance(&timestamp);
        let states = self.states().map(|state| {
            let mut effects = Effects::default();
            state.advance_clock(&timestamp, None, &mut effects);
            effects
        });
        let told: Vec<Effects> = states.collect();
        self.history.take(&told, &self.model);
        let entry = entries::entry_of(step, &self.model);
        self.in_pieces.note(&timestamp, entry.as_ref());
        if let Some(entry) = entry {
            let wall_ms = timestamp.wall_ms;
            let expected = self.model.apply(&entry, wall_ms);
            let states = self.states().map(|state| {
                let mut effects = Effects::default();
                state.apply(entry.clone(), wall_ms, &mut effects);
                assert_eq!(observe::outcome(&effects), expected, "of {entry:?}");
                effects
            });
            let told: Vec<Effects> = states.collect();
            self.history.take(&told, &self.model);
            self.history.limit(&entry);
        }
        match step {
            Step::Checkpoint => self.checkpoint(seed),
            Step::CheckpointWithoutRoom => {
                for running in self.all() {
                    let changes = StateSnapshot::take_whole(&mut running.state);
                    running.left_over.extend(changes);
                }
                self.in_pieces.begin(&self.model, false);
            }
            Step::DropTexts { until_bytes } => self.drop_texts(*until_bytes),
            _ => {}
        }
        self.in_pieces.go_on(&self.model, &timestamp, seed);
        let unlike = [&self.first, &self.in_pieces.running];
        for running in unlike.into_iter().chain(&self.restored) {
            observe::compare(
                &running.state,
                &running.checkpoint,
                &self.model,
                &timestamp,
                seed,
            );
            self.history.compare_readers(&running.state, &self.model);
        }
        let mut digests = self.states().map(|state| state.hosts().decisions());
        let first = digests.next();
        assert!(digests.all(|digest| Some(digest) == first));
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Running> {
        [&mut self.first, &mut self.twin]
            .into_iter()
            .chain(&mut self.restored)
    }

    /// The twin keeps all its texts.
    fn drop_texts(&mut self, until_bytes: u64) {
        let dropping = [&mut self.first, &mut self.in_pieces.running];
        for running in dropping.into_iter().chain(&mut self.restored) {
            running.state.drop_texts(until_bytes, usize::MAX);
        }
    }

    fn checkpoint(&mut self, seed: u64) {
        self.in_pieces.begin(&self.model, true);
        self.first.checkpoint();
        self.twin.checkpoint();
        assert_eq!(
            self.first.checkpoint, self.twin.checkpoint,
            "the same entries, the same records, whatever was in memory"
        );
        self.first.assert_bounded();
        let source = match self.restored.take() {
            Some(mut restored) => {
                restored.checkpoint();
                restored.assert_bounded();
                restored
            }
            None => self.first.restored(u64::MAX),
        };
        let resident_text_bytes = [0, 10, 1_000, u64::MAX][(seed % 4) as usize];
        let restored = source.restored(resident_text_bytes);
        assert!(restored.state.resident_text_bytes() <= resident_text_bytes);
        self.restored = Some(restored);
    }
}

fn run(steps: &[(Step, u64)]) -> Run {
    let mut run = Run::new();
    for step in steps::opening() {
        run.take(&step, 0);
    }
    for (step, seed) in steps {
        run.take(step, *seed);
    }
    run
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        ..ProptestConfig::default()
    })]

    #[test]
    fn state_does_what_model_does(
        steps in prop::collection::vec((steps::step(), any::<u64>()), 1..150)
    ) {
        run(&steps);
    }
}

/// A property that the random steps never come to would hold for any state.
#[test]
fn random_steps_come_to_every_outcome() {
    let mut runner = TestRunner::deterministic();
    let sequences = prop::collection::vec((steps::step(), any::<u64>()), 100..150);
    let mut seen = BTreeMap::<String, usize>::new();
    for _ in 0..384 {
        let sequence = sequences.new_tree(&mut runner).expect("no filters");
        let model = run(&sequence.current()).model;
        for connection in model.connections() {
            let connection = model.connection(connection).expect("it was just named");
            for decision in connection.decided.values().flatten() {
                let name = format!("{decision:?}");
                let kind = name.split([' ', '{']).next().unwrap_or_default();
                *seen.entry(kind.to_owned()).or_default() += 1;
            }
        }
    }
    for kind in [
        "PasswordNeeded",
        "NameUnavailable",
        "AlreadyLoggedIn",
        "Registered",
        "LoggedIn",
        "Locked",
        "Stored",
        "LoggedOut",
        "SessionDropped",
        "NotFound",
        "Denied",
        "QueueFull",
        "DiskFull",
        "Refused",
        "Done",
        "Denied",
    ] {
        let count = seen.get(kind).copied().unwrap_or(0);
        assert!(count >= 10, "{kind}: {count} times, of all {seen:?}");
    }
}
