//! Commands in the chat and their answers, and leaving it.

use super::{ASKED, Play};
use crate::conversation::{Input, MAX_LINE_BYTES, Prompt};

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
            "Not delivered to a, b: no such users. Delivered to the others.",
        ),
        ("broadcast hi", "sent:", "Sent to everyone."),
        ("fetch", "fetching", "No new messages."),
        (
            "push off",
            "push:off",
            "New messages are shown on request; an empty line fetches them.",
        ),
        ("ids on", "ids:on", "Message numbers are shown."),
        ("to on", "to:on", "Messages show whom they went to."),
        (
            "dance",
            "error:command:dance",
            "Unknown command `dance`. `help` lists the commands.",
        ),
        ("last x", "error:args:last", "Usage: `last MINUTES`"),
        (
            "who",
            "error:length:who",
            "The line is too long for this server. Nothing was done.",
        ),
        (
            "send alice x",
            "error:quota:send",
            "Not sent: the queue of a recipient is full. Try again later.",
        ),
        (
            "broadcast x",
            "error:quota:broadcast",
            "Not sent: there were too many broadcasts lately. Try again later.",
        ),
        (
            "send alice x",
            "error:full:send",
            "Not done: the server has no free space for it. Try again later.",
        ),
        (
            "who",
            "error:busy:who",
            "Not done: the server is busy. Try again soon.",
        ),
        ("who", "error:new:who", "The server refused `who`: new"),
        ("whois bob", "whois:bob,1", "whois:bob,1"),
        (
            "send alice x",
            "???",
            "The server says: \u{2068}???\u{2069}",
        ),
    ];
    let mut play = Play::interactive().in_chat();
    for (command, answer, words) in dialogues {
        play.person_says(command).is_asked(None).server_says(answer);
        play.server_says("DONE").is_asked(ASKED);
        play.came_out(&[&format!("-> {command}"), &format!("* {words}")]);
    }
}

#[test]
fn empty_line_fetches_and_help_is_local() {
    let mut play = Play::interactive().in_chat();
    play.person_says("  ").server_says("fetching");
    play.server_says("[2026-11-22T11:18:31Z] eve: hi")
        .server_says("DONE");
    play.came_out(&["-> fetch", "* [2026-11-22T11:18:31Z] eve: hi"]);
    play.person_says("help").is_asked(ASKED);
    assert!(play.log[0].contains("broadcast TEXT") && play.log.len() == 1);
}

#[test]
fn word_too_much_ends_nothing() {
    let mut play = Play::interactive().in_chat();
    play.person_says("logout now").came_out(&["-> logout now"]);
    play.server_says("error:args:logout").server_says("DONE");
    play.is_asked(ASKED);
    play.came_out(&["* The arguments of `logout` are wrong."]);
    play.person_says("quit now").is_asked(ASKED);
    play.came_out(&["* Usage: `quit`"]);
    play.person_says("help me").is_asked(ASKED);
    assert!(play.log[0].contains("broadcast TEXT") && play.log.len() == 1);
}

#[test]
fn spaces_around_command_mean_nothing() {
    let mut play = Play::script().in_chat();
    for (line, answer, shown) in [
        (
            " send nobody x",
            "send:nobody",
            "Not delivered to nobody: no such user.",
        ),
        ("  who ", "bob", "Online: bob"),
        (
            "\tlast \t5 ",
            "bob",
            "Online now or within the last 5 minutes: bob",
        ),
    ] {
        play.person_says(line)
            .server_says(answer)
            .server_says("DONE");
        play.came_out(&[&format!("-> {line}"), &format!("* {shown}")]);
    }
    play.person_says(" \t").came_out(&["-> fetch"]);
    play.server_says("fetching").server_says("DONE");
    play.person_says("  quit\t").came_out(&["-> logout"]);
    play.server_says("goodbye");
    assert_eq!(play.log.last().expect("an end"), "= 6");
}

