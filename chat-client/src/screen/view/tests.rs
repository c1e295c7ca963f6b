//! Whole screens, as text.

use ratatui_core::buffer::{Buffer, CellWidth};
use ratatui_core::layout::Rect;

use super::draw;
use crate::screen::model::Input;
use crate::screen::model::tests::Run;

/// The rows of the screen, without blanks at their ends.
fn screen(run: &mut Run, columns: u16, rows: u16) -> Vec<String> {
    run.give(Input::Resized(columns, rows));
    let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
    draw(&run.model, &mut buffer);
    let cells: Vec<_> = buffer.content.chunks(usize::from(columns)).collect();
    let rows = cells.iter().map(|cells| {
        let (mut row, mut covered) = (String::new(), 0);
        for cell in *cells {
            if covered > 0 {
                covered -= 1;
                continue;
            }
            row.push_str(cell.symbol());
            covered = cell.cell_width().saturating_sub(1);
        }
        row.trim_end().to_owned()
    });
    rows.collect()
}

fn in_tea() -> Run {
    let mut run = Run::logged_in();
    run.press("/win 3\r");
    run.answer("members #tea", "members:~ann bob");
    run.answer("topic #tea", "topic:green only");
    run.answer("history #tea 50", "history:0");
    run.hear("[2026-11-22T11:18:31Z] #4 ann #tea: Is there tea?");
    run.hear("[2026-11-22T11:18:35Z] #5 eve: hello");
    run.press("yes\x1b\rgreen\r");
    run.answer("once abc-1 send #tea yes\u{2028}green", "sent:");
    run.press("mo");
    run
}

#[test]
fn offline_members_stand_last_in_brackets() {
    let mut run = in_tea();
    run.model.online = vec!["bob".to_owned()];
    let rows = screen(&mut run, 120, 14);
    let ends = [&rows[1], &rows[2], &rows[3]].map(|row| row.rsplit('│').next());
    assert_eq!(ends, [Some(" 2 members"), Some(" bob"), Some(" (~ann)")]);
    // Nothing is known yet, so nobody is said to be away.
    run.model.online.clear();
    assert!(screen(&mut run, 120, 14)[2].ends_with("│ ~ann"));
}

#[test]
fn narrow_help_tells_how_to_leave() {
    let mut run = in_tea();
    run.press("\x15/help\r");
    let text = screen(&mut run, 40, 12).join(" ");
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(
        words
            .join(" ")
            .contains("Esc closes this help; so does typing."),
        "{text}"
    );
}

#[test]
fn single_member_is_counted_in_singular() {
    let mut run = in_tea();
    run.model.transcripts.current_mut().members = vec!["~ann".to_owned()];
    let rows = screen(&mut run, 120, 14);
    assert!(rows[1].ends_with("│ 1 member"), "{}", rows[1]);
}

#[test]
fn long_reason_does_not_hide_next_try() {
    let mut run = in_tea();
    let reason = "cannot connect to host port 4119: connection refused; is the server up?";
    run.give(Input::Lost(Some(reason.to_owned())));
    let rows = screen(&mut run, 60, 14);
    assert!(
        rows.iter()
            .any(|row| row.contains("Not connected. Next try in")),
        "{rows:?}"
    );
}

#[test]
fn narrow_login_shows_whole_question() {
    let mut run = Run::start();
    run.press("newcomer\r");
    run.hear("register");
    let rows = screen(&mut run, 40, 12);
    let words: Vec<&str> = rows.iter().flat_map(|row| row.split_whitespace()).collect();
    let question = "There is no account named newcomer. Create one? [y/N]";
    assert!(words.join(" ").ends_with(question), "{rows:?}");
}

#[test]
fn other_readers_are_named_in_head() {
    let mut run = in_tea();
    run.hear("[2026-11-22T11:18:40Z] #6 dave (bob #ops): look");
    run.press("\x15\x1ba");
    run.press("\x1ba");
    let text = screen(&mut run, 80, 14).join("\n");
    assert!(text.contains("dave (also to #ops): look"), "{text}");
}

