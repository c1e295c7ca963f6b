//! The core where the world around it is slow or refuses, without that world.

mod account_file;
mod attached;
mod checkpoints;
mod history;
mod hosts;
mod lists;
mod pauses;
mod refusals;
mod room_pages;
mod send_batches;
mod takeovers;
mod texts;
mod warnings;

use std::path::PathBuf;

use chat_model::{
    Audience, ConnectionSerial, Message, NameList, Outcome, Progress, Request, StreamOffset,
};
use chat_node::control::reload_result::ReloadReport;
use chat_rpc::{
    FrameReader, FrameWriter, FromWorker, Greeting, Hello, RequestItem, ResumeToken,
    ResumedConnection, ToWorker, decode_items,
};

use super::pending_work::{MemoryHost, PendingWork, Work};
use super::*;
use crate::account_file::create::CreateError;
use crate::account_file::format::parse;
use crate::account_file::read::ReadError;
use crate::account_file::writer::AccountFileContent;
use crate::checkpoint::{MemoryCheckpoint, Restoration, StateSnapshot};
use crate::database::NoRoom;
use crate::entry::Action as Attempt;
use crate::passwords::pool::PasswordResult;
use crate::text_page::Texts;
use attached::{Attached, take_frames};
use chat_model::{ConnectionId, RequestName, UserSession};

const START: Timestamp = Timestamp {
    wall_ms: 1_800_000_000_000,
    boot_ms: 50_000,
    boot_id: [1; 16],
};

fn core_of(state: State) -> Core {
    let remembered = RememberedPasswords::new(1).unwrap();
    Core::new(
        CoreSettings::default(),
        state,
        LogIndex(0),
        remembered,
        START,
    )
}

fn after_ms(ms: u64) -> Timestamp {
    Timestamp {
        wall_ms: START.wall_ms + ms as i64,
        boot_ms: START.boot_ms + ms,
        ..START
    }
}

/// A journal that takes everything under one number, and nothing else.
struct OnlyJournal;

impl MemoryHost for OnlyJournal {
    fn commit(&mut self, _: &Batch) -> LogIndex {
        LogIndex(1)
    }

    fn write_checkpoint(&mut self, position: LogIndex, _: &[Change]) -> Result<(), String> {
        Err(format!("a checkpoint at {position:?}"))
    }

    fn read_texts(&mut self, places: &[TextPlace]) -> Result<Texts, String> {
        Err(format!("texts at {places:?}"))
    }

    fn hash(&mut self, job: &PasswordJob) -> PasswordResult {
        panic!("{job:?}")
    }

    fn account_file(&mut self) -> &mut Vec<u8> {
        unreachable!("its requests are the test's")
    }
}

/// Ends turns until nothing is to be journalled; gives what is to be done with the account file.
fn settle(core: &mut Core) -> Vec<FileRequest> {
    let (mut pending, mut requests) = (PendingWork::default(), Vec::new());
    loop {
        for action in core.end_turn() {
            let done_at_once = pending.add(action);
            assert!(done_at_once.is_none(), "{done_at_once:?}");
        }
        if pending.is_empty() {
            return requests;
        }
        for work in pending.take_all() {
            match work {
                Work::File(request) => requests.push(request),
                work => pending.complete(work, core, &mut OnlyJournal).unwrap(),
            }
        }
    }
}

fn content_of(lines: &str) -> AccountFileContent {
    AccountFileContent {
        parsed: parse(lines.as_bytes()),
        is_accepted: false,
    }
}

fn read_file(core: &mut Core, content: &str) {
    core.account_file_read(0, Ok(content_of(content)));
}

/// With a worker session and an account whose line is on its way to the file; and that line's ticket.
fn with_registration() -> (Core, u64) {
    let mut core = core_of(State::default());
    read_file(&mut core, "");
    core.link_opened(0, 1);
    let hello = Hello { resume: None }.encode().unwrap();
    core.hello(0, &hello, [7; 16]);
    settle(&mut core);
    let worker_session = core.state.worker_sessions().next().unwrap().0;
    core.batches.push(Entry::Request {
        name: RequestName {
            connection: ConnectionId {
                worker_session,
                serial: ConnectionSerial(1),
            },
            offset: StreamOffset(1),
        },
        answered: StreamOffset(0),
        progress: Default::default(),
        action: Attempt::Register {
            name: "ann".to_owned(),
            secret: "s".to_owned(),
        },
    });
    match settle(&mut core).as_slice() {
        [FileRequest::Append { ticket, lines }] if lines == "ann,s\n" => (core, *ticket),
        other => panic!("{other:?}"),
    }
}

#[test]
fn resume_timeout_begins_when_workers_can_attach() {
    let (core, _) = with_registration();
    let mut core = core_of(core.state);
    // The account file took its time.
    core.begin_turn(after_ms(60_000));
    settle(&mut core);
    assert_eq!(
        core.dead_worker_sessions().len(),
        1,
        "nobody could have come yet"
    );
    core.serving_began();
    core.begin_turn(after_ms(61_999));
    assert_eq!(core.dead_worker_sessions().len(), 1);
    core.begin_turn(after_ms(62_000));
    assert_eq!(core.dead_worker_sessions().len(), 0);
    settle(&mut core);
    assert_eq!(core.state.worker_sessions().count(), 0);
}

const SEND: fn() -> Request<'static> = || Request::Send {
    audience: Audience::Accounts(NameList::one("ann")),
    text: "hello".into(),
};

