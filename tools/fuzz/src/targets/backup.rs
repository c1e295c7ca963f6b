//! Backups: a file that is damaged is refused; one that is whole by its checksums may still say anything, and then its
//! records are refused or make a state.

use chat_stated::backup::format::{BackupReader, BackupWriter, FORMAT, FormatError, Item};
use chat_stated::checkpoint::{Restoration, StateSnapshot};
use chat_stated::history::CopiedRows;
use chat_stated::journal::format::decode;
use chat_stated::state::Effects;
use chat_stated::text_page::{TextPlace, find};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

use crate::choices::Choices;

const MAGIC: &[u8] = b"chatserv backup\n";

/// A file; or frames, to which checksums are made that are right.
pub fn run(bytes: &[u8]) {
    read(bytes);
    let file = with_checksums(Choices::new(bytes));
    read(&file);
}

/// A file of frames with any content. What its last frame counts is right.
fn with_checksums(mut choices: Choices<'_>) -> Vec<u8> {
    let mut file = [MAGIC, &FORMAT.to_le_bytes()].concat();
    let mut frames = 0;
    let mut counts = [0_u64; 3];
    let mut add = |kind: u8, content: &[u8], file: &mut Vec<u8>| {
        let mut frame = vec![kind];
        frame.extend_from_slice(&(content.len() as u32).to_le_bytes());
        frame.extend_from_slice(content);
        let checksum = xxh3_64_with_seed(&frame, frames);
        frames += 1;
        file.extend(frame);
        file.extend(checksum.to_le_bytes());
    };
    add(b'h', &[0; 52], &mut file);
    while !choices.is_over() {
        let kind = choices.one_of(b"rrrrba");
        let table = [choices.byte() % 9];
        let key = u64::from(choices.byte() % 8).to_le_bytes();
        let body = choices.some();
        match kind {
            b'r' => {
                counts[0] += 1;
                add(kind, &[&table[..], &key, body].concat(), &mut file);
            }
            b'b' => {
                counts[1] += 1;
                add(kind, &[&key[..], &[0; 16], body].concat(), &mut file);
            }
            _ => {
                counts[2] += body.len() as u64;
                add(kind, body, &mut file);
            }
        }
    }
    let counts = counts.map(u64::to_le_bytes).concat();
    add(b'e', &counts, &mut file);
    let digest = xxh3_128(&file);
    file.extend(digest.to_le_bytes());
    file
}

fn read(file: &[u8]) {
    if let Ok(written) = try_to_read(file) {
        assert_eq!(written, file, "what was read is not what is written");
    }
}

/// Reads a file to its end; what is in it, written again.
fn try_to_read(file: &[u8]) -> Result<Vec<u8>, FormatError> {
    let (mut reader, head) = BackupReader::new(file)?;
    let mut writer = BackupWriter::new(Vec::new(), &head)?;
    let mut restoration = Some(Restoration::default());
    let mut rows = CopiedRows::default();
    while let Some(item) = reader.next_item()? {
        writer.add(&item)?;
        match item {
            Item::Record { table, key, value } => {
                look_for_a_text(value);
                restoration = restoration.and_then(|mut restoration| {
                    restoration
                        .add(table, key, value)
                        .ok()
                        .map(|()| restoration)
                });
            }
            Item::Batch { body, .. } => {
                let _ = decode(body);
            }
            Item::History(row) => drop(rows.add(&row)),
            Item::HistoryEnd(header) => drop(rows.end(header)),
            Item::AccountFile(_) | Item::Head(_) | Item::End(_) => {}
        }
    }
    if let Some(Ok(mut state)) = restoration.map(Restoration::finish) {
        StateSnapshot::take_whole(&mut state);
        state.drop_texts(0, 100);
        let end = chat_stated::entry::Entry::ChangeAccounts(Vec::new());
        state.apply(end, 0, &mut Effects::default());
    }
    Ok(writer.finish()?.0)
}

/// Any content as a page of texts.
fn look_for_a_text(page: &[u8]) {
    let place = TextPlace {
        number: chat_model::MessageNumber(1),
        text_bytes: 1,
        page: 1,
        moved_to: None,
    };
    let _ = find(&[place], |_| Ok::<_, ()>(Some(page.to_vec())));
}
