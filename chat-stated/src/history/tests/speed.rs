//! What the history costs: disk for each message, time for each answer.

use std::time::{Duration, Instant};

use super::*;

/// Half of the messages go to one of so many rooms.
const ROOMS: u64 = 50;

/// Words as people use them: few often, most seldom.
struct Texts {
    seed: u64,
}

impl Texts {
    fn next(&mut self, below: u64) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    fn word(&mut self) -> String {
        let rank = self.next(20_000) * self.next(20_000) / 20_000 * self.next(20_000) / 20_000;
        let mut word = String::new();
        let mut left = rank.wrapping_mul(7_919) % 3_000_017 + 30;
        while left > 0 {
            word.push(char::from(b'a' + (left % 26) as u8));
            left /= 26;
        }
        word
    }

    /// 64 bytes.
    fn text(&mut self) -> String {
        let mut text = String::new();
        while text.len() < 64 {
            text.push_str(&self.word());
            text.push(' ');
        }
        text.truncate(64);
        text
    }

    fn room(&mut self) -> RoomId {
        RoomId(1 + self.next(ROOMS) as u32)
    }

    fn messages(&mut self, numbers: std::ops::Range<u64>) -> Vec<KeptMessage> {
        numbers
            .map(|number| {
                let sender = AccountId(self.next(1_000) as u32);
                let reader = AccountId(self.next(1_000) as u32);
                let room = self.room();
                let text = self.text();
                match number % 2 {
                    0 => message(number, sender, &[reader], &text),
                    _ => KeptMessage {
                        rooms: smallvec![room],
                        ..message(number, sender, &[], &text)
                    },
                }
            })
            .collect()
    }
}

fn fill(dir: &Path, count: u64, at_once: u64) -> (HistoryStore, Texts) {
    let mut texts = Texts { seed: 1 };
    let mut store = HistoryStore::create(dir, MessageNumber(0)).unwrap();
    for first in (1..=count).step_by(at_once as usize) {
        store
            .append(None, &texts.messages(first..first + at_once))
            .unwrap();
    }
    (store, texts)
}

#[test]
fn message_of_64_bytes_takes_300() {
    let dir = quick_directory();
    let (store, _) = fill(dir.path(), 20_000, 1_000);
    let bytes = store.used_bytes().unwrap() / store.rows();
    assert!(bytes <= 300, "{bytes}");
}

/// The slowest but for one in a hundred.
fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// For measuring: `cargo test --release -p chat-stated --lib history_of_a_million -- --ignored --nocapture`.
#[test]
#[ignore = "takes a minute, and measures this machine"]
fn history_of_a_million() {
    const COUNT: u64 = 1_000_000;
    let dir = tempfile::tempdir_in(".").unwrap();
    let began = Instant::now();
    let (store, mut texts) = fill(dir.path(), COUNT, 2_500);
    let took = began.elapsed();
    let bytes = store.used_bytes().unwrap() / COUNT;
    eprintln!(
        "{:.0} messages/s written, {bytes} bytes each",
        COUNT as f64 / took.as_secs_f64()
    );
    let began = Instant::now();
    let store = {
        drop(store);
        HistoryStore::open(dir.path()).unwrap().unwrap()
    };
    eprintln!("opened in {:?}", began.elapsed());
    let reader = store.reader().unwrap();
    let mut measure = |what: &str, ask: &mut dyn FnMut(&mut Texts) -> Found| {
        let (mut times, mut lines, mut cut) = (Vec::new(), 0, 0);
        for _ in 0..200 {
            let began = Instant::now();
            let found = ask(&mut texts);
            times.push(began.elapsed());
            lines += found.messages.len();
            cut += usize::from(found.has_more);
        }
        eprintln!(
            "{what}: p99 {:?}, {lines} lines, {cut} with more",
            p99(times)
        );
    };
    measure("history 100 anywhere", &mut |texts| {
        let number = MessageNumber(texts.next(COUNT));
        let scope = between(AccountId(5), AccountId(texts.next(1_000) as u32));
        reader
            .page(&scope, HistorySpan::Before(number), 100)
            .unwrap()
    });
    measure("history #room 100 anywhere", &mut |texts| {
        let scope = Scope::Room(view(texts.room().0, 0));
        let number = MessageNumber(texts.next(COUNT));
        reader
            .page(&scope, HistorySpan::Before(number), 100)
            .unwrap()
    });
    let of_user = |texts: &mut Texts| own(AccountId(texts.next(1_000) as u32));
    let of_room = |texts: &mut Texts| Scope::Room(view(texts.room().0, 0));
    let of_rooms = |texts: &mut Texts| Scope::Own {
        direct: messages_of(AccountId(texts.next(1_000) as u32)),
        rooms: (0..20).map(|_| view(texts.room().0, 0)).collect(),
    };
    let mut search = |of: &str, scope: &dyn Fn(&mut Texts) -> Scope| {
        for (what, word) in [
            ("common word", "eb"),
            ("letter", "a"),
            ("rare word", "zzjx"),
            ("two that never meet", "zzjx eb"),
        ] {
            measure(&format!("{of} {what}"), &mut |texts| {
                let scope = scope(texts);
                reader
                    .search(&scope, &Words::of(word).unwrap(), 50)
                    .unwrap()
            });
        }
    };
    search("a user's", &of_user);
    search("a room's", &of_room);
    search("20 rooms'", &of_rooms);
    measure("any word", &mut |texts| {
        let scope = own(AccountId(texts.next(1_000) as u32));
        let words = Words::of(&texts.word()).unwrap();
        reader.search(&scope, &words, 50).unwrap()
    });
    measure("scan", &mut |_| {
        let words = Words::of("\u{6771}").unwrap();
        reader.search(&own(AccountId(5)), &words, 50).unwrap()
    });
}
