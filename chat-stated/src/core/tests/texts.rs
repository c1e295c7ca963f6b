//! Pages of queues whose texts are not in memory.

mod damage;

use chat_model::MessageNumber;

use super::*;
use crate::checkpoint::Change;
use crate::entry::AccountChange;
use crate::text_page::{ReadTexts, TextPlace, Texts};

/// What a worker is told, as far as these tests go.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Page { texts: Vec<String>, more: bool },
    Reply { texts: Vec<String>, more: bool },
    End,
    Other,
}

fn page(texts: &[&str], more: bool) -> Told {
    Told::Page {
        texts: texts.iter().map(|text| (*text).to_owned()).collect(),
        more,
    }
}

type Reading = (u64, Vec<TextPlace>);

/// [`Attached`], with a checkpoint that is written when the test says so.
struct Reader {
    attached: Attached,
    offset: u64,
    unwritten: Option<(LogIndex, Vec<Change>)>,
}

impl Reader {
    /// Has these texts in its queue, and none of them in memory.
    fn of(texts: &[&'static str]) -> Self {
        let mut reader = Self {
            attached: Attached::new(),
            offset: 10,
            unwritten: None,
        };
        reader.core().settings.resident_text_bytes = 0;
        for text in texts {
            reader.send(text);
        }
        reader.begin_checkpoint();
        reader.end_checkpoint();
        assert!(reader.turn().is_empty());
        assert_eq!(reader.core().state.resident_text_bytes(), 0);
        reader.told();
        reader
    }

    fn core(&mut self) -> &mut Core {
        &mut self.attached.core
    }

    fn send(&mut self, text: &'static str) {
        self.offset += 1;
        let request = Request::Send {
            audience: Audience::Accounts(NameList::one("ann")),
            text: text.into(),
        };
        self.attached.ask(self.offset, request);
        assert!(self.turn().is_empty());
    }

    /// The reader has everything up to this number.
    fn has(&mut self, through: u64) {
        let through = MessageNumber(through);
        self.attached.say(&FromWorker::Progress {
            connection: ConnectionSerial(1),
            progress: Progress {
                sent: through,
                acknowledged: through,
                confirmed: through,
            },
        });
        self.turn();
    }

    /// As if the worker had come back and not taken anything.
    fn as_if_nothing_was_sent(&mut self) {
        let link = self.core().links.get_mut(0).unwrap();
        let client = link.known_mut(ConnectionSerial(1)).unwrap();
        client.sent_through = MessageNumber(0);
    }

    fn ask_page(&mut self, after: u64) {
        self.attached.say(&FromWorker::Page {
            connection: ConnectionSerial(1),
            after: MessageNumber(after),
            through: MessageNumber(u64::MAX),
        });
    }

    /// Asks for a page, and gives the reading it comes to.
    fn read_page(&mut self, after: u64) -> Reading {
        self.ask_page(after);
        let mut readings = self.turn();
        assert_eq!(readings.len(), 1);
        readings.remove(0)
    }

    /// Everything the core wants, until it wants nothing more; gives the readings.
    fn turn(&mut self) -> Vec<Reading> {
        let mut readings = Vec::new();
        loop {
            let actions = self.core().end_turn();
            let core = self.core();
            if actions.is_empty() && core.next_deadline_ms() != Some(core.timestamp.boot_ms) {
                return readings;
            }
            for action in actions {
                match action {
                    Action::Submit(batch) => self.attached.commit(batch),
                    Action::Checkpoint { position, records } => {
                        self.unwritten = Some((position, records));
                    }
                    Action::ReadTexts { ticket, places } => readings.push((ticket, places)),
                    _ => {}
                }
            }
        }
    }

    fn begin_checkpoint(&mut self) {
        self.core().begin_checkpoint_for_room();
        self.turn();
        assert!(self.unwritten.is_some());
    }

    fn activate_checkpoint(&mut self) -> LogIndex {
        let (position, records) = self.unwritten.take().unwrap();
        self.attached.checkpoint.write(&records).unwrap();
        position
    }

    fn end_checkpoint(&mut self) {
        let position = self.activate_checkpoint();
        self.core().checkpoint_written(position);
        self.turn();
    }

    fn texts(&self, (_, places): &Reading) -> Texts {
        self.attached.checkpoint.read_texts(places).unwrap()
    }

    fn finish(&mut self, reading: &Reading) {
        let texts = self.texts(reading);
        self.core().texts_read(reading.0, &texts.into()).unwrap();
    }

    fn told(&mut self) -> Vec<Told> {
        let output = self.core().output(0).unwrap();
        let mut told = Vec::new();
        for payload in take_frames(output) {
            if Greeting::decode(&payload).is_ok() {
                continue;
            }
            for item in decode_items::<ToWorker<'_>>(&payload) {
                let texts = |messages: Vec<Message<'_>>| {
                    let texts = messages.iter().map(|message| message.text.to_owned());
                    texts.collect()
                };
                told.push(match item.unwrap() {
                    ToWorker::Page { messages, more, .. } => Told::Page {
                        texts: texts(messages),
                        more,
                    },
                    ToWorker::Reply { messages, more, .. } => Told::Reply {
                        texts: texts(messages),
                        more,
                    },
                    ToWorker::Kick { .. } => Told::End,
                    _ => Told::Other,
                });
            }
        }
        told
    }
}

