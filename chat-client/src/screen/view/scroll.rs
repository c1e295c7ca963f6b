//! Which rows of a conversation are visible, and scrolling.

use super::rows::{Row, block};
use crate::screen::model::Model;
use crate::screen::model::transcript::Anchor;

/// The rows that are visible, from top to bottom; fewer than there is place for if there are no more.
pub(super) fn visible(model: &Model, columns: usize, height: usize) -> Vec<Row> {
    let transcript = model.transcripts.current();
    let last = transcript.entries.len().checked_sub(1);
    let anchor = transcript
        .anchor
        .filter(|anchor| Some(anchor.entry) <= last);
    let (mut next, mut hidden) = match (anchor, last) {
        (Some(anchor), _) => (Some(anchor.entry), anchor.hidden_rows),
        (None, last) => (last, 0),
    };
    let mut rows: Vec<Row> = Vec::new();
    while let Some(index) = next
        && rows.len() < height
    {
        let mut of_block = block(transcript, index, columns, &model.zone);
        of_block.truncate(of_block.len().saturating_sub(hidden));
        rows.extend(of_block.into_iter().rev());
        hidden = 0;
        next = index.checked_sub(1);
    }
    rows.truncate(height);
    rows.reverse();
    rows
}

/// Where the reader is after scrolling up by so many rows, and whether that is the start.
pub(super) fn up(
    model: &Model,
    (columns, height): (usize, usize),
    by: usize,
) -> (Option<Anchor>, bool) {
    let transcript = model.transcripts.current();
    let Some(last) = transcript.entries.len().checked_sub(1) else {
        return (None, true);
    };
    let rows_of = |index| block(transcript, index, columns, &model.zone).len();
    let mut anchor = transcript.anchor.unwrap_or(Anchor {
        entry: last,
        hidden_rows: 0,
    });
    let mut left = by + anchor.hidden_rows;
    loop {
        let rows = rows_of(anchor.entry);
        if left < rows || anchor.entry == 0 {
            anchor.hidden_rows = left.min(rows.saturating_sub(1));
            break;
        }
        left -= rows;
        anchor.entry -= 1;
    }
    // The screen stays full.
    let mut above = 0;
    for index in (0..=anchor.entry).rev() {
        above += rows_of(index)
            - if index == anchor.entry {
                anchor.hidden_rows
            } else {
                0
            };
        if above >= height {
            return (Some(anchor), false);
        }
    }
    (first_page(last, height, rows_of), true)
}

/// The place where the first rows are visible; none if all are.
fn first_page(last: usize, height: usize, rows_of: impl Fn(usize) -> usize) -> Option<Anchor> {
    let mut rows = 0;
    for entry in 0..=last {
        rows += rows_of(entry);
        if rows >= height {
            let hidden_rows = rows - height;
            let is_end = entry == last && hidden_rows == 0;
            return (!is_end).then_some(Anchor { entry, hidden_rows });
        }
    }
    None
}

/// Where the reader is after scrolling down by so many rows; none at the end.
pub(super) fn down(model: &Model, columns: usize, by: usize) -> Option<Anchor> {
    let transcript = model.transcripts.current();
    let mut anchor = transcript.anchor?;
    let mut left = by;
    while left > anchor.hidden_rows {
        left -= anchor.hidden_rows;
        anchor.entry += 1;
        if anchor.entry >= transcript.entries.len() {
            return None;
        }
        anchor.hidden_rows = block(transcript, anchor.entry, columns, &model.zone).len();
    }
    anchor.hidden_rows -= left;
    let is_end = anchor.hidden_rows == 0 && anchor.entry + 1 == transcript.entries.len();
    (!is_end).then_some(anchor)
}
