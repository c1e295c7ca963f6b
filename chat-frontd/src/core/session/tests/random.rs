//! Random dialogues, cut, delayed and interrupted at random, against the same dialogue held one line at a time.

use chat_line_protocol::server::{Intent, parse};
use proptest::collection::vec;
use proptest::prelude::*;

use super::daemon::Daemon;
use super::talk::{LIMITS, TIME, Talk};

/// What happens next between client, worker and daemon.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A turn of the worker, which reads so many bytes at most.
    Serve(usize),
    DaemonTakes(usize),
    DaemonIsHeard(usize),
    DaemonDies,
    DaemonReturns,
    /// Away for ten seconds by now.
    DaemonIsLost,
    ClientReads(bool),
    ClientTakes(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..200_usize).prop_map(Event::Serve),
        4 => (0..6_usize).prop_map(Event::DaemonTakes),
        4 => (0..6_usize).prop_map(Event::DaemonIsHeard),
        1 => any::<bool>().prop_map(Event::ClientReads),
        2 => (0..300_usize).prop_map(Event::ClientTakes),
    ]
}

fn event_or_death() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => event(),
        1 => Just(Event::DaemonDies),
        1 => Just(Event::DaemonReturns),
    ]
}

pub(super) fn event_or_loss() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => event_or_death(),
        1 => Just(Event::DaemonIsLost),
    ]
}

pub(super) fn happen(talk: &mut Talk, event: Event) {
    match event {
        Event::Serve(bytes) => talk.serve(bytes),
        Event::DaemonTakes(count) => {
            for _ in 0..count {
                // What was sent to a daemon that died since is lost.
                if talk.is_attached {
                    talk.daemon_takes();
                }
            }
        }
        Event::DaemonIsHeard(count) => (0..count).for_each(|_| {
            talk.daemon_is_heard();
        }),
        Event::DaemonDies => talk.daemon_dies(),
        Event::DaemonReturns if !talk.is_attached => talk.daemon_returns(),
        Event::DaemonIsLost if !talk.is_attached => talk.daemon_is_lost(),
        Event::DaemonReturns | Event::DaemonIsLost => {}
        Event::ClientReads(is_reading) => talk.is_reading = is_reading,
        Event::ClientTakes(bytes) => talk.write_some(bytes),
    }
}

/// Everything is there and answers, to the end.
pub(super) fn finish(talk: &mut Talk) {
    if !talk.is_attached {
        talk.daemon_returns();
    }
    talk.is_reading = true;
    talk.finish();
    talk.settle();
    assert!(talk.session.is_over());
}

pub(super) fn chat_line() -> impl Strategy<Value = Vec<u8>> {
    let text = |text: &str| Just(text.as_bytes().to_vec());
    prop_oneof![
        8 => text("send foobar N"),
        3 => text("send (bob x foobar) N"),
        2 => text("broadcast N"),
        3 => text("fetch"),
        3 => text("who"),
        2 => text("last 5"),
        1 => text("ids on"),
        1 => text("ids off"),
        1 => text("dance"),
        1 => text(""),
        1 => text("send"),
        1 => text("last x\r"),
        1 => vec(any::<u8>(), 0..20),
        1 => vec(any::<u8>(), 60..200),
    ]
}

fn login_line() -> impl Strategy<Value = Vec<u8>> {
    let text = |text: &str| Just(text.as_bytes().to_vec());
    prop_oneof![
        6 => text("foobar"),
        6 => text("passpass"),
        2 => text("dave"),
        3 => text("y"),
        3 => text("pw"),
        1 => text(""),
        1 => text("who"),
        1 => vec(any::<u8>(), 0..20),
        1 => vec(any::<u8>(), 60..70),
    ]
}

/// The lines as one stream; each `N` becomes the number of its line, so that no two texts are the same.
fn stream(lines: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        match line.strip_suffix(b"N") {
            Some(line) => stream.extend([line, format!("own {number}").as_bytes()].concat()),
            None => stream.extend(line),
        }
        stream.push(b'\n');
    }
    stream
}

pub(super) fn logged_in_stream(lines: &[Vec<u8>]) -> Vec<u8> {
    [b"foobar\npasspass\n", &stream(lines)[..]].concat()
}

