//! Damage in the file: every wrong byte is named by the check, or changes nothing that is read.

use std::fs;

use super::*;
use crate::database::StorageError;
use crate::database::testing::flips;

/// What readers see: pages and searches.
fn seen(dir: &Path) -> Result<Vec<Found>, StorageError> {
    let store = HistoryStore::open(dir)?;
    let reader = store.expect("it is there").reader()?;
    let mut seen = Vec::new();
    for own in [ANN, BOB, CAROL] {
        for other in [ANN, BOB, CAROL] {
            seen.push(reader.page(&between(own, other), HistorySpan::Newest, MAX_LINES)?);
        }
        for line in ["word3", "message2", "w", "caf\u{e9}", "\u{4eac}"] {
            let words = Words::of(line).expect("it has words");
            seen.push(reader.search_within(&super::own(own), &words, MAX_LINES, PATIENCE)?);
        }
    }
    for room in [1, 2] {
        let scope = Scope::Room(view(room, 0));
        seen.push(reader.page(&scope, HistorySpan::Newest, MAX_LINES)?);
    }
    Ok(seen)
}

fn messages() -> Vec<KeptMessage> {
    let mut messages = talk(60);
    messages.extend((61..70).map(|number| to_rooms(number, &[1, 2], &[BOB], "word3 of rooms")));
    messages
}

/// Without a log, and with all in the file.
fn written_file(dir: &Path) -> Vec<u8> {
    let store = store_with(dir, &messages());
    store.database().write_back_whole_wal().unwrap();
    drop(store);
    let file = dir.join(HistoryStore::FILE_NAME);
    fs::read(file).unwrap()
}

#[test]
fn flipped_byte_is_named_or_harmless() {
    flip(13);
}

/// All of them: takes minutes.
#[test]
#[ignore = "takes minutes; the test above takes one byte of thirteen"]
fn every_flipped_byte_is_named_or_harmless() {
    flip(1);
}

/// Flips one byte of so many, of those that hold something.
fn flip(step: usize) {
    let dir = quick_directory();
    let original = written_file(dir.path());
    let expected = seen(dir.path()).unwrap();
    let file = dir.path().join(HistoryStore::FILE_NAME);
    let used = (0..original.len())
        .filter(|offset| original[*offset] != 0)
        .step_by(step);
    let (mut named, mut harmless) = (0, 0);
    for (offset, flipped) in flips(&original, used) {
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(
                dir.path()
                    .join(format!("{}{suffix}", HistoryStore::FILE_NAME)),
            );
        }
        fs::write(&file, flipped).unwrap();
        // Whatever it is, what is read of it is no other message.
        let seen = seen(dir.path());
        for found in seen.iter().flatten() {
            let known = messages();
            assert!(
                found.messages.iter().all(|message| known.contains(message)),
                "byte {offset}"
            );
        }
        match HistoryStore::check(dir.path()) {
            Err(_) => named += 1,
            Ok(_) => {
                assert_eq!(
                    seen.unwrap(),
                    expected,
                    "byte {offset} is wrong, and nothing says so"
                );
                harmless += 1;
            }
        }
    }
    assert!(
        named > 10 * harmless,
        "{named} are named, {harmless} are harmless"
    );
}

#[test]
fn damaged_row_is_left_out_and_named() {
    let dir = quick_directory();
    let original = written_file(dir.path());
    let text = b"of message20,";
    let at = original.windows(text.len()).position(|bytes| bytes == text);
    let mut wrong = original;
    wrong[at.unwrap()] ^= 1;
    fs::write(dir.path().join(HistoryStore::FILE_NAME), wrong).unwrap();
    let store = HistoryStore::open(dir.path()).unwrap().unwrap();
    let found = store
        .reader()
        .unwrap()
        .page(&between(ANN, BOB), HistorySpan::Newest, MAX_LINES);
    let found = found.unwrap();
    assert_eq!(found.damaged, [MessageNumber(20)]);
    assert!(found.messages.iter().all(|message| message.number.0 != 20));
    let error = HistoryStore::check(dir.path()).unwrap_err().to_string();
    assert!(error.contains("message 20"), "{error}");
    assert!(error.contains("The chat goes on without it"), "{error}");
}
