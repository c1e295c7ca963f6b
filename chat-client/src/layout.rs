//! Breaks what is shown at a terminal into rows. A terminal would go on at the first column, where a text could look
//! like the line of another sender; here, rows that go on are indented.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

use crate::safe_text::{LINE_BREAK, isolated_if_needed};

/// Columns by which a row that goes on is indented in a terminal of 64 columns or more.
const INDENT: usize = 8;
/// What a tab becomes, wherever it stands.
pub(crate) const TAB: &str = "    ";

/// A message, of which `head` was made here and `text` comes from its sender. Writing directions of the text stay in
/// it.
pub(crate) fn lay_out_message(head: &str, text: &str, columns: usize) -> String {
    let line = format!("{head}{}", text.replace('\t', TAB));
    let text_start = head.len();
    let rows = rows_between(&line, columns).into_iter().map(|row| {
        let split = text_start.clamp(row.start, row.end);
        let text = isolated_if_needed(&line[split..row.end]);
        format!("{}{text}", &line[row.start..split])
    });
    joined(rows, columns)
}

/// Words, in one or more lines.
pub(crate) fn lay_out_words(words: &str, columns: usize) -> String {
    let lines = words.split('\n').map(|line| {
        let line = line.replace('\t', TAB);
        let rows = rows_between(&line, columns).into_iter();
        joined(rows.map(|row| line[row].to_owned()), columns)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn joined(rows: impl Iterator<Item = String>, columns: usize) -> String {
    let indent = " ".repeat(indent(columns));
    rows.collect::<Vec<_>>().join(&format!("\n{indent}"))
}

/// The rows of a line in a terminal of so many columns.
fn rows_between(line: &str, columns: usize) -> Vec<Range<usize>> {
    // The last column stays free: some terminals go to the next row when it is written, others later.
    let room = columns.saturating_sub(1);
    rows(line, room, room.saturating_sub(indent(columns)))
}

fn indent(columns: usize) -> usize {
    INDENT.min(columns / 8)
}

/// Which part of the line each row has. Rows end at a line break. Full ones end behind a space if there is one in their
/// second half, and never within what is seen as one character.
pub(crate) fn rows(line: &str, first_columns: usize, other_columns: usize) -> Vec<Range<usize>> {
    let mut room = first_columns.max(1);
    let other_columns = other_columns.max(1);
    let mut rows = Vec::new();
    let (mut start, mut used) = (0, 0);
    let mut last_space = None;
    for (at, grapheme) in pieces(line, first_columns.min(other_columns)) {
        if grapheme.starts_with(LINE_BREAK) {
            rows.push(start..at);
            (start, used) = (at + LINE_BREAK.len_utf8(), 0);
            room = other_columns;
            last_space = None;
            continue;
        }
        let width = columns_at_most(grapheme);
        if used + width > room && at > start {
            let (end, kept) = last_space
                .filter(|&(_, kept)| kept * 2 >= room)
                .unwrap_or((at, used));
            rows.push(start..end);
            start = end;
            used -= kept;
            room = other_columns;
            last_space = None;
        }
        used += width;
        if grapheme == " " {
            last_space = Some((at + 1, used));
        }
    }
    rows.push(start..line.len());
    rows
}

/// What is seen as one character each, with its place. One that fits into no row is taken apart.
fn pieces(line: &str, columns: usize) -> impl Iterator<Item = (usize, &str)> {
    let graphemes = line.grapheme_indices(true);
    graphemes.flat_map(move |(at, grapheme)| {
        let is_too_wide = columns_at_most(grapheme) > columns;
        let whole = (!is_too_wide).then_some((at, grapheme));
        let parts = is_too_wide.then(|| {
            grapheme.char_indices().map(move |(within, character)| {
                let end = within + character.len_utf8();
                (at + within, &grapheme[within..end])
            })
        });
        whole.into_iter().chain(parts.into_iter().flatten())
    })
}

/// How many columns any terminal gives what is seen as one character: those that do not know how to combine characters
/// show each alone.
pub(crate) fn columns_at_most(grapheme: &str) -> usize {
    let columns = grapheme.chars().map(|character| {
        let is_half_of_a_flag = matches!(character, '\u{1f1e6}'..='\u{1f1ff}');
        let least = if is_half_of_a_flag { 2 } else { 1 };
        character.width().unwrap_or(0).max(least)
    });
    columns.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_begins_row() {
        let forged = format!("hi{}[03:09] dave: send me", " ".repeat(65));
        let shown = lay_out_message("[03:09] ann: ", &forged, 80);
        let rows: Vec<&str> = shown.split('\n').collect();
        assert_eq!(rows[0].trim_end(), "[03:09] ann: hi");
        assert_eq!(rows.len(), 2);
        assert!(rows[1].starts_with("         ") && rows[1].ends_with(" [03:09] dave: send me"));
    }

    #[test]
    fn line_break_begins_indented_row() {
        let text = "a\u{2028}[03:09] dave: send me\u{2028}\u{2028}z";
        let shown = lay_out_message("[03:09] ann: ", text, 80);
        let rows: Vec<&str> = shown.split('\n').collect();
        let indent = " ".repeat(INDENT);
        assert_eq!(rows[0], "[03:09] ann: a");
        assert_eq!(rows[1], format!("{indent}[03:09] dave: send me"));
        assert_eq!((rows[2], rows[3]), (&*indent, &*format!("{indent}z")));
    }

    #[test]
    fn layout_fits_every_width() {
        for text in [
            "x",
            "漢",
            "\u{200d}",
            "🇩🇪",
            "ab cd ",
            "\t",
            "e\u{301}",
            "👩\u{fe0f}",
        ] {
            let text = text.repeat(100);
            for columns in [0, 1, 2, 9, 40, 80, 1000] {
                let shown = lay_out_message("[03:09] ann: ", &text, columns);
                for (number, row) in shown.split('\n').enumerate() {
                    let width: usize = columns_at_most(row);
                    assert!(width < columns.max(4), "{columns}: {row:?}");
                    assert!(number == 0 || row.starts_with(&" ".repeat(indent(columns))));
                }
                // Nothing is lost.
                let rest: String = shown.split_whitespace().collect();
                let text: String = text.split_whitespace().collect();
                assert_eq!(rest, format!("[03:09]ann:{text}"));
            }
        }
    }

    #[test]
    fn rows_break_between_short_words() {
        let rows = |text: &str| lay_out_words(text, 16);
        assert_eq!(rows("one two three four"), "one two three \n  four");
        assert_eq!(rows("a aaaaaaaaaaaaaaaaaaaa"), "a aaaaaaaaaaaaa\n  aaaaaaa");
        assert_eq!(rows("one\ntwo"), "one\ntwo");
    }

    #[test]
    fn tab_is_four_spaces() {
        assert_eq!(lay_out_message("bob: ", "a\tb", 80), "bob: a    b");
    }

    #[test]
    fn each_row_keeps_its_direction() {
        let shown = lay_out_message("bob: ", &"ש ".repeat(10), 16);
        for row in shown.split('\n') {
            assert!(
                row.contains('\u{2068}') && row.ends_with('\u{2069}'),
                "{row:?}"
            );
        }
        assert!(!lay_out_message("bob: ", "hi é 漢", 80).contains('\u{2068}'));
    }
}
