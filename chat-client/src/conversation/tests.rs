//! Dialogues, played without any I/O.

use std::time::Duration;

use super::{Conversation, Effect, Input, MAX_LINE_BYTES, Options, Question};
use crate::exit_status::ExitStatus;
use crate::report::Report;
use crate::wording::words_for;

/// A conversation, and what came out of it as lines: `-> sent`, `* told`, `= status`.
struct Play {
    conversation: Conversation,
    now: Duration,
    log: Vec<String>,
}

impl Play {
    fn new(interactive: bool, push: bool) -> Play {
        Play {
            conversation: Conversation::new(Options {
                interactive,
                push,
                answer_patience: Duration::from_secs(100),
                password: None,
            }),
            now: Duration::ZERO,
            log: Vec::new(),
        }
    }

    fn script() -> Play {
        Play::new(false, false)
    }

    fn person() -> Play {
        Play::new(true, false)
    }

    /// Has named bob and sent his password.
    fn logging_in(mut self) -> Play {
        self.person_says("bob").server_says("password");
        self.person_says("pw");
        self
    }

    /// Logged in as bob, nothing waiting, the log empty.
    fn in_chat(self) -> Play {
        let mut play = self.logging_in();
        play.server_says("welcome").server_says("DONE");
        if play.conversation.options.push {
            play.is_asked(None)
                .server_says("push:ack")
                .server_says("DONE");
            assert_eq!(play.log.last().expect("a command"), "-> push ack");
        }
        play.is_asked(ASKED).log.clear();
        play
    }

    fn handle(&mut self, input: Input<'_>) -> &mut Play {
        for effect in self.conversation.handle(input, self.now) {
            self.log.push(match effect {
                Effect::Send(line) => {
                    let line = String::from_utf8(line).expect("text");
                    format!("-> {}", line.strip_suffix('\n').expect("a line end"))
                }
                Effect::Show(report) => format!("* {}", words_for(&report)),
                Effect::End(status) => format!("= {}", status.code()),
            });
        }
        self
    }

    fn server_says(&mut self, line: &str) -> &mut Play {
        self.handle(Input::ServerLine(line.as_bytes()))
    }

    fn person_says(&mut self, line: &str) -> &mut Play {
        assert!(
            self.conversation.question().is_some(),
            "asked for nothing: {line}"
        );
        self.handle(Input::Line(line.as_bytes()))
    }

    fn seconds_pass(&mut self, seconds: u64) -> &mut Play {
        self.now += Duration::from_secs(seconds);
        self.handle(Input::Tick)
    }

    fn is_asked(&mut self, question: Option<Question>) -> &mut Play {
        assert_eq!(self.conversation.question(), question);
        self
    }

    /// Compares and forgets what came out so far.
    fn came_out(&mut self, expected: &[&str]) -> &mut Play {
        assert_eq!(std::mem::take(&mut self.log), expected);
        self
    }
}

const ASKED: Option<Question> = Some(Question::Command);

#[test]
fn login_of_a_person_asks_again_what_was_empty_or_wrong() {
    Play::person()
        .is_asked(Some(Question::Name))
        .person_says("")
        .came_out(&["* An empty answer is not possible here."])
        .is_asked(Some(Question::Name))
        .person_says("bob")
        .is_asked(None)
        .server_says("password")
        .is_asked(Some(Question::Password))
        .person_says("")
        .came_out(&["-> bob", "* An empty answer is not possible here."])
        .person_says("wrong")
        .server_says("password")
        .is_asked(Some(Question::Password))
        .came_out(&["-> wrong", "* This is not the password of the account."])
        .person_says("right")
        .server_says("welcome")
        .server_says("[2026-11-22T11:18:31Z] eve: hi")
        .is_asked(None)
        .server_says("DONE")
        .is_asked(ASKED)
        .came_out(&[
            "-> right",
            "* Welcome, bob. `help` shows the commands.",
            "* [2026-11-22T11:18:31Z] eve: hi",
        ]);
}

#[test]
fn a_new_account_is_offered_made_and_used() {
    let mut play = Play::person();
    play.person_says("new")
        .server_says("register")
        .is_asked(Some(Question::MakeAccount))
        .person_says("what?")
        .is_asked(Some(Question::MakeAccount))
        .person_says("Y")
        .server_says("password")
        .is_asked(Some(Question::NewPassword))
        .person_says("one")
        .is_asked(Some(Question::RepeatPassword))
        .person_says("two")
        .is_asked(Some(Question::NewPassword))
        .came_out(&[
            "-> new",
            "-> y",
            "* The two passwords differ. Once more, please.",
        ])
        .person_says("one")
        .person_says("one")
        .server_says("registered")
        .is_asked(None)
        .server_says("password")
        .is_asked(None)
        .server_says("welcome")
        .came_out(&[
            "-> one",
            "-> one",
            "* The account new has been made.",
            "-> new",
            "-> one",
            "* Welcome, new. `help` shows the commands.",
        ]);
}

