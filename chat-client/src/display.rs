//! The output of the client: which stream a report goes to, and in which form.

use std::io;
use std::time::Duration;

use chat_node::logs::wall_clock;
use jiff::tz::TimeZone;

use crate::layout::{lay_out_message, lay_out_words};
use crate::line_editor::CLEAR_ROW;
use crate::output::Output;
use crate::report::Report;
use crate::terminal::columns;
use crate::wording::{message_head, text_of};

/// Collects reports, and writes them together.
pub(crate) struct Display {
    at_terminal: bool,
    zone: TimeZone,
    output: Output,
    /// Not written yet.
    collected: String,
    /// The last row on the screen holds a prompt, which must go before anything is shown.
    prompt_is_shown: bool,
    /// The same for a prompt that stands alone, on the standard error.
    plain_prompt_is_shown: bool,
}

impl Display {
    /// At a terminal, all goes to the standard output, times are local and texts isolated. Otherwise, data goes to the
    /// standard output as the server sent it, and words to the standard error.
    pub(crate) fn new(at_terminal: bool, zone: TimeZone, output: Output) -> Display {
        Display {
            at_terminal,
            zone,
            output,
            collected: String::new(),
            prompt_is_shown: false,
            plain_prompt_is_shown: false,
        }
    }

    /// Adds a report.
    pub(crate) fn show(&mut self, report: &Report) -> io::Result<()> {
        let line = match report {
            Report::Message(message) if self.at_terminal => {
                let head = message_head(message, wall_clock::now(), &self.zone);
                lay_out_message(&head, &message.text, columns())
            }
            Report::Message(message) => message.line.clone(),
            Report::Answer { line, .. } if !self.at_terminal => line.clone(),
            _ if self.at_terminal => lay_out_words(&text_of(report), columns()),
            _ => {
                // In the order in which it happened, for whoever sees both.
                self.flush()?;
                self.leave_plain_prompt()?;
                return self
                    .output
                    .write_words(format!("{}\n", text_of(report)).as_bytes());
            }
        };
        self.leave_plain_prompt()?;
        self.add_line(&line);
        Ok(())
    }

    /// Shows a prompt that stands alone, for a terminal that is not edited on.
    pub(crate) fn show_plain_prompt(&mut self, prompt: &str) -> io::Result<()> {
        self.flush()?;
        self.plain_prompt_is_shown = true;
        self.output.write_words(prompt.as_bytes())
    }

    /// Whether something was shown since a prompt that stands alone, so that the prompt has to be shown again. Not if
    /// the output goes elsewhere: what takes it may show it later than this terminal shows the prompt.
    pub(crate) fn has_left_plain_prompt(&self) -> bool {
        self.at_terminal && !self.plain_prompt_is_shown
    }

    /// A line was typed behind a prompt that stands alone; its end too, if that was hidden.
    pub(crate) fn plain_prompt_answered(&mut self, end_was_hidden: bool) -> io::Result<()> {
        self.plain_prompt_is_shown = false;
        match end_was_hidden {
            true => self.output.write_words(b"\n"),
            false => Ok(()),
        }
    }

    /// What follows stands below a prompt that stands alone, not behind it.
    fn leave_plain_prompt(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.plain_prompt_is_shown) {
            true => self.output.write_words(b"\n"),
            false => Ok(()),
        }
    }

    /// Shows the row with the prompt and the line being typed.
    pub(crate) fn show_row(&mut self, row: &str) -> io::Result<()> {
        self.collected.push_str(row);
        self.prompt_is_shown = true;
        self.flush()
    }

    /// The row stays as it is, with this after it, and what follows stands below it.
    pub(crate) fn leave_row(&mut self, rest: &str) {
        if std::mem::take(&mut self.prompt_is_shown) {
            self.collected.push_str(rest);
            self.collected.push('\n');
        }
    }

    /// Clears the whole screen.
    pub(crate) fn clear_screen(&mut self) {
        self.collected.push_str("\x1b[H\x1b[2J");
        self.prompt_is_shown = false;
    }

    /// Whether the row with the prompt is on the screen.
    pub(crate) fn prompt_is_shown(&self) -> bool {
        self.prompt_is_shown
    }

    /// Writes what was collected. After this it has been shown.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.output.write(self.collected.as_bytes())?;
        self.collected.clear();
        Ok(())
    }

    /// Total time for which nothing took what was written.
    pub(crate) fn waited(&self) -> Duration {
        self.output.waited()
    }

    fn add_line(&mut self, line: &str) {
        if std::mem::take(&mut self.prompt_is_shown) {
            self.collected.push_str(CLEAR_ROW);
        }
        self.collected.push_str(line);
        self.collected.push('\n');
    }
}
