//! Puts text into cells: what is seen as one character gets a cell, or two if it is wide.

use std::collections::BTreeSet;

use ratatui_core::buffer::{Buffer, CellDiffOption, CellWidth};
use ratatui_core::style::Style;
use unicode_segmentation::UnicodeSegmentation;

use crate::layout::columns_at_most;

/// A mark without a letter is shown on this.
const DOTTED_CIRCLE: char = '\u{25cc}';

/// Paints a text from this place on, in no cell from column `end` on; gives the column behind it. Line breaks and
/// controls must have been replaced.
pub(super) fn paint(
    buffer: &mut Buffer,
    (x, y): (u16, u16),
    text: &str,
    style: Style,
    end: u16,
) -> u16 {
    let end = end.min(buffer.area.right());
    if y >= buffer.area.bottom() {
        return x;
    }
    let (mut next, mut last) = (x, None);
    // What has no width and stands before the first cell.
    let mut before = String::new();
    for grapheme in text.graphemes(true) {
        let mut symbol = grapheme.replace(char::is_control, "\u{fffd}");
        if symbol.cell_width() == 0 {
            if symbol.chars().all(changes_direction) {
                match last {
                    Some(last) => append(buffer, (last, y), &symbol),
                    None => before.push_str(&symbol),
                }
                continue;
            }
            symbol.insert(0, DOTTED_CIRCLE);
        }
        let width = symbol.cell_width();
        if width == 0 || next + width > end {
            break;
        }
        let symbol = std::mem::take(&mut before) + &symbol;
        buffer[(next, y)].set_symbol(&symbol).set_style(style);
        for trailing in next + 1..next + width {
            buffer[(trailing, y)].reset();
            buffer[(trailing, y)].set_style(style);
        }
        draw_behind_always(buffer, (next + width, y), grapheme, width, end);
        last = Some(next);
        next += width;
    }
    next
}

/// Some terminals give a composed character more columns than others. The cells that it may reach are drawn each time,
/// so nothing of it stays there.
fn draw_behind_always(
    buffer: &mut Buffer,
    (x, y): (u16, u16),
    grapheme: &str,
    width: u16,
    end: u16,
) {
    let most = u16::try_from(columns_at_most(grapheme)).unwrap_or(u16::MAX);
    for reached in x..x.saturating_add(most.saturating_sub(width)).min(end) {
        buffer[(reached, y)].set_diff_option(CellDiffOption::AlwaysUpdate);
    }
}

/// Has the rows drawn whole in which a composed character stands or stood: a terminal that gives it more cells, or
/// each of its parts one, would keep a part of it. Gives the rows in which one stands now.
pub(crate) fn draw_composed_rows_whole(
    buffer: &mut Buffer,
    stood: &BTreeSet<u16>,
) -> BTreeSet<u16> {
    let area = buffer.area;
    let is_composed = |buffer: &Buffer, y| {
        let mut cells = (area.left()..area.right()).map(|x| buffer[(x, y)].symbol());
        cells.any(|symbol| symbol.chars().nth(1).is_some())
    };
    let stand: BTreeSet<u16> = (area.top()..area.bottom())
        .filter(|y| is_composed(buffer, *y))
        .collect();
    for y in stand
        .union(stood)
        .filter(|y| (area.top()..area.bottom()).contains(y))
    {
        for x in area.left()..area.right() {
            buffer[(x, *y)].set_diff_option(CellDiffOption::AlwaysUpdate);
        }
    }
    stand
}

fn append(buffer: &mut Buffer, place: (u16, u16), text: &str) {
    let symbol = format!("{}{text}", buffer[place].symbol());
    buffer[place].set_symbol(&symbol);
}

/// The controls of the direction of writing.
fn changes_direction(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// The text, cut to so many columns; what is missing is told by an ellipsis.
pub(super) fn cut(text: &str, columns: usize) -> String {
    let width = |text: &str| usize::from(text.cell_width());
    if text.is_empty() || width(text) <= columns {
        return text.to_owned();
    }
    let (mut cut, mut used) = (String::new(), 1);
    for grapheme in text.graphemes(true) {
        used += width(grapheme);
        if used > columns {
            break;
        }
        cut.push_str(grapheme);
    }
    if columns > 0 {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use ratatui_core::layout::Rect;

    use super::*;
    use crate::safe_text::isolated_if_needed;

    fn painted(text: &str, end: u16) -> (Vec<String>, u16) {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 10, 1));
        let next = paint(&mut buffer, (1, 0), text, Style::new(), end);
        let cells = buffer.content.iter().map(|cell| cell.symbol().to_owned());
        (cells.collect(), next)
    }

    #[test]
    fn composed_characters_have_one_cell() {
        for (text, width) in [
            ("🇩🇪", 2),
            ("👩\u{200d}👧", 2),
            ("e\u{301}", 1),
            ("漢", 2),
            ("a", 1),
        ] {
            let (cells, next) = painted(&format!("{text}x"), 10);
            assert_eq!((cells[1].as_str(), next), (text, 2 + width), "{text}");
            assert_eq!(cells[usize::from(1 + width)], "x");
        }
    }

    #[test]
    fn nothing_passes_the_end() {
        for text in ["漢漢漢", "abcdefghijk", "🇩🇪🇩🇪🇩🇪🇩🇪"] {
            for end in 1..8 {
                let (cells, next) = painted(text, end);
                assert!(next <= end, "{text}");
                assert!(cells[usize::from(end)..].iter().all(|cell| cell == " "));
            }
        }
    }

    #[test]
    fn direction_stays_within_text() {
        let (cells, next) = painted(&isolated_if_needed("שa"), 10);
        assert_eq!(
            (cells[1].as_str(), cells[2].as_str()),
            ("\u{2068}ש", "a\u{2069}")
        );
        assert_eq!(next, 3);
    }

    #[test]
    fn lone_mark_is_seen() {
        assert_eq!(painted("\u{301}", 10).0[1], "\u{25cc}\u{301}");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("漢字", 3), "漢…");
        assert_eq!(cut("abc", 0), "");
    }
}
