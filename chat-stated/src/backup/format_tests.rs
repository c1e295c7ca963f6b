use super::*;

const HEAD: Head = Head {
    taken_wall_ms: 1_800_000_000_000,
    record_format: 1,
    checkpoint: LogIndex(2),
    log_base: LogBase {
        position: LogIndex(2),
        digest: Digest::START,
    },
    last: LogIndex(3),
    has_history: false,
};

fn items() -> [Item<'static>; 3] {
    [
        Item::Batch {
            position: LogIndex(3),
            digest: Digest::START,
            body: b"batch",
        },
        Item::Record {
            table: 1,
            key: 4,
            value: b"record",
        },
        Item::AccountFile(b"bob,secret\n"),
    ]
}

fn written(items: &[Item<'_>]) -> Vec<u8> {
    let mut writer = BackupWriter::new(Vec::new(), &HEAD).unwrap();
    for item in items {
        writer.add(item).unwrap();
    }
    writer.finish().unwrap().0
}

fn read(bytes: &[u8]) -> Result<usize, FormatError> {
    let (mut reader, _) = BackupReader::new(bytes)?;
    let mut count = 0;
    while reader.next_item()?.is_some() {
        count += 1;
    }
    Ok(count)
}

#[test]
fn golden_bytes() {
    let bytes = written(&items());
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "6368617473657276206261636b75700a01000000683400000000505c18a30100000100000002000000000000000200000000\
         0000006368617473657276206a6f75726e616c03000000000000000043b998c03ba0d2621d00000003000000000000006368\
         617473657276206a6f75726e616c62617463685a850835b75079dd720f0000000104000000000000007265636f72644829b1\
         a3ae21684a610b000000626f622c7365637265740a8dbae54f0e641cc7651800000001000000000000000100000000000000\
         0b00000000000000e5c46a3d0ccb4641575efb58236696c30e578c4d8fca1862"
    );
}

#[test]
fn what_is_written_is_read_again() {
    let bytes = written(&items());
    let (mut reader, head) = BackupReader::new(&bytes[..]).unwrap();
    assert_eq!(head, HEAD);
    for item in items() {
        assert_eq!(reader.next_item().unwrap(), Some(item));
    }
    assert_eq!(reader.next_item().unwrap(), None);
    let counts = Counts {
        records: 1,
        batches: 1,
        account_file_bytes: 11,
    };
    assert_eq!(reader.counts(), counts);
}

const HEAD_WITH_HISTORY: Head = Head {
    has_history: true,
    ..HEAD
};

fn items_of_history() -> [Item<'static>; 2] {
    let row = HistoryRow {
        number: MessageNumber(7),
        time_ms: 9,
        checksum: 5,
        audience: "s1 p2",
        text: "tea",
    };
    [Item::History(row), Item::HistoryEnd(b"header")]
}

fn written_with_history() -> Vec<u8> {
    let mut writer = BackupWriter::new(Vec::new(), &HEAD_WITH_HISTORY).unwrap();
    for item in items().iter().chain(&items_of_history()) {
        writer.add(item).unwrap();
    }
    writer.finish().unwrap().0
}

#[test]
fn history_is_of_format_2() {
    let bytes = written_with_history();
    assert_eq!((written(&[])[16], bytes[16]), (1, 2));
    let (mut reader, head) = BackupReader::new(&bytes[..]).unwrap();
    assert_eq!(head, HEAD_WITH_HISTORY);
    for item in items().iter().chain(&items_of_history()) {
        assert_eq!(reader.next_item().unwrap().as_ref(), Some(item));
    }
    assert_eq!(reader.next_item().unwrap(), None);
    let error = read(&written(&items_of_history())).unwrap_err();
    assert!(error.to_string().contains("cannot stand there"), "{error}");
}

#[test]
fn golden_bytes_of_history() {
    let [row, end] = items_of_history().map(|item| encode(&item));
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let fields =
        "0700000000000000090000000000000005000000000000000500000073312070 32".replace(' ', "");
    assert_eq!((row.0, hex(&row.1), row.2), (b'm', fields, &b"tea"[..]));
    assert_eq!((end.0, end.1, end.2), (b'n', vec![], &b"header"[..]));
}

#[test]
fn every_flipped_bit_and_cut_is_found() {
    find_flips_and_cuts(&written(&items()));
    find_flips_and_cuts(&written_with_history());
}

fn find_flips_and_cuts(bytes: &[u8]) {
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&flipped).is_err(), "bit {bit}");
    }
    for end in 0..bytes.len() {
        assert!(read(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert!(read(&[bytes, b"x"].concat()).is_err());
}

#[test]
fn damage_is_named_with_its_place() {
    let mut bytes = written(&items());
    let place = bytes.windows(6).position(|w| w == b"record").unwrap();
    bytes[place] = b'R';
    let error = read(&bytes).unwrap_err().to_string();
    assert!(error.starts_with("frame 2 (from byte "), "{error}");
    assert!(error.contains("checksum"), "{error}");
}

#[test]
fn frames_cannot_be_moved_or_omitted() {
    let [first, second, third] = items();
    let whole = written(&[first, second, third]);
    let without = written(&[first, third]);
    let length = whole.len() - without.len();
    let start = whole.windows(6).position(|w| w == b"record").unwrap() - FRAME_HEAD_BYTES - 9;
    let mut cut = whole.clone();
    cut.drain(start..start + length);
    assert!(read(&cut).is_err());
    let mut twice = whole.clone();
    twice.splice(start..start, whole[start..start + length].iter().copied());
    assert!(read(&twice).is_err());
    assert_eq!(read(&without).unwrap(), 2);
}

#[test]
fn another_format_is_told_from_damage() {
    let mut bytes = written(&[]);
    bytes[16] = 3;
    assert!(matches!(read(&bytes), Err(FormatError::Version(3))));
    let error = read(b"SQLite format 3\0 and so on").unwrap_err();
    assert!(
        error.to_string().contains("not that of a backup"),
        "{error}"
    );
}

#[test]
fn length_beyond_limit_allocates_nothing() {
    let mut bytes = written(&[]);
    bytes[21..25].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(read(&bytes).is_err());
    let body = vec![0; MAX_CONTENT_BYTES + 1];
    let mut writer = BackupWriter::new(std::io::sink(), &HEAD).unwrap();
    let refused = writer.add(&Item::AccountFile(&body));
    assert!(matches!(refused, Err(FormatError::TooLarge(_))));
}
