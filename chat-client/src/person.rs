//! Where the person's lines come from: keys of a terminal, lines of a terminal, or a pipe.

use std::collections::VecDeque;
use std::io;

use chat_node::files::text_file::without_byte_order_mark;

use chat_line_protocol::client::{Line, LineSplitter};

use crate::conversation::{MAX_LINE_BYTES, Question};
use crate::display::Display;
use crate::keys::{Key, KeyDecoder};
use crate::line_editor::{Edit, LineEditor};
use crate::signals::StopSignal;
use crate::terminal::{TerminalMode, columns, stop_job};
use crate::wording::prompt;

/// Keys typed ahead that are kept.
const MAX_WAITING_KEYS: usize = 65_536;

/// What the person did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Line(Line),
    /// Tab was pressed after this text.
    Complete(String),
    /// Ctrl-Z was pressed.
    StopJob,
    Leave,
}

/// The person, or the script.
pub(crate) enum Person {
    /// A terminal, edited on key by key.
    Keys(Box<KeyInput>),
    /// A pipe, or a terminal that is read line by line.
    Lines(Box<LineInput>),
}

impl Person {
    /// Whether more is to be read now. A terminal is listened to all the time, for Ctrl-C.
    pub(crate) fn wants_input(&self, question: Option<Question>) -> bool {
        match self {
            Person::Keys(keys) => !keys.ended && keys.waiting.len() < MAX_WAITING_KEYS,
            Person::Lines(lines) => question.is_some() && !lines.ended,
        }
    }

    /// Takes what was read; nothing means that the input has ended.
    pub(crate) fn give(&mut self, bytes: &[u8]) {
        match self {
            Person::Keys(keys) => keys.give(bytes),
            Person::Lines(lines) => {
                lines.ended |= bytes.is_empty();
                lines.splitter.give(bytes);
            }
        }
    }

    /// What the person did next, as far as it was read. Without a question there is only leaving.
    pub(crate) fn next_act(
        &mut self,
        question: Option<Question>,
        display: &mut Display,
    ) -> io::Result<Option<Act>> {
        match self {
            Person::Keys(keys) => keys.next_act(question, display),
            Person::Lines(lines) => match question {
                Some(question) => lines.next_act(question, display),
                None => Ok(None),
            },
        }
    }

    /// Puts in what completes the word before the cursor; true if there was anything to put in.
    pub(crate) fn complete(&mut self, candidates: &[String]) -> bool {
        match self {
            Person::Keys(keys) => keys.editor.complete(candidates),
            Person::Lines(_) => false,
        }
    }

    /// Shows the question, if the person is to see it and does not yet.
    pub(crate) fn show_question(
        &mut self,
        question: Option<Question>,
        display: &mut Display,
    ) -> io::Result<()> {
        match self {
            Person::Keys(keys) => keys.show_question(question, display),
            Person::Lines(lines) => lines.show_question(question, display),
        }
    }

    /// The window has another size.
    pub(crate) fn redraw(&mut self) {
        if let Person::Keys(keys) = self {
            keys.changed = true;
        }
    }

    /// Stops the program, or the whole job, with the terminal as it was found; returns when it goes on.
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
        self.go_on()
    }

    /// The program was stopped: the terminal may have another mode, and the screen may have been written on.
    pub(crate) fn go_on(&mut self) -> io::Result<()> {
        if let Some(mode) = self.mode() {
            mode.set_again()?;
        }
        match self {
            Person::Keys(keys) => keys.changed = true,
            Person::Lines(lines) => lines.asked = None,
        }
        Ok(())
    }

    /// What was typed and not sent.
    pub(crate) fn take_unsent(&mut self) -> Option<String> {
        match self {
            Person::Keys(keys) => keys.take_unsent(),
            Person::Lines(_) => None,
        }
    }

    fn mode(&self) -> Option<&TerminalMode> {
        match self {
            Person::Keys(keys) => Some(&keys.mode),
            Person::Lines(lines) => lines.mode.as_ref(),
        }
    }
}

/// Keys and the line made of them.
pub(crate) struct KeyInput {
    mode: TerminalMode,
    decoder: KeyDecoder,
    waiting: VecDeque<Key>,
    editor: LineEditor,
    changed: bool,
    ended: bool,
    /// What is being typed must not be seen.
    is_secret: bool,
}

