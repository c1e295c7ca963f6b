//! Many requests at once, and requests that come twice.

use std::borrow::Cow;

use chat_model::{Message, MessageBatch, MessageNumber, Outcome, Request, StreamOffset};
use chat_rpc::{FromWorker, SendBatch, ToWorker};

use super::daemon::{Daemon, PASSWORD};
use super::worker::{SENT, Worker, names, register, send, texts, users};

const NO_MESSAGES: [Message<'static>; 0] = [];

#[test]
fn requests_take_effect_in_order() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    worker.log_in("bob");
    let mut ann = worker.log_in("ann");
    const ROUNDS: usize = 50;
    let rounds: Vec<String> = (0..ROUNDS).map(|round| round.to_string()).collect();
    let mut requests = Vec::new();
    for text in &rounds {
        requests.extend([
            ann.request(Request::Fetch),
            ann.request(send("bob", text)),
            ann.request(Request::Fetch),
            ann.request(send("ann", text)),
            ann.request(Request::SetPush { on: false }),
            ann.request(Request::Fetch),
        ]);
    }
    let offsets: Vec<StreamOffset> = requests.iter().map(|request| request.offset).collect();
    worker.request(requests);
    let mut answered = Vec::new();
    for text in &rounds {
        let mut next = || {
            let reply = worker.next_reply();
            answered.push(reply.offset);
            reply
        };
        let fetched = next();
        assert_eq!(fetched.answer, Outcome::Done);
        assert_eq!(fetched.messages, NO_MESSAGES);
        let sent = next();
        assert_eq!(sent.answer, SENT);
        assert_eq!(sent.messages, NO_MESSAGES);
        let fetched = next();
        assert_eq!(fetched.answer, Outcome::Done);
        assert_eq!(
            fetched.messages, NO_MESSAGES,
            "not before the answer to its send"
        );
        let sent = next();
        assert_eq!(sent.answer, SENT);
        assert_eq!(texts(&sent.messages), [text]);
        assert_eq!(next().messages, NO_MESSAGES);
        assert_eq!(next().answer, Outcome::Done);
    }
    assert_eq!(answered, offsets);
}

#[test]
fn list_shows_what_was_asked_before() {
    let daemon = Daemon::with_accounts(&["ann", "bob", "carl"]);
    let mut worker = Worker::attach(&daemon);
    let (mut ann, mut bob, carl) = (
        worker.log_in("ann"),
        worker.log_in("bob"),
        worker.log_in("carl"),
    );
    worker.close(&carl);
    worker.request([
        ann.request(send("bob", "1")),
        ann.request(Request::ListUsers {
            seen_within_minutes: None,
        }),
    ]);
    assert_eq!(worker.next_reply().answer, SENT);
    let who = worker.next_reply();
    assert_eq!((who.connection, users(&who)), (ann.serial, "ann bob"));
    let last = worker.ask(
        &mut bob,
        Request::ListUsers {
            seen_within_minutes: Some(5),
        },
    );
    assert_eq!(users(&last), "ann bob carl");
    assert!(last.more, "the message is to be asked for");
    let (messages, more) = worker.page(&bob, MessageNumber(0), last.through);
    assert_eq!((texts(&messages), more), (vec!["1"], false));
}

#[test]
fn equal_lists_travel_once() {
    const CLIENTS: usize = 30;
    let user_names: Vec<String> = (10..10 + CLIENTS)
        .map(|number| format!("u{number}"))
        .collect();
    let names: Vec<&str> = user_names.iter().map(String::as_str).collect();
    let daemon = Daemon::with_accounts(&names);
    let mut worker = Worker::attach(&daemon);
    let mut clients: Vec<_> = names.iter().map(|name| worker.log_in(name)).collect();
    let requests: Vec<_> = clients
        .iter_mut()
        .map(|client| {
            client.request(Request::ListUsers {
                seen_within_minutes: Some(9),
            })
        })
        .collect();
    worker.request(requests);
    match worker.next_item().expect("a list") {
        ToWorker::Users { requests, names } => {
            assert_eq!(requests.len(), CLIENTS);
            assert!(names.iter().eq(&user_names));
        }
        other => panic!("a list was due, not {other:?}"),
    }
}

#[test]
fn logout_waits_for_earlier_requests() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let requests = [
        ann.request(send("bob", "1")),
        ann.request(Request::Fetch),
        ann.request(Request::LogOut),
        ann.request(Request::Fetch),
    ];
    worker.request(requests);
    assert_eq!(worker.next_reply().answer, SENT);
    assert_eq!(worker.next_reply().answer, Outcome::Done);
    assert_eq!(worker.next_reply().answer, Outcome::LoggedOut);
    assert_eq!(worker.next_reply().answer, Outcome::Refused);
}

