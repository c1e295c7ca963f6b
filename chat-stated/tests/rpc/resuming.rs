//! The daemon's process dies, and its workers come back.

use chat_model::{Message, MessageNumber, Outcome, Request};
use chat_rpc::{FromWorker, ResumedConnection};

use super::daemon::{Daemon, PASSWORD};
use super::push::{Scene, with_push};
use super::worker::{SENT, Worker, everything_up_to, log_in, register, send, texts};

const NO_MESSAGES: [Message<'static>; 0] = [];

#[test]
fn only_named_connections_resume() {
    let daemon = Daemon::with_accounts(&["ann", "bob", "carl"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    worker.log_in("bob");
    let mut other_worker = Worker::attach(&daemon);
    let mut carl = other_worker.log_in("carl");
    for _ in 0..3 {
        daemon.kill_child();
        worker.come_back(&daemon, vec![ann.resumed()]);
        other_worker.come_back(&daemon, vec![carl.resumed()]);
        worker.wait_for_answer("bob", &Outcome::PasswordNeeded);
        assert_eq!(worker.who(&mut ann), "ann carl");
        assert_eq!(other_worker.look_up("ann"), Outcome::AlreadyLoggedIn);
        let sent = other_worker.answer(&mut carl, send("ann", "still here"));
        assert_eq!(sent, SENT);
        let fetched = worker.ask(&mut ann, Request::Fetch);
        assert_eq!(texts(&fetched.messages), ["still here"]);
        ann.has(fetched.through);
    }
}

#[test]
fn repeated_request_is_done_once() {
    const ROUNDS: usize = 5;
    const EACH: usize = 200;
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let mut bob = worker.log_in("bob");
    for round in 0..ROUNDS {
        let sent: Vec<String> = (0..EACH)
            .map(|number| format!("{round}.{number}"))
            .collect();
        let requests: Vec<_> = sent
            .iter()
            .map(|text| ann.request(send("bob", text)))
            .collect();
        for some in requests.chunks(20) {
            worker.request(some.to_vec());
        }
        // In each round another number of them was surely done, and an unknown one besides.
        let answered = round * 30;
        for _ in 0..answered {
            let reply = worker.next_reply();
            assert_eq!(reply.answer, SENT);
            ann.answered = reply.offset;
        }
        daemon.kill_child();
        worker.come_back(&daemon, vec![ann.resumed(), bob.resumed()]);
        worker.request(requests[answered..].to_vec());
        for request in &requests[answered..] {
            let reply = worker.next_reply();
            assert_eq!((reply.offset, reply.answer), (request.offset, SENT));
        }
        ann.answered = ann.offset;
        let fetched = worker.ask(&mut bob, Request::Fetch);
        assert_eq!(texts(&fetched.messages), sent);
        bob.has(fetched.through);
    }
}

#[test]
fn repeated_login_and_registration_finish() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    for round in 0..5 {
        let user = format!("user{round}");
        let mut registering = worker.client();
        let registration = registering.request(register(&user, PASSWORD));
        let mut ann = worker.client();
        let login = ann.request(log_in("ann", PASSWORD));
        worker.request([registration.clone(), login.clone()]);
        if round == 4 {
            // Once with both surely decided.
            let answers = [worker.next_reply().answer, worker.next_reply().answer];
            assert!(answers.contains(&Outcome::LoggedIn), "{answers:?}");
        }
        daemon.kill_child();
        worker.come_back(&daemon, vec![registering.resumed(), ann.resumed()]);
        worker.request([registration]);
        assert_eq!(worker.next_reply().answer, Outcome::Registered);
        assert!(!daemon.account_lines(&user).is_empty());
        worker.request([login]);
        assert_eq!(worker.next_reply().answer, Outcome::LoggedIn);
        assert_eq!(worker.who(&mut ann), "ann");
        worker.log_out(ann);
    }
}

#[test]
fn repeated_wrong_password_counts_once() {
    let daemon = Daemon::with_flags(&["ann"], &["--block-time=1000"]);
    let mut worker = Worker::attach(&daemon);
    let mut client = worker.client();
    let first = client.request(log_in("ann", b"wrong"));
    worker.request([first.clone()]);
    assert_eq!(worker.next_reply().answer, Outcome::PasswordNeeded);
    daemon.kill_child();
    worker.come_back(&daemon, vec![client.resumed()]);
    worker.request([first.clone(), first]);
    assert_eq!(worker.next_reply().answer, Outcome::PasswordNeeded);
    assert_eq!(worker.next_reply().answer, Outcome::PasswordNeeded);
    let answer = worker.answer(&mut client, log_in("ann", b"wrong"));
    assert_eq!(answer, Outcome::PasswordNeeded);
    let answer = worker.answer(&mut client, log_in("ann", b"wrong"));
    let seconds_left = 1_000;
    assert_eq!(answer, Outcome::Locked { seconds_left });
}

#[test]
fn logout_that_comes_again_is_answered_again() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let logout = ann.request(Request::LogOut);
    worker.request([logout.clone()]);
    assert_eq!(worker.next_reply().answer, Outcome::LoggedOut);
    daemon.kill_child();
    worker.come_back(&daemon, vec![ann.resumed()]);
    worker.request([logout]);
    assert_eq!(worker.next_reply().answer, Outcome::LoggedOut);
    assert_eq!(worker.look_up("ann"), Outcome::PasswordNeeded);
}

#[test]
fn client_with_name_only_resumes() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut client = worker.client();
    let naming = client.request(super::worker::name("ann"));
    worker.request([naming.clone()]);
    assert_eq!(worker.next_reply().answer, Outcome::PasswordNeeded);
    daemon.kill_child();
    worker.come_back(&daemon, vec![client.resumed()]);
    worker.request([naming]);
    assert_eq!(worker.next_reply().answer, Outcome::PasswordNeeded);
    let answer = worker.answer(&mut client, log_in("ann", PASSWORD));
    assert_eq!(answer, Outcome::LoggedIn);
}

