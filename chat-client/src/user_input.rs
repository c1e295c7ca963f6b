//! User input: keys of a terminal, lines of a terminal, or lines of a pipe.

use std::collections::VecDeque;
use std::io;

use chat_node::files::text_file::without_byte_order_mark;

use chat_line_protocol::client::{Line, LineSplitter};

use crate::conversation::{MAX_LINE_BYTES, Prompt};
use crate::display::Display;
use crate::keys::{Key, KeyDecoder};
use crate::line_editor::{Edit, LineEditor};
use crate::signals::StopSignal;
use crate::terminal::{TerminalMode, columns, stop_job};
use crate::wording::prompt_text;

/// Maximum number of keys typed ahead.
const MAX_WAITING_KEYS: usize = 65_536;

/// An action of the user.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum UserAction {
    Line(Line),
    /// Tab, after this text.
    Complete(String),
    /// Characters that are not in UTF-8, which are dropped.
    DroppedText,
    /// Ctrl-Z.
    StopJob,
    Leave,
}

/// The source of user input.
pub(crate) enum UserInput {
    /// A terminal, read key by key.
    Keys(Box<KeyInput>),
    /// A pipe, or a terminal read line by line.
    Lines(Box<LineInput>),
}

impl UserInput {
    /// Whether to read more input now. A terminal is always read, for Ctrl-C.
    pub(crate) fn wants_input(&self, prompt: Option<Prompt>) -> bool {
        match self {
            UserInput::Keys(keys) => !keys.ended && keys.waiting.len() < MAX_WAITING_KEYS,
            UserInput::Lines(lines) => prompt.is_some() && !lines.ended,
        }
    }

    /// Adds bytes that were read; none means that the input has ended.
    pub(crate) fn give(&mut self, bytes: &[u8]) {
        match self {
            UserInput::Keys(keys) => keys.give(bytes),
            UserInput::Lines(lines) => {
                lines.ended |= bytes.is_empty();
                lines.splitter.give(bytes);
            }
        }
    }

    /// The next action. Without a prompt, the only one is to leave.
    pub(crate) fn next_action(
        &mut self,
        prompt: Option<Prompt>,
        display: &mut Display,
    ) -> io::Result<Option<UserAction>> {
        match self {
            UserInput::Keys(keys) => keys.next_action(prompt, display),
            UserInput::Lines(lines) => match prompt {
                Some(prompt) => lines.next_action(prompt, display),
                None => Ok(None),
            },
        }
    }

    /// Completes the word before the cursor. Returns whether that inserted anything.
    pub(crate) fn complete(&mut self, candidates: &[String]) -> bool {
        match self {
            UserInput::Keys(keys) => keys.editor.complete(candidates),
            UserInput::Lines(_) => false,
        }
    }

    /// Shows the prompt unless it is on the screen already.
    pub(crate) fn show_prompt(
        &mut self,
        prompt: Option<Prompt>,
        display: &mut Display,
    ) -> io::Result<()> {
        match self {
            UserInput::Keys(keys) => keys.show_prompt(prompt, display),
            UserInput::Lines(lines) => lines.show_prompt(prompt, display),
        }
    }

    /// Draws the line again, after the size of the window has changed.
    pub(crate) fn redraw(&mut self) {
        if let UserInput::Keys(keys) = self {
            keys.changed = true;
        }
    }

    /// Stops the program, or the whole job, with the original mode of the terminal. Returns when it is continued.
    pub(crate) fn stop(
        &mut self,
        whole_job: bool,
        signal: &StopSignal,
        display: &mut Display,
    ) -> io::Result<()> {
        display.leave_row("");
        display.flush()?;
        if let Some(mode) = self.mode() {
            mode.restore();
        }
        if whole_job {
            stop_job()?;
        }
        signal.let_through()?;
        self.resume()
    }

    /// Sets up the terminal again after a stop: its mode and the screen may have changed.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        if let Some(mode) = self.mode() {
            mode.set_again()?;
        }
        match self {
            UserInput::Keys(keys) => keys.changed = true,
            UserInput::Lines(lines) => lines.shown_prompt = None,
        }
        Ok(())
    }

    /// Takes the text that was typed but not sent.
    pub(crate) fn take_unsent(&mut self) -> Option<String> {
        match self {
            UserInput::Keys(keys) => keys.take_unsent(),
            UserInput::Lines(_) => None,
        }
    }

    fn mode(&self) -> Option<&TerminalMode> {
        match self {
            UserInput::Keys(keys) => Some(&keys.mode),
            UserInput::Lines(lines) => lines.mode.as_ref(),
        }
    }
}

/// Keys, and the line that is edited with them.
pub(crate) struct KeyInput {
    mode: TerminalMode,
    decoder: KeyDecoder,
    waiting: VecDeque<Key>,
    editor: LineEditor,
    changed: bool,
    ended: bool,
    /// Characters of the line were dropped, and whether the user knows that.
    dropped: Option<bool>,
    /// The line is a secret, which must not be shown.
    is_secret: bool,
}

impl KeyInput {
    /// Reads keys from the terminal of the standard input.
    pub(crate) fn new() -> io::Result<KeyInput> {
        let mut mode = TerminalMode::of_stdin()?;
        mode.set_key_by_key()?;
        Ok(KeyInput {
            mode,
            decoder: KeyDecoder::default(),
            waiting: VecDeque::new(),
            editor: LineEditor::default(),
            changed: false,
            ended: false,
            dropped: None,
            is_secret: false,
        })
    }

    fn give(&mut self, bytes: &[u8]) {
        // Ctrl-D is a key. Only a lost terminal reads as the end.
        self.ended |= bytes.is_empty();
        for &byte in bytes {
            self.waiting.extend(self.decoder.take(byte));
        }
        if self.decoder.take_dropped_text() {
            self.dropped.get_or_insert(false);
        }
    }

