//! Where on the screen things are.

use ratatui_core::layout::Rect;

use crate::screen::model::Model;
use crate::screen::model::target::Target;

const LIST_COLUMNS: u16 = 20;
const MEMBERS_COLUMNS: u16 = 18;
/// From so many columns on, the list and the members are shown unless the user has hidden them.
const FOR_LIST: u16 = 70;
const FOR_MEMBERS: u16 = 100;
/// Columns that a conversation keeps, whatever is shown beside it.
const LEAST_COLUMNS: u16 = 24;
const MOST_INPUT_ROWS: u16 = 8;

/// The parts of the screen, from top to bottom and from left to right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Areas {
    pub(super) title: Rect,
    pub(super) list: Rect,
    pub(super) transcript: Rect,
    pub(super) members: Rect,
    pub(super) status: Rect,
    pub(super) input: Rect,
}

/// Whether the list of conversations is shown.
pub(crate) fn shows_list(model: &Model) -> bool {
    let fits = model.size.0 >= LIST_COLUMNS + LEAST_COLUMNS;
    fits && model.wants_list.unwrap_or(model.size.0 >= FOR_LIST)
}

/// Whether the members of the conversation are shown.
pub(crate) fn shows_members(model: &Model) -> bool {
    let target = &model.transcripts.current().target;
    let has_members = matches!(target, Target::Room(_) | Target::Everyone);
    let fits = model.size.0 >= MEMBERS_COLUMNS + LEAST_COLUMNS;
    fits && has_members && model.wants_members.unwrap_or(model.size.0 >= FOR_MEMBERS)
}

/// The parts, with so many rows of input wanted.
pub(super) fn areas(model: &Model, wanted_input_rows: usize) -> Areas {
    let (columns, rows) = model.size;
    let input_rows = u16::try_from(wanted_input_rows).unwrap_or(u16::MAX);
    let input_rows = input_rows.clamp(1, MOST_INPUT_ROWS.min((rows / 3).max(1)));
    let title_rows = u16::from(rows > 4);
    let body_rows = rows.saturating_sub(title_rows + 1 + input_rows);
    let list = if shows_list(model) { LIST_COLUMNS } else { 0 };
    let members = if shows_members(model) {
        MEMBERS_COLUMNS
    } else {
        0
    };
    // Where both do not fit, the members go.
    let members = match columns >= list + members + LEAST_COLUMNS {
        true => members,
        false => 0,
    };
    let body = Rect::new(0, title_rows, columns, body_rows);
    let middle = columns.saturating_sub(list + members);
    Areas {
        title: Rect::new(0, 0, columns, title_rows),
        list: Rect {
            width: list,
            ..body
        },
        transcript: Rect {
            x: list,
            width: middle,
            ..body
        },
        members: Rect {
            x: list + middle,
            width: members,
            ..body
        },
        status: Rect::new(0, title_rows + body_rows, columns, 1.min(rows)),
        input: Rect::new(0, title_rows + body_rows + 1, columns, input_rows),
    }
}
