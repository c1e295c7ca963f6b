//! The reader's process dies at each moment of a delivery, plain and over TLS. Its kernel then ends the connection as
//! if the reader had left, but only a line of the reader's own confirms a message: the others come again.

use std::time::{Duration, Instant};

use crate::reader_process::ReaderProcess;
use crate::scene::{Scene, text_of};
use crate::server::Server;

/// How long a connection has to stay healthy under `push on` for a message to be confirmed without a line.
const PUSH_ON_CONFIRMS_AFTER: Duration = Duration::from_secs(1);
/// Messages that are delivered before the reader dies.
const DELIVERED: usize = 5;
/// The length of each message line.
const LINE_BYTES: usize = "[2026-11-22T11:18:31Z] alice: m1\n".len();

/// How the reader gets its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Push {
    Off,
    On,
    Ack,
}

/// When the reader dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// Everything lies unread in its kernel.
    NothingRead,
    /// It has read some bytes; the rest lies unread in its kernel.
    SomeBytesRead,
    /// It has read everything from its socket and handled nothing, or only the first message. The server cannot tell
    /// these two apart.
    EverythingRead,
    /// The same, and it was silent for longer than `push on` needs.
    LongAfterEverythingRead,
    /// It has confirmed everything by lines. It has not read the last answer, nor two messages that came later.
    Confirmed,
    /// It has written `logout` and nothing has come back.
    BeforeGoodbye,
    /// `goodbye` lies unread in its kernel.
    AfterGoodbye,
}

const MOMENTS: [Moment; 7] = [
    Moment::NothingRead,
    Moment::SomeBytesRead,
    Moment::EverythingRead,
    Moment::LongAfterEverythingRead,
    Moment::Confirmed,
    Moment::BeforeGoodbye,
    Moment::AfterGoodbye,
];

impl Moment {
    /// What has to come again.
    fn expected(self) -> Vec<String> {
        match self {
            Self::NothingRead
            | Self::SomeBytesRead
            | Self::EverythingRead
            | Self::LongAfterEverythingRead => texts(1..=DELIVERED),
            Self::Confirmed => texts(DELIVERED + 1..=DELIVERED + 2),
            Self::BeforeGoodbye | Self::AfterGoodbye => Vec::new(),
        }
    }
}

fn texts(numbers: impl Iterator<Item = usize>) -> Vec<String> {
    numbers.map(|number| format!("m{number}")).collect()
}

impl Scene {
    /// Bob as a process, with nothing waiting for him.
    fn start_reader(&self, push: Push) -> ReaderProcess {
        let mut reader = ReaderProcess::start(&self.server);
        begin_login(&mut reader);
        reader.expect("welcome");
        reader.expect("DONE");
        let (command, answer) = match push {
            Push::Off => return reader,
            Push::On => ("push on", "push:on"),
            Push::Ack => ("push ack", "push:ack"),
        };
        reader.say(command);
        reader.expect(answer);
        reader.expect("DONE");
        reader
    }

    /// Has the reader die at each moment. Under `push on` a healthy second confirms as well, so a try that a busy
    /// machine made too slow is made again.
    fn try_every_moment(&mut self, push: Push) {
        for moment in MOMENTS {
            if moment == Moment::LongAfterEverythingRead && push != Push::Ack {
                continue;
            }
            let mut tries = 0..20;
            loop {
                assert!(
                    tries.next().is_some(),
                    "{moment:?}: the machine is too busy"
                );
                let begin = self.play(push, moment);
                let came_again = self.drain_queue();
                if push != Push::On || begin.elapsed() < PUSH_ON_CONFIRMS_AFTER {
                    assert_eq!(came_again, moment.expected(), "{push:?} {moment:?}");
                    break;
                }
            }
        }
    }

    /// When the first message was sent.
    fn play(&mut self, push: Push, moment: Moment) -> Instant {
        let mut reader = self.start_reader(push);
        let begin = Instant::now();
        self.send(&texts(1..=DELIVERED));
        if push == Push::Off {
            reader.say("fetch");
        }
        match moment {
            Moment::NothingRead => reader.await_bytes(DELIVERED * LINE_BYTES),
            Moment::SomeBytesRead => {
                reader.await_bytes(DELIVERED * LINE_BYTES);
                reader.read_bytes(LINE_BYTES / 3);
            }
            _ => read_delivered(&mut reader, push),
        }
        match moment {
            Moment::LongAfterEverythingRead => std::thread::sleep(PUSH_ON_CONFIRMS_AFTER * 3 / 2),
            Moment::Confirmed => self.confirm_and_send_more(&mut reader, push),
            Moment::BeforeGoodbye => {
                reader.say_and_die("logout");
                return begin;
            }
            Moment::AfterGoodbye => {
                reader.say("logout");
                reader.await_bytes("goodbye\n".len());
            }
            _ => {}
        }
        reader.kill();
        begin
    }

    /// The server may have received a line that follows a delivery at once before it saw the acknowledgement; then the
    /// next line confirms.
    fn confirm_and_send_more(&mut self, reader: &mut ReaderProcess, push: Push) {
        let more = texts(DELIVERED + 1..=DELIVERED + 2);
        reader.say("fetch");
        reader.expect("fetching");
        reader.expect("DONE");
        let answer_bytes = "fetching\nDONE\n".len();
        if push == Push::Off {
            self.send(&more);
            reader.say("fetch");
        } else {
            // What is pushed before the line would be confirmed by it.
            reader.say("fetch");
            reader.await_bytes(answer_bytes);
            self.send(&more);
        }
        reader.await_bytes(answer_bytes + 2 * LINE_BYTES);
    }
}

fn begin_login(reader: &mut ReaderProcess) {
    reader.say("bob");
    reader.expect("password");
    reader.say("secret");
}

fn read_delivered(reader: &mut ReaderProcess, push: Push) {
    if push == Push::Off {
        reader.expect("fetching");
    }
    for text in texts(1..=DELIVERED) {
        assert_eq!(text_of(reader.read_line().as_bytes()), text);
    }
    if push == Push::Off {
        reader.expect("DONE");
    }
}

/// The reader dies behind `welcome`, with everything unread or with everything read.
fn try_login(mut scene: Scene) {
    for is_everything_read in [false, true] {
        scene.send(&texts(1..=DELIVERED));
        let mut reader = ReaderProcess::start(&scene.server);
        begin_login(&mut reader);
        if is_everything_read {
            reader.expect("welcome");
            read_delivered(&mut reader, Push::Ack);
            reader.expect("DONE");
        } else {
            reader.await_bytes("welcome\n".len() + DELIVERED * LINE_BYTES);
        }
        reader.kill();
        let came_again = scene.drain_queue();
        assert_eq!(
            came_again,
            texts(1..=DELIVERED),
            "everything read: {is_everything_read}"
        );
    }
}

/// A module for each transport.
macro_rules! transports {
    ($($module:ident $start:ident,)*) => {
        $(mod $module {
            use super::*;

            #[test]
            fn push_off() {
                Scene::open(Server::$start()).try_every_moment(Push::Off);
            }

            #[test]
            fn push_on_within_its_second() {
                Scene::open(Server::$start()).try_every_moment(Push::On);
            }

            #[test]
            fn push_ack() {
                Scene::open(Server::$start()).try_every_moment(Push::Ack);
            }

            #[test]
            fn at_login() {
                try_login(Scene::open(Server::$start()));
            }
        })*
    };
}

transports! {
    plain start,
    tls start_with_tls,
}
