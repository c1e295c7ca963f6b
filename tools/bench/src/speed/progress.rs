//! A bar on a terminal, that shows how far a run is; nothing elsewhere.

use std::io::{IsTerminal, Stderr, Write, stderr};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(200);
const WIDTH: usize = 30;

/// The bar of one run.
#[derive(Debug)]
pub struct Progress {
    terminal: Option<Stderr>,
    title: String,
    shown_at: Option<Instant>,
}

impl Progress {
    /// A run that is called so.
    pub fn new(title: String) -> Self {
        let terminal = stderr();
        Self {
            terminal: terminal.is_terminal().then_some(terminal),
            title,
            shown_at: None,
        }
    }

    /// Shows that this share, 0 to 1, is done, if that was not shown just now.
    pub fn show(&mut self, now: Instant, share: f64) {
        let is_due = self.shown_at.is_none_or(|shown| now >= shown + INTERVAL);
        let (Some(terminal), true) = (&mut self.terminal, is_due) else {
            return;
        };
        self.shown_at = Some(now);
        // Nobody is harmed if this is not seen.
        let _ = write!(terminal, "\r{}", line(&self.title, share));
    }
}

impl Drop for Progress {
    /// Clears the line.
    fn drop(&mut self) {
        if let (Some(terminal), Some(_)) = (&mut self.terminal, self.shown_at) {
            let _ = write!(terminal, "\r\x1b[K");
        }
    }
}

fn line(title: &str, share: f64) -> String {
    let full = ((share * WIDTH as f64) as usize).min(WIDTH);
    format!(
        "{title} [{}{}] {:3.0} % ",
        "#".repeat(full),
        ".".repeat(WIDTH - full),
        share.clamp(0.0, 1.0) * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bar_shows_progress() {
        let half = format!("relay [{}{}]  50 % ", "#".repeat(15), ".".repeat(15));
        assert_eq!(line("relay", 0.5), half);
        assert!(line("relay", 7.0).contains("100 %"));
    }
}
