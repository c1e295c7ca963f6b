//! What the protocol says of names, passwords and the chat, sentence by sentence, in each form a client may send it.

use super::daemon::Daemon;
use super::talk::{LIMITS, TIME, Talk};
use crate::core::session::SessionLimits;
use chat_model::Outcome;

/// How a client's bytes come.
#[derive(Clone, Copy, Debug)]
enum Form {
    Whole,
    LineByLine,
    ByteByByte,
    /// With CR LF for LF.
    WithCarriageReturns,
}

fn replay(daemon: Daemon, sent: &[u8], form: Form) -> (String, Talk) {
    let limits = SessionLimits {
        max_unread_bytes: 1 << 20,
        max_recipients: 100,
        ..LIMITS
    };
    let mut talk = Talk::with(daemon, limits);
    match form {
        Form::Whole => talk.say(sent),
        Form::LineByLine => {
            for line in sent.split_inclusive(|byte| *byte == b'\n') {
                talk.say(line);
                talk.settle();
            }
        }
        Form::ByteByByte => {
            for byte in sent {
                talk.say([*byte]);
                talk.settle();
            }
        }
        Form::WithCarriageReturns => {
            let lines = sent.split_inclusive(|byte| *byte == b'\n');
            for line in lines {
                match line.strip_suffix(b"\n") {
                    Some(line) => talk.say([line, b"\r\n"].concat()),
                    None => talk.say(line),
                }
            }
        }
    }
    talk.settle();
    (talk.heard(), talk)
}

const FORMS: [Form; 4] = [
    Form::Whole,
    Form::LineByLine,
    Form::ByteByByte,
    Form::WithCarriageReturns,
];

/// In every form, `sent` is answered by these lines, and the server then closes or does not.
#[track_caller]
fn expect(prepare: impl Fn(&mut Daemon), sent: impl AsRef<[u8]>, answers: &[&str], is_over: bool) {
    let expected: String = answers.iter().map(|line| format!("{line}\n")).collect();
    for form in FORMS {
        let mut daemon = Daemon::new();
        prepare(&mut daemon);
        let (heard, talk) = replay(daemon, sent.as_ref(), form);
        assert_eq!(heard, expected, "{form:?}");
        assert_eq!(talk.session.is_over(), is_over, "{form:?}");
    }
}

fn usual(_: &mut Daemon) {}

/// The same after a login as foobar.
#[track_caller]
fn expect_chat(sent: impl AsRef<[u8]>, answers: &[&str]) {
    let sent = [b"foobar\npasspass\n", sent.as_ref()].concat();
    let answers = [&["password", "welcome", "DONE"], answers].concat();
    expect(usual, sent, &answers, answers.ends_with(&["goodbye"]));
}

#[test]
fn known_name_gets_password_prompt() {
    expect(usual, "foobar\n", &["password"], false);
}

#[test]
fn an_unknown_name_is_offered_registration() {
    expect(
        usual,
        "dave\ny\npw\npw\ndave\npw\n",
        &[
            "register",
            "password",
            "registered",
            "password",
            "welcome",
            "DONE",
        ],
        false,
    );
}

#[test]
fn unequal_new_passwords_are_asked_again() {
    expect(
        usual,
        "dave\ny\none\ntwo\n\n\none\n\n\none\none\none\n",
        &[
            "register",
            "password",
            "password",
            "password",
            "password",
            "password",
            "registered",
        ],
        false,
    );
}

#[test]
fn any_answer_but_y_is_no_registration() {
    for no in ["n", "", "Y", "yes", " y", "y "] {
        let sent = format!("dave\n{no}\nfoobar\n");
        expect(usual, sent, &["register", "username", "password"], false);
    }
}

#[test]
fn name_taken_meanwhile_is_refused() {
    for form in FORMS {
        let (heard, mut talk) = replay(Daemon::new(), b"dave\ny\npw\n", form);
        assert_eq!(heard, "register\npassword\n");
        talk.daemon.add_account("dave");
        assert_eq!(talk.ask("pw\nfoobar\n"), "username\npassword\n");
    }
}

