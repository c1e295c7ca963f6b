//! Cells as bytes for the terminal.

use std::io;
use std::time::Duration;

use ratatui_core::backend::{Backend, ClearType, WindowSize};
use ratatui_core::buffer::{Cell, CellWidth};
use ratatui_core::layout::{Position, Size};
use ratatui_core::style::{Color, Modifier};

use crate::output::Output;
use crate::terminal;

/// How a cell looks, apart from its symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Look {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

/// The terminal of the standard output.
pub(crate) struct TerminalBackend {
    output: Output,
    has_colours: bool,
    /// Not written yet.
    collected: Vec<u8>,
}

impl TerminalBackend {
    /// Writes by this output; without colours if they are not wanted.
    pub(crate) fn new(output: Output, has_colours: bool) -> Self {
        Self {
            output,
            has_colours,
            collected: Vec::new(),
        }
    }

    /// From so long on, a terminal that takes nothing is an error.
    pub(crate) fn lose_patience_after(&mut self, pause: Duration) {
        self.output.lose_patience_after(pause);
    }

    /// Adds a sequence that is no cell.
    pub(crate) fn add(&mut self, sequence: &str) {
        self.collected.extend_from_slice(sequence.as_bytes());
    }

    fn go_to(&mut self, x: u16, y: u16) {
        self.add(&format!("\x1b[{};{}H", y + 1, x + 1));
    }

    fn set_look(&mut self, look: Look) {
        let mut sequence = String::from("\x1b[0");
        for (modifier, code) in [
            (Modifier::BOLD, ";1"),
            (Modifier::DIM, ";2"),
            (Modifier::UNDERLINED, ";4"),
            (Modifier::REVERSED, ";7"),
        ] {
            if look.modifier.contains(modifier) {
                sequence.push_str(code);
            }
        }
        for (color, ground) in [(look.fg, 38), (look.bg, 48)] {
            if let Color::Indexed(index) = color {
                sequence.push_str(&format!(";{ground};5;{index}"));
            }
        }
        sequence.push('m');
        self.add(&sequence);
    }

    fn look_of(&self, cell: &Cell) -> Look {
        let colour = |colour| match self.has_colours {
            true => colour,
            false => Color::Reset,
        };
        Look {
            fg: colour(cell.fg),
            bg: colour(cell.bg),
            modifier: cell.modifier,
        }
    }
}

impl Backend for TerminalBackend {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut look = None;
        // Where the cursor certainly is.
        let mut cursor = None;
        // Where the symbol ends that was drawn last.
        let mut end = (0, 0);
        for (x, y, cell) in content {
            // A terminal that gives the symbol both cells would remove it if its second cell were drawn.
            if y == end.1 && x < end.0 {
                continue;
            }
            if cursor != Some((x, y)) {
                self.go_to(x, y);
            }
            let wanted = self.look_of(cell);
            if look != Some(wanted) {
                self.set_look(wanted);
                look = Some(wanted);
            }
            let width = cell.symbol().cell_width();
            end = (x + width, y);
            if width > 1 && cell.symbol().chars().nth(1).is_some() {
                // A terminal that gives it one cell shows nothing old in the second one.
                self.add(&" ".repeat(usize::from(width)));
                self.go_to(x, y);
            }
            self.add(cell.symbol());
            // Terminals do not agree how wide other characters are.
            let is_certain = cell.symbol().len() == 1;
            cursor = is_certain.then_some((x + 1, y));
        }
        if look.is_some() {
            self.add("\x1b[0m");
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.add("\x1b[?25l");
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.add("\x1b[?25h");
        Ok(())
    }

    /// Nobody asks the terminal: the answer would come among the keys.
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        self.go_to(x, y);
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.add(match region {
            ClearType::All => "\x1b[0m\x1b[2J",
            ClearType::AfterCursor => "\x1b[0J",
            ClearType::BeforeCursor => "\x1b[1J",
            ClearType::CurrentLine => "\x1b[2K",
            ClearType::UntilNewLine => "\x1b[0K",
        });
        Ok(())
    }

    fn size(&self) -> io::Result<Size> {
        let (width, height) = terminal::size();
        Ok(Size { width, height })
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize {
            columns_rows: self.size()?,
            pixels: Size::default(),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        let collected = std::mem::take(&mut self.collected);
        self.output.write(&collected)
    }
}
