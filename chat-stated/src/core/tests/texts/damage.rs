//! Texts that are damaged on the disk.

use super::*;
use crate::checkpoint::Restoration;
use crate::entry::OperatorAct;
use crate::state;
use crate::text_page::{DamagedTexts, TEXT_TABLE, TextError};

/// What comes of a reading in which the texts from one on are on a damaged page.
fn damaged_from(reader: &Reader, reading: &Reading, start: usize) -> ReadTexts {
    let numbers: Vec<MessageNumber> = reading.1.iter().map(|place| place.number).collect();
    let mut texts = reader.texts(reading);
    texts.retain(|number, _| !numbers[start..].contains(number));
    let error = "the page is damaged".to_owned();
    let numbers = numbers[start..].to_vec();
    ReadTexts {
        texts,
        damaged: vec![DamagedTexts { numbers, error }],
    }
}

#[test]
fn session_ends_at_damaged_text() {
    let mut reader = Reader::of(&["first", "second", "third"]);
    let reading = reader.read_page(0);
    let read = damaged_from(&reader, &reading, 1);
    reader.core().texts_read(reading.0, &read).unwrap();
    assert_eq!(reader.told(), [page(&["first"], true)]);
    // What is before it can still be read, and is read without it.
    let (ticket, places) = reader.read_page(0);
    assert_eq!(places.len(), 1);
    let read = reader.texts(&(ticket, places)).into();
    reader.core().texts_read(ticket, &read).unwrap();
    assert_eq!(reader.told(), [page(&["first"], true)]);
    let (account, _) = reader.core().state.account("ann").unwrap();
    let place = state::Reader::first(account);
    assert!(!reader.core().is_held_up(place), "the first is next");
    reader.has(1);
    assert!(reader.core().is_held_up(place));
    reader.ask_page(1);
    assert_eq!(reader.turn(), [], "it is not read again");
    assert_eq!(reader.told(), [Told::End]);
    let record = reader.core().state.record(account).unwrap();
    assert!(!record.places.is_online(), "who is told so is offline");
    assert!(reader.core().is_idle());
}

#[test]
fn damage_is_told_until_page_is_gone() {
    let mut reader = Reader::of(&["first"]);
    assert_eq!(reader.core().warnings().count(), 0);
    let reading = reader.read_page(0);
    let read = damaged_from(&reader, &reading, 0);
    reader.core().texts_read(reading.0, &read).unwrap();
    reader.turn();
    let expected =
        "1 texts of messages are damaged: ann cannot get their messages (see the runbook, Damage)";
    assert_eq!(reader.core().warnings().collect::<Vec<_>>(), [expected]);
    reader.begin_checkpoint();
    reader.end_checkpoint();
    assert_eq!(reader.core().warnings().collect::<Vec<_>>(), [expected]);

    let (account, _) = reader.core().state.account("ann").unwrap();
    reader.core().batches.push(Entry::Operate {
        ticket: 1,
        act: OperatorAct::ForgetAccount { account },
    });
    reader.turn();
    assert_eq!(
        reader.core().warnings().count(),
        1,
        "the page is still there"
    );
    reader.begin_checkpoint();
    reader.end_checkpoint();
    assert_eq!(reader.core().warnings().count(), 0);
}

#[test]
fn damaged_text_stays_in_its_queue() {
    let mut reader = Reader::of(&["first"]);
    reader.as_if_nothing_was_sent();
    let reading = reader.read_page(0);
    let read = damaged_from(&reader, &reading, 0);
    reader.send("second");
    let promised = Told::Reply {
        texts: Vec::new(),
        more: true,
    };
    assert_eq!(reader.told(), [promised]);
    reader.core().texts_read(reading.0, &read).unwrap();
    assert_eq!(reader.turn(), []);
    assert_eq!(reader.told(), [Told::End]);
    assert_eq!(reader.core().state.waiting_messages(), 2);
}

#[test]
fn damaged_moving_page_stays() {
    let mut reader = with_a_page_given_up();
    reader.begin_checkpoint();
    let (_, records) = reader.unwritten.take().unwrap();
    let (_, places) = reader.read_page(5);
    let page_number = places[0].page;
    let record = (TEXT_TABLE, page_number);
    let checkpoint = &mut reader.attached.checkpoint;
    let content = checkpoint.records.insert(record, vec![1]).unwrap();
    let damage = checkpoint.write(&records).unwrap_err();
    assert!(matches!(damage, TextError::Damaged { page, .. } if page == page_number));
    reader.core().checkpoint_met_damage(page_number, records);
    if reader.unwritten.is_none() {
        reader.begin_checkpoint();
    }
    reader.end_checkpoint();
    let checkpoint = &mut reader.attached.checkpoint;
    checkpoint.records.insert(record, content);
    for resident_text_bytes in [0, u64::MAX] {
        let mut restoration = Restoration::within(resident_text_bytes);
        for (table, key, value) in reader.attached.checkpoint.records() {
            restoration.add(table, key, &value).unwrap();
        }
        assert_eq!(restoration.finish().unwrap().waiting_messages(), 1);
    }
    let (ticket, places) = reader.read_page(5);
    assert_eq!((places[0].page, places[0].moved_to), (page_number, None));
    reader.told();
    reader.finish(&(ticket, places));
    assert_eq!(reader.told(), [page(&["last"], false)]);
    // Once that is read, the page goes.
    reader.has(6);
    reader.begin_checkpoint();
    reader.end_checkpoint();
    assert!(!reader.attached.checkpoint.records.contains_key(&record));
}
