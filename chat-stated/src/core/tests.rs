//! The core where the world around it is slow or refuses, without that world.

use std::path::PathBuf;

use chat_shared::rpc::{ConnectionSerial, Hello, StreamOffset};

use super::*;
use crate::account_file::create::CreateError;
use crate::account_file::format::parse;
use crate::account_file::writer::AccountFileContent;
use crate::entry::{Action as Attempt, ConnectionId, Entry, RequestName};

const START: Stamp = Stamp {
    wall_ms: 1_800_000_000_000,
    boot_ms: 50_000,
    boot_id: [1; 16],
};

fn core_of(state: State) -> Core {
    let remembered = RememberedPasswords::new(1).unwrap();
    Core::new(
        CoreSettings::default(),
        state,
        Position(0),
        remembered,
        START,
    )
}

fn after_ms(ms: u64) -> Stamp {
    Stamp {
        wall_ms: START.wall_ms + ms as i64,
        boot_ms: START.boot_ms + ms,
        ..START
    }
}

/// Ends turns until nothing is to be journalled; gives what is to be done with the account file.
fn settle(core: &mut Core) -> Vec<FileRequest> {
    let mut requests = Vec::new();
    loop {
        let actions = core.end_turn();
        if actions.is_empty() {
            return requests;
        }
        for action in actions {
            match action {
                Action::Submit(batch) => core.committed(Position(1), batch, 0),
                Action::File(request) => requests.push(request),
                Action::TakeReserve => core.reserve_taken(Ok(())),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn read_file(core: &mut Core, content: &str) {
    core.account_file_read(Ok(AccountFileContent {
        parsed: parse(content.as_bytes()),
        readable_by_others: false,
    }));
}

/// With a worker's life and an account whose line is on its way to the file; and that line's ticket.
fn with_registration() -> (Core, u64) {
    let mut core = core_of(State::default());
    read_file(&mut core, "");
    core.link_opened(0, 1);
    let hello = Hello { resume: None }.encode().unwrap();
    core.hello(0, &hello, [7; 16]);
    settle(&mut core);
    let life = core.state.lives().next().unwrap().0;
    core.batches.push(Entry::Request {
        name: RequestName {
            connection: ConnectionId {
                life,
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
fn an_account_file_that_cannot_be_made_is_tried_again_later_not_at_once() {
    let (mut core, ticket) = with_registration();
    for attempt in 0..3 {
        core.account_file_missing(vec![ticket]);
        let requests = settle(&mut core);
        assert!(matches!(requests[..], [FileRequest::Create { .. }]));
        let path = PathBuf::from("user_pass.txt");
        core.account_file_created(Err(CreateError::AlreadyThere(path)));
        assert!(settle(&mut core).is_empty(), "at once");
        let due_ms = core.next_deadline_ms().expect("it is tried again");
        assert!(due_ms >= START.boot_ms + (attempt + 1) * 1_000);
        core.begin_turn(after_ms((attempt + 1) * 1_000));
        let requests = settle(&mut core);
        assert!(matches!(requests[..], [FileRequest::Append { .. }]));
    }
}

#[test]
fn a_line_on_its_way_to_the_account_file_is_not_added_twice() {
    let (mut core, ticket) = with_registration();
    // Read by the operator's wish just before the line was written.
    read_file(&mut core, "");
    assert!(settle(&mut core).is_empty());
    core.lines_filed(&[ticket]);
    assert!(settle(&mut core).is_empty());
}

#[test]
fn workers_are_waited_for_from_when_they_can_come_back() {
    let (core, _) = with_registration();
    let mut core = core_of(core.state);
    // The account file took its time.
    core.begin_turn(after_ms(60_000));
    settle(&mut core);
    assert_eq!(core.orphans().len(), 1, "nobody could have come yet");
    core.serving_began();
    core.begin_turn(after_ms(61_999));
    assert_eq!(core.orphans().len(), 1);
    core.begin_turn(after_ms(62_000));
    assert_eq!(core.orphans().len(), 0);
    settle(&mut core);
    assert_eq!(core.state.lives().count(), 0);
}
