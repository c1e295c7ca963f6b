//! Tables for people: columns as wide as what is in them, and values that cannot act on a terminal.

use std::time::Duration;

use chat_node::logs::log_format::one_line;
use jiff::Timestamp;

/// A table with a heading.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heading: &[&str]) -> Self {
        Self {
            rows: vec![heading.iter().map(|cell| (*cell).to_owned()).collect()],
        }
    }

    pub(crate) fn add(&mut self, row: impl IntoIterator<Item = String>) {
        let cells = row.into_iter();
        self.rows
            .push(cells.map(|cell| one_line(&cell).into_owned()).collect());
    }

    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths);
            let line: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            text += line.join("  ").trim_end();
            text += "\n";
        }
        text
    }
}

/// A duration in the unit that says enough.
pub(crate) fn duration(seconds: u64) -> String {
    match seconds {
        ..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The time of day so many seconds ago, in UTC.
pub(crate) fn time_before(now: Timestamp, seconds: u64) -> String {
    let then = now.checked_sub(Duration::from_secs(seconds)).unwrap_or(now);
    format!("{then:.0}")
}

/// `yes`, or nothing: what stands out is what is so.
pub(crate) fn yes(is_so: bool) -> String {
    if is_so { "yes" } else { "" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_harmless() {
        let mut table = Table::new(&["USER", "IDLE"]);
        table.add(["ann".to_owned(), duration(7)]);
        table.add(["\x1b[2Jbob".to_owned(), duration(7_199)]);
        let expected = "USER          IDLE\nann           7s\n\\u{1b}[2Jbob  119m\n";
        assert_eq!(table.render(), expected);
    }

    #[test]
    fn durations_have_fitting_units() {
        let shown = [119, 120, 7_200, 172_800].map(duration);
        assert_eq!(shown, ["119s", "2m", "2h", "2d"]);
    }
}