#[test]
fn impossible_names_are_refused() {
    expect(
        usual,
        "\nWHO\nDone\ntwo words\na,b\n\x1b[2J\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\nfoobar\n",
        &[
            "username", "username", "username", "username", "username", "username", "username",
            "password",
        ],
        false,
    );
}

#[test]
fn invalid_utf8_is_no_name() {
    expect(
        usual,
        b"\xff\xfe\nfoobar\n",
        &["username", "password"],
        false,
    );
}

#[test]
fn telnet_line_is_no_name() {
    let options = b"\xff\xfb\x1f\xff\xfb\x18\xff\xfd\x03foobar\r\nfoobar\r\n";
    let sent = &options[..];
    for form in [Form::Whole, Form::LineByLine, Form::ByteByByte] {
        let (heard, _) = replay(Daemon::new(), sent, form);
        assert_eq!(heard, "username\npassword\n", "{form:?}");
        let each_key = b"foobar\r\0foobar\r\0foobar\npass\r\0pass\n";
        let (heard, mut talk) = replay(Daemon::new(), each_key, form);
        assert_eq!(
            heard, "username\nusername\npassword\npassword\n",
            "{form:?}"
        );
        assert_eq!(talk.ask("passpass\n"), "welcome\nDONE\n", "{form:?}");
    }
}

#[test]
fn logged_in_user_is_connected() {
    let online = |daemon: &mut Daemon| daemon.set_online("foobar", true);
    expect(
        online,
        "foobar\nfoobar\nbob\n",
        &["connected", "connected", "password"],
        false,
    );
}

#[test]
fn login_elsewhere_leads_back_to_name() {
    for form in FORMS {
        let (_, mut talk) = replay(Daemon::new(), b"foobar\n", form);
        talk.daemon.set_online("foobar", true);
        assert_eq!(
            talk.ask("passpass\nbob\nsecret\n"),
            "connected\npassword\nwelcome\nDONE\n"
        );
    }
}

#[test]
fn third_wrong_password_locks() {
    expect(
        usual,
        "foobar\n1\n\n2\n3\npasspass\nfetch\n",
        &["password", "password", "password", "password", "60"],
        true,
    );
}

#[test]
fn blocked_user_is_told_and_closed() {
    let blocked = |daemon: &mut Daemon| {
        let (_, mut talk) = replay(Daemon::new(), b"foobar\n1\n2\n3\n", Form::Whole);
        std::mem::swap(daemon, &mut talk.daemon);
        daemon.forget_connection();
    };
    expect(blocked, "foobar\npasspass\n", &["blocked:59"], true);
}

#[test]
fn password_is_any_bytes() {
    expect(
        usual,
        b"dave\ny\n \xff\x00\t\n \xff\x00\t\ndave\n\xff\x00\t\n \xff\x00\t\n",
        &[
            "register",
            "password",
            "registered",
            "password",
            "password",
            "welcome",
            "DONE",
        ],
        false,
    );
}

#[test]
fn waiting_messages_follow_welcome_in_order() {
    for count in 0..9 {
        let texts: Vec<String> = (0..count).map(|n| format!("text {n}")).collect();
        let waiting = |daemon: &mut Daemon| texts.iter().for_each(|text| daemon.bob_writes(text));
        let lines: Vec<String> = texts
            .iter()
            .map(|text| format!("{TIME} bob: {text}"))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let answers = [
            &["password", "welcome"],
            &lines[..],
            &["DONE", "fetching", "DONE"],
        ];
        expect(
            waiting,
            "foobar\npasspass\nfetch\n",
            &answers.concat(),
            false,
        );
    }
}