    fn next_action(
        &mut self,
        prompt: Option<Prompt>,
        display: &mut Display,
    ) -> io::Result<Option<UserAction>> {
        let Some(prompt) = prompt else {
            return self.interrupt();
        };
        if self.dropped == Some(false) {
            self.dropped = Some(true);
            return Ok(Some(UserAction::DroppedText));
        }
        while let Some(key) = self.waiting.pop_front() {
            let secret = prompt.is_secret();
            self.is_secret = secret;
            match self.editor.key(key, secret) {
                Edit::Changed => self.changed = true,
                Edit::Submitted(line) => {
                    self.dropped = None;
                    let echoed = if secret { "" } else { &line };
                    self.finish_row(prompt_text(prompt), echoed, display)?;
                    return Ok(Some(UserAction::Line(Line::Whole(line.into_bytes()))));
                }
                Edit::Cleared => display.leave_row("^C"),
                Edit::Leave => {
                    display.leave_row("");
                    return Ok(Some(UserAction::Leave));
                }
                Edit::Complete(before_cursor) => {
                    self.changed = true;
                    return Ok(Some(UserAction::Complete(before_cursor)));
                }
                Edit::ClearScreen => display.clear_screen(),
                Edit::Suspend => return Ok(Some(UserAction::StopJob)),
            }
        }
        self.interrupt()
    }

    /// While an answer is awaited, Ctrl-C clears keys typed ahead, or leaves if there are none.
    fn interrupt(&mut self) -> io::Result<Option<UserAction>> {
        if self.ended {
            // This must not be a normal logout: new messages can no longer be shown, so they must stay queued.
            return Err(io::Error::other("the terminal is closed"));
        }
        let interrupt = self.waiting.iter().position(|&key| key == Key::Interrupt);
        if let Some(position) = interrupt {
            self.waiting.drain(..=position);
        }
        Ok((interrupt == Some(0)).then_some(UserAction::Leave))
    }

    fn take_unsent(&mut self) -> Option<String> {
        let text = self.editor.take_text();
        (!self.is_secret && !text.is_empty()).then_some(text)
    }

    /// Shows prompt and line in full. While the line was typed, only a row of it was visible.
    fn finish_row(&self, prompt: &str, line: &str, display: &mut Display) -> io::Result<()> {
        display.show_row(&format!("{}{prompt}{line}", crate::line_editor::CLEAR_ROW))?;
        display.leave_row("");
        Ok(())
    }

    fn show_prompt(&mut self, prompt: Option<Prompt>, display: &mut Display) -> io::Result<()> {
        let Some(prompt) = prompt else {
            return display.flush();
        };
        if self.changed || !display.prompt_is_shown() {
            let row = self
                .editor
                .draw(prompt_text(prompt), prompt.is_secret(), columns());
            display.show_row(&row)?;
            self.changed = false;
        }
        Ok(())
    }
}

/// Input without editing.
pub(crate) struct LineInput {
    splitter: LineSplitter,
    ended: bool,
    /// The mode of the terminal, if it is one: prompts are shown, and passwords are not.
    mode: Option<TerminalMode>,
    /// The last prompt that was shown and not yet answered.
    shown_prompt: Option<Prompt>,
    /// No line was taken yet.
    is_at_start: bool,
}

impl LineInput {
    /// Reads the standard input, with the mode of its terminal if it is one.
    pub(crate) fn new(mode: Option<TerminalMode>) -> LineInput {
        LineInput {
            splitter: LineSplitter::new(MAX_LINE_BYTES),
            ended: false,
            mode,
            shown_prompt: None,
            is_at_start: true,
        }
    }

    fn next_action(
        &mut self,
        prompt: Prompt,
        display: &mut Display,
    ) -> io::Result<Option<UserAction>> {
        let mut action = match self.splitter.take() {
            Some(line) => UserAction::Line(line),
            None if !self.ended => return Ok(None),
            // A last line without its end counts, too.
            None => self
                .splitter
                .take_rest()
                .map_or(UserAction::Leave, UserAction::Line),
        };
        if std::mem::take(&mut self.is_at_start)
            && let UserAction::Line(Line::Whole(line)) = &mut action
        {
            *line = first_line(line)?;
        }
        let was_hidden = self.shown_prompt.take().is_some_and(Prompt::is_secret);
        display.plain_prompt_answered(was_hidden)?;
        if let Some(mode) = &mut self.mode
            && prompt != Prompt::Command
        {
            // A password may be typed before its prompt appears.
            mode.set_line_by_line(false)?;
        }
        Ok(Some(action))
    }

    fn show_prompt(&mut self, prompt: Option<Prompt>, display: &mut Display) -> io::Result<()> {
        let (Some(mode), Some(prompt)) = (&mut self.mode, prompt) else {
            return display.flush();
        };
        if self.shown_prompt.is_none() || display.has_left_plain_prompt() {
            mode.set_line_by_line(!prompt.is_secret())?;
            display.show_plain_prompt(prompt_text(prompt))?;
            self.shown_prompt = Some(prompt);
        }
        display.flush()
    }
}

/// The first line of the input, which is a user name, without the byte order mark that some programs add.
fn first_line(line: &[u8]) -> io::Result<Vec<u8>> {
    let text = without_byte_order_mark(line)
        .map_err(|error| io::Error::other(format!("the standard input cannot be used: {error}")))?;
    if text.contains(&b'\r') {
        return Err(io::Error::other(
            "the lines of the standard input end in CR; they must end in LF",
        ));
    }
    Ok(text.to_owned())
}
