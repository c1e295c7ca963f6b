//! `listen --exec` is killed with -9 at each point. Nothing is lost, and only the message that was not acknowledged is
//! given again.

use std::process::{Child, Stdio};

use crate::installation::{bin_dir, wait_until};
use crate::place::Place;

const MESSAGES: usize = 30;

/// Kills the client that runs it before or after it has handled a message, each message once.
const COMMAND: &str = "read -r text
    number=${text#m}
    first=no
    test -e \"seen-$number\" || { : >\"seen-$number\"; first=yes; }
    case $first-$((number % 5)) in
    yes-1) kill -9 $PPID; exit ;;
    esac
    echo \"$text\" >>out
    case $first-$((number % 5)) in
    yes-2) kill -9 $PPID ;;
    yes-3) kill -9 $PPID; exit 1 ;;
    yes-4) exit 1 ;;
    esac";

fn listen(place: &Place, command: &str) -> Child {
    let mut listen = place.command(bin_dir().join("chat-client"), "bob");
    listen.args(["listen", "--exec", command]);
    listen.stderr(Stdio::null()).spawn().unwrap()
}

/// Ann sends `m1`, `m2` and so on, in one login.
fn send_all(place: &Place) {
    let sends = (1..=MESSAGES).map(|number| format!("send bob m{number}\n"));
    place.write("lines", &sends.collect::<String>(), 0o600);
    let lines = std::fs::File::open(place.path("lines")).unwrap();
    let mut client = place.command(bin_dir().join("chat-client"), "ann");
    assert!(
        client
            .stdin(lines)
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn killed_listener_repeats_only_the_unacknowledged() {
    let place = Place::new();
    let mut listener = listen(&place, COMMAND);
    send_all(&place);
    let last = format!("m{MESSAGES}\n");
    wait_until("all messages are handled", || {
        if listener.try_wait().unwrap().is_some() {
            listener = listen(&place, COMMAND);
        }
        place.read("out").ends_with(&last)
    });
    // The last command has ended, so the last message is acknowledged soon; a new listener gets another one first.
    place.client("ann", &["send", "--to=bob", "m1000"]);
    wait_until("the next message is handled", || {
        place.read("out").ends_with("m1000\n")
    });
    listener.kill().unwrap();
    listener.wait().unwrap();
    let expected = (1..=MESSAGES).flat_map(|number| {
        let times = if matches!(number % 5, 2..=4) { 2 } else { 1 };
        vec![format!("m{number}\n"); times]
    });
    assert_eq!(place.read("out"), expected.collect::<String>() + "m1000\n");
}

#[test]
fn listener_killed_from_outside_loses_nothing() {
    let place = Place::new();
    let mut listener = listen(&place, "cat >>out");
    send_all(&place);
    for lines in [1, 2, 5, 6, 7, 12, 20] {
        wait_until("some messages are handled", || {
            assert!(listener.try_wait().unwrap().is_none(), "it has ended");
            place.read("out").lines().count() >= lines
        });
        listener.kill().unwrap();
        listener.wait().unwrap();
        listener = listen(&place, "cat >>out");
    }
    let last = format!("m{MESSAGES}");
    wait_until("all messages are handled", || {
        assert!(listener.try_wait().unwrap().is_none(), "it has ended");
        place.read("out").lines().any(|line| line == last)
    });
    listener.kill().unwrap();
    listener.wait().unwrap();
    let out = place.read("out");
    for number in 1..=MESSAGES {
        let text = format!("m{number}");
        assert!(out.lines().any(|line| line == text), "no {text} in {out}");
    }
    // Each kill repeats one message at most. It may be the same one again.
    let repeated = out.lines().count() - MESSAGES;
    assert!(repeated <= 7, "{repeated} came again: {out}");
}