#[test]
fn each_command_gets_its_line_and_done() {
    expect_chat(
        "who\nlast 5\nsend bob hi\nsend (bob carol bob) hi\nbroadcast hi\nfetch\n",
        &[
            "foobar", "DONE", "foobar", "DONE", "sent:", "DONE", "sent:", "DONE", "sent:", "DONE",
            "fetching", "DONE",
        ],
    );
}

#[test]
fn nothing_follows_goodbye() {
    expect_chat("who\nlogout\nsend bob no\n", &["foobar", "DONE", "goodbye"]);
    let (_, talk) = replay(
        Daemon::new(),
        b"foobar\npasspass\nlogout\nsend bob no\n",
        Form::Whole,
    );
    assert_eq!(talk.daemon.count_stored("no"), 0);
    assert!(!talk.daemon.is_online("foobar"));
}

#[test]
fn unknown_names_are_reported() {
    expect_chat(
        "send (bob x y x) hi\nsend z hi\n",
        &["send:x,y", "DONE", "send:z", "DONE"],
    );
    let (_, talk) = replay(
        Daemon::new(),
        b"foobar\npasspass\nsend (bob x) hi\n",
        Form::Whole,
    );
    assert_eq!(talk.daemon.queue("bob"), [(1, "hi")]);
}

#[test]
fn message_to_oneself_precedes_done() {
    let line = format!("{TIME} foobar:  a  b ");
    expect_chat("send foobar  a  b \n", &["sent:", &line, "DONE"]);
}

#[test]
fn refusal_names_the_command() {
    expect_chat(
        "dance now\n\nwho is\nsend\nsend bob\nsend () x\nsend (bob x\nlast x\npush\nids maybe\nbroadcast\n",
        &[
            "error:command:dance",
            "DONE",
            "error:command:",
            "DONE",
            "error:args:who",
            "DONE",
            "error:args:send",
            "DONE",
            "error:args:send",
            "DONE",
            "error:args:send",
            "DONE",
            "error:args:send",
            "DONE",
            "error:args:last",
            "DONE",
            "error:args:push",
            "DONE",
            "error:args:ids",
            "DONE",
            "error:args:broadcast",
            "DONE",
        ],
    );
}

#[test]
fn repeated_text_is_clean() {
    let line = format!("{TIME} foobar: \u{fffd}[0m\t\u{fffd} \u{202e}");
    expect_chat(
        "\x1b[2J\nsend foobar \x1b[0m\t\u{9b} \u{202e}\nsend b\x07 hi\n",
        &[
            "error:command:\u{fffd}[2J",
            "DONE",
            "sent:",
            &line,
            "DONE",
            "send:b\u{fffd}",
            "DONE",
        ],
    );
    let broken = format!("{TIME} foobar: a\u{fffd}");
    expect_chat(b"send foobar a\xff\n", &["sent:", &broken, "DONE"]);
}

#[test]
fn long_line_is_skipped_in_chat() {
    let long = "x".repeat(500);
    expect_chat(
        format!("send bob {long}\nwho\n{long}\nfetch\n"),
        &[
            "error:length:send",
            "DONE",
            "foobar",
            "DONE",
            &format!("error:length:{}", "x".repeat(64)),
            "DONE",
            "fetching",
            "DONE",
        ],
    );
}

#[test]
fn long_line_closes_before_login() {
    let long = "x".repeat(64);
    expect(usual, format!("{long}\nfoobar\n"), &["error:length:"], true);
    let sent = format!("foobar\n{long}\npasspass\n");
    expect(usual, sent, &["password", "error:length:"], true);
    let sent = format!("dave\ny\n{long}\n");
    expect(
        usual,
        sent,
        &["register", "password", "error:length:"],
        true,
    );
}

#[test]
fn line_limit_counts_the_line_end() {
    let fits = "x".repeat(63 - "send bob ".len());
    for (sent, answer) in [
        (format!("send bob {fits}\n"), "sent:"),
        (format!("send bob {fits}x\n"), "error:length:send"),
        (format!("send bob {fits}\r\n"), "error:length:send"),
    ] {
        let mut talk = Talk::logged_in();
        assert_eq!(talk.ask(&sent), format!("{answer}\nDONE\n"));
    }
}

