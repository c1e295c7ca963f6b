//! Queues too long for one answer.

use chat_model::{Message, MessageNumber, Outcome, Request};

use super::daemon::Daemon;
use super::worker::{Client, Reply, SENT, Worker, broadcast, send, texts};

/// All that belongs to a reply, asked for page by page as a worker does.
fn read_all(
    worker: &mut Worker,
    client: &Client,
    mut messages: Vec<Message<'static>>,
    mut more: bool,
    through: MessageNumber,
) -> Vec<Message<'static>> {
    while more {
        let last = messages.last().map_or(MessageNumber(0), |last| last.number);
        let (page, page_more) = worker.page(client, last, through);
        assert!(!page.is_empty(), "a page that says more has something");
        messages.extend(page);
        more = page_more;
    }
    messages
}

/// All that belongs to a reply.
pub(super) fn read_reply(
    worker: &mut Worker,
    client: &Client,
    reply: Reply,
) -> Vec<Message<'static>> {
    read_all(worker, client, reply.messages, reply.more, reply.through)
}

/// Sends texts to one reader, as many at a time as may be in flight.
pub(super) fn send_all(worker: &mut Worker, sender: &mut Client, reader: &str, sent: &[String]) {
    for chunk in sent.chunks(1_000) {
        let requests: Vec<_> = chunk
            .iter()
            .map(|text| sender.request(send(reader, text)))
            .collect();
        worker.request(requests);
        for _ in chunk {
            let reply = worker.next_reply();
            assert_eq!(reply.answer, SENT);
            sender.answered = reply.offset;
        }
    }
}

/// Next to no text is in memory once it is in a checkpoint, and it soon is.
pub(super) const ON_DISK: [&str; 2] =
    ["--resident-text-bytes=100", "--checkpoint-every-entries=50"];

#[test]
fn many_messages_arrive_in_order() {
    read_ten_thousand(&[]);
}

#[test]
fn many_messages_on_disk_arrive_in_order() {
    read_ten_thousand(&ON_DISK);
}

fn read_ten_thousand(flags: &[&str]) {
    let daemon = Daemon::with_flags(&["ann", "bob"], flags);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let sent: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    send_all(&mut worker, &mut ann, "bob", &sent);

    let (mut bob, welcome) = worker.log_in_reading("bob");
    assert!(welcome.more && welcome.messages.len() < sent.len());
    // What comes while bob reads is not part of what he was welcomed with.
    assert_eq!(worker.answer(&mut ann, send("bob", "meanwhile")), SENT);
    let fetched = worker.ask(&mut bob, Request::Fetch);
    assert_eq!(fetched.messages, [] as [Message<'_>; 0]);
    assert!(fetched.more && fetched.through > welcome.through);
    let read = read_all(
        &mut worker,
        &bob,
        welcome.messages,
        welcome.more,
        welcome.through,
    );
    assert_eq!(texts(&read), sent);
    assert!(read.is_sorted_by(|one, next| one.number < next.number));
    assert_eq!(read.last().unwrap().number, welcome.through);
    let rest = worker.page(&bob, welcome.through, fetched.through);
    assert_eq!((texts(&rest.0), rest.1), (vec!["meanwhile"], false));
    assert_eq!(worker.answer(&mut ann, send("bob", "at last")), SENT);
    bob.has(fetched.through);
    let fetched = worker.ask(&mut bob, Request::Fetch);
    let read = read_reply(&mut worker, &bob, fetched);
    assert_eq!(texts(&read), ["at last"]);
    worker.log_out(bob);
    let (bob, welcome) = worker.log_in_reading("bob");
    let read = read_reply(&mut worker, &bob, welcome);
    assert_eq!(texts(&read), ["at last"]);
}

#[test]
fn long_texts_fill_page_sooner() {
    read_long_texts(&[]);
}

#[test]
fn long_texts_on_disk_fill_page_sooner() {
    read_long_texts(&ON_DISK);
}

fn read_long_texts(flags: &[&str]) {
    const COUNT: usize = 300;
    let daemon = Daemon::with_flags(&["ann", "bob"], flags);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let sent: Vec<String> = (0..COUNT).map(|number| format!("{number:08000}")).collect();
    send_all(&mut worker, &mut ann, "bob", &sent);
    let text = "to all";
    assert_eq!(worker.answer(&mut ann, broadcast(text)), SENT);
    let (bob, welcome) = worker.log_in_reading("bob");
    assert!(welcome.more && welcome.messages.len() < 100);
    let (mut read, more) = (welcome.messages, welcome.more);
    read = read_all(&mut worker, &bob, read, more, welcome.through);
    assert_eq!(texts(&read[..COUNT]), sent);
    assert_eq!(texts(&read[COUNT..]), [text]);
}

#[test]
fn page_is_of_own_queue() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    assert_eq!(worker.answer(&mut ann, send("ann", "for ann")), SENT);
    let (mut bob, _) = worker.log_in_reading("bob");
    let everything = (MessageNumber(0), MessageNumber(u64::MAX));
    let (messages, more) = worker.page(&bob, everything.0, everything.1);
    assert_eq!((texts(&messages), more), (vec![], false));
    let (messages, _) = worker.page(&ann, everything.0, everything.1);
    assert_eq!(texts(&messages), ["for ann"]);

    let mut stranger = worker.client();
    assert_eq!(
        worker.answer(
            &mut stranger,
            Request::ListUsers {
                seen_within_minutes: None
            }
        ),
        Outcome::Refused
    );
    let (messages, more) = worker.page(&stranger, everything.0, everything.1);
    assert_eq!((texts(&messages), more), (vec![], false));
    // The connection of the same number in another worker is another one.
    let mut other_worker = Worker::attach(&daemon);
    let mut same_number = other_worker.client();
    assert_eq!(same_number.serial, ann.serial);
    let answer = other_worker.answer(&mut same_number, Request::Fetch);
    assert_eq!(answer, Outcome::Refused);
    let (messages, more) = other_worker.page(&same_number, everything.0, everything.1);
    assert_eq!((texts(&messages), more), (vec![], false));
    // It was no way to get at later ones either.
    assert_eq!(worker.answer(&mut ann, send("bob", "for bob")), SENT);
    assert_eq!(
        texts(&worker.ask(&mut bob, Request::Fetch).messages),
        ["for bob"]
    );
}
