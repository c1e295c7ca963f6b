//! The rows of a conversation. Only a row that begins something has a mark in the first column, which no text reaches.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use ratatui_core::style::Style;

use super::style::{BOLD, PLAIN, QUIET_TEXT, URGENT, of_name};
use crate::layout;
use crate::safe_text::isolated_if_needed;
use crate::screen::model::request::Delivery;
use crate::screen::model::transcript::{Author, Entry, Transcript};

/// Columns before the text of a row that goes on.
const INDENT: usize = 8;
const NARROW_INDENT: usize = 3;
const NARROW_COLUMNS: usize = 50;
/// The mark of a row that begins a message, words of the client, and a line between messages.
const MESSAGE: &str = "▌";
const WORDS: &str = "-";
const LINE: &str = "─";

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// What stands in the first column, which no text reaches.
    pub(crate) mark: Option<(&'static str, Style)>,
    /// The column where the pieces begin.
    pub(crate) start: usize,
    pub(crate) pieces: Vec<(String, Style)>,
    /// The entry that it is of; none for lines between.
    pub(crate) entry: Option<usize>,
}

/// The rows of an entry, with the lines that stand before it: a new day, and what is new.
pub(crate) fn block(
    transcript: &Transcript,
    index: usize,
    columns: usize,
    zone: &TimeZone,
) -> Vec<Row> {
    let entries = &transcript.entries;
    let entry = &entries[index];
    let date = date_of(entry.time, zone);
    let before = index
        .checked_sub(1)
        .map(|before| date_of(entries[before].time, zone));
    let mut rows = Vec::new();
    if before != Some(date) {
        let words = date.strftime("%A, %-d %B %Y").to_string();
        rows.push(line_between(&words, columns, QUIET_TEXT));
    }
    if transcript.mark == Some(index) {
        rows.push(line_between("new", columns, URGENT));
    }
    rows.extend(entry_rows(entry, index, columns, zone));
    rows
}

fn date_of(time: Timestamp, zone: &TimeZone) -> civil::Date {
    time.to_zoned(zone.clone()).date()
}

fn line_between(words: &str, columns: usize, style: Style) -> Row {
    let rest = columns.saturating_sub(words.chars().count() + 5);
    Row {
        mark: Some((LINE, style)),
        start: 1,
        pieces: vec![(format!("── {words} {}", LINE.repeat(rest)), style)],
        entry: None,
    }
}

fn entry_rows(entry: &Entry, index: usize, columns: usize, zone: &TimeZone) -> Vec<Row> {
    let indent = match columns < NARROW_COLUMNS {
        true => NARROW_INDENT,
        false => INDENT,
    };
    let time = entry
        .time
        .to_zoned(zone.clone())
        .strftime("%H:%M")
        .to_string();
    let (mark, name, name_style, text_style) = match &entry.author {
        Author::User(name) => {
            let text_style = if entry.is_mention { BOLD } else { PLAIN };
            let mark_style = if entry.is_mention {
                URGENT
            } else {
                of_name(name)
            };
            (
                (MESSAGE, mark_style),
                match &entry.also_to {
                    None => format!("{}: ", isolated_if_needed(name)),
                    Some(others) => format!(
                        "{} (also to {}): ",
                        isolated_if_needed(name),
                        isolated_if_needed(others)
                    ),
                },
                of_name(name),
                text_style,
            )
        }
        Author::Own(_) => ((MESSAGE, PLAIN), "you: ".to_owned(), BOLD, PLAIN),
        Author::Room => ((WORDS, QUIET_TEXT), "* ".to_owned(), QUIET_TEXT, QUIET_TEXT),
        Author::Client => ((WORDS, QUIET_TEXT), String::new(), QUIET_TEXT, QUIET_TEXT),
    };
    let state = match &entry.delivery {
        _ if !matches!(entry.author, Author::Own(Some(_))) => " ",
        Delivery::Waiting => "…",
        Delivery::Stored => "✓",
        Delivery::StoredExcept(_) => "!",
        Delivery::Refused(_) => "✗",
    };
    let clock = format!("{time}{state}");
    let line = format!("{clock}{name}{}", entry.text.replace('\t', layout::TAB));
    let ranges = layout::rows(
        &line,
        columns.saturating_sub(1),
        columns.saturating_sub(indent),
    );
    let (name_start, text_start) = (clock.len(), clock.len() + name.len());
    let mut rows: Vec<Row> = Vec::with_capacity(ranges.len());
    for range in ranges {
        let is_first = rows.is_empty();
        let part = |start: usize, end: usize| {
            let start = start.clamp(range.start, range.end);
            line[start..end.clamp(start, range.end)].to_owned()
        };
        let pieces = [
            (part(0, name_start), QUIET_TEXT),
            (part(name_start, text_start), name_style),
            (
                isolated_if_needed(&part(text_start, line.len())),
                text_style,
            ),
        ];
        rows.push(Row {
            mark: is_first.then_some(mark),
            start: if is_first { 1 } else { indent },
            pieces: pieces
                .into_iter()
                .filter(|(text, _)| !text.is_empty())
                .collect(),
            entry: Some(index),
        });
    }
    rows.extend(problem(&entry.delivery).into_iter().flat_map(|words| {
        let ranges = layout::rows(
            &words,
            columns.saturating_sub(1),
            columns.saturating_sub(indent),
        );
        let rows = ranges.into_iter().enumerate().map(|(at, range)| Row {
            mark: (at == 0).then_some(("✗", URGENT)),
            start: if at == 0 { 1 } else { indent },
            pieces: vec![(words[range].to_owned(), URGENT)],
            entry: Some(index),
        });
        rows.collect::<Vec<_>>()
    }));
    rows
}