#[test]
fn wide_screen_shows_all_parts() {
    let rows = screen(&mut in_tea(), 120, 14);
    assert_eq!(rows[0], " #tea: green only");
    assert!(
        rows[1].starts_with(" 4 eve ") && rows[1].contains(" 1!│"),
        "{}",
        rows[1]
    );
    assert!(
        rows[1].ends_with("│ 2 members") && rows[2].ends_with("│ ~ann"),
        "{}",
        rows[1]
    );
    assert!(rows[2].starts_with(" 1 chatserv "), "{}", rows[2]);
    let text = rows.join("\n");
    for part in [
        "│▌11:18 ann: Is there tea? ",
        "│▌11:20✓you: yes ",
        "│        green ",
        "│─── Sunday, 22 November 2026 ──",
        "\n bob  4:eve 1!\n#tea> mo",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn small_screen_shows_conversation_alone() {
    let rows = screen(&mut in_tea(), 40, 12);
    let expected = [
        " #tea: green only",
        "",
        "",
        "",
        "",
        "",
        "─── Sunday, 22 November 2026 ───────────",
        "▌11:18 ann: Is there tea?",
        "▌11:20✓you: yes",
        "   green",
        " bob  4:eve 1!",
        "#tea> mo",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn login_asks_on_empty_screen() {
    let mut run = Run::start();
    run.press("bo");
    let rows = screen(&mut run, 40, 12);
    assert_eq!(rows[0], " chatserv at host port 4119");
    assert_eq!(rows[3], " User name: bo");
    run.press("b\r");
    run.hear("password");
    run.press("hunter2");
    let rows = screen(&mut run, 40, 12);
    assert_eq!(rows[3], " Password:");
}

#[test]
fn every_size_can_be_drawn() {
    let mut run = in_tea();
    for (columns, rows) in [
        (1, 1),
        (11, 3),
        (12, 4),
        (13, 5),
        (24, 6),
        (43, 7),
        (300, 100),
    ] {
        for keys in [
            "",
            "\x1bOP",
            "\x1b",
            "\x1bk",
            "\x1b",
            "\x1b[5~",
            "\x1b[200~a\rb\x1b[201~",
            "n",
        ] {
            run.press(keys);
            screen(&mut run, columns, rows);
        }
    }
}

/// Nothing of a text changes a cell outside its conversation, or the first column behind its head.
#[test]
fn no_text_leaves_its_place() {
    let texts = [
        "🇩🇪🇫🇷",
        "👩\u{200d}👩\u{200d}👧\u{200d}👦",
        "漢字かな交じり",
        "עברית ועוד",
        "العربية",
        "e\u{301}\u{323}\u{308}",
        "\u{301}\u{301}",
        "\u{202e}evil\u{202c}\u{2069}\u{2069}",
        "\u{200b}\u{200d}\u{feff}",
        "▌11:19 dave: ",
        "\u{2028}▌11:19 dave: ",
        "abcdefgh",
        "a b\tc ",
        "ﾞﾟ",
        "\u{1f3fd}\u{fe0f}",
    ];
    for (columns, rows) in [(80, 24), (120, 40), (40, 12)] {
        let mut plain = in_tea();
        let empty = screen(&mut plain, columns, rows);
        for text in texts {
            let mut run = in_tea();
            let text: String = text.repeat(8_000 / text.len());
            run.hear(&format!("[2026-11-22T11:18:40Z] #9 ann #tea: {text}"));
            run.give(Input::Resized(columns, rows));
            let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
            draw(&run.model, &mut buffer);
            let list = if columns >= 70 { 20 } else { 0 };
            let end = if columns >= 100 {
                columns - 18
            } else {
                columns
            };
            for y in 1..rows - 2 {
                let cell = |x: u16| buffer[(x, y)].symbol().to_owned();
                assert!([" ", "▌", "─"].contains(&cell(list).as_str()), "{text}");
                let edge: String = (0..list).chain(end..columns).map(cell).collect();
                let before: String = empty[usize::from(y)]
                    .chars()
                    .take(usize::from(list))
                    .collect();
                assert!(edge.starts_with(&before), "{edge:?} {before:?}");
                let mut x = list;
                while x < end {
                    x += buffer[(x, y)].cell_width().max(1);
                }
                assert_eq!(x, end, "a wide cell over the edge");
            }
        }
    }
}
