//! What the system lets nobody write, for a reason other than a full disk: a quota, the size of a file, a file system
//! that has become read-only. It is told at once, reading goes on, and so does all else when it is over.

use chat_model::{NameList, Outcome};
use std::time::{Duration, Instant};

use chat_node::control::status_file::Status;

use crate::cases::try_each;
use crate::control::{Failure, Fault, Kind};
use crate::daemon::{Installation, TIMEOUT};
use crate::run::ACCOUNTS;
use crate::worker::{Ask, Worker};

const ALICE: u64 = 1;
const BOB: u64 = 2;
const DAVE: u64 = 3;

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn warning(installation: &Installation) -> (String, bool) {
    let status = Status::read(&installation.run_dir().join("chat-stated.status"));
    let child = status.and_then(|status| status.children.first().cloned());
    let warning = child.map(|child| child.warning).unwrap_or_default();
    (warning.text, warning.is_refusing)
}

fn send(worker: &mut Worker<'_>, text: &str) -> Outcome<'static> {
    let reply = worker.ask(ALICE, Ask::Send("bob", text.to_owned()));
    match reply.unwrap() {
        reply if reply.is_sent() => Outcome::Stored {
            unknown: NameList::new(),
        },
        reply => {
            assert!(reply.is(&Outcome::DiskFull), "{}", reply.answer);
            Outcome::DiskFull
        }
    }
}

fn try_limit(failure: Failure, words: &str) {
    let mut installation = Installation::new(&ACCOUNTS);
    installation.flags = vec!["--disk-reserve=1".into()];
    let mut daemon = installation.start();
    let mut worker = Worker::new(&installation, &mut daemon);
    for (client, name) in [(ALICE, "alice"), (BOB, "bob")] {
        let reply = worker.ask(client, Ask::LogIn(name, "x")).unwrap();
        assert!(reply.is(&Outcome::LoggedIn), "{}", reply.answer);
    }
    assert_ne!(send(&mut worker, "before"), Outcome::DiskFull);
    installation.control.fail(Fault {
        kind: Kind::Write,
        at: 1,
        failure,
        for_ever: true,
    });
    assert_eq!(send(&mut worker, "refused"), Outcome::DiskFull);
    let reply = worker.ask(DAVE, Ask::LogIn("dave", "x")).unwrap();
    assert!(reply.is(&Outcome::DiskFull), "{}", reply.answer);
    let reply = worker.ask(BOB, Ask::Fetch).unwrap();
    let texts: Vec<&str> = reply.messages.iter().map(|(_, text)| &text[..]).collect();
    assert_eq!(texts, ["before"]);
    wait_until("a warning", || warning(&installation) != Default::default());
    let (text, is_refusing) = warning(&installation);
    assert!(text.contains(words) && is_refusing, "{text}");

    installation.control.end_faults();
    wait_until("room again", || {
        send(&mut worker, "after") != Outcome::DiskFull
    });
    wait_until("no warning", || {
        warning(&installation) == Default::default()
    });
    let log = installation.log();
    assert!(log.contains(words), "{log}");
    assert_eq!(log.matches("started as process").count(), 1, "{log}");
    assert!(!installation.run_dir().join("state/disk-failed").exists());
    assert!(daemon.stop());
}

#[test]
fn limit_of_system_is_answer() {
    let limits = [
        (Failure::Quota, "the disk quota is used up"),
        (Failure::FileSize, "the size that the system allows"),
        (Failure::ReadOnly, "is read-only"),
    ];
    try_each(&limits, |(failure, words)| try_limit(*failure, words));
}