/// What differs from dialogue to dialogue besides what the client says.
#[derive(Clone, Copy, Debug)]
pub(super) struct World {
    slice_messages: usize,
    waiting: usize,
    bob_writes_every: Option<u64>,
}

pub(super) fn world() -> impl Strategy<Value = World> {
    (1..5_usize, 0..12_usize, proptest::option::of(1..4_u64)).prop_map(
        |(slice_messages, waiting, bob_writes_every)| World {
            slice_messages,
            waiting,
            bob_writes_every,
        },
    )
}

impl World {
    pub(super) fn talk(self) -> Talk {
        let mut daemon = Daemon::new();
        for number in 0..self.waiting {
            daemon.store_quietly(&format!("waiting {number}"));
        }
        daemon.slice_messages = self.slice_messages;
        daemon.bob_writes_every = self.bob_writes_every;
        Talk::with(daemon, LIMITS)
    }

    /// One line at a time, each when the one before is answered.
    fn slowly(self, stream: &[u8]) -> Talk {
        let mut talk = self.talk();
        for line in stream.split_inclusive(|byte| *byte == b'\n') {
            talk.say(line);
            talk.settle();
        }
        finish(&mut talk);
        talk
    }

    fn at_random(self, stream: &[u8], events: &[Event]) -> Talk {
        let mut talk = self.talk();
        talk.say(stream);
        for event in events {
            happen(&mut talk, *event);
        }
        finish(&mut talk);
        talk
    }
}

/// What a client received, taken apart.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    /// All lines but messages.
    answers: Vec<String>,
    /// Without time and number.
    messages: Vec<String>,
    /// How many messages had come at each `DONE`.
    messages_at_done: Vec<usize>,
}

fn take_apart(talk: &Talk) -> Heard {
    let text = std::str::from_utf8(talk.received()).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let mut heard = Heard::default();
    let mut has_ids = false;
    for line in text.lines() {
        if let Some(message) = line.strip_prefix(TIME) {
            let message = message.strip_prefix(' ').unwrap();
            assert_eq!(message.starts_with('#'), has_ids, "{text}");
            let message = message.trim_start_matches(|c: char| c == '#' || c.is_ascii_digit());
            heard.messages.push(message.trim_start().to_owned());
            continue;
        }
        match line {
            "ids:on" => has_ids = true,
            "ids:off" => has_ids = false,
            "DONE" => heard.messages_at_done.push(heard.messages.len()),
            _ => {}
        }
        heard.answers.push(line.to_owned());
    }
    heard
}

/// Each line of the chat that was taken has one answer and `DONE`; none stands behind a `goodbye`.
fn assert_one_answer_a_line(stream: &[u8], answers: &[String]) {
    let (login, chat) = answers.split_at(3);
    assert_eq!(login, ["password", "welcome", "DONE"]);
    let lines = stream.split(|byte| *byte == b'\n').skip(2);
    let lines: Vec<&[u8]> = lines.collect();
    // Behind the last line end stands nothing.
    let (_, lines) = lines.split_last().unwrap();
    let logout = lines.iter().position(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        parse(line) == Ok(Intent::LogOut)
    });
    let taken = logout.unwrap_or(lines.len());
    let mut answers = chat.chunks_exact(2);
    for _ in 0..taken {
        let answer = answers.next().unwrap();
        assert!(answer[0] != "DONE" && answer[1] == "DONE", "{chat:?}");
    }
    assert_eq!(answers.next(), None);
    let is_goodbye = answers.remainder() == ["goodbye"];
    assert_eq!(is_goodbye, logout.is_some());
    assert_eq!(answers.remainder().len(), usize::from(is_goodbye));
}

/// What the reader has left his queue, and everything else is there: nothing is lost.
fn assert_had_or_queued(talk: &Talk, heard: &Heard) {
    let queued = talk.daemon.queue("foobar");
    for message in talk.daemon.all_to("foobar") {
        let is_heard = heard.messages.iter().any(|line| line.ends_with(&message));
        let is_queued = queued.iter().any(|(_, text)| *text == message);
        assert!(is_heard || is_queued, "{message} is lost");
    }
}

