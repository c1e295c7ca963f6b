//! A second emulator, which has other opinions on widths than the first one, and knows more modes.

use alacritty_terminal::event::VoidListener;
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::Flags;
use alacritty_terminal::term::{Config, Term, TermMode};
use alacritty_terminal::vte::ansi::Processor;

struct Size {
    columns: usize,
    rows: usize,
}

impl Dimensions for Size {
    fn total_lines(&self) -> usize {
        self.rows
    }

    fn screen_lines(&self) -> usize {
        self.rows
    }

    fn columns(&self) -> usize {
        self.columns
    }
}

/// What Alacritty does with what a program writes.
pub(crate) struct Alacritty {
    terminal: Term<VoidListener>,
    parser: Processor,
}

impl Alacritty {
    pub(crate) fn new(size: (u16, u16)) -> Self {
        let config = Config {
            kitty_keyboard: true,
            ..Config::default()
        };
        Self {
            terminal: Term::new(config, &dimensions(size), VoidListener),
            parser: Processor::new(),
        }
    }

    pub(crate) fn process(&mut self, bytes: &[u8]) {
        self.parser.advance(&mut self.terminal, bytes);
    }

    pub(crate) fn resize(&mut self, size: (u16, u16)) {
        self.terminal.resize(dimensions(size));
    }

    /// Other screen, cursor, pastes, mouse, wrapping, keyboard.
    pub(crate) fn modes(&self) -> TermMode {
        *self.terminal.mode()
    }

    /// What stands in a cell; nothing in the second half of a wide character.
    pub(crate) fn cell(&self, row: u16, column: u16) -> String {
        let line = &self.terminal.grid()[Line(i32::from(row))];
        let cell = &line[Column(usize::from(column))];
        let is_half = Flags::WIDE_CHAR_SPACER | Flags::LEADING_WIDE_CHAR_SPACER;
        if cell.flags.intersects(is_half) {
            return String::new();
        }
        let marks = cell.zerowidth().unwrap_or_default().iter();
        std::iter::once(&cell.c).chain(marks).collect()
    }

    /// Row and column of the cursor.
    pub(crate) fn cursor(&self) -> (u16, u16) {
        let point = self.terminal.grid().cursor.point;
        let as_u16 = |number: usize| u16::try_from(number).expect("a small number");
        (
            u16::try_from(point.line.0).expect("a row of the screen"),
            as_u16(point.column.0),
        )
    }

    /// The rows from top to bottom.
    pub(crate) fn rows(&self) -> Vec<String> {
        let (rows, columns) = (self.terminal.screen_lines(), self.terminal.columns());
        let as_u16 = |number: usize| u16::try_from(number).expect("a small number");
        let row = |row| (0..as_u16(columns)).map(move |column| self.cell(row, column));
        (0..as_u16(rows))
            .map(|number| row(number).collect())
            .collect()
    }
}

fn dimensions((columns, rows): (u16, u16)) -> Size {
    Size {
        columns: columns.into(),
        rows: rows.into(),
    }
}
