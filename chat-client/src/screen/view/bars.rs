//! The rows above and below the conversation: title, state, and what is being typed.

use ratatui_core::buffer::Buffer;
use ratatui_core::buffer::CellWidth;
use ratatui_core::layout::Rect;

use super::paint::{cut, paint};
use super::style::{BAR, BOLD, PLAIN};
use crate::layout;
use crate::safe_text::isolated_if_needed;
use crate::screen::model::target::Target;
use crate::screen::model::transcript::History;
use crate::screen::model::{Model, STILL_WAITING};

fn fill(buffer: &mut Buffer, area: Rect, text: &str) {
    buffer.set_style(area, BAR);
    let text = isolated_if_needed(&cut(text, usize::from(area.width)));
    paint(buffer, (area.x, area.y), &text, BAR, area.right());
}

/// What is shown, and what it is about.
pub(super) fn draw_title(model: &Model, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let transcript = model.transcripts.current();
    let muted = if transcript.is_muted { " (muted)" } else { "" };
    let about = match (&transcript.target, transcript.topic.as_str()) {
        (Target::Server, _) => model.server.clone(),
        (Target::Everyone, _) => "what you write here goes to everyone".to_owned(),
        (_, topic) => topic.to_owned(),
    };
    let about = if about.is_empty() {
        about
    } else {
        format!(": {about}")
    };
    fill(
        buffer,
        area,
        &format!(" {}{muted}{about}", transcript.target.name()),
    );
}

/// What the user is to know now.
pub(super) fn draw_status(model: &Model, area: Rect, buffer: &mut Buffer) {
    if area.height > 0 {
        fill(buffer, area, &format!(" {}", status(model)));
    }
}

fn status(model: &Model) -> String {
    if let Some(hint) = &model.hint {
        return hint.clone();
    }
    let unsent = match model.link.unsent_lines().len() {
        0 => String::new(),
        count => format!(" {count} not sent yet."),
    };
    if let Some((reason, until)) = model.link.parted() {
        let next = match until {
            Some(until) => {
                let seconds = until.saturating_sub(model.now).as_secs_f32().ceil();
                format!(" Next try in {seconds} s.")
            }
            None if model.link.waits_for_user() => " Enter connects again.".to_owned(),
            None => String::new(),
        };
        // The reason may be long, and what does not fit is cut: so it comes last.
        return format!(
            "Not connected.{next}{unsent} Reason: {}",
            reason.trim_end_matches('.')
        );
    }
    let waited = model
        .link
        .waits_since()
        .map(|since| model.now.saturating_sub(since));
    if let Some(waited) = waited.filter(|waited| *waited >= STILL_WAITING) {
        return format!(
            "Still waiting for the server ({} s).{unsent}",
            waited.as_secs()
        );
    }
    let mut words = vec![model.account.clone()];
    let current = model.transcripts.current();
    if current.anchor.is_some() {
        words.push("scrolled up, Esc goes to the end".to_owned());
    }
    if current.history == History::Asked {
        words.push("loading earlier messages".to_owned());
    }
    if let Some(query) = model.composer.search_query() {
        words.push(format!("search in what you typed: {query}"));
    }
    let unread = model
        .transcripts
        .in_order()
        .into_iter()
        .filter_map(|index| {
            let transcript = &model.transcripts.all()[index];
            let urgent = if transcript.urgent > 0 { "!" } else { "" };
            let name = transcript.target.name();
            (transcript.unread > 0)
                .then(|| format!("{}:{name} {}{urgent}", index + 1, transcript.unread))
        });
    words.extend(unread);
    words.join("  ")
}

/// What is being typed, in rows, and where the cursor is among them.
pub(super) struct Typing {
    rows: Vec<String>,
    head: String,
    cursor: (usize, usize),
}

impl Typing {
    /// What is typed in the chat, or the question that takes all keys.
    pub(super) fn of(model: &Model) -> Self {
        let columns = usize::from(model.size.0);
        if let Some(question) = &model.paste {
            let words = format!(
                "Put these {} lines into your message? Enter: yes. Esc: no.",
                question.lines
            );
            return Self::laid_out(String::new(), &words, words.len(), columns);
        }
        if let Some((head, text)) = model.shown_answer() {
            return Self::laid_out(head, &text, text.len(), columns);
        }
        let name = model.transcripts.current().target.name();
        let sign = if model.is_command() { '/' } else { '>' };
        let head = format!("{}{sign} ", cut(&name, columns / 4));
        let text = model.composer.text().replace('\t', layout::TAB);
        let before = model.composer.before_cursor().replace('\t', layout::TAB);
        Self::laid_out(head, &text, before.len(), columns)
    }

    pub(super) fn laid_out(head: String, text: &str, cursor: usize, columns: usize) -> Self {
        // The cursor needs a column of its own.
        let room = columns
            .saturating_sub(usize::from(head.cell_width()) + 1)
            .max(1);
        let ranges = layout::rows(text, room, room);
        let row = ranges
            .iter()
            .rposition(|range| range.start <= cursor)
            .unwrap_or(0);
        let range = &ranges[row];
        let before = &text[range.start..cursor.clamp(range.start, range.end)];
        Self {
            cursor: (usize::from(before.cell_width()), row),
            rows: ranges
                .iter()
                .map(|range| text[range.clone()].to_owned())
                .collect(),
            head,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Draws the rows round the cursor, and gives the place of the cursor.
    pub(super) fn draw(&self, area: Rect, buffer: &mut Buffer) -> (u16, u16) {
        let height = usize::from(area.height.max(1));
        let first = (self.cursor.1 + 1).saturating_sub(height);
        let start = paint(buffer, (area.x, area.y), &self.head, BOLD, area.right());
        for (y, row) in (area.y..area.bottom()).zip(&self.rows[first..]) {
            paint(
                buffer,
                (start, y),
                &isolated_if_needed(row),
                PLAIN,
                area.right(),
            );
        }
        let x = start + u16::try_from(self.cursor.0).unwrap_or(0);
        let y = area.y + u16::try_from(self.cursor.1 - first).unwrap_or(0);
        (
            x.min(area.right().saturating_sub(1)),
            y.min(area.bottom().saturating_sub(1)),
        )
    }
}
