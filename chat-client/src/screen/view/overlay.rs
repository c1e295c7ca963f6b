//! What is shown instead of the conversation: the login, the help, the choice of a conversation.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;

use super::paint::{cut, paint};
use super::style::{BAR, BOLD, PLAIN, QUIET_TEXT};
use crate::layout;
use crate::safe_text::isolated_if_needed;
use crate::screen::model::{Model, SLASH_COMMANDS, Switcher};

/// Keys, and what they do.
const KEYS: &[(&str, &str)] = &[
    (
        "Enter",
        "send what is typed to the conversation that is shown",
    ),
    ("Alt-Enter", "begin another line of the message"),
    (
        "Alt-1 ... Alt-9, Alt-0",
        "go to a conversation by its number",
    ),
    ("Alt-a", "go to the next conversation with something new"),
    (
        "Ctrl-K, Alt-k",
        "go to a conversation by a part of its name (Ctrl-K when nothing is typed)",
    ),
    (
        "Alt-n, Alt-p, Ctrl-X",
        "next conversation, the one before it, the last one shown",
    ),
    ("Alt-r", "reply to the last message for you"),
    ("Alt-m", "all messages that name you"),
    (
        "Page Up, Page Down, wheel",
        "scroll; at the top, earlier messages are loaded",
    ),
    ("Esc", "go to the end"),
    ("Tab", "complete a name, a room or a command"),
    ("Up, Down", "lines typed before; Ctrl-R searches in them"),
    ("Ctrl-A E B F, Alt-b f", "move; by words with Alt"),
    ("Ctrl-W U K, Alt-d", "delete; Ctrl-Y puts it back"),
    (
        "F2, F3 or Alt-l, Alt-u",
        "show or hide conversations and members",
    ),
    (
        "Mouse",
        "choose a conversation; drag over messages to copy them",
    ),
    ("Ctrl-L, Ctrl-Z", "draw anew; stop the job"),
    ("Ctrl-D, /quit", "log out"),
];

/// The login before the first conversation; gives the place of the cursor.
pub(super) fn draw_login(model: &Model, area: Rect, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let columns = usize::from(area.width.saturating_sub(2));
    let title = cut(
        &format!(" chatserv at {}", model.server),
        usize::from(area.width),
    );
    buffer.set_style(Rect { height: 1, ..area }, BAR);
    paint(buffer, (0, 0), &title, BAR, area.right());
    let mut y = 2;
    for words in &model.login_words {
        for range in layout::rows(words, columns, columns) {
            paint(
                buffer,
                (1, y),
                &isolated_if_needed(&words[range]),
                PLAIN,
                area.right(),
            );
            y += 1;
        }
    }
    y = (y + 1).min(area.bottom().saturating_sub(1));
    let Some((head, text)) = model.shown_answer() else {
        let words = match model.link.parted() {
            Some((reason, _)) => format!("Not connected: {reason}."),
            None => "Waiting for the server.".to_owned(),
        };
        paint(
            buffer,
            (1, y),
            &cut(&words, columns),
            QUIET_TEXT,
            area.right(),
        );
        return None;
    };
    // A question that is wider than the screen goes on below; the answer stands behind its end.
    let mut ranges = layout::rows(&head, columns, columns);
    let end = ranges.pop().unwrap_or(0..head.len());
    for range in ranges {
        paint(buffer, (1, y), &head[range], PLAIN, area.right());
        y = (y + 1).min(area.bottom().saturating_sub(1));
    }
    let head = head[end].to_owned();
    let input = Rect {
        x: 1,
        y,
        width: area.width.saturating_sub(1),
        height: area.bottom() - y,
    };
    let before = model.answer.before_cursor().len().min(text.len());
    let typing = super::bars::Typing::laid_out(head, &text, before, columns);
    Some(typing.draw(input, buffer))
}

const HOW_TO_LEAVE_HELP: &str = "Page Down goes on. Esc closes this help; so does typing.";

/// Keys and commands.
pub(super) fn draw_help(area: Rect, scrolled: u16, buffer: &mut Buffer) {
    let width = match area.width < 60 {
        true => 14,
        false => 27,
    };
    let commands = SLASH_COMMANDS.iter();
    let commands = commands.map(|command| {
        let form = format!("/{} {}", command.word, command.arguments);
        (form.trim_end().to_owned(), command.meaning)
    });
    let keys = KEYS
        .iter()
        .map(|(keys, meaning)| ((*keys).to_owned(), *meaning));
    let whole_width = usize::from(area.width).saturating_sub(1).max(8);
    let columns = usize::from(area.width).saturating_sub(width + 1).max(8);
    let how_to_leave = wrapped(HOW_TO_LEAVE_HELP, whole_width);
    let mut rows: Vec<_> = how_to_leave.map(|words| (words, String::new())).collect();
    for (form, meaning) in keys.chain(commands) {
        if form.len() >= width {
            rows.push((form, String::new()));
            rows.extend(wrapped(meaning, columns).map(|words| (String::new(), words)));
            continue;
        }
        let mut form = form;
        for words in wrapped(meaning, columns) {
            rows.push((std::mem::take(&mut form), words));
        }
    }
    let last = rows.len().saturating_sub(usize::from(area.height));
    let first = usize::from(scrolled).min(last);
    let width = u16::try_from(width).unwrap_or(0);
    for (y, (form, words)) in (area.top()..area.bottom()).zip(&rows[first..]) {
        paint(buffer, (area.x, y), form, BOLD, area.right());
        paint(buffer, (area.x + width, y), words, PLAIN, area.right());
    }
}

fn wrapped(words: &str, columns: usize) -> impl Iterator<Item = String> {
    layout::rows(words, columns, columns)
        .into_iter()
        .map(|range| words[range].to_owned())
}

/// The choice of a conversation by a part of its name; gives the place of the cursor.
pub(super) fn draw_switcher(
    model: &Model,
    switcher: &Switcher,
    area: Rect,
    buffer: &mut Buffer,
) -> (u16, u16) {
    let head = "Go to: ";
    let x = paint(buffer, (area.x, area.y), head, BOLD, area.right());
    let x = paint(buffer, (x, area.y), &switcher.part, PLAIN, area.right());
    let found = model.transcripts.matching(&switcher.part);
    let first = (switcher.chosen + 2).saturating_sub(usize::from(area.height).max(2));
    let shown = found.iter().enumerate().skip(first);
    for (y, (at, index)) in (area.top() + 1..area.bottom()).zip(shown) {
        let transcript = &model.transcripts.all()[*index];
        let style = if at == switcher.chosen { BAR } else { PLAIN };
        let name = cut(
            &transcript.target.name(),
            usize::from(area.width.saturating_sub(4)),
        );
        let words = format!("{:>3} {}", index + 1, isolated_if_needed(&name));
        paint(buffer, (area.x, y), &words, style, area.right());
    }
    (x.min(area.right().saturating_sub(1)), area.y)
}