#[test]
fn many_requests_in_one_write() {
    const CLIENTS: usize = 40;
    const EACH: usize = 100;
    let user_names: Vec<String> = (0..CLIENTS).map(|number| format!("u{number}")).collect();
    let names: Vec<&str> = user_names.iter().map(String::as_str).collect();
    let daemon = Daemon::with_accounts(&names);
    let mut worker = Worker::attach(&daemon);
    let mut clients: Vec<_> = names.iter().map(|name| worker.log_in(name)).collect();
    let mut requests = Vec::new();
    for _ in 0..EACH {
        for (client, name) in clients.iter_mut().zip(&names) {
            requests.push(client.request(send("u0", name)));
        }
    }
    let mut due: Vec<_> = clients
        .iter()
        .map(|client| {
            let of_client = requests
                .iter()
                .filter(|request| request.connection == client.serial);
            of_client.map(|request| request.offset).collect::<Vec<_>>()
        })
        .collect();
    worker.request(requests);
    let mut received = 0;
    for _ in 0..CLIENTS * EACH {
        let reply = worker.next_reply();
        assert_eq!(reply.answer, SENT);
        let client = clients
            .iter()
            .position(|client| client.serial == reply.connection);
        assert_eq!(due[client.unwrap()].remove(0), reply.offset);
        received += reply.messages.len();
    }
    received += worker.ask(&mut clients[0], Request::Fetch).messages.len();
    assert_eq!(received, CLIENTS * EACH);
}

#[test]
fn repeated_request_gets_first_answer() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let request = ann.request(send("bob", "once"));
    worker.request([request.clone(), request.clone()]);
    assert_eq!(worker.next_reply().answer, SENT);
    assert_eq!(worker.next_reply().answer, SENT);
    worker.request([request.clone()]);
    assert_eq!(worker.next_reply().answer, SENT);
    // Another text under the same name is not another message.
    let mut other = request.clone();
    other.request = send("nobody", "twice");
    worker.request([other]);
    assert_eq!(worker.next_reply().answer, SENT);
    // Once its answer has arrived, its name is used up.
    ann.answered = request.offset;
    assert_eq!(worker.answer(&mut ann, Request::Fetch), Outcome::Done);
    assert_eq!(worker.answer(&mut ann, send("bob", "next")), SENT);
    worker.request([request]);
    assert_eq!(worker.next_reply().answer, Outcome::Refused);
    let (_, welcome) = worker.log_in_reading("bob");
    assert_eq!(texts(&welcome.messages), ["once", "next"]);
}

#[test]
fn repeated_registration_is_registered() {
    let daemon = Daemon::with_accounts(&[]);
    let mut worker = Worker::attach(&daemon);
    let mut client = worker.client();
    let request = client.request(register("ann", PASSWORD));
    worker.request([request.clone()]);
    assert_eq!(worker.next_reply().answer, Outcome::Registered);
    worker.request([request]);
    assert_eq!(worker.next_reply().answer, Outcome::Registered);
    assert_eq!(daemon.account_lines("ann").len(), 1);
}

#[test]
fn too_many_unconfirmed_requests_are_refused() {
    const MAX_IN_FLIGHT: usize = 1_024;
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    // Logging in is the first of them.
    let mut ann = worker.log_in("ann");
    ann.answered = StreamOffset(0);
    let requests: Vec<_> = (0..MAX_IN_FLIGHT)
        .map(|_| ann.request(send("bob", "text")))
        .collect();
    worker.request(requests);
    for _ in 1..MAX_IN_FLIGHT {
        assert_eq!(worker.next_reply().answer, SENT);
    }
    assert_eq!(worker.next_reply().answer, Outcome::Refused);
    ann.answered = ann.offset;
    assert_eq!(worker.answer(&mut ann, send("bob", "last")), SENT);
}

#[test]
fn batched_lines_survive_kill() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let offsets: Vec<_> = (0..3).map(|_| ann.request(Request::Fetch).offset).collect();
    let bob = names("bob");
    let said = ["one", "two", "three"];
    let lines = offsets.iter().zip(said);
    let lines = lines.map(|(offset, text)| (*offset, bob.names(), text));
    let lines = MessageBatch::of(lines).unwrap();
    let together = || {
        FromWorker::SendBatch(SendBatch {
            connection: ann.serial,
            answered: ann.answered,
            progress: ann.progress,
            lines: Cow::Borrowed(&lines),
        })
    };
    worker.say([together()]);
    match worker.next_item() {
        Some(ToWorker::Stored {
            connection,
            first,
            last,
            more: false,
            ..
        }) => assert_eq!(
            (connection, first, last),
            (ann.serial, offsets[0], offsets[2])
        ),
        other => panic!("{other:?}"),
    }
    daemon.kill_child();
    worker.come_back(&daemon, vec![ann.resumed()]);
    worker.say([together()]);
    for offset in offsets {
        let again = worker.next_reply();
        assert_eq!((again.offset, again.answer), (offset, SENT));
    }
    let (_, welcome) = worker.log_in_reading("bob");
    assert_eq!(texts(&welcome.messages), ["one", "two", "three"]);
}