impl KeyInput {
    /// Listens to the terminal of the standard input.
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
            is_secret: false,
        })
    }

    fn give(&mut self, bytes: &[u8]) {
        // Ctrl-D is a key: only a terminal that is gone reads as the end.
        self.ended |= bytes.is_empty();
        for &byte in bytes {
            self.waiting.extend(self.decoder.take(byte));
        }
    }

    fn next_act(
        &mut self,
        question: Option<Question>,
        display: &mut Display,
    ) -> io::Result<Option<Act>> {
        let Some(question) = question else {
            return self.interrupt();
        };
        while let Some(key) = self.waiting.pop_front() {
            let secret = question.is_secret();
            self.is_secret = secret;
            match self.editor.key(key, secret) {
                Edit::Changed => self.changed = true,
                Edit::Submitted(line) => {
                    let echoed = if secret { "" } else { &line };
                    self.finish_row(prompt(question), echoed, display)?;
                    return Ok(Some(Act::Line(Line::Whole(line.into_bytes()))));
                }
                Edit::Cleared => display.leave_row("^C"),
                Edit::Leave => {
                    display.leave_row("");
                    return Ok(Some(Act::Leave));
                }
                Edit::Complete(before_cursor) => {
                    self.changed = true;
                    return Ok(Some(Act::Complete(before_cursor)));
                }
                Edit::ClearScreen => display.clear_screen(),
                Edit::Suspend => return Ok(Some(Act::StopJob)),
            }
        }
        self.interrupt()
    }

    /// While the server is awaited, Ctrl-C clears what was typed ahead, or leaves if there is nothing.
    fn interrupt(&mut self) -> io::Result<Option<Act>> {
        if self.ended {
            // Not a logout in good order: what comes now can no longer be shown, and has to stay queued.
            return Err(io::Error::other("the terminal is gone"));
        }
        let interrupt = self.waiting.iter().position(|&key| key == Key::Interrupt);
        if let Some(position) = interrupt {
            self.waiting.drain(..=position);
        }
        Ok((interrupt == Some(0)).then_some(Act::Leave))
    }

    fn take_unsent(&mut self) -> Option<String> {
        let text = self.editor.take_text();
        (!self.is_secret && !text.is_empty()).then_some(text)
    }

    /// Leaves prompt and line on the screen in full: while it was typed, only a row of it was seen.
    fn finish_row(&self, prompt: &str, line: &str, display: &mut Display) -> io::Result<()> {
        display.show_row(&format!("{}{prompt}{line}", crate::line_editor::CLEAR_ROW))?;
        display.leave_row("");
        Ok(())
    }

    fn show_question(
        &mut self,
        question: Option<Question>,
        display: &mut Display,
    ) -> io::Result<()> {
        let Some(question) = question else {
            return display.flush();
        };
        if self.changed || !display.prompt_is_shown() {
            let row = self
                .editor
                .draw(prompt(question), question.is_secret(), columns());
            display.show_row(&row)?;
            self.changed = false;
        }
        Ok(())
    }
}

/// Lines as they are.
pub(crate) struct LineInput {
    splitter: LineSplitter,
    ended: bool,
    /// If it is a terminal after all: prompts are shown, and passwords are not.
    mode: Option<TerminalMode>,
    /// What was asked last, and not answered yet.
    asked: Option<Question>,
    /// Nothing was taken yet.
    is_at_start: bool,
}

impl LineInput {
    /// Reads the standard input, with the mode of its terminal if it is one.
    pub(crate) fn new(mode: Option<TerminalMode>) -> LineInput {
        LineInput {
            splitter: LineSplitter::new(MAX_LINE_BYTES),
            ended: false,
            mode,
            asked: None,
            is_at_start: true,
        }
    }

    fn next_act(&mut self, question: Question, display: &mut Display) -> io::Result<Option<Act>> {
        let mut act = match self.splitter.take() {
            Some(line) => Act::Line(line),
            None if !self.ended => return Ok(None),
            // A last line without its end counts as well.
            None => self.splitter.take_rest().map_or(Act::Leave, Act::Line),
        };
        if std::mem::take(&mut self.is_at_start)
            && let Act::Line(Line::Whole(line)) = &mut act
        {
            *line = first_line(line)?;
        }
        if self.asked.take().is_some_and(Question::is_secret) {
            // The line end was not shown either.
            display.show_plain_prompt("\n")?;
        }
        if let Some(mode) = &mut self.mode
            && question != Question::Command
        {
            // A password may be typed before it is asked for.
            mode.set_line_by_line(false)?;
        }
        Ok(Some(act))
    }

    fn show_question(
        &mut self,
        question: Option<Question>,
        display: &mut Display,
    ) -> io::Result<()> {
        let (Some(mode), Some(question)) = (&mut self.mode, question) else {
            return display.flush();
        };
        if self.asked.is_none() {
            mode.set_line_by_line(!question.is_secret())?;
            display.show_plain_prompt(prompt(question))?;
            self.asked = Some(question);
        }
        display.flush()
    }
}

/// The first line of the input, which is a user name, without the byte order mark that some programs put before it.
fn first_line(line: &[u8]) -> io::Result<Vec<u8>> {
    let text = without_byte_order_mark(line)
        .map_err(|error| io::Error::other(format!("the standard input is not usable: {error}")))?;
    if text.contains(&b'\r') {
        return Err(io::Error::other(
            "the lines of the standard input end in CR alone; they have to end in LF",
        ));
    }
    Ok(text.to_owned())
}
