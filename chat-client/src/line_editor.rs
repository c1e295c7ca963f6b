//! A line being typed: keys go in, the line and how it looks come out.

use std::collections::VecDeque;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

use crate::keys::Key;

/// Lines kept for Up and Down.
const MAX_HISTORY_LINES: usize = 200;
/// Characters a line may grow to; what is too long to send is refused later, in words.
const MAX_CHARACTERS: usize = 16_384;
/// Columns that a prompt leaves for the line, however narrow the terminal is.
const MIN_LINE_COLUMNS: usize = 5;

/// What a key did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// The line may look different.
    Changed,
    /// The line is ready.
    Submitted(String),
    /// Ctrl-C on a line with something on it: the line was cleared.
    Cleared,
    /// Ctrl-C or Ctrl-D on an empty line.
    Leave,
    /// Tab: completions for what stands before the cursor are wanted.
    Complete(String),
    /// Ctrl-L.
    ClearScreen,
    /// Ctrl-Z.
    Suspend,
}

/// The line, the cursor in it, and the lines before it.
#[derive(Default)]
pub(crate) struct LineEditor {
    text: Vec<char>,
    cursor: usize,
    history: VecDeque<Vec<char>>,
    /// Which line of the history is shown, and what was being typed before.
    recalled: Option<(usize, Vec<char>)>,
}

impl LineEditor {
    /// Applies a key. A secret line is not put into the history.
    pub(crate) fn key(&mut self, key: Key, secret: bool) -> Edit {
        match key {
            Key::Enter => return Edit::Submitted(self.submit(secret)),
            Key::Interrupt if !self.text.is_empty() => {
                self.replace(Vec::new());
                return Edit::Cleared;
            }
            Key::EndOfInput if !self.text.is_empty() => {
                self.delete(self.cursor, self.after(self.cursor))
            }
            Key::Interrupt | Key::EndOfInput => return Edit::Leave,
            Key::Tab if secret => {}
            Key::Tab => return Edit::Complete(self.text[..self.cursor].iter().collect()),
            Key::ClearScreen => return Edit::ClearScreen,
            Key::Suspend => return Edit::Suspend,
            Key::Up if !secret => self.recall_earlier(),
            Key::Down if !secret => self.recall_later(),
            Key::Up | Key::Down => {}
            Key::Character(character) => self.insert(character),
            Key::Backspace => self.delete(self.before(self.cursor), self.cursor),
            Key::Delete => self.delete(self.cursor, self.after(self.cursor)),
            Key::Left => self.cursor = self.before(self.cursor),
            Key::Right => self.cursor = self.after(self.cursor),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.text.len(),
            Key::KillToEnd => self.delete(self.cursor, self.text.len()),
            Key::KillToStart => self.delete(0, self.cursor),
            Key::KillWord => self.delete(self.word_start(), self.cursor),
        }
        Edit::Changed
    }

    /// Puts in what the candidates, which begin with the word before the cursor, have in common; a single
    /// one is completed with a space. Whether anything was added.
    pub(crate) fn complete(&mut self, candidates: &[String]) -> bool {
        let Some(first) = candidates.first() else {
            return false;
        };
        let mut common: Vec<char> = first.chars().collect();
        for candidate in candidates {
            let shared = common
                .iter()
                .zip(candidate.chars())
                .take_while(|(a, b)| **a == *b)
                .count();
            common.truncate(shared);
        }
        if candidates.len() == 1 {
            common.push(' ');
        }
        let word_start = self.text[..self.cursor]
            .iter()
            .rposition(|&character| matches!(character, ' ' | '\t' | '('))
            .map_or(0, |position| position + 1);
        let typed = self.cursor - word_start;
        for &character in common.iter().skip(typed) {
            self.insert(character);
        }
        common.len() > typed
    }

    /// The bytes that draw prompt and line in one row of a terminal this wide, the cursor in its place. The row is
    /// cleared first; a line that does not fit is scrolled sideways, and of a long prompt the end is shown.
    pub(crate) fn draw(&self, prompt: &str, secret: bool, columns: usize) -> String {
        let prompt = end_of(prompt, columns.saturating_sub(MIN_LINE_COLUMNS));
        let mut drawn = format!("{CLEAR_ROW}{prompt}");
        if secret {
            return drawn;
        }
        let room = columns
            .saturating_sub(prompt.chars().map(width).sum::<usize>() + 1)
            .max(1);
        let mut start = self.cursor;
        let mut before = 0;
        while start > 0 && before + width(self.text[start - 1]) < room {
            start -= 1;
            before += width(self.text[start]);
        }
        let mut shown = 0;
        for &character in &self.text[start..] {
            shown += width(character);
            if shown > room {
                shown -= width(character);
                break;
            }
            drawn.push(if character == '\t' { ' ' } else { character });
        }
        if shown > before {
            drawn.push_str(&format!("\x1b[{}D", shown - before));
        }
        drawn
    }