#[test]
fn a_new_account_may_be_declined_or_lost_to_another() {
    let mut play = Play::person();
    play.person_says("new")
        .server_says("register")
        .person_says("");
    play.server_says("username")
        .is_asked(Some(Question::Name))
        .came_out(&["-> new", "-> n"]);
    play.person_says("new")
        .server_says("register")
        .person_says("y");
    play.server_says("username")
        .is_asked(Some(Question::Name))
        .came_out(&[
            "-> new",
            "-> y",
            "* Somebody else has just registered the name new. Choose another one.",
        ]);
}

#[test]
fn a_password_kept_for_a_new_account_goes_nowhere_else() {
    let mut play = Play::person();
    play.person_says("new")
        .server_says("register")
        .person_says("y")
        .server_says("password");
    play.person_says("pw")
        .person_says("pw")
        .server_says("registered");
    play.server_says("connected").is_asked(Some(Question::Name));
    play.person_says("other")
        .server_says("password")
        .is_asked(Some(Question::Password));
}

#[test]
fn a_script_makes_an_account_as_with_nc() {
    let mut play = Play::script();
    play.person_says("new")
        .server_says("register")
        .person_says("y")
        .server_says("password");
    play.person_says("pw")
        .person_says("pw")
        .server_says("registered");
    play.is_asked(Some(Question::Name)).came_out(&[
        "-> new",
        "-> y",
        "-> pw",
        "-> pw",
        "* The account new has been made.",
    ]);
    play.handle(Input::Leave).came_out(&["= 0"]);
}

#[test]
fn a_refused_login_ends_a_script_before_its_next_line_is_misread() {
    type Dialogue = fn(&mut Play);
    let refusals: [(&str, Dialogue); 7] = [
        ("no account", |play| {
            play.person_says("bob")
                .server_says("register")
                .person_says("pw");
        }),
        ("no account possible", |play| {
            play.person_says("b b").server_says("username");
        }),
        ("logged in elsewhere", |play| {
            play.person_says("bob").server_says("connected");
        }),
        ("wrong password", |play| {
            play.person_says("bob")
                .server_says("password")
                .person_says("x")
                .server_says("password");
        }),
        ("empty name", |play| {
            play.person_says("");
        }),
        ("busy", |play| {
            play.person_says("bob")
                .server_says("password")
                .person_says("x")
                .server_says("error:busy:");
        }),
        ("end of the input", |play| {
            play.person_says("bob")
                .server_says("password")
                .handle(Input::Leave);
        }),
    ];
    for (what, dialogue) in refusals {
        let mut play = Play::script();
        dialogue(&mut play);
        assert_eq!(play.log.last().map(String::as_str), Some("= 5"), "{what}");
        assert!(!play.log.iter().any(|line| line == "-> pw"), "{what}");
    }
}

#[test]
fn blocks_tell_how_long_they_last() {
    Play::script()
        .person_says("bob")
        .server_says("blocked:43")
        .came_out(&[
            "-> bob",
            "* You are blocked from here for 43 seconds more, because of wrong passwords.",
            "= 4",
        ]);
    Play::person()
        .person_says("bob")
        .server_says("password")
        .person_says("pw")
        .server_says("1")
        .came_out(&[
            "-> bob",
            "-> pw",
            "* That was one wrong password too many. You are blocked from here for 1 second.",
            "= 4",
        ]);
}

#[test]
fn a_busy_server_lets_a_person_try_again() {
    let mut play = Play::person();
    play.person_says("bob")
        .server_says("error:busy:")
        .is_asked(Some(Question::Name));
    play.person_says("bob")
        .server_says("password")
        .person_says("pw");
    play.server_says("error:busy:")
        .is_asked(Some(Question::Password));
}