#[test]
fn leaving_waits_for_goodbye() {
    for word in ["quit", "logout"] {
        let mut play = Play::interactive().in_chat();
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
fn missing_goodbye_is_a_lost_connection() {
    let mut play = Play::interactive().in_chat();
    play.handle(Input::Leave).handle(Input::ServerClosed(None));
    assert_eq!(play.log.last().expect("an end"), "= 1");
    let mut play = Play::interactive().in_chat();
    play.handle(Input::Leave).seconds_pass(11);
    assert_eq!(play.log.last().expect("an end"), "= 1");
    let mut play = Play::interactive().in_chat();
    play.handle(Input::Leave).handle(Input::Leave);
    assert_eq!(play.log.last().expect("an end"), "= 1", "asked twice");
}

#[test]
fn leaving_while_messages_of_login_come() {
    let mut play = Play::new(true, true).logging_in();
    play.server_says("welcome");
    play.log.clear();
    play.handle(Input::Leave)
        .server_says("DONE")
        .server_says("goodbye");
    play.came_out(&["-> logout", "* Goodbye.", "= 0"]);
}

#[test]
fn only_scripts_fail_after_refused_command() {
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
fn line_too_long_is_not_sent() {
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
            "* This line is too long: it has 8192 bytes, but 8191 are allowed. Nothing was sent.",
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
fn passwd_asks_for_three_passwords() {
    for (answer, words) in [
        (
            "passwd:",
            "* Your password is changed. Your other sessions and your tokens have ended.",
        ),
        (
            "passwd:wrong",
            "* Not changed: the current password is wrong.",
        ),
        (
            "passwd:differ",
            "* Not changed: the new passwords differ, or are empty.",
        ),
    ] {
        let mut play = Play::interactive().in_chat();
        play.person_says("passwd").is_asked(None);
        play.server_says("password");
        let prompts = [
            Prompt::CurrentPassword,
            Prompt::ChangedPassword,
            Prompt::RepeatPassword,
        ];
        for (prompt, line) in prompts.into_iter().zip(["pw", "new", "new"]) {
            // The server is not waited for meanwhile.
            play.is_asked(Some(prompt)).seconds_pass(200);
            play.person_says(line);
        }
        play.is_asked(None).server_says(answer).server_says("DONE");
        play.is_asked(ASKED);
        play.came_out(&["-> passwd", "-> pw", "-> new", "-> new", words]);
    }
}

#[test]
fn leaving_gives_up_password_change() {
    let mut play = Play::interactive().in_chat();
    play.person_says("passwd").server_says("password");
    play.person_says("pw").handle(Input::Leave);
    play.server_says("passwd:differ").server_says("DONE");
    play.came_out(&[
        "-> passwd",
        "-> pw",
        "-> ",
        "-> ",
        "* Not changed: the new passwords differ, or are empty.",
        "-> logout",
    ]);
}

#[test]
fn third_wrong_password_in_chat_ends_client() {
    let mut play = Play::interactive().in_chat();
    play.person_says("passwd").server_says("password");
    for line in ["a", "b", "b"] {
        play.person_says(line);
    }
    play.log.clear();
    play.server_says("60");
    assert_eq!(play.log.last().map(String::as_str), Some("= 4"));
}

#[test]
fn messages_of_the_history_are_shown() {
    let kept = "<2026-11-22T11:18:31Z> #41 eve #kitchen: tea?";
    let mut play = Play::interactive().in_chat();
    play.person_says("history #kitchen").is_asked(None);
    play.server_says("history:1").server_says(kept);
    play.server_says("DONE").is_asked(ASKED);
    let shown = format!("* {kept}");
    play.came_out(&["-> history #kitchen", "* 1 message of the history:", &shown]);
    play.person_says("search * te").is_asked(None);
    play.server_says("search:0+")
        .server_says("DONE")
        .is_asked(ASKED);
    play.came_out(&[
        "-> search * te",
        "* Nothing found so far. There may be more.",
    ]);
    // Not asked for.
    play.server_says(kept);
    let unexpected = format!("* The server says: \u{2068}{kept}\u{2069}");
    play.came_out(&[&unexpected]);
}