    /// What was typed.
    pub(crate) fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// What stands before the cursor.
    pub(crate) fn before_cursor(&self) -> String {
        self.text[..self.cursor].iter().collect()
    }

    /// Replaces the text; the cursor stands before the character with this index.
    pub(crate) fn set(&mut self, text: &str, cursor: usize) {
        self.replace(text.chars().take(MAX_CHARACTERS).collect());
        self.cursor = cursor.min(self.text.len());
        self.recalled = None;
    }

    /// The lines that were typed before, the last one first.
    pub(crate) fn earlier_lines(&self) -> impl Iterator<Item = String> {
        self.history.iter().rev().map(|line| line.iter().collect())
    }

    /// Takes what was typed.
    pub(crate) fn take_text(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text).into_iter().collect()
    }

    fn submit(&mut self, secret: bool) -> String {
        let line = std::mem::take(&mut self.text);
        self.cursor = 0;
        self.recalled = None;
        let text = line.iter().collect();
        if !secret && !line.is_empty() && self.history.back() != Some(&line) {
            self.history.push_back(line);
            if self.history.len() > MAX_HISTORY_LINES {
                self.history.pop_front();
            }
        }
        text
    }

    fn insert(&mut self, character: char) {
        if self.text.len() < MAX_CHARACTERS {
            self.text.insert(self.cursor, character);
            self.cursor += 1;
        }
    }

    fn delete(&mut self, start: usize, end: usize) {
        self.text.drain(start..end);
        self.cursor = start;
    }

    fn replace(&mut self, text: Vec<char>) {
        self.cursor = text.len();
        self.text = text;
    }

    /// Where what the reader sees as one character begins before the position: marks and joined emoji belong to it.
    fn before(&self, position: usize) -> usize {
        let text: String = self.text[..position].iter().collect();
        let last = text.graphemes(true).next_back();
        position - last.map_or(0, |last| last.chars().count())
    }

    fn after(&self, position: usize) -> usize {
        let text: String = self.text[position..].iter().collect();
        let first = text.graphemes(true).next();
        position + first.map_or(0, |first| first.chars().count())
    }

    fn word_start(&self) -> usize {
        let before = &self.text[..self.cursor];
        let end = before
            .iter()
            .rposition(|character| *character != ' ')
            .map_or(0, |position| position + 1);
        before[..end]
            .iter()
            .rposition(|character| *character == ' ')
            .map_or(0, |position| position + 1)
    }

    fn recall_earlier(&mut self) {
        let next = match &self.recalled {
            Some((0, _)) => return,
            Some((position, _)) => position - 1,
            None if self.history.is_empty() => return,
            None => self.history.len() - 1,
        };
        let typed = match self.recalled.take() {
            Some((_, typed)) => typed,
            None => std::mem::take(&mut self.text),
        };
        self.recalled = Some((next, typed));
        self.replace(self.history[next].clone());
    }

    fn recall_later(&mut self) {
        let Some((position, typed)) = self.recalled.take() else {
            return;
        };
        match self.history.get(position + 1).cloned() {
            Some(line) => {
                self.recalled = Some((position + 1, typed));
                self.replace(line);
            }
            None => self.replace(typed),
        }
    }
}

/// Puts the cursor at the start of its row and clears the row.
pub(crate) const CLEAR_ROW: &str = "\r\x1b[K";

fn width(character: char) -> usize {
    match character {
        // Shown as a space.
        '\t' => 1,
        _ => character.width().unwrap_or(0),
    }
}