#[test]
fn delivery_goes_on_after_what_worker_took() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    for text in ["1", "2", "3"] {
        assert_eq!(worker.answer(&mut ann, send("bob", text)), SENT);
    }
    let (mut bob, welcome) = worker.log_in_reading("bob");
    let [first, second, _] = &welcome.messages[..] else {
        panic!("{welcome:?}");
    };
    bob.progress = everything_up_to(first.number);
    daemon.kill_child();
    let resumed = ResumedConnection {
        taken: second.number,
        ..bob.resumed()
    };
    worker.come_back(&daemon, vec![ann.resumed(), resumed]);
    let fetched = worker.ask(&mut bob, Request::Fetch);
    assert_eq!(texts(&fetched.messages), ["3"]);
    // Only what his reader surely has is gone.
    worker.close(&bob);
    worker.wait_for_answer("bob", &Outcome::PasswordNeeded);
    let (_, welcome) = worker.log_in_reading("bob");
    assert_eq!(texts(&welcome.messages), ["2", "3"]);
}

#[test]
fn push_resumes_with_new_messages() {
    let Scene {
        daemon,
        mut worker,
        mut ann,
        mut readers_worker,
        mut bob,
    } = with_push();
    daemon.kill_child();
    worker.come_back(&daemon, vec![ann.resumed()]);
    assert_eq!(worker.answer(&mut ann, send("bob", "1")), SENT);
    let resumed = ResumedConnection {
        push: true,
        names_groups: false,
        ..bob.resumed()
    };
    readers_worker.come_back(&daemon, vec![resumed]);
    let (connections, messages, through, more) = readers_worker.next_push();
    assert_eq!((texts(&messages), more), (vec!["1"], false));
    assert_eq!(connections, [bob.serial]);
    assert_eq!(worker.answer(&mut ann, send("bob", "2")), SENT);
    assert_eq!(texts(&readers_worker.next_push().1), ["2"]);
    bob.has(through);
    assert_eq!(
        readers_worker.ask(&mut bob, Request::Fetch).messages,
        NO_MESSAGES
    );
}

#[test]
fn pages_are_asked_for_again() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let text = "x".repeat(8_000);
    for _ in 0..40 {
        assert_eq!(worker.answer(&mut ann, send("bob", &text)), SENT);
    }
    let (mut bob, welcome) = worker.log_in_reading("bob");
    assert!(welcome.more);
    let taken = welcome.messages.last().unwrap().number;
    worker.say([FromWorker::Page {
        connection: bob.serial,
        after: taken,
        through: welcome.through,
    }]);
    daemon.kill_child();
    let resumed = ResumedConnection {
        taken,
        ..bob.resumed()
    };
    worker.come_back(&daemon, vec![ann.resumed(), resumed]);
    let mut read = welcome.messages.len();
    let (mut after, mut more) = (taken, true);
    while more {
        let (messages, page_more) = worker.page(&bob, after, welcome.through);
        read += messages.len();
        after = messages.last().map_or(MessageNumber(0), |last| last.number);
        more = page_more;
    }
    assert_eq!(read, 40);
    assert_eq!(worker.ask(&mut bob, Request::Fetch).messages, NO_MESSAGES);
}

#[test]
fn excessive_cursor_still_gets_messages() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    daemon.kill_child();
    let resumed = ResumedConnection {
        taken: MessageNumber(u64::MAX),
        ..ann.resumed()
    };
    worker.come_back(&daemon, vec![resumed]);
    let sent = worker.ask(&mut ann, send("ann", "new"));
    assert_eq!(texts(&sent.messages), ["new"]);
}