/// The same answers and messages in the same order, no message later than it should be.
fn assert_equivalent(slow: &Heard, random: &Heard) {
    assert_eq!(random.answers, slow.answers);
    let pairs = random.messages_at_done.iter().zip(&slow.messages_at_done);
    for (random, slow) in pairs {
        assert!(random >= slow);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn output_ignores_cuts_and_delays(
        world in world(),
        mut lines in vec(chat_line(), 0..40),
        events in vec(event(), 0..200),
    ) {
        // Which lines confirm what depends on when they come; this one confirms all.
        lines.push(b"logout".to_vec());
        let stream = logged_in_stream(&lines);
        let slow = world.slowly(&stream);
        let random = world.at_random(&stream, &events);
        let shown = |talk: &Talk| String::from_utf8(talk.received().to_vec()).unwrap();
        prop_assert_eq!(shown(&random), shown(&slow));
        let heard = take_apart(&random);
        assert_one_answer_a_line(&stream, &heard.answers);
        assert_had_or_queued(&random, &heard);
        prop_assert_eq!(random.daemon.queue("foobar"), slow.daemon.queue("foobar"));
    }

    #[test]
    fn random_logins_survive_deaths(
        world in world(),
        lines in vec(login_line(), 0..20),
        events in vec(event_or_death(), 0..100),
    ) {
        let stream = stream(&lines);
        let slow = world.slowly(&stream);
        let random = world.at_random(&stream, &events);
        prop_assert_eq!(take_apart(&random).answers, take_apart(&slow).answers);
    }

    #[test]
    fn random_deaths_lose_nothing(
        world in world(),
        lines in vec(chat_line(), 0..40),
        events in vec(event_or_death(), 0..250),
    ) {
        let stream = logged_in_stream(&lines);
        let slow = take_apart(&world.slowly(&stream));
        let random = world.at_random(&stream, &events);
        let heard = take_apart(&random);
        assert_equivalent(&slow, &heard);
        // An answer that was given again may bring what came after the first time.
        prop_assert!(heard.messages.starts_with(&slow.messages));
        assert_had_or_queued(&random, &heard);
    }

    #[test]
    fn random_pushes_come_once_in_order(
        world in world(),
        mode in prop::sample::select(&["on", "ack"][..]),
        mut lines in vec(chat_line(), 0..40),
        off_at in 0..80_usize,
        events in vec(event_or_death(), 0..250),
    ) {
        lines.insert(lines.len() / 4, format!("push {mode}").into_bytes());
        lines.insert(off_at.min(lines.len()), b"push off".to_vec());
        let stream = logged_in_stream(&lines);
        let slow = take_apart(&world.slowly(&stream));
        let random = world.at_random(&stream, &events);
        let heard = take_apart(&random);
        assert_equivalent(&slow, &heard);
        // What was pushed at the very end may come at the next login instead.
        prop_assert!(slow.messages.starts_with(&heard.messages) || heard.messages.starts_with(&slow.messages));
        assert_had_or_queued(&random, &heard);
        assert_one_answer_a_line(&stream, &heard.answers);
    }

    #[test]
    fn only_undone_requests_are_busy(
        world in world(),
        count in 0..60_usize,
        events in vec(event_or_loss(), 0..250),
    ) {
        let lines: Vec<Vec<u8>> = (0..count).map(|n| format!("send bob {n}").into()).collect();
        let mut talk = world.talk();
        prop_assert!(talk.ask("foobar\npasspass\n").ends_with("DONE\n"));
        talk.say(stream(&lines));
        for event in events {
            happen(&mut talk, event);
        }
        finish(&mut talk);
        let heard = talk.heard();
        let answers: Vec<&str> = heard.lines().filter(|line| !line.starts_with(TIME)).collect();
        prop_assert_eq!(answers.len(), 2 * count);
        for (number, answer) in answers.chunks(2).enumerate() {
            let stored = talk.daemon.count_stored(&number.to_string());
            match answer[0] {
                "sent:" => prop_assert_eq!(stored, 1),
                "error:busy:send" => prop_assert_eq!(stored, 0),
                other => prop_assert!(false, "{other}"),
            }
            prop_assert_eq!(answer[1], "DONE");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_bytes_at_all_make_it_panic(
        bytes in vec(prop_oneof![4 => any::<u8>(), 1 => Just(b'\n')], 0..400),
        is_logged_in in any::<bool>(),
        cut in 0..400_usize,
    ) {
        let mut talk = if is_logged_in { Talk::logged_in() } else { Talk::new() };
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        talk.say(first);
        talk.settle();
        talk.say(second);
        finish(&mut talk);
    }
}