#[test]
fn nothing_overtakes_pending_page() {
    let mut reader = Reader::of(&["first", "second"]);
    reader.as_if_nothing_was_sent();
    let promised = || Told::Reply {
        texts: Vec::new(),
        more: true,
    };
    reader.attached.ask(100, Request::Fetch);
    assert_eq!(reader.told(), [promised()]);
    let reading = reader.read_page(0);
    assert_eq!(reader.told(), []);
    reader.offset = 100;
    reader.send("third");
    assert_eq!(reader.told(), [promised()]);
    reader.finish(&reading);
    assert_eq!(reader.told(), [page(&["first", "second"], false)]);
    reader.ask_page(2);
    assert_eq!(reader.told(), [page(&["third"], false)], "still in memory");
    assert!(reader.core().is_idle());
}

#[test]
fn resident_text_waits_for_earlier_one() {
    let mut reader = Reader::of(&["first"]);
    reader.send("second");
    reader.told();
    let reading = reader.read_page(0);
    reader.finish(&reading);
    assert_eq!(reader.told(), [page(&["first", "second"], false)]);
}

#[test]
fn confirmed_message_is_not_sent_again() {
    let mut reader = Reader::of(&["first", "second"]);
    let reading = reader.read_page(0);
    reader.has(1);
    reader.finish(&reading);
    assert_eq!(reader.told(), [page(&["second"], false)]);
    let reading = reader.read_page(0);
    reader.has(2);
    reader.finish(&reading);
    assert_eq!(reader.told(), [page(&[], false)]);
}

#[test]
fn two_pending_pages_are_both_sent() {
    let mut reader = Reader::of(&["first", "second"]);
    let first = reader.read_page(0);
    let second = reader.read_page(1);
    assert_eq!(reader.told(), [page(&[], true)]);
    reader.finish(&first);
    assert_eq!(reader.told(), []);
    reader.finish(&second);
    assert_eq!(reader.told(), [page(&["second"], false)]);
}

#[test]
fn closed_client_gets_no_page() {
    let mut reader = Reader::of(&["first"]);
    let reading = reader.read_page(0);
    reader.attached.say(&FromWorker::ClientClosed {
        connection: ConnectionSerial(1),
        progress: Progress::default(),
    });
    reader.turn();
    reader.finish(&reading);
    assert_eq!(reader.told(), []);

    let mut reader = Reader::of(&["first"]);
    let reading = reader.read_page(0);
    reader.attached.ask(100, Request::LogOut);
    reader.turn();
    reader.told();
    reader.finish(&reading);
    assert_eq!(reader.told(), [page(&[], false)]);

    let mut reader = Reader::of(&["first"]);
    let reading = reader.read_page(0);
    reader.core().link_closed(0);
    // Another worker's connection gets the same number.
    reader.core().link_opened(0, 2);
    reader.turn();
    reader.finish(&reading);
    assert_eq!(reader.core().output(0).unwrap().pending_bytes(), 0);
}

#[test]
fn user_who_was_disabled_meanwhile_gets_nothing() {
    let mut reader = Reader::of(&["first"]);
    let reading = reader.read_page(0);
    let disabled = AccountChange::Disable { name: "ann".into() };
    reader
        .core()
        .batches
        .push(Entry::ChangeAccounts(vec![disabled]));
    reader.turn();
    reader.finish(&reading);
    assert_eq!(reader.told(), [Told::End, page(&[], false)]);
}

/// Many texts of which one is left, so that its page makes way for another.
fn with_a_page_given_up() -> Reader {
    let mut reader = Reader::of(&["a", "b", "c", "d", "e", "last"]);
    reader.has(5);
    reader
}

