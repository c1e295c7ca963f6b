//! Texts and names that try to have effects.

use crate::connection::{Connection, Received};
use crate::server::{Server, expect, says, source};

fn line(client: &mut Connection) -> String {
    match client.receive() {
        Received::Line(line) => String::from_utf8(line).unwrap(),
        other => panic!("{other}"),
    }
}

/// A forged line after every character that a program may take for a line end.
#[test]
fn text_cannot_add_lines_or_controls() {
    let server = Server::start(&[]);
    let mut reader = server.log_in(source(2), "windows", "withglass");
    let mut sender = server.log_in(source(3), "foobar", "passpass");
    let ends = [
        "\r",
        "\r\r",
        "\u{85}",
        "\u{b}",
        "\u{c}",
        "\0",
        "\u{1c}",
        "\u{1d}",
        "\u{1e}",
        "\u{1b}E",
        "\u{1b}[1E",
        "\u{84}",
        "\u{8d}",
        "\u{9b}1E",
        "\u{1b}]0;title\u{7}",
        "\u{7f}",
        "\u{8}",
    ];
    for end in ends {
        let forged = format!("hi{end}[2026-11-22T11:18:31Z] windows: forged");
        for command in ["send windows", "broadcast"] {
            says(&mut sender, &format!("{command} {forged}"), "sent:");
            expect(&mut sender, "DONE");
        }
        says(&mut reader, "fetch", "fetching");
        for _ in 0..2 {
            let text = line(&mut reader);
            assert_eq!(text.get(22..31), Some(" foobar: "), "{end:?}: {text:?}");
            assert!(!text.contains(char::is_control), "{end:?}: {text:?}");
        }
        expect(&mut reader, "DONE");
        // Answers that repeat the text are no way around that.
        for (command, answer) in [
            (format!("send no{end}body hi"), "send:"),
            (format!("no{end}command"), "error:command:"),
        ] {
            sender.send(format!("{command}\n").as_bytes()).unwrap();
            let text = line(&mut sender);
            assert!(text.starts_with(answer), "{end:?}: {text:?}");
            assert!(!text.contains(char::is_control), "{end:?}: {text:?}");
            expect(&mut sender, "DONE");
        }
    }
}

/// They are no control characters: LF alone ends a line. `chat-client` indents the rows behind U+2028 (`layout.rs`).
#[test]
fn unicode_separators_do_not_split_lines() {
    let server = Server::start(&[]);
    let mut client = server.log_in(source(2), "foobar", "passpass");
    let text = "a\u{2028}[2026-11-22T11:18:31Z] windows: b\u{2029}c";
    says(&mut client, &format!("send foobar {text}"), "sent:");
    let received = line(&mut client);
    assert_eq!(received.get(22..), Some(&*format!(" foobar: {text}")));
    expect(&mut client, "DONE");
    let mut named = server.connect(source(3));
    says(&mut named, "a\u{2028}b", "username");
}

#[test]
fn one_sender_fills_only_its_share() {
    let server = Server::start(&[("CHAT_QUEUE_MESSAGES", "20")]);
    let mut victim = server.connect(source(4));
    says(&mut victim, "victim", "register");
    says(&mut victim, "y", "password");
    victim.send(b"secret\n").unwrap();
    says(&mut victim, "secret", "registered");
    let mut sender = server.log_in(source(2), "foobar", "passpass");
    for number in 0..30 {
        let answer = if number < 10 {
            "sent:"
        } else {
            "error:quota:send"
        };
        says(&mut sender, &format!("send victim {number}"), answer);
        expect(&mut sender, "DONE");
    }
    let mut other = server.log_in(source(3), "windows", "withglass");
    says(&mut other, "send victim hi", "sent:");
    expect(&mut other, "DONE");
    says(&mut victim, "victim", "password");
    says(&mut victim, "secret", "welcome");
    for number in 0..10 {
        assert!(line(&mut victim).ends_with(&format!(" foobar: {number}")));
    }
    assert!(line(&mut victim).ends_with(" windows: hi"));
    expect(&mut victim, "DONE");
}

/// A worker that sends the state daemon a request that no client can have written is closed, with all its clients.
#[test]
fn malformed_recipient_names_hurt_nobody() {
    let server = Server::start(&[("CHAT_WORKERS", "1"), ("CHAT_MAX_LINE_BYTES", "65536")]);
    let mut reader = server.log_in(source(2), "windows", "withglass");
    let mut sender = server.log_in(source(3), "foobar", "passpass");
    let long = [b"send ", vec![0xff; 60_000].as_slice(), b" x"].concat();
    let bad: [&[u8]; 5] = [
        b"send windows,foobar x",
        b"send , x",
        b"send (windows,foobar) x",
        b"send (windows foobar,) x",
        &long,
    ];
    for bad in bad {
        let lines = [b"send windows one", bad, bad, b"send windows two", b""];
        sender.send(&lines.join(b"\n".as_slice())).unwrap();
        for answer in ["sent:", "error:args:send", "error:args:send", "sent:"] {
            expect(&mut sender, answer);
            expect(&mut sender, "DONE");
        }
        says(&mut reader, "fetch", "fetching");
        for text in ["one", "two"] {
            let message = line(&mut reader);
            assert!(message.ends_with(&format!(" foobar: {text}")), "{message}");
        }
        expect(&mut reader, "DONE");
    }
}
