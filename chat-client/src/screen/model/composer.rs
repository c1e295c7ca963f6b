//! What is being typed: a line that may have line breaks, with completion and a search in what was typed.

use crate::keys::Key;
use crate::line_editor::{Edit, LineEditor};

/// A search in the lines typed before, backwards.
struct LineSearch {
    query: String,
    /// The line found.
    found: Option<String>,
    /// How many later matches were passed over.
    passed: usize,
    /// What was being typed when the search began.
    before: String,
}

/// The text that is typed.
#[derive(Default)]
pub(crate) struct Composer {
    editor: LineEditor,
    killed: String,
    search: Option<LineSearch>,
}

impl Composer {
    pub(crate) fn text(&self) -> String {
        match &self.search {
            Some(search) => search
                .found
                .clone()
                .unwrap_or_else(|| search.before.clone()),
            None => self.editor.text(),
        }
    }

    /// The text before the cursor.
    pub(crate) fn before_cursor(&self) -> String {
        match &self.search {
            Some(_) => self.text(),
            None => self.editor.before_cursor(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.editor.text().is_empty()
    }

    /// Replaces the text; the cursor is behind it.
    pub(crate) fn set(&mut self, text: &str) {
        self.search = None;
        self.editor.set(text, text.chars().count());
    }

    /// Takes the text away.
    pub(crate) fn take(&mut self) -> String {
        self.search = None;
        self.editor.take_text()
    }

    pub(crate) fn insert(&mut self, text: &str) {
        self.accept();
        for character in text.chars() {
            self.editor.key(Key::Character(character), false);
        }
    }

    /// Applies a key that edits. A secret goes into no history.
    pub(crate) fn key(&mut self, key: Key, is_secret: bool) -> Edit {
        if self.search.is_some() {
            match key {
                Key::Character(character) => {
                    self.refine(|query| query.push(character));
                    return Edit::Changed;
                }
                Key::Backspace => {
                    self.refine(|query| {
                        query.pop();
                    });
                    return Edit::Changed;
                }
                Key::Interrupt => {
                    self.cancel();
                    return Edit::Changed;
                }
                _ => self.accept(),
            }
        }
        let is_kill = matches!(key, Key::KillToEnd | Key::KillToStart | Key::KillWord);
        let before = (is_kill && !is_secret).then(|| self.editor.text());
        let edit = self.editor.key(key, is_secret);
        if let Some(before) = before {
            self.remember_killed(&before);
        }
        edit
    }

    /// Puts in what the candidates have in common; whether that was anything.
    pub(crate) fn complete(&mut self, candidates: &[String]) -> bool {
        self.editor.complete(candidates)
    }

    /// Puts back what was deleted last.
    pub(crate) fn yank(&mut self) {
        let killed = self.killed.clone();
        self.insert(&killed);
    }

    pub(crate) fn word_left(&mut self) {
        let before: Vec<char> = self.editor.before_cursor().chars().collect();
        let end = before
            .iter()
            .rposition(|character| character.is_alphanumeric());
        let word = before[..end.unwrap_or(0)]
            .iter()
            .rposition(|character| !character.is_alphanumeric());
        let start = word.map_or(0, |at| at + 1);
        self.move_to(start);
    }

    pub(crate) fn word_right(&mut self) {
        self.move_to(self.word_end());
    }

    /// Deletes to the end of the word.
    pub(crate) fn kill_word_right(&mut self) {
        let text: Vec<char> = self.editor.text().chars().collect();
        let (start, end) = (self.cursor(), self.word_end());
        self.killed = text[start..end].iter().collect();
        let rest: String = text[..start].iter().chain(&text[end..]).collect();
        self.editor.set(&rest, start);
    }

    /// Begins to search in the lines typed before, or goes on to an earlier match.
    pub(crate) fn search_earlier(&mut self) {
        match &mut self.search {
            Some(search) => search.passed += 1,
            None => {
                self.search = Some(LineSearch {
                    query: String::new(),
                    found: None,
                    passed: 0,
                    before: self.editor.text(),
                });
            }
        }
        self.find();
    }

    /// The query of the search, while there is one.
    pub(crate) fn search_query(&self) -> Option<&str> {
        self.search.as_ref().map(|search| search.query.as_str())
    }

    /// Ends a search without its result; whether there was one.
    pub(crate) fn cancel(&mut self) -> bool {
        self.search.take().is_some()
    }

    fn accept(&mut self) {
        if let Some(search) = self.search.take()
            && let Some(found) = search.found
        {
            self.set(&found);
        }
    }

    fn refine(&mut self, change: impl FnOnce(&mut String)) {
        if let Some(search) = &mut self.search {
            change(&mut search.query);
            search.passed = 0;
        }
        self.find();
    }

    fn find(&mut self) {
        let Some(search) = &mut self.search else {
            return;
        };
        let lines = self.editor.earlier_lines();
        let mut matches =
            lines.filter(|line| !search.query.is_empty() && line.contains(&search.query));
        let found = matches.nth(search.passed);
        if found.is_none() {
            // The last match stays.
            search.passed = search.passed.saturating_sub(1);
        }
        if found.is_some() || search.passed == 0 {
            search.found = found.or(search
                .found
                .take()
                .filter(|line| line.contains(&search.query)));
        }
    }

    fn cursor(&self) -> usize {
        self.editor.before_cursor().chars().count()
    }

    fn word_end(&self) -> usize {
        let text: Vec<char> = self.editor.text().chars().collect();
        let cursor = self.cursor();
        let start = text[cursor..]
            .iter()
            .position(|character| character.is_alphanumeric());
        let start = cursor + start.unwrap_or(text.len() - cursor);
        let end = text[start..]
            .iter()
            .position(|character| !character.is_alphanumeric());
        end.map_or(text.len(), |at| start + at)
    }

    fn move_to(&mut self, cursor: usize) {
        let text = self.editor.text();
        self.editor.set(&text, cursor);
    }

    fn remember_killed(&mut self, text: &str) {
        let text: Vec<char> = text.chars().collect();
        let killed = text.len() - self.editor.text().chars().count();
        if killed > 0 {
            let start = self.cursor();
            self.killed = text[start..start + killed].iter().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Composer {
        let mut composer = Composer::default();
        composer.insert(text);
        composer
    }

    #[test]
    fn words_are_passed_and_killed() {
        let mut composer = with("one two  three");
        composer.word_left();
        assert_eq!(composer.before_cursor(), "one two  ");
        composer.word_left();
        composer.word_left();
        composer.word_right();
        assert_eq!(composer.before_cursor(), "one");
        composer.kill_word_right();
        assert_eq!(composer.text(), "one  three");
        composer.key(Key::End, false);
        composer.yank();
        assert_eq!(composer.text(), "one  three two");
        composer.key(Key::KillToStart, false);
        composer.yank();
        composer.yank();
        assert_eq!(composer.text(), "one  three twoone  three two");
    }

    #[test]
    fn typed_lines_are_searched() {
        let mut composer = Composer::default();
        for line in ["tea at four", "coffee", "more tea"] {
            composer.insert(line);
            composer.key(Key::Enter, false);
        }
        composer.insert("draft");
        composer.search_earlier();
        for character in "tea".chars() {
            composer.key(Key::Character(character), false);
        }
        assert_eq!(
            (composer.search_query(), &*composer.text()),
            (Some("tea"), "more tea")
        );
        composer.search_earlier();
        assert_eq!(composer.text(), "tea at four");
        composer.search_earlier();
        assert_eq!(composer.text(), "tea at four");
        composer.key(Key::Home, false);
        assert_eq!(
            (composer.search_query(), &*composer.text()),
            (None, "tea at four")
        );
        composer.search_earlier();
        composer.cancel();
        assert_eq!(composer.text(), "tea at four");
    }

    #[test]
    fn secret_is_not_killed_into_memory() {
        let mut composer = with("");
        for character in "hunter2".chars() {
            composer.key(Key::Character(character), true);
        }
        composer.key(Key::KillToStart, true);
        composer.yank();
        assert_eq!(composer.text(), "");
    }
}