#[test]
fn moving_page_is_read_in_place() {
    let mut reader = with_a_page_given_up();
    let before = reader.read_page(5);
    reader.begin_checkpoint();
    // Asked for while the checkpoint is written: on the old page, or on the new one.
    reader
        .core()
        .texts_read(before.0, &ReadTexts::default())
        .unwrap();
    let [during] = &reader.turn()[..] else {
        panic!("it is looked for again");
    };
    assert_eq!(reader.texts(during).len(), 1);
    let position = reader.activate_checkpoint();
    assert_eq!(reader.texts(during).len(), 1);
    // The checkpoint is there, and the core does not know it yet.
    assert_eq!(reader.texts(&before).len(), 0);
    reader.finish(during);
    assert_eq!(reader.told(), [page(&["last"], false)]);
    reader.core().checkpoint_written(position);
    let after = reader.read_page(5);
    reader.finish(&after);
    assert_eq!(reader.told(), [page(&["last"], false)]);
}

#[test]
fn page_released_twice_is_read_in_place() {
    let mut reader = with_a_page_given_up();
    reader.begin_checkpoint();
    let (_, records) = reader.unwritten.take().unwrap();
    reader.core().checkpoint_no_room(records, NoRoom::Full);
    reader.core().reserve_given_up();
    reader.turn();
    let reading = reader.read_page(5);
    reader.finish(&reading);
    assert_eq!(reader.told(), [page(&["last"], false)]);
    reader.end_checkpoint();
    let reading = reader.read_page(5);
    reader.finish(&reading);
    assert_eq!(reader.told(), [page(&["last"], false)]);
}

#[test]
fn missing_text_is_damage() {
    let mut reader = Reader::of(&["first"]);
    let (ticket, places) = reader.read_page(0);
    let error = reader
        .core()
        .texts_read(ticket, &ReadTexts::default())
        .unwrap_err();
    assert_eq!(error.page, places[0].page);
    assert_eq!(reader.told(), [], "it goes on until that is in the journal");
    reader.turn();
    assert_eq!(reader.told(), [Told::End]);
}

#[test]
fn pending_reads_are_bounded() {
    let mut reader = Reader::of(&["first"]);
    let mut readings = Vec::new();
    // One client asks again and again, and nothing is kept of what it asked before.
    for _ in 0..5_000 {
        reader.ask_page(0);
        readings.extend(reader.turn());
    }
    assert!(readings.len() <= 16, "{} readings", readings.len());
    assert!(reader.core().text_reads.waiting() < 3_000);
    while let Some(reading) = readings.pop() {
        reader.finish(&reading);
        readings.extend(reader.turn());
    }
    let told = reader.told();
    assert_eq!(told.len(), 5_000, "each was answered");
    assert_eq!(told.last(), Some(&page(&["first"], false)));
    assert!(reader.core().is_idle());
}

#[test]
fn texts_are_dropped_in_pieces() {
    let mut reader = Reader::of(&[]);
    reader.core().settings.resident_text_bytes = 40_000;
    reader.attached.fill_queue(10_000);
    reader.turn();
    assert_eq!(reader.core().state.resident_text_bytes(), 100_000);
    reader.begin_checkpoint();
    let position = reader.activate_checkpoint();
    reader.core().checkpoint_written(position);
    let mut turns = 0;
    while reader.core().text_reads.is_dropping() {
        assert_eq!(
            reader.core().next_deadline_ms(),
            Some(START.boot_ms),
            "no turn waits for something to come in"
        );
        reader.core().end_turn();
        turns += 1;
    }
    assert!(turns > 1, "the others are served in between");
    let resident = reader.core().state.resident_text_bytes();
    assert!((25_000..=30_000).contains(&resident), "{resident}");
}

#[test]
fn slow_checkpoint_stops_reading_workers() {
    let mut reader = Reader::of(&[]);
    let text: &'static str = "x".repeat(1024 * 1024).leak();
    reader.core().settings.limits.queue_bytes = u64::MAX;
    reader.core().settings.limits.sender_share_percent = 100;
    let limits = reader.core().settings.limits;
    reader.core().configure(
        limits,
        WaitingLimits::INITIAL,
        SessionLimits::INITIAL,
        crate::entry::RoomLimits::INITIAL,
    );
    for _ in 0..17 {
        reader.send(text);
    }
    assert!(!reader.core().is_full(), "no checkpoint would make it less");
    if reader.unwritten.is_none() {
        reader.begin_checkpoint();
    }
    assert!(reader.core().is_full());
    reader.end_checkpoint();
    assert!(!reader.core().is_full());
    assert_eq!(reader.core().state.resident_text_bytes(), 0);
}