#[test]
fn daemon_refusals_name_the_command() {
    let refused = |answer: &Outcome<'static>| {
        let answer = answer.clone();
        move |daemon: &mut Daemon| {
            daemon.refusals = [Outcome::PasswordNeeded, Outcome::LoggedIn].into();
            daemon.refusals.push_back(answer.clone());
        }
    };
    for (answer, line) in [
        (Outcome::QueueFull, "error:quota:send"),
        (Outcome::DiskFull, "error:full:send"),
        (Outcome::Busy, "error:busy:send"),
    ] {
        let answers = ["password", "welcome", "DONE", line, "DONE"];
        expect(
            refused(&answer),
            "foobar\npasspass\nsend bob hi\n",
            &answers,
            false,
        );
    }
}

#[test]
fn busy_login_keeps_its_step() {
    let busy_after = |usual_answers: &'static [Outcome<'static>]| {
        move |daemon: &mut Daemon| {
            daemon.refusals = usual_answers.iter().cloned().collect();
            daemon.refusals.push_back(Outcome::Busy);
        }
    };
    expect(
        busy_after(&[]),
        "foobar\nfoobar\n",
        &["error:busy:", "password"],
        false,
    );
    expect(
        busy_after(&[Outcome::PasswordNeeded]),
        "foobar\npasspass\npasspass\n",
        &["password", "error:busy:", "welcome", "DONE"],
        false,
    );
    expect(
        busy_after(&[Outcome::NameFree]),
        "dave\ny\npw\npw\ndave\n",
        &["register", "password", "error:busy:", "register"],
        false,
    );
}

#[test]
fn ids_are_shown_from_the_answer_on() {
    let line = |id: &str, text: &str| format!("{TIME} {id}foobar: {text}");
    expect_chat(
        "send foobar 1\nids on\nsend foobar 2\nids off\nsend foobar 3\n",
        &[
            "sent:",
            &line("", "1"),
            "DONE",
            "ids:on",
            "DONE",
            "sent:",
            &line("#2 ", "2"),
            "DONE",
            "ids:off",
            "DONE",
            "sent:",
            &line("", "3"),
            "DONE",
        ],
    );
}

#[test]
fn only_whole_lines_count_after_fin() {
    for form in FORMS {
        let (_, mut talk) = replay(Daemon::new(), b"foobar\npasspass\n", form);
        talk.say("who\nsend bob hi\nsend bob unfinished");
        talk.finish();
        talk.settle();
        assert_eq!(talk.heard(), "foobar\nDONE\nsent:\nDONE\n");
        assert!(talk.session.is_over());
        assert_eq!(talk.daemon.queue("bob"), [(1, "hi")]);
    }
}

#[test]
fn passwd_takes_three_lines() {
    expect_chat(
        "passwd\npasspass\nnew\nother\npasswd\nwrong\nnew\nnew\npasswd\npasspass\nwho\nwho\n\
         passwd\npasspass\nagain\nagain\npasswd\nwho\nnew\nnew\nwho\n",
        &[
            "password",
            "passwd:differ",
            "DONE",
            "password",
            "passwd:wrong",
            "DONE",
            "password",
            "passwd:",
            "DONE",
            "password",
            "passwd:wrong",
            "DONE",
            "password",
            "passwd:",
            "DONE",
            "foobar",
            "DONE",
        ],
    );
}

#[test]
fn third_wrong_current_password_closes() {
    let wrong = "passwd\nwrong\nnew\nnew\n";
    let refused = ["password", "passwd:wrong", "DONE"];
    let last = ["password", "60"];
    let answers = [
        &["password", "welcome", "DONE"][..],
        &refused,
        &refused,
        &last,
    ]
    .concat();
    let sent = format!("foobar\npasspass\n{}", wrong.repeat(3));
    expect(usual, sent, &answers, true);
}