#[test]
fn requests_are_answered_in_order() {
    let mut worker = Attached::new();
    worker.answered();
    worker.ask(10, SEND());
    let first = worker.submitted().unwrap();
    // Somebody else's entry begins the next batch, and the question is put behind that.
    worker.core.batches.push(Entry::FileStatus(Vec::new()));
    worker.ask(20, Request::Fetch);
    worker.commit(first);
    worker.ask(30, Request::Fetch);
    let second = worker.submitted().unwrap();
    worker.commit(second);
    assert_eq!(worker.answered(), [(10, false), (20, false), (30, false)]);
}

#[test]
fn journal_gets_next_batch_early() {
    let mut worker = Attached::new();
    worker.answered();
    worker.ask(10, SEND());
    let first = worker.submitted().unwrap();
    worker.ask(20, SEND());
    worker.ask(30, Request::Fetch);
    assert!(worker.submitted().is_none(), "one at a time");
    let second = worker.core.next_batch(&first).unwrap();
    worker.ask(40, Request::Fetch);
    assert_eq!(worker.answered(), [], "the first is not applied yet");
    worker.commit(first);
    assert_eq!(worker.answered(), [(10, false)]);
    worker.commit(second);
    assert_eq!(worker.answered(), [(20, false), (30, false), (40, false)]);
    assert!(worker.core.is_idle());
}

#[test]
fn decided_request_is_never_refused_later() {
    let mut worker = Attached::new();
    worker.ask(10, SEND());
    let batch = worker.submitted().unwrap();
    worker.commit(batch);
    let mut worker = worker.resumed();
    worker.answered();
    worker.ask(10, SEND());
    assert!(worker.submitted().is_none());
    assert_eq!(worker.answered(), [(10, false)]);
}

#[test]
fn refused_request_stays_refused() {
    let mut worker = Attached::new();
    worker.ask(10, SEND());
    let refused = worker.submitted().unwrap();
    worker.core.no_room(refused, NoRoom::Full);
    worker.core.reserve_given_up();
    worker.core.reserve_taken(Ok(()));
    worker.ask(20, SEND());
    let batch = worker.submitted().unwrap();
    worker.commit(batch);
    let mut worker = worker.resumed();
    worker.answered();
    worker.ask(10, SEND());
    worker.ask(20, SEND());
    assert!(worker.submitted().is_none());
    assert_eq!(worker.answered(), [(10, true), (20, false)]);
}

#[test]
fn small_entry_waits_for_reserve() {
    let mut worker = Attached::new();
    worker.answered();
    worker.ask(10, SEND());
    let refused = worker.submitted().unwrap();
    worker.core.no_room(refused, NoRoom::Full);
    assert_eq!(worker.answered(), [(10, true)]);
    // The reserve is not given up yet.
    let attempt = failed_log_in(worker.connection, 15);
    worker.core.batches.push(attempt);
    let early = worker.submitted().unwrap();
    worker.core.no_room(early, NoRoom::Full);
    assert_eq!(worker.answered(), []);
    worker.core.reserve_given_up();
    let again = worker.submitted().unwrap();
    assert_eq!(again.entries.len(), 1, "{again:?}");
    // Whoever comes when it is used up has to come again.
    worker.core.no_room(again, NoRoom::Full);
    assert_eq!(worker.answered(), [(15, true)]);
}

fn failed_log_in(connection: ConnectionId, offset: u64) -> Entry {
    Entry::Request {
        name: RequestName {
            connection,
            offset: StreamOffset(offset),
        },
        answered: StreamOffset(1),
        progress: Default::default(),
        action: Attempt::FailedLogIn {
            account: chat_model::AccountId(0),
            address: [127, 0, 0, 1].into(),
        },
    }
}

/// Says what the core wants to be done, with all that is submitted committed; checkpoints alone are not done.
fn checkpoints_begun(core: &mut Core) -> usize {
    let mut begun = 0;
    loop {
        let actions = core.end_turn();
        if actions.is_empty() {
            return begun;
        }
        for action in actions {
            match action {
                Action::Submit(batch) => core.committed(LogIndex(20), batch, 0),
                Action::Checkpoint { .. } => begun += 1,
                _ => {}
            }
        }
    }
}

#[test]
fn read_messages_make_checkpoint_due() {
    let Attached {
        mut core,
        connection,
        ..
    } = Attached::new();
    core.settings.checkpoint_every_given_up_pages = 1;
    core.batches.push(Entry::Request {
        name: RequestName {
            connection,
            offset: StreamOffset(2),
        },
        answered: StreamOffset(1),
        progress: Default::default(),
        action: Attempt::Send {
            audience: Audience::Accounts(NameList::one("ann")),
            text: "to herself".to_owned(),
        },
    });
    assert_eq!(checkpoints_begun(&mut core), 0);
    // A checkpoint that holds it was written.
    StateSnapshot::take_whole(&mut core.state);
    assert_eq!(core.state.waiting_messages(), 1);
    assert_eq!(checkpoints_begun(&mut core), 0, "it waits still");
    let last = core.state.last_message();
    core.batches.push(Entry::Progress {
        connection,
        progress: Progress {
            sent: last,
            acknowledged: last,
            confirmed: last,
        },
    });
    assert_eq!(checkpoints_begun(&mut core), 1);
    assert_eq!(core.state.given_up_pages(), 0);
}