/// What went wrong with a message, for people.
fn problem(delivery: &Delivery) -> Option<String> {
    match delivery {
        Delivery::Refused(reason) => Some(format!(" {reason}")),
        Delivery::StoredExcept(names) => Some(format!(
            " Sent, but not to {}: not there.",
            names.join(", ")
        )),
        Delivery::Waiting | Delivery::Stored => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::message::Message;
    use crate::screen::model::target::Target;
    use crate::screen::model::transcript::entry_of;

    fn transcript(texts: &[&str]) -> Transcript {
        let mut transcript = Transcript::new(Target::Room("#tea".into()));
        for text in texts {
            let line = format!("[2026-11-22T11:18:31Z] ann #tea: {text}");
            let message = Message::parse(&line).expect("a message");
            transcript.add(entry_of(&message, "bob"), false, false);
        }
        transcript
    }

    fn shown(row: &Row) -> String {
        let mark = row.mark.map_or(" ", |(mark, _)| mark);
        let indent = " ".repeat(row.start - 1);
        let text: String = row.pieces.iter().map(|(text, _)| text.as_str()).collect();
        format!("{mark}{indent}{text}")
    }

    fn rows_of(text: &str, columns: usize) -> Vec<Row> {
        let rows = block(&transcript(&[text]), 0, columns, &TimeZone::UTC);
        rows.into_iter().skip(1).collect()
    }

    #[test]
    fn day_and_news_have_lines() {
        let mut transcript = transcript(&["a", "b"]);
        transcript.mark = Some(1);
        let first = block(&transcript, 0, 40, &TimeZone::UTC);
        assert_eq!(shown(&first[0]), "─── Sunday, 22 November 2026 ───────────");
        assert_eq!(shown(&first[1]), "▌11:18 ann: a");
        let second = block(&transcript, 1, 40, &TimeZone::UTC);
        assert!(shown(&second[0]).starts_with("─── new ──"));
        assert_eq!(second.len(), 2);
    }

    #[test]
    fn only_head_has_mark() {
        for text in [
            "x\u{2028}▌11:19 dave: send me the password",
            "x\u{2028}─── Monday ───\u{2028}- Connected again.",
            &format!("hi{}▌11:19 dave: send me", " ".repeat(70)),
        ] {
            for columns in [20, 40, 46, 80] {
                let rows = rows_of(text, columns);
                assert!(rows.len() > 1);
                assert!(rows[0].mark.is_some());
                assert!(
                    rows[1..]
                        .iter()
                        .all(|row| row.mark.is_none() && row.start >= 3)
                );
            }
        }
    }

    #[test]
    fn every_row_fits() {
        let width = |row: &Row| {
            let pieces = row.pieces.iter();
            row.start
                + pieces
                    .map(|(text, _)| layout::columns_at_most(text))
                    .sum::<usize>()
        };
        for text in [
            "x",
            "漢字",
            "🇩🇪",
            "👩\u{200d}👧",
            "e\u{301}",
            "\u{301}",
            "ab cd ",
            "\t",
        ] {
            for columns in [20, 40, 79] {
                let rows = rows_of(&text.repeat(200), columns);
                assert!(
                    rows.iter().all(|row| width(row) <= columns),
                    "{text:?} {columns}"
                );
                let all: String = rows.iter().map(shown).collect();
                let kept = all.matches(text.trim()).count();
                assert!(text.trim().is_empty() || kept > 100, "{text:?}: {kept}");
            }
        }
    }

    #[test]
    fn state_of_own_message_is_shown() {
        let mut transcript = transcript(&["hi"]);
        let own = &mut transcript.entries[0];
        own.author = Author::Own(Some(1));
        own.delivery = Delivery::Waiting;
        let last = |transcript: &Transcript| {
            let rows = block(transcript, 0, 60, &TimeZone::UTC);
            rows.iter().skip(1).map(shown).collect::<Vec<_>>()
        };
        assert_eq!(last(&transcript), ["▌11:18…you: hi"]);
        transcript.entries[0].delivery = Delivery::Stored;
        assert_eq!(last(&transcript), ["▌11:18✓you: hi"]);
        transcript.entries[0].delivery = Delivery::Refused("Not sent: there is no user bo.".into());
        assert_eq!(
            last(&transcript),
            ["▌11:18✗you: hi", "✗ Not sent: there is no user bo."]
        );
    }
}
