//! Pages of a queue while messages leave the feed of a room.

use chat_model::{RoomAct, SentTo};

use super::*;
use crate::entry::RoomLimits;

const BOB: u64 = 2;

impl Attached {
    fn attempt(&mut self, serial: u64, offset: u64, action: Attempt) {
        self.push_request(serial, offset, action);
        settle(&mut self.core);
    }

    fn join(&mut self, serial: u64, offset: u64) {
        let (room, act) = ("#a".to_owned(), RoomAct::Join);
        self.attempt(serial, offset, Attempt::ChangeRoom { room, act });
    }

    /// Asks for a page, and says what came: how many messages are in the history only, or a text.
    fn page(&mut self, after: u64, through: u64) -> Vec<Result<u64, String>> {
        self.answered();
        self.say(&FromWorker::Page {
            connection: ConnectionSerial(1),
            after: MessageNumber(after),
            through: MessageNumber(through),
        });
        let mut shown = Vec::new();
        for payload in take_frames(self.core.output(0).unwrap()) {
            for item in decode_items::<ToWorker<'_>>(&payload) {
                if let ToWorker::Page { messages, .. } = item.unwrap() {
                    shown.extend(messages.iter().map(|message| match message.sent_to {
                        SentTo::GapIn(_, messages) => Ok(messages),
                        _ => Err(message.text.to_owned()),
                    }));
                }
            }
        }
        shown
    }
}

#[test]
fn dropped_messages_are_told_however_page_ends() {
    let mut worker = Attached::new();
    // From here on the link knows its client.
    worker.ask(10, Request::Fetch);
    settle(&mut worker.core);
    read_file(
        &mut worker.core,
        "ann,0000000000000000000000000000000000000000\nbob,0000000000000000000000000000000000000000\n",
    );
    worker.core.batches.push(Entry::LimitRooms(RoomLimits {
        queue_messages: 3,
        ..RoomLimits::INITIAL
    }));
    settle(&mut worker.core);
    let (account, _) = worker.core.state.account("bob").unwrap();
    let log_in = Attempt::LogIn {
        account,
        session: UserSession::Plain,
        address: [127, 0, 0, 1].into(),
        password_version: 0,
        new_secret: None,
        asked_boot_ms: None,
    };
    worker.attempt(BOB, 1, log_in);
    worker.join(1, 2);
    worker.join(BOB, 2);
    for number in 1..=6 {
        let send = Attempt::Send {
            audience: Audience::Mixed(NameList::one("#a")),
            text: format!("m{number}"),
        };
        worker.attempt(BOB, 2 + number, send);
    }
    // When it was promised there was one message. Three have left the feed since then.
    assert_eq!(worker.page(0, 1), [Ok(3)]);
    let rest = ["m4", "m5", "m6"].map(|text| Err(text.to_owned()));
    assert_eq!(worker.page(3, 6), rest);
    let whole: Vec<_> = [Ok(3)].into_iter().chain(rest).collect();
    assert_eq!(worker.page(0, 6), whole);
}
