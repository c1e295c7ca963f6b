//! Messages to some and to all.

use chat_model::{Message, NameList, Outcome, Request};
use std::time::{SystemTime, UNIX_EPOCH};

use super::daemon::Daemon;
use super::worker::{SENT, Worker, broadcast, send, send_group, texts};

#[test]
fn waiting_message_has_sender_and_time() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let wall_ms = || {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        i64::try_from(since_epoch.as_millis()).unwrap()
    };
    // Times are whole seconds.
    let before = wall_ms() / 1_000 * 1_000;
    let text = " two  spaces, \u{202e} and a long one: ";
    assert_eq!(worker.answer(&mut ann, send("bob", text)), SENT);
    assert_eq!(worker.answer(&mut ann, send("bob", "second")), SENT);
    let (_, welcome) = worker.log_in_reading("bob");
    let [first, second] = &welcome.messages[..] else {
        panic!("{welcome:?}");
    };
    assert_eq!((first.sender, first.text), ("ann", text));
    assert!((before..=wall_ms()).contains(&first.time_ms));
    assert_eq!(second.text, "second");
    assert!(first.number < second.number && second.number <= welcome.through);
    assert!(!welcome.more);
}

#[test]
fn unknown_names_are_listed_in_order() {
    let daemon = Daemon::with_accounts(&["ann", "bob", "carl"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let recipients = "zoe bob carl Bob zoe carl b\u{202e}";
    let answer = worker.answer(&mut ann, send_group(recipients, "hello"));
    let unknown = ["zoe", "Bob", "b\u{202e}"].into_iter().collect();
    assert_eq!(answer, Outcome::Stored { unknown });
    for reader in ["bob", "carl"] {
        let (_, welcome) = worker.log_in_reading(reader);
        assert_eq!(texts(&welcome.messages), ["hello"]);
    }
    assert_eq!(
        worker.answer(&mut ann, send("nobody", "hello")),
        Outcome::Stored {
            unknown: NameList::one("nobody"),
        }
    );
}

#[test]
fn what_worker_should_have_cleaned_is_refused() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let too_long = "x".repeat(1024 * 1024 + 1);
    for text in [
        too_long.as_str(),
        "",
        "a\nb",
        "\u{1b}[31m",
        "\u{7f}",
        "\u{85}",
        "tab of another kind\u{b}",
        "\0",
    ] {
        let answer = worker.answer(&mut ann, send("bob", text));
        assert_eq!(answer, Outcome::Refused, "{text:?}");
        let answer = worker.answer(&mut ann, broadcast(text));
        assert_eq!(answer, Outcome::Refused, "{text:?}");
    }
    for name in ["", " a", "a  b", "a,b", "a\tb", "a\nb", "\u{9b}"] {
        let answer = worker.answer(&mut ann, send_group(&format!("bob {name}"), "text"));
        assert_eq!(answer, Outcome::Refused, "{name:?}");
    }
    let answer = worker.answer(&mut ann, send_group("", "text"));
    assert_eq!(answer, Outcome::Refused);
    let (_, welcome) = worker.log_in_reading("bob");
    assert_eq!(welcome.messages, [] as [Message<'_>; 0]);
}

#[test]
fn broadcast_reaches_existing_accounts() {
    let daemon = Daemon::with_accounts(&["ann", "bob", "carl"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let mut bob = worker.log_in("bob");
    let text = "to all";
    assert_eq!(worker.answer(&mut ann, broadcast(text)), SENT);
    let fetched = worker.ask(&mut bob, Request::Fetch);
    assert_eq!(texts(&fetched.messages), [text]);
    assert_eq!(fetched.messages[0].sender, "ann");
    let (_, welcome) = worker.log_in_reading("carl");
    assert_eq!(texts(&welcome.messages), [text]);
    let fetched = worker.ask(&mut ann, Request::Fetch);
    assert_eq!(fetched.messages, [] as [Message<'_>; 0]);
    let mut stranger = worker.client();
    let registered = worker.answer(&mut stranger, super::worker::register("dora", b"password"));
    assert_eq!(registered, Outcome::Registered);
    let (_, welcome) = worker.log_in_reading("dora");
    assert_eq!(welcome.messages, [] as [Message<'_>; 0]);
}

#[test]
fn full_queue_refuses_and_nobody_gets_message() {
    let flags = ["--queue-messages=4", "--sender-share-percent=50"];
    let daemon = Daemon::with_flags(&["ann", "bob", "carl", "dora"], &flags);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let mut bob = worker.log_in("bob");
    for text in ["1", "2"] {
        assert_eq!(worker.answer(&mut ann, send("carl", text)), SENT);
    }
    // Ann has had her share of it, Bob has not.
    let group = ["carl", "dora"];
    let answer = worker.answer(&mut ann, send_group(&group.join(" "), "too much"));
    assert_eq!(answer, Outcome::QueueFull);
    for text in ["3", "4"] {
        assert_eq!(worker.answer(&mut bob, send("carl", text)), SENT);
    }
    let (mut carl, welcome) = worker.log_in_reading("carl");
    assert_eq!(texts(&welcome.messages), ["1", "2", "3", "4"]);
    assert_eq!(
        worker.answer(&mut carl, send("carl", "too")),
        Outcome::QueueFull
    );
    let (_, welcome) = worker.log_in_reading("dora");
    assert_eq!(welcome.messages, [] as [Message<'_>; 0]);
    // What TCP acknowledged does not count.
    carl.progress.acknowledged = welcome.through;
    assert_eq!(worker.answer(&mut carl, Request::Fetch), Outcome::Done);
    assert_eq!(worker.answer(&mut ann, send("carl", "5")), SENT);
}

#[test]
fn queue_has_limit_of_bytes_too() {
    let flags = ["--queue-bytes=20", "--sender-share-percent=100"];
    let daemon = Daemon::with_flags(&["ann", "bob"], &flags);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let answer = worker.answer(&mut ann, send("bob", &"x".repeat(21)));
    assert_eq!(answer, Outcome::QueueFull);
    assert_eq!(worker.answer(&mut ann, send("bob", &"x".repeat(20))), SENT);
    assert_eq!(
        worker.answer(&mut ann, send("bob", "x")),
        Outcome::QueueFull
    );
}

#[test]
fn broadcasts_have_budgets_of_their_own() {
    for flag in [
        "--broadcasts-per-minute=1",
        "--broadcast-messages=1",
        "--broadcast-bytes=11",
    ] {
        let daemon = Daemon::with_flags(&["ann", "bob"], &[flag]);
        let mut worker = Worker::attach(&daemon);
        let mut ann = worker.log_in("ann");
        let text = "ten bytes!";
        let answer = worker.answer(&mut ann, broadcast(text));
        assert_eq!(answer, SENT, "{flag}");
        let answer = worker.answer(&mut ann, broadcast(text));
        assert_eq!(answer, Outcome::QueueFull, "{flag}");
        assert_eq!(worker.answer(&mut ann, send("bob", "direct")), SENT);
        let (mut bob, welcome) = worker.log_in_reading("bob");
        assert_eq!(texts(&welcome.messages), [text, "direct"]);
        bob.has(welcome.through);
        worker.ask(&mut bob, Request::Fetch);
        // Its readers have it: the budget of what waits is free again, that of the minute is not.
        worker.who(&mut bob);
        let is_rate = flag.contains("per-minute");
        let answer = worker.answer(&mut ann, broadcast(text));
        assert_eq!(answer == Outcome::QueueFull, is_rate, "{flag}: {answer:?}");
    }
}
