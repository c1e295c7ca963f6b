//! The full screen: a pseudo-terminal here, held in two emulators. How it ends: `ways_out.rs`.

// Each test is a program of its own, and uses another part of it.
#[allow(dead_code)]
mod support;

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::termios::{FlowArg, tcflow};
use support::screen::Screen;
use support::terminal::Terminal;
use support::{FakeServer, Step, dialogue};

const LOGIN: &str = "> bob\n < password\n > hunter2\n < welcome\n < DONE\n";
const SET_UP: &str = "> features\n < features:time_out=600 line=8192 push ids once rooms history\n < DONE\n \
     > ids on\n < ids:on\n < DONE\n \
     > push ack\n < push:ack\n < DONE\n \
     > rooms\n < rooms:#tea\n < DONE\n \
     > who\n ! reached\n < ann bob\n < DONE\n";
const OPEN_TEA: &str = "> members #tea\n < members:~ann bob\n < DONE\n \
     > topic #tea\n < topic:green only\n < DONE\n \
     > history #tea 50\n < history:1\n < <2026-11-22T11:18:31Z> #3 ann #tea: an old message\n < DONE\n";
const LEAVE: &str = "> push off\n < push:off\n < DONE\n > logout\n < goodbye\n ! end\n";
const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (40, 12)];

fn steps(parts: &[&str]) -> Vec<Step> {
    dialogue(&parts.concat())
}

fn start(parts: &[&str], size: (u16, u16)) -> Screen {
    let mut parts = parts.to_vec();
    parts.insert(0, LOGIN);
    parts.insert(1, SET_UP);
    let mut screen = Screen::start(FakeServer::play(steps(&parts), false), size);
    screen.log_in();
    screen
}

#[test]
fn room_fits_all_sizes() {
    for size in SIZES {
        let talk = "! cue\n < [2026-11-22T11:19:00Z] #5 ann #tea: fresh\n \
             > fetch\n < fetching\n < DONE\n ! reached\n > once...\n < sent:\n < DONE\n";
        let mut screen = start(&[OPEN_TEA, talk, LEAVE], size);
        assert!(screen.emulator.screen().alternate_screen());
        screen.press("\x0btea\r").wait_for("an old message");
        screen.wait_for("#tea: green only");
        screen.server.cue();
        screen.wait_for("▌13:19 ann: fresh");
        // What was shown is confirmed.
        screen.server.wait_until_reached();
        screen.press("hi all").wait_for("#tea> hi all").press("\r");
        screen.wait_for("✓you: hi all");
        let has_list = screen.text().contains(" 1 chatserv");
        assert_eq!(has_list, size.0 >= 80, "{}", screen.text());
        screen.press("/quit\r");
        assert_eq!(screen.end().0, Some(0));
    }
}

#[test]
fn screen_follows_size_of_terminal() {
    let mut screen = start(&[OPEN_TEA, LEAVE], (80, 24));
    screen.press("\x1b3").wait_for("an old message");
    for size in [(120, 40), (40, 12), (80, 24), (20, 5), (100, 30)] {
        screen.resize(size);
        screen.wait_until("the last row", |screen| {
            let last = screen.rows(0, size.0).last().unwrap_or_default();
            last.starts_with("#tea>")
        });
    }
    screen.wait_for("an old message").press("\x04");
    assert_eq!(screen.end().0, Some(0));
}

#[test]
fn refused_login_tells_why_behind_screen() {
    let server = FakeServer::play(steps(&["> bob\n < blocked:30\n ! end\n"]), false);
    let mut screen = Screen::start(server, (80, 24));
    screen.wait_for("User name:").press("bob\r");
    let (status, text) = screen.end();
    assert_eq!(status, Some(4));
    assert!(text.contains("another 30 seconds"), "{text}");
}

#[test]
fn message_is_sent_again_over_next_connection() {
    let ready = "< [2026-11-22T11:18:00Z] ann: ready\n";
    let open = [
        "> history ann 50\n < error:denied:history\n ",
        ready,
        "< DONE\n",
    ];
    let confirm = "> fetch\n < fetching\n < DONE\n ! reached\n > once...\n ! reset\n";
    let first = [LOGIN, SET_UP, &open.concat(), confirm];
    let hello = "< [2026-11-22T11:19:00Z] ann: hello\n";
    let again = "> bob\n < password\n > hunter2\n < welcome\n ";
    let rest = "> once...\n < sent:\n < DONE\n";
    let second = [again, ready, hello, "< DONE\n", SET_UP, rest, LEAVE];
    let server = FakeServer::play_in_turn(vec![steps(&first), steps(&second)], false);
    let mut screen = Screen::start(server, (80, 24));
    screen.log_in();
    screen.press("/query ann\r").wait_for("ann: ready");
    screen.server.wait_until_reached();
    screen.press("are you there?\r");
    screen
        .wait_for("✓you: are you there?")
        .wait_for("ann: hello");
    assert_eq!(screen.text().matches("ann: ready").count(), 1);
    screen.press("/quit\r");
    assert_eq!(screen.end().0, Some(0));
}

#[test]
fn unsent_text_is_told_at_end() {
    let server = FakeServer::play(steps(&[LOGIN, SET_UP, "! reset\n"]), false);
    let mut screen = Screen::start(server, (80, 24));
    screen.log_in();
    screen.wait_for("Not connected").press("/msg ann lost?\r");
    screen.wait_for("…you: lost?").press("/quit\r");
    screen.wait_for("1 not sent").press("/quit\r");
    let (status, text) = screen.end();
    assert_eq!(status, Some(1));
    assert!(text.contains("Not sent: send ann lost?"), "{text}");
}