#[test]
fn each_answer_has_its_own_words() {
    let dialogues = [
        ("who", "alice bob", "Online: alice, bob"),
        (
            "last 5",
            "bob",
            "Online now or within the last 5 minutes: bob",
        ),
        ("send alice hi", "sent:", "Sent."),
        (
            "send nobody hi",
            "send:nobody",
            "Not delivered to nobody: no such user.",
        ),
        (
            "send (a alice b c) hi",
            "send:a,b",
            "Not delivered to a, b: no such users. The others have it.",
        ),
        ("broadcast hi", "sent:", "Sent to everyone."),
        ("fetch", "fetching", "No new messages."),
        (
            "push off",
            "push:off",
            "Messages come only when asked for; an empty line fetches.",
        ),
        ("ids on", "ids:on", "Messages bear their numbers."),
        (
            "dance",
            "error:command:dance",
            "There is no command `dance`. `help` shows what there is.",
        ),
        (
            "last x",
            "error:args:last",
            "That is not how it works. It is: `last MINUTES`",
        ),
        (
            "who",
            "error:length:who",
            "The line is longer than this server takes. Nothing was done.",
        ),
        (
            "send alice x",
            "error:quota:send",
            "Not sent: too much is waiting for one of the recipients already. Nobody has it; try again later.",
        ),
        (
            "broadcast x",
            "error:quota:broadcast",
            "Not sent: too much has been broadcast lately. Nobody has it; try again later.",
        ),
        (
            "send alice x",
            "error:full:send",
            "Not done: the server has no room left on its disk. Try again later.",
        ),
        (
            "who",
            "error:busy:who",
            "Not done: the server is too busy at the moment. Try again soon.",
        ),
        ("who", "error:new:who", "The server refused `who`: new"),
        ("whois bob", "whois:bob,1", "whois:bob,1"),
        (
            "send alice x",
            "???",
            "The server says: \u{2068}???\u{2069}",
        ),
    ];
    let mut play = Play::person().in_chat();
    for (command, answer, words) in dialogues {
        play.person_says(command).is_asked(None).server_says(answer);
        play.server_says("DONE").is_asked(ASKED);
        play.came_out(&[&format!("-> {command}"), &format!("* {words}")]);
    }
}

#[test]
fn an_empty_line_fetches_and_help_is_local() {
    let mut play = Play::person().in_chat();
    play.person_says("  ").server_says("fetching");
    play.server_says("[2026-11-22T11:18:31Z] eve: hi")
        .server_says("DONE");
    play.came_out(&["-> fetch", "* [2026-11-22T11:18:31Z] eve: hi"]);
    play.person_says("help").is_asked(ASKED);
    assert!(play.log[0].contains("broadcast TEXT") && play.log.len() == 1);
}

#[test]
fn leaving_waits_for_goodbye() {
    for word in ["quit", "logout"] {
        let mut play = Play::person().in_chat();
        play.person_says(word)
            .is_asked(None)
            .came_out(&["-> logout"]);
        play.server_says("[2026-11-22T11:18:31Z] eve: hi");
        play.server_says("goodbye");
        play.came_out(&["* [2026-11-22T11:18:31Z] eve: hi", "* Goodbye.", "= 0"]);
        // Closing after it is part of the good order.
        play.handle(Input::ServerClosed(None)).came_out(&[]);
    }
}

#[test]
fn leaving_without_goodbye_is_a_lost_connection() {
    let mut play = Play::person().in_chat();
    play.handle(Input::Leave).handle(Input::ServerClosed(None));
    assert_eq!(play.log.last().expect("an end"), "= 1");
    let mut play = Play::person().in_chat();
    play.handle(Input::Leave).seconds_pass(11);
    assert_eq!(play.log.last().expect("an end"), "= 1");
    let mut play = Play::person().in_chat();
    play.handle(Input::Leave).handle(Input::Leave);
    assert_eq!(play.log.last().expect("an end"), "= 1", "asked twice");
}

#[test]
fn leaving_while_messages_of_the_login_come() {
    let mut play = Play::new(true, true).logging_in();
    play.server_says("welcome");
    play.log.clear();
    play.handle(Input::Leave)
        .server_says("DONE")
        .server_says("goodbye");
    play.came_out(&["-> logout", "* Goodbye.", "= 0"]);
}

#[test]
fn a_failed_command_shows_in_the_status_of_a_script_only() {
    for (interactive, status) in [(false, "= 6"), (true, "= 0")] {
        for (command, answer) in [("send x hi", "send:x"), ("who is", "error:args:who")] {
            let mut play = Play::new(interactive, false).in_chat();
            play.person_says(command)
                .server_says(answer)
                .server_says("DONE");
            play.handle(Input::Leave).server_says("goodbye");
            assert_eq!(play.log.last().expect("an end"), status);
        }
    }
}

