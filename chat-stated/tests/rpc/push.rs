//! Messages that are sent without being asked for.

use std::collections::BTreeSet;

use chat_model::{Message, MessageNumber, Outcome, Progress, Request};
use chat_rpc::FromWorker;

use super::daemon::Daemon;
use super::worker::{Client, SENT, Worker, broadcast, send, send_group, texts};

/// Ann, and in another worker bob.
pub(crate) struct Scene {
    pub(crate) daemon: Daemon,
    pub(crate) worker: Worker,
    pub(crate) ann: Client,
    pub(crate) readers_worker: Worker,
    pub(crate) bob: Client,
}

fn without_push() -> Scene {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let ann = worker.log_in("ann");
    let mut readers_worker = Worker::attach(&daemon);
    let bob = readers_worker.log_in("bob");
    Scene {
        daemon,
        worker,
        ann,
        readers_worker,
        bob,
    }
}

/// Messages for bob are pushed.
pub(crate) fn with_push() -> Scene {
    let mut scene = without_push();
    let reply = scene
        .readers_worker
        .ask(&mut scene.bob, Request::SetPush { on: true });
    assert_eq!(reply.answer, Outcome::Done);
    scene
}

const NO_MESSAGES: [Message<'static>; 0] = [];

#[test]
fn message_is_pushed_while_push_is_on() {
    let Scene {
        daemon: _daemon,
        mut worker,
        mut ann,
        mut readers_worker,
        mut bob,
    } = without_push();
    assert_eq!(worker.answer(&mut ann, send("bob", "before")), SENT);
    let pushing = readers_worker.ask(&mut bob, Request::SetPush { on: true });
    assert_eq!(pushing.answer, Outcome::Done);
    assert_eq!(texts(&pushing.messages), ["before"]);

    for text in ["1", "2"] {
        assert_eq!(worker.answer(&mut ann, send("bob", text)), SENT);
        let (connections, messages, through, more) = readers_worker.next_push();
        assert_eq!(connections, [bob.serial]);
        assert_eq!(texts(&messages), [text]);
        assert_eq!((messages[0].number, more), (through, false));
    }
    // What was pushed does not come again with an answer.
    assert_eq!(
        readers_worker.ask(&mut bob, Request::Fetch).messages,
        NO_MESSAGES
    );

    let answer = readers_worker.answer(&mut bob, Request::SetPush { on: false });
    assert_eq!(answer, Outcome::Done);
    assert_eq!(worker.answer(&mut ann, send("bob", "after")), SENT);
    let fetched = readers_worker.ask(&mut bob, Request::Fetch);
    assert_eq!(texts(&fetched.messages), ["after"]);
}

#[test]
fn own_message_is_not_pushed_too() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    worker.ask(&mut ann, Request::SetPush { on: true });
    for text in ["1", "2", "3"] {
        let reply = worker.ask(&mut ann, send("ann", text));
        assert_eq!(texts(&reply.messages), [text]);
    }
    assert_eq!(worker.ask(&mut ann, Request::Fetch).messages, NO_MESSAGES);
}

#[test]
fn slow_reader_misses_nothing() {
    const COUNT: usize = 60;
    let Scene {
        daemon: _daemon,
        mut worker,
        mut ann,
        mut readers_worker,
        mut bob,
    } = with_push();
    let sent: Vec<String> = (0..COUNT).map(|number| format!("{number:08000}")).collect();
    for text in &sent {
        assert_eq!(worker.answer(&mut ann, send("bob", text)), SENT);
    }
    // Nothing is said to be written, so at some point no more is pushed.
    let mut read = Vec::new();
    let mut promised = None;
    while promised.is_none() {
        let (_, messages, through, more) = readers_worker.next_push();
        read.extend(messages);
        promised = more.then_some(through);
    }
    assert!(read.len() < COUNT / 2, "{} were pushed", read.len());
    let mut promised = promised.unwrap();
    let newest = readers_worker.ask(&mut bob, Request::Fetch);
    assert_eq!(newest.messages, NO_MESSAGES);
    assert!(newest.more);
    promised = promised.max(newest.through);
    loop {
        let after = read.last().map_or(MessageNumber(0), |last| last.number);
        let (messages, more) = readers_worker.page(&bob, after, promised);
        read.extend(messages);
        if !more {
            break;
        }
    }
    assert_eq!(texts(&read), sent);
    // It goes on as before, once he has caught up.
    assert_eq!(worker.answer(&mut ann, send("bob", "next")), SENT);
    let (_, messages, _, more) = readers_worker.next_push();
    assert_eq!((texts(&messages), more), (vec!["next"], false));
}

#[test]
fn fast_reader_is_never_told_to_fetch() {
    let Scene {
        daemon: _daemon,
        mut worker,
        mut ann,
        mut readers_worker,
        bob,
    } = with_push();
    let text = "x".repeat(8_000);
    for _ in 0..60 {
        assert_eq!(worker.answer(&mut ann, send("bob", &text)), SENT);
        let (_, messages, through, more) = readers_worker.next_push();
        assert_eq!((messages.len(), more), (1, false));
        let written = Progress {
            sent: through,
            ..Progress::default()
        };
        readers_worker.say([FromWorker::Progress {
            connection: bob.serial,
            progress: written,
        }]);
        // Answered, so what was said before it was heard.
        readers_worker.look_up("nobody");
    }
}

#[test]
fn broadcast_is_one_push_per_worker() {
    const READERS: usize = 200;
    let user_names: Vec<String> = (0..READERS).map(|number| format!("u{number}")).collect();
    let names: Vec<&str> = user_names.iter().map(String::as_str).collect();
    let daemon = Daemon::with_accounts(&names);
    let mut workers = [Worker::attach(&daemon), Worker::attach(&daemon)];
    let mut due = [BTreeSet::new(), BTreeSet::new()];
    let mut clients = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let worker = &mut workers[number % 2];
        let mut client = worker.log_in(name);
        worker.ask(&mut client, Request::SetPush { on: true });
        due[number % 2].insert(client.serial);
        clients.push(client);
    }
    due[0].remove(&clients[0].serial);
    let text = "to all";
    let answer = workers[0].answer(&mut clients[0], broadcast(text));
    assert_eq!(answer, SENT);
    for (worker, due) in workers.iter_mut().zip(due) {
        let (connections, messages, _, more) = worker.next_push();
        assert_eq!(connections.len(), due.len());
        assert_eq!(connections.into_iter().collect::<BTreeSet<_>>(), due);
        assert_eq!((texts(&messages), more), (vec![text], false));
    }
    // A group of which some have push is reached as well.
    let group: Vec<&str> = names[1..].to_vec();
    let answer = workers[0].answer(&mut clients[0], send_group(&group.join(" "), "group"));
    assert_eq!(answer, SENT);
    let mut reached = 0;
    while reached < READERS / 2 {
        let (connections, messages, _, _) = workers[1].next_push();
        assert_eq!(texts(&messages), ["group"]);
        reached += connections.len();
    }
}

#[test]
fn who_left_is_not_pushed_to() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let mut bob = worker.log_in("bob");
    worker.ask(&mut bob, Request::SetPush { on: true });
    worker.close(&bob);
    worker.wait_for_answer("bob", &Outcome::PasswordNeeded);
    assert_eq!(worker.answer(&mut ann, send("bob", "later")), SENT);
    // The next item is the answer to this, not a push.
    assert_eq!(worker.who(&mut ann), "ann");
}