/// The end of a text, in no more than so many columns.
fn end_of(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let start = text.char_indices().rev().find(|&(_, character)| {
        used += width(character);
        used > columns
    });
    start.map_or(text, |(at, character)| &text[at + character.len_utf8()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_text(editor: &mut LineEditor, text: &str) {
        for character in text.chars() {
            editor.key(Key::Character(character), false);
        }
    }

    fn typed(keys: &[Key]) -> String {
        let mut editor = LineEditor::default();
        type_text(&mut editor, "ab cd");
        for &key in keys {
            editor.key(key, false);
        }
        match editor.key(Key::Enter, false) {
            Edit::Submitted(line) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn editing_keys() {
        use Key::{
            Backspace, Character, Delete, EndOfInput, Home, KillToEnd, KillToStart, KillWord, Left,
        };
        assert_eq!(typed(&[Backspace]), "ab c");
        assert_eq!(typed(&[Home, Delete]), "b cd");
        assert_eq!(typed(&[Home, EndOfInput]), "b cd");
        assert_eq!(typed(&[Left, Left, Character('x')]), "ab xcd");
        assert_eq!(typed(&[Left, KillToEnd]), "ab c");
        assert_eq!(typed(&[Left, KillToStart]), "d");
        assert_eq!(typed(&[KillWord, KillWord, Character('x')]), "x");
    }

    #[test]
    fn mark_goes_with_its_character() {
        let mut editor = LineEditor::default();
        type_text(&mut editor, "ae\u{301}");
        editor.key(Key::Backspace, false);
        assert_eq!(editor.key(Key::Enter, false), Edit::Submitted("a".into()));
    }

    #[test]
    fn grapheme_is_deleted_as_one() {
        for seen in [
            "🇩🇪",
            "👩\u{200d}👧",
            "👍\u{1f3fd}",
            "❤\u{fe0f}",
            "e\u{301}\u{323}",
        ] {
            let mut editor = LineEditor::default();
            type_text(&mut editor, &format!("a🇫🇷{seen}b"));
            for key in [Key::Left, Key::Backspace, Key::Left, Key::Delete] {
                editor.key(key, false);
            }
            assert_eq!(
                editor.key(Key::Enter, false),
                Edit::Submitted("ab".into()),
                "{seen}"
            );
        }
    }

    #[test]
    fn long_prompt_shows_its_end() {
        let mut editor = LineEditor::default();
        let prompt = "There is no account with this name. Create one? [y/N] ";
        assert!(editor.draw(prompt, false, 80).ends_with(prompt));
        assert_eq!(editor.draw(prompt, false, 20), "\r\u{1b}[Kate one? [y/N] ");
        type_text(&mut editor, "yes");
        assert_eq!(
            editor.draw(prompt, false, 20),
            "\r\u{1b}[Kate one? [y/N] yes"
        );
        assert_eq!(editor.draw("Password: ", true, 3), "\r\u{1b}[K");
    }

    #[test]
    fn pasted_tab_is_text_of_one_column() {
        let mut editor = LineEditor::default();
        type_text(&mut editor, "a\tb");
        assert!(editor.draw("> ", false, 80).ends_with("> a b"));
        assert_eq!(
            editor.key(Key::Enter, false),
            Edit::Submitted("a\tb".into())
        );
    }

    #[test]
    fn interrupt_clears_first_and_leaves_then() {
        let mut editor = LineEditor::default();
        type_text(&mut editor, "x");
        assert_eq!(editor.key(Key::Interrupt, false), Edit::Cleared);
        assert_eq!(editor.key(Key::Interrupt, false), Edit::Leave);
        assert_eq!(editor.key(Key::EndOfInput, false), Edit::Leave);
    }

    #[test]
    fn history_holds_lines_but_no_secrets() {
        let mut editor = LineEditor::default();
        type_text(&mut editor, "who");
        editor.key(Key::Enter, false);
        type_text(&mut editor, "hunter2");
        editor.key(Key::Enter, true);
        type_text(&mut editor, "draft");
        editor.key(Key::Up, false);
        editor.key(Key::Up, false);
        assert!(editor.draw("> ", false, 80).ends_with("> who"));
        editor.key(Key::Down, false);
        assert!(editor.draw("> ", false, 80).ends_with("> draft"));
    }

    #[test]
    fn secret_is_never_drawn() {
        let mut editor = LineEditor::default();
        type_text(&mut editor, "hunter2");
        assert_eq!(editor.draw("Password: ", true, 80), "\r\u{1b}[KPassword: ");
    }

    #[test]
    fn long_line_stays_in_its_row() {
        let mut editor = LineEditor::default();
        type_text(&mut editor, "0123456789");
        assert!(editor.draw("> ", false, 8).ends_with("> 6789"));
        editor.key(Key::Home, false);
        assert!(editor.draw("> ", false, 8).ends_with("> 01234\u{1b}[5D"));
        type_text(&mut editor, "漢字漢字");
        assert!(editor.draw("> ", false, 8).contains("> 漢字0"));
    }

    #[test]
    fn completion_adds_what_is_certain() {
        let mut editor = LineEditor::default();
        type_text(&mut editor, "send (al");
        assert!(editor.complete(&["alice".into(), "alina".into()]));
        assert!(!editor.complete(&["alice".into(), "alina".into()]));
        type_text(&mut editor, "c");
        assert!(editor.complete(&["alice".into()]));
        assert_eq!(
            editor.key(Key::Enter, false),
            Edit::Submitted("send (alice ".into())
        );
    }
}