#[test]
fn a_line_too_long_is_not_sent() {
    let mut play = Play::script().in_chat();
    let longest = "x".repeat(MAX_LINE_BYTES);
    play.person_says(&longest)
        .server_says("error:command:x")
        .server_says("DONE");
    assert!(play.log[0].starts_with("-> x"));
    play.log.clear();
    play.person_says(&format!("{longest}x"))
        .is_asked(ASKED)
        .came_out(&[
            "* This line is too long: it has 8192 bytes, and 8191 are allowed. Nothing was sent.",
        ]);
    play.handle(Input::LineTooLong(9000))
        .handle(Input::Leave)
        .server_says("goodbye");
    assert_eq!(play.log.last().expect("an end"), "= 6");
    let mut play = Play::script();
    play.handle(Input::LineTooLong(9000));
    assert_eq!(play.log.last().expect("an end"), "= 5");
}

#[test]
fn what_was_pushed_is_acknowledged_only_after_it_was_shown() {
    let mut play = Play::new(true, true).in_chat();
    play.server_says("[2026-11-22T11:18:31Z] eve: 1")
        .server_says("[2026-11-22T11:18:32Z] eve: 2");
    play.is_asked(ASKED).came_out(&[
        "* [2026-11-22T11:18:31Z] eve: 1",
        "* [2026-11-22T11:18:32Z] eve: 2",
    ]);
    assert!(play.conversation.deadline().is_some());
    play.seconds_pass(2).came_out(&["-> fetch"]);
    // The person goes on typing meanwhile, and what is typed waits for its turn.
    play.is_asked(ASKED)
        .person_says("who")
        .is_asked(None)
        .came_out(&[]);
    play.server_says("fetching").came_out(&[]);
    play.server_says("DONE").came_out(&["-> who"]);
    play.server_says("bob")
        .server_says("DONE")
        .is_asked(ASKED)
        .came_out(&["* Online: bob"]);
    play.seconds_pass(50).came_out(&[]);
    assert_eq!(play.conversation.deadline(), None);
}

#[test]
fn a_command_of_the_person_acknowledges_too() {
    let mut play = Play::new(true, true).in_chat();
    play.server_says("[2026-11-22T11:18:31Z] eve: 1")
        .person_says("who");
    play.server_says("bob").server_says("DONE");
    play.log.clear();
    play.seconds_pass(5).came_out(&[]);
    // Without push there is nothing to acknowledge: every message belongs to a command.
    play.person_says("push off")
        .server_says("push:off")
        .server_says("DONE");
    play.person_says("fetch").server_says("fetching");
    play.server_says("[2026-11-22T11:18:31Z] eve: 2")
        .server_says("DONE");
    play.log.clear();
    play.seconds_pass(5).came_out(&[]);
}

#[test]
fn a_server_without_push_is_lived_with() {
    let mut play = Play::new(true, true).logging_in();
    play.server_says("welcome").server_says("DONE");
    play.log.clear();
    play.server_says("error:command:push")
        .server_says("DONE")
        .is_asked(ASKED);
    play.came_out(&["* This server does not send messages by itself; an empty line fetches them."]);
}

#[test]
fn a_message_may_come_before_the_answer() {
    let mut play = Play::person().in_chat();
    play.person_says("who")
        .server_says("[2026-11-22T11:18:31Z] eve: hi")
        .server_says("bob");
    play.server_says("DONE").is_asked(ASKED);
    play.came_out(&[
        "-> who",
        "* [2026-11-22T11:18:31Z] eve: hi",
        "* Online: bob",
    ]);
}

#[test]
fn time_out_at_every_step() {
    let told =
        "* The server closed the connection, as nothing was sent for too long. You are offline.";
    Play::person()
        .server_says("timeout")
        .came_out(&[told, "= 3"]);
    Play::person()
        .in_chat()
        .server_says("timeout")
        .came_out(&[told, "= 3"]);
    let mut play = Play::person().in_chat();
    play.person_says("fetch")
        .server_says("timeout")
        .came_out(&["-> fetch", told, "= 3"]);
    // It may have crossed a `who`, whose answer looks the same when a user is called so.
    let mut play = Play::person().in_chat();
    play.person_says("who")
        .server_says("timeout")
        .is_asked(None);
    play.handle(Input::ServerClosed(None));
    play.came_out(&["-> who", "* Online: timeout", told, "= 3"]);
}

