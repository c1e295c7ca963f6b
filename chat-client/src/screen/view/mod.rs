//! What the model looks like, as cells. Nothing here changes anything.

mod areas;
mod bars;
mod overlay;
mod paint;
mod rows;
mod scroll;
mod side;
mod style;
#[cfg(test)]
mod tests;

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Modifier;

use self::areas::{Areas, areas};
pub(crate) use self::areas::{shows_list, shows_members};
use self::bars::Typing;
pub(crate) use self::paint::draw_composed_rows_whole;
use self::paint::paint;
use super::model::Model;
use super::model::transcript::{Anchor, Author};
use crate::safe_text::LINE_BREAK;

/// The smallest screen on which something is drawn.
const LEAST_SIZE: (u16, u16) = (12, 4);

/// Draws the model into all cells of the buffer; gives the place of the cursor, if it is seen.
pub(crate) fn draw(model: &Model, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let screen = buffer.area;
    if screen.width < LEAST_SIZE.0 || screen.height < LEAST_SIZE.1 {
        paint(buffer, (0, 0), "too small", style::PLAIN, screen.right());
        return None;
    }
    if model.is_logging_in() {
        return overlay::draw_login(model, screen, buffer);
    }
    let typing = Typing::of(model);
    let areas = areas(model, typing.rows());
    bars::draw_title(model, areas.title, buffer);
    side::draw_list(model, areas.list, buffer);
    side::draw_members(model, areas.members, buffer);
    bars::draw_status(model, areas.status, buffer);
    let cursor = typing.draw(areas.input, buffer);
    if let Some(scrolled) = model.help {
        overlay::draw_help(areas.transcript, scrolled, buffer);
        return None;
    }
    if let Some(switcher) = &model.switcher {
        return Some(overlay::draw_switcher(
            model,
            switcher,
            areas.transcript,
            buffer,
        ));
    }
    draw_transcript(model, areas.transcript, buffer);
    Some(cursor)
}

/// The rows of the conversation stand at the bottom of their place.
fn draw_transcript(model: &Model, area: Rect, buffer: &mut Buffer) {
    for (y, row) in placed_rows(model, area) {
        if let Some((mark, style)) = row.mark {
            paint(buffer, (area.x, y), mark, style, area.right());
        }
        let mut x = area.x + u16::try_from(row.start).unwrap_or(0);
        for (text, style) in &row.pieces {
            x = paint(buffer, (x, y), text, *style, area.right());
        }
        if is_selected(model, y) {
            for x in area.left()..area.right() {
                buffer[(x, y)].modifier.insert(Modifier::REVERSED);
            }
        }
    }
}

fn placed_rows(model: &Model, area: Rect) -> impl Iterator<Item = (u16, rows::Row)> {
    let height = usize::from(area.height);
    let rows = scroll::visible(model, usize::from(area.width), height);
    let empty = u16::try_from(height - rows.len()).unwrap_or(0);
    (area.top() + empty..).zip(rows)
}

fn is_selected(model: &Model, y: u16) -> bool {
    model
        .selection
        .is_some_and(|((_, from), (_, to))| (from.min(to)..=from.max(to)).contains(&y))
}

fn current_areas(model: &Model) -> Areas {
    areas(model, Typing::of(model).rows())
}

fn transcript_size(model: &Model) -> (usize, usize) {
    let area = current_areas(model).transcript;
    (usize::from(area.width), usize::from(area.height))
}

/// Rows that Page Up scrolls: a row stays visible.
pub(crate) fn page_rows(model: &Model) -> usize {
    transcript_size(model).1.saturating_sub(1).max(1)
}

/// Where the reader is after scrolling up by so many rows, and whether that is the start.
pub(crate) fn scrolled_up(model: &Model, by: usize) -> (Option<Anchor>, bool) {
    scroll::up(model, transcript_size(model), by)
}

/// Where the reader is after scrolling down by so many rows; none at the end.
pub(crate) fn scrolled_down(model: &Model, by: usize) -> Option<Anchor> {
    scroll::down(model, transcript_size(model).0, by)
}

/// Which conversation stands in the list at this place.
pub(crate) fn conversation_at(model: &Model, place: (u16, u16)) -> Option<usize> {
    side::conversation_at(model, current_areas(model).list, place)
}

/// Whether this place is in the conversation.
pub(crate) fn is_in_transcript(model: &Model, place: (u16, u16)) -> bool {
    current_areas(model).transcript.contains(place.into())
}

/// The messages that are selected, as they were written: one alone is its text, several have their senders.
pub(crate) fn selected_text(model: &Model) -> String {
    let area = current_areas(model).transcript;
    let selected = placed_rows(model, area).filter(|(y, _)| is_selected(model, *y));
    let mut indices: Vec<usize> = selected.filter_map(|(_, row)| row.entry).collect();
    indices.dedup();
    let entries = &model.transcripts.current().entries;
    let with_sender = indices.len() > 1;
    let lines = indices.iter().map(|index| {
        let entry = &entries[*index];
        let text = entry.text.replace(LINE_BREAK, "\n");
        match &entry.author {
            Author::User(name) if with_sender => format!("{name}: {text}"),
            Author::Own(_) if with_sender => format!("{}: {text}", model.account),
            _ => text,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}
