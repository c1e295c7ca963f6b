//! When a message leaves its queue.

use chat_model::{Message, MessageNumber, Outcome, Request};
use chat_rpc::FromWorker;

use super::daemon::Daemon;
use super::worker::{SENT, Worker, everything_up_to, send, texts};

const NO_MESSAGES: [Message<'static>; 0] = [];

#[test]
fn message_stays_until_confirmed() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let first = worker.ask(&mut ann, send("ann", "1"));
    worker.ask(&mut ann, send("ann", "2"));
    ann.progress.sent = MessageNumber(u64::MAX);
    ann.progress.acknowledged = first.through;
    assert_eq!(worker.answer(&mut ann, Request::Fetch), Outcome::Done);
    worker.close(&ann);
    worker.wait_for_answer("ann", &Outcome::PasswordNeeded);

    let (mut ann, welcome) = worker.log_in_reading("ann");
    assert_eq!(texts(&welcome.messages), ["1", "2"]);
    ann.progress.confirmed = first.through;
    worker.close(&ann);
    worker.wait_for_answer("ann", &Outcome::PasswordNeeded);
    let (ann, welcome) = worker.log_in_reading("ann");
    assert_eq!(texts(&welcome.messages), ["2"]);
    worker.say([FromWorker::Progress {
        connection: ann.serial,
        progress: everything_up_to(welcome.through),
    }]);
    worker.log_out(ann);
    let (_, welcome) = worker.log_in_reading("ann");
    assert_eq!(welcome.messages, NO_MESSAGES);
}

#[test]
fn nothing_is_sent_twice_on_one_connection() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    assert_eq!(worker.ask(&mut ann, send("ann", "1")).messages.len(), 1);
    assert_eq!(worker.ask(&mut ann, Request::Fetch).messages, NO_MESSAGES);
    assert_eq!(
        worker
            .ask(
                &mut ann,
                Request::ListUsers {
                    seen_within_minutes: None
                }
            )
            .messages,
        NO_MESSAGES
    );
    let reply = worker.ask(&mut ann, Request::LogOut);
    assert_eq!(reply.messages, NO_MESSAGES);
}

#[test]
fn excessive_progress_takes_no_later_messages() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let mut bob = worker.log_in("bob");
    assert_eq!(worker.answer(&mut ann, send("bob", "1")), SENT);
    let all = everything_up_to(MessageNumber(u64::MAX));
    worker.say([FromWorker::Progress {
        connection: bob.serial,
        progress: all,
    }]);
    bob.progress = all;
    assert_eq!(worker.answer(&mut bob, Request::Fetch), Outcome::Done);
    assert_eq!(worker.answer(&mut ann, send("bob", "2")), SENT);
    let fetched = worker.ask(&mut bob, Request::Fetch);
    assert_eq!(texts(&fetched.messages), ["2"]);
    worker.close(&bob);
    worker.wait_for_answer("bob", &Outcome::PasswordNeeded);
    assert_eq!(worker.answer(&mut ann, send("bob", "3")), SENT);
    let (_, welcome) = worker.log_in_reading("bob");
    assert_eq!(texts(&welcome.messages).last(), Some(&"3"));
}

#[test]
fn progress_of_unknown_connection_is_ignored() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let newest = worker.ask(&mut ann, send("ann", "1")).through;
    let mut other_worker = Worker::attach(&daemon);
    let stranger = other_worker.client();
    assert_eq!(stranger.serial, ann.serial);
    other_worker.say([
        FromWorker::Progress {
            connection: stranger.serial,
            progress: everything_up_to(newest),
        },
        FromWorker::ClientClosed {
            connection: stranger.serial,
            progress: everything_up_to(newest),
        },
    ]);
    assert_eq!(other_worker.look_up("ann"), Outcome::AlreadyLoggedIn);
    worker.close(&ann);
    worker.wait_for_answer("ann", &Outcome::PasswordNeeded);
    let (_, welcome) = worker.log_in_reading("ann");
    assert_eq!(texts(&welcome.messages), ["1"]);
}