#[test]
fn users_of_an_older_account_file_may_be_called_like_words() {
    let mut play = Play::person().in_chat();
    for name in ["timeout", "DONE", "goodbye"] {
        play.person_says("who")
            .server_says(name)
            .server_says("DONE")
            .is_asked(ASKED);
        play.came_out(&["-> who", &format!("* Online: {name}")]);
    }
}

#[test]
fn a_lost_connection_is_told_at_every_step() {
    let reason = || Some("the server broke it off".to_owned());
    let told = "* The connection is lost: the server broke it off. You are offline; what was not acknowledged may not have been done.";
    Play::person()
        .handle(Input::ServerClosed(reason()))
        .came_out(&[told, "= 1"]);
    let mut play = Play::person().in_chat();
    play.handle(Input::ServerClosed(reason()))
        .came_out(&[told, "= 1"]);
    let mut play = Play::script().in_chat();
    play.person_says("who")
        .handle(Input::ServerClosed(reason()));
    play.came_out(&["-> who", told, "= 1"]);
}

#[test]
fn silence_is_not_waited_for_without_end() {
    let mut play = Play::script().in_chat();
    play.seconds_pass(1000).came_out(&[]);
    play.person_says("who")
        .seconds_pass(99)
        .came_out(&["-> who"]);
    play.server_says("[2026-11-22T11:18:31Z] eve: hi")
        .seconds_pass(99);
    play.log.clear();
    play.seconds_pass(1);
    assert_eq!(play.log.last().expect("an end"), "= 1");
}

#[test]
fn nothing_the_server_sends_reaches_the_terminal_raw() {
    let mut play = Play::person().in_chat();
    for line in [
        &b"\x1b[2J"[..],
        b"[2026-11-22T11:18:31Z] e\x1bve: \x1b]0;title\x07",
        b"\xff\xfe\x9b",
        b"[",
        b"error:",
        b"error::",
    ] {
        play.handle(Input::ServerLine(line));
    }
    play.person_says("who")
        .handle(Input::ServerLine(b"a\x1b[31m b"));
    let shown: Vec<&String> = play
        .log
        .iter()
        .filter(|line| line.starts_with('*'))
        .collect();
    assert_eq!(shown.len(), 7);
    assert!(shown.iter().all(|line| !line.contains(char::is_control)));
}

#[test]
fn completion_knows_commands_and_names_seen() {
    let mut play = Play::person().in_chat();
    play.person_says("who")
        .server_says("alice bob")
        .server_says("DONE");
    let completions = |before: &str| play.conversation.completions(before);
    assert_eq!(completions("br"), ["broadcast"]);
    assert_eq!(completions("se"), ["send"]);
    assert_eq!(completions("send (bob al"), ["alice"]);
    assert_eq!(completions("last al"), [""; 0]);
    assert!(Play::person().conversation.completions("se").is_empty());
}

#[test]
fn any_lines_in_any_order_neither_panic_nor_loop() {
    // A small generator with a fixed seed, so that a failure repeats.
    let mut state: u32 = 4119;
    let mut pick = |limit: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % limit
    };
    let lines = [
        "password",
        "register",
        "registered",
        "username",
        "connected",
        "welcome",
        "DONE",
        "sent:",
        "send:a",
        "fetching",
        "push:ack",
        "push:on",
        "goodbye",
        "timeout",
        "7",
        "blocked:2",
        "error:busy:x",
        "[2026-11-22T11:18:31Z] eve: hi",
        "y",
        "who",
        "send a b",
        "quit",
        "",
    ];
    for round in 0..3000 {
        let mut play = Play::new(round % 2 == 0, round % 3 == 0);
        for _ in 0..40 {
            let line = lines[pick(lines.len())];
            match pick(8) {
                0..=3 => play.server_says(line),
                4..=6 => play.handle(Input::Line(line.as_bytes())),
                _ => play.seconds_pass(1),
            };
        }
        play.handle(Input::ServerClosed(None));
        assert_eq!(play.conversation.question(), None);
        let ends = play
            .log
            .iter()
            .filter(|line| line.starts_with("= "))
            .count();
        assert_eq!(ends, 1, "{:?}", play.log);
    }
}

#[test]
fn reports_of_a_script_say_why_nothing_was_sent() {
    let mut play = Play::script();
    play.person_says("bob")
        .server_says("register")
        .person_says("secret");
    assert_eq!(
        play.log,
        [
            "-> bob".to_owned(),
            format!("* {}", words_for(&Report::NoSuchAccount("bob".into()))),
            format!("= {}", ExitStatus::NotLoggedIn.code()),
        ]
    );
}
