//! What is counted, and had in the security log, of logins.

use chat_model::Password;
use chat_node::logs::security_log::Event;

use super::*;
use crate::passwords::pool::PasswordResult;

/// The tickets of passwords that are to be hashed.
fn hashes(core: &mut Core) -> Vec<u64> {
    let mut tickets = Vec::new();
    for action in core.end_turn() {
        match action {
            Action::Hash { ticket, .. } => tickets.push(ticket),
            Action::Submit(batch) => core.committed(LogIndex(1), batch, 0),
            _ => {}
        }
    }
    tickets
}

fn count(core: &Core, event: Event) -> u64 {
    let mut counts = core.refusals().iter();
    let of_event = counts.find(|(kind, _)| *kind == event.name());
    of_event.map_or(0, |(_, count)| count)
}

fn frame<'a>(items: impl IntoIterator<Item = FromWorker<'a>>) -> Vec<u8> {
    let mut writer = FrameWriter::default();
    for item in items {
        writer.push(&item).unwrap();
    }
    writer.pending()[4..].to_vec()
}

fn guess(serial: u64) -> FromWorker<'static> {
    FromWorker::Request(RequestItem {
        connection: ConnectionSerial(serial),
        offset: StreamOffset(10),
        answered: StreamOffset(0),
        progress: Progress::default(),
        request: Request::LogIn {
            name: "ann".into(),
            password: Password::borrowed(b"wrong"),
            address: [192, 0, 2, 1].into(),
            asked_boot_ms: 0,
        },
    })
}

#[test]
fn block_begins_once_whatever_was_under_way() {
    const GUESSES: u64 = 50;
    let mut worker = Attached::new();
    let guessing = (100..100 + GUESSES).map(|serial| FromWorker::ClientConnected {
        connection: ConnectionSerial(serial),
        address: [192, 0, 2, 1].into(),
        is_known: true,
    });
    worker.core.received(0, &frame(guessing));
    worker
        .core
        .received(0, &frame((100..100 + GUESSES).map(guess)));
    let tickets = hashes(&mut worker.core);
    assert_eq!(tickets.len() as u64, GUESSES);
    for ticket in tickets {
        let wrong = PasswordResult::Verified {
            right: false,
            new_secret: None,
        };
        worker.core.password_done(ticket, wrong);
    }
    settle(&mut worker.core);
    assert_eq!(count(&worker.core, Event::LoginFailed), 2);
    assert_eq!(count(&worker.core, Event::BlockBegan), 1);
    assert_eq!(count(&worker.core, Event::Blocked), GUESSES - 3);
}

#[test]
fn guess_that_comes_again_counts_once() {
    let mut worker = Attached::new();
    let opened = FromWorker::ClientConnected {
        connection: ConnectionSerial(100),
        address: [192, 0, 2, 1].into(),
        is_known: true,
    };
    worker
        .core
        .received(0, &frame([opened, guess(100), guess(100)]));
    for ticket in hashes(&mut worker.core) {
        let wrong = PasswordResult::Verified {
            right: false,
            new_secret: None,
        };
        worker.core.password_done(ticket, wrong);
    }
    settle(&mut worker.core);
    assert_eq!(count(&worker.core, Event::LoginFailed), 1);
}
