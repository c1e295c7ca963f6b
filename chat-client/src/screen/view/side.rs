//! What stands beside the conversation: the list of conversations, and the members.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;

use super::paint::{cut, paint};
use super::style::{BAR, BOLD, PLAIN, QUIET_TEXT, URGENT, of_name};
use crate::safe_text::isolated_if_needed;
use crate::screen::model::Model;
use crate::screen::model::target::Target;

const SEPARATOR: &str = "│";

/// The conversations, the most urgent first.
pub(super) fn draw_list(model: &Model, area: Rect, buffer: &mut Buffer) {
    if area.width < 4 {
        return;
    }
    let end = area.right() - 1;
    for y in area.top()..area.bottom() {
        paint(buffer, (end, y), SEPARATOR, QUIET_TEXT, area.right());
    }
    let current = model.transcripts.current_index();
    let indices = model.transcripts.in_order().into_iter();
    for (y, index) in (area.top()..area.bottom()).zip(indices) {
        let transcript = &model.transcripts.all()[index];
        let count = match (transcript.urgent, transcript.unread) {
            (_, 0) => String::new(),
            (0, unread) => format!(" {unread}"),
            (_, unread) => format!(" {unread}!"),
        };
        let style = match transcript {
            _ if index == current => BAR,
            transcript if transcript.is_muted => QUIET_TEXT,
            transcript if transcript.urgent > 0 => URGENT,
            transcript if transcript.unread > 0 => BOLD,
            _ => PLAIN,
        };
        let head = format!("{:>2} ", index + 1);
        let columns = usize::from(end - area.x).saturating_sub(head.len() + count.len());
        let name = isolated_if_needed(&cut(&transcript.target.name(), columns));
        let x = paint(buffer, (area.x, y), &head, style, end);
        let x = paint(buffer, (x, y), &name, style, end);
        let start = end.saturating_sub(u16::try_from(count.len()).unwrap_or(0));
        let blank = " ".repeat(usize::from(start.saturating_sub(x)));
        let x = paint(buffer, (x, y), &blank, style, end);
        paint(buffer, (x, y), &count, style, end);
    }
}

/// Which conversation the list shows at this place.
pub(super) fn conversation_at(model: &Model, area: Rect, (x, y): (u16, u16)) -> Option<usize> {
    let is_inside = area.contains((x, y).into());
    let order = model.transcripts.in_order();
    order
        .get(usize::from(y.checked_sub(area.top())?))
        .copied()
        .filter(|_| is_inside)
}

/// Who is in the conversation.
pub(super) fn draw_members(model: &Model, area: Rect, buffer: &mut Buffer) {
    if area.width < 4 {
        return;
    }
    for y in area.top()..area.bottom() {
        paint(buffer, (area.x, y), SEPARATOR, QUIET_TEXT, area.right());
    }
    let transcript = model.transcripts.current();
    let online = model.online_if_known();
    let is_online = |name: &str| {
        let account = name.trim_start_matches(['~', '@']);
        online
            .as_ref()
            .is_none_or(|online| online.contains(account))
    };
    let (title, names, away) = match transcript.target {
        Target::Everyone => (
            "online",
            model.online.iter().collect::<Vec<_>>(),
            Vec::new(),
        ),
        _ => {
            let members = transcript.members.iter();
            let (online, away) = members.partition(|name| is_online(name));
            ("members", online, away)
        }
    };
    let count = names.len() + away.len();
    let title = match (count, title) {
        (1, "members") => "member",
        _ => title,
    };
    let first_away = names.len();
    let names: Vec<&String> = names.into_iter().chain(away).collect();
    let x = area.x + 2;
    let title = format!("{count} {title}");
    paint(buffer, (x, area.y), &title, QUIET_TEXT, area.right());
    let places = usize::from(area.height.saturating_sub(1));
    let is_full = names.len() > places;
    let shown = if is_full {
        places.saturating_sub(1)
    } else {
        places
    };
    for ((y, name), at) in (area.top() + 1..).zip(names.iter().take(shown)).zip(0..) {
        let account = name.trim_start_matches(['~', '@']);
        let mark = &name[..name.len() - account.len()];
        // Brackets, as colours are not seen by all.
        let is_away = at >= first_away;
        let open = if is_away { "(" } else { "" };
        let next = paint(buffer, (x, y), open, QUIET_TEXT, area.right());
        let next = paint(buffer, (next, y), mark, PLAIN, area.right());
        let columns = usize::from(area.right().saturating_sub(next + u16::from(is_away)));
        let text = isolated_if_needed(&cut(account, columns));
        let style = if is_away {
            QUIET_TEXT
        } else {
            of_name(account)
        };
        let next = paint(buffer, (next, y), &text, style, area.right());
        if is_away {
            paint(buffer, (next, y), ")", QUIET_TEXT, area.right());
        }
    }
    if is_full && area.height > 1 {
        let more = format!("{} more", names.len() - shown);
        paint(
            buffer,
            (x, area.bottom() - 1),
            &more,
            QUIET_TEXT,
            area.right(),
        );
    }
}