#[test]
fn pasted_lines_are_not_run() {
    let mut screen = start(&[OPEN_TEA, LEAVE], (80, 24));
    screen.press("\x1b3").wait_for("an old message");
    screen.press("\x1b[200~first\n/quit\nlast\n\x1b[201~");
    screen
        .wait_for("Put these 3 lines into your message?")
        .press("\r");
    screen
        .wait_for("#tea> first")
        .wait_for("/quit")
        .wait_for("last");
    screen.press("\x03").press("/quit\r");
    assert_eq!(screen.end().0, Some(0));
}

/// Two emulators do not agree how wide some characters are: nothing outside the conversation may depend on it.
#[test]
fn wide_and_composed_characters_stay_in_place() {
    for size in SIZES {
        let texts = [
            "漢字かな",
            "🇩🇪🇫🇷",
            "👩\u{200d}👩\u{200d}👧",
            "עברית",
            "e\u{301}\u{323}",
            "❤\u{fe0f}",
        ];
        let lines: Vec<String> = texts
            .iter()
            .map(|text| {
                format!(
                    "< [2026-11-22T11:19:00Z] #5 ann #tea: {}\n",
                    text.repeat(60)
                )
            })
            .collect();
        let messages = lines.concat();
        let talk = format!("! cue\n {messages} < [2026-11-22T11:19:00Z] #9 ann #tea: end\n");
        let mut screen = start(
            &[
                OPEN_TEA,
                &talk,
                "> fetch\n < fetching\n < DONE\n ! reached\n",
                LEAVE,
            ],
            size,
        );
        screen.press("\x1b3").wait_for("an old message");
        screen.server.cue();
        screen.wait_for("ann: end");
        let list = if size.0 >= 80 { 20 } else { 0 };
        let last = size.1 - 3;
        for row in 1..=last {
            let cell = |column| {
                let cell = screen.emulator.screen().cell(row, column);
                cell.map(|cell| cell.contents().to_owned())
                    .unwrap_or_default()
            };
            assert!(
                ["", " ", "▌", "─"].contains(&cell(list).as_str()),
                "{}",
                screen.text()
            );
            assert!(list == 0 || cell(list - 1) == "│", "{}", screen.text());
        }
        screen.server.wait_until_reached();
        screen.press("/quit\r");
        assert_eq!(screen.end().0, Some(0));
    }
}

#[test]
fn password_stays_hidden_after_stop() {
    let mut terminal = Terminal::start_shell(&format!("{LOGIN}{SET_UP}{LEAVE}"), "xterm");
    terminal
        .wait_for("shell: ")
        .press("$client --full-screen\r");
    terminal.wait_for("User name:").press("bob\r");
    terminal.wait_for("Password:").press("\x1a");
    terminal
        .wait_for("Stopped")
        .wait_for("shell: ")
        .press("fg\r");
    terminal.wait_for("Password:").press("hunter2\r");
    terminal.wait_for("Welcome, bob.").press("\x04");
    terminal.wait_for("shell: ").press("exit\r");
    let (_, everything) = terminal.end();
    assert!(!everything.contains("hunt"), "{everything:?}");
}

/// Its owner has to be able to end the program, whatever the terminal does.
#[test]
fn blocked_terminal_delays_no_end() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        let talk = "! cue\n < [2026-11-22T11:19:00Z] #5 ann: hi\n ! reached\n ! broken\n";
        let mut screen = start(&[talk], (80, 24));
        tcflow(&screen.terminal, FlowArg::TCOOFF).expect("a terminal");
        screen.server.cue();
        screen.server.wait_until_reached();
        let since = Instant::now();
        screen.signal(signal);
        let status = screen.child.wait().expect("an end").code();
        // Two seconds are meant; the machine may be busy.
        assert!(since.elapsed() < Duration::from_secs(5), "{signal}");
        assert_eq!(status, Some(1), "{signal}");
        screen.server.finish();
    }
}

#[test]
fn lines_where_screen_is_impossible_or_unwanted() {
    let big = (80, 24);
    for (arguments, (variable, value), size) in [
        (&["--plain"][..], ("TERM", "xterm"), big),
        (&["--no-push"], ("TERM", "xterm"), big),
        (&[], ("CHAT_PLAIN", "1"), big),
        (&[], ("TERM", "dumb"), big),
        (&[], ("TERM", ""), big),
        (&[], ("TERM", "xterm"), (19, 24)),
        (&[], ("TERM", "xterm"), (80, 5)),
    ] {
        let server = FakeServer::play(steps(&["! end\n"]), false);
        let mut command = support::client();
        let port = server.address.port().to_string();
        command.args(["127.0.0.1", &port]).args(arguments);
        command.env(variable, value);
        let mut screen = Screen::of(command, server, size);
        screen.wait_for("User name:");
        assert!(
            !screen.emulator.screen().alternate_screen(),
            "{variable}={value} {size:?}"
        );
        screen.press("\x04");
        assert_eq!(screen.end().0, Some(5));
    }
}

#[test]
fn pipe_has_no_full_screen() {
    let mut command = support::client();
    // Nothing has to be there: the client does not connect.
    command.args(["--full-screen", "127.0.0.1", "1"]);
    let run = support::run_with_input(command, b"bob\n");
    assert_eq!(run.status, Some(1));
    assert!(
        run.stderr.contains("have to be a terminal"),
        "{}",
        run.stderr
    );
}
