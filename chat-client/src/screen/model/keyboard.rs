//! What keys and the mouse do.

use super::slash::understand;
use super::{Action, Model, PasteQuestion, Switcher};
use crate::conversation::Prompt;
use crate::keys::Key;
use crate::line_editor::Edit;
use crate::report::Report;
use crate::safe_text::{LINE_BREAK, isolated_if_needed};
use crate::screen::keys::{Mouse, MouseAct, Typed};
use crate::screen::view;
use crate::wording::{prompt_text, text_of};

/// Rows that the wheel scrolls.
const WHEEL_ROWS: usize = 3;

impl Model {
    pub(super) fn typed(&mut self, typed: Typed) {
        if !matches!(typed, Typed::Focus(_) | Typed::Mouse(_)) {
            self.hint = None;
        }
        match typed {
            Typed::Focus(has_focus) => self.focus(has_focus),
            Typed::DroppedText => self.tell_of_dropped_text(),
            Typed::Key(Key::Suspend) => self.actions.push(Action::StopJob),
            Typed::Key(Key::ClearScreen) => self.actions.push(Action::Redraw),
            typed if self.paste.is_some() => self.answer_paste_question(&typed),
            typed if self.prompt().is_some() || self.is_logging_in() => self.typed_at_prompt(typed),
            typed if self.help.is_some() => self.typed_in_help(typed),
            typed if self.switcher.is_some() => self.typed_in_switcher(typed),
            typed => self.typed_in_chat(typed),
        }
    }

    fn tell_of_dropped_text(&mut self) {
        let words = text_of(&Report::DroppedText);
        if !self.is_logging_in() {
            self.hint = Some(words);
        } else if self.login_words.last() != Some(&words) {
            self.login_words.push(words);
        }
    }

    fn focus(&mut self, has_focus: bool) {
        self.has_focus = has_focus;
        if has_focus {
            self.transcripts.current_mut().read();
        }
    }

    /// At a prompt of the login, or of `passwd`.
    fn typed_at_prompt(&mut self, typed: Typed) {
        let Some(prompt) = self.prompt() else {
            // The answer of the server is awaited.
            if let Typed::Key(Key::Interrupt | Key::EndOfInput) = typed {
                self.leave_at_once();
            }
            return;
        };
        let key = match typed {
            Typed::Paste(bytes) => {
                let text = pasted_text(&bytes);
                return self.answer.insert(&text.replace(LINE_BREAK, " "));
            }
            Typed::Key(Key::Up | Key::Down | Key::Tab) => return,
            Typed::Key(key) => key,
            _ => return,
        };
        match self.answer.key(key, prompt.is_secret()) {
            Edit::Submitted(line) => {
                self.login_words.clear();
                self.link.answer_prompt(&line, self.now);
            }
            Edit::Leave => self.leave_at_once(),
            _ => {}
        }
    }

    fn answer_paste_question(&mut self, typed: &Typed) {
        match typed {
            Typed::Key(Key::Enter | Key::Character('y' | 'Y')) => {
                if let Some(question) = self.paste.take() {
                    self.composer.insert(&question.text);
                }
            }
            Typed::Escape
            | Typed::Key(Key::Interrupt | Key::Backspace | Key::Character('n' | 'N')) => {
                self.paste = None;
            }
            _ => {}
        }
    }

    /// Text closes the help and is kept: a command must not lose its slash and be sent as a message.
    fn typed_in_help(&mut self, typed: Typed) {
        let Some(scrolled) = &mut self.help else {
            return;
        };
        let page = self.size.1.saturating_sub(4).max(1);
        match typed {
            Typed::PageDown | Typed::Key(Key::Character(' ')) => {
                *scrolled = scrolled.saturating_add(page)
            }
            Typed::PageUp => *scrolled = scrolled.saturating_sub(page),
            Typed::Key(Key::Down) => *scrolled = scrolled.saturating_add(1),
            Typed::Key(Key::Up) => *scrolled = scrolled.saturating_sub(1),
            Typed::Mouse(_) => {}
            Typed::Key(Key::Character(_)) | Typed::Paste(_) => {
                self.help = None;
                self.typed_in_chat(typed);
            }
            _ => self.help = None,
        }
    }

    fn typed_in_switcher(&mut self, typed: Typed) {
        let Some(switcher) = &mut self.switcher else {
            return;
        };
        let found = self.transcripts.matching(&switcher.part);
        match typed {
            Typed::Key(Key::Character(character)) => {
                switcher.part.push(character);
                switcher.chosen = 0;
            }
            Typed::Key(Key::Backspace) => {
                switcher.part.pop();
                switcher.chosen = 0;
            }
            Typed::Key(Key::Down | Key::Tab) => {
                switcher.chosen = (switcher.chosen + 1).min(found.len().saturating_sub(1));
            }
            Typed::Key(Key::Up) => switcher.chosen = switcher.chosen.saturating_sub(1),
            Typed::Key(Key::Enter) => {
                let chosen = found.get(switcher.chosen).copied();
                self.switcher = None;
                if let Some(index) = chosen {
                    self.open_index(index);
                }
            }
            Typed::Mouse(_) => {}
            _ => self.switcher = None,
        }
    }

    fn typed_in_chat(&mut self, typed: Typed) {
        match typed {
            Typed::Key(Key::KillToEnd) if self.composer.is_empty() => {
                self.switcher = Some(Switcher::default());
            }
            Typed::Key(Key::Tab) => self.complete(),
            Typed::Key(Key::Enter) if self.composer.is_empty() => {
                if self.link.waits_for_user() {
                    self.link.connect_now(self.now);
                }
                self.transcripts.current_mut().anchor = None;
            }
            Typed::Key(Key::Enter) => self.enter(),
            Typed::Key(key) => match self.composer.key(key, false) {
                Edit::Leave if key == Key::Interrupt && !self.was_interrupted => {
                    self.was_interrupted = true;
                    self.hint = Some("Ctrl-C again, Ctrl-D or /quit logs out.".to_owned());
                    return;
                }
                Edit::Leave => return self.leave(),
                _ => {}
            },
            Typed::AltEnter => self.composer.insert(&LINE_BREAK.to_string()),
            Typed::Alt(character) => self.alt(character),
            Typed::Control('r') => self.composer.search_earlier(),
            Typed::Control('y') => self.composer.yank(),
            Typed::Control('x' | 'o') => self.open_index(self.transcripts.index_before()),
            Typed::Control(_) => {}
            Typed::Escape => {
                if !self.composer.cancel() {
                    self.transcripts.current_mut().anchor = None;
                    self.selection = None;
                }
            }
            Typed::PageUp => self.scroll_up(view::page_rows(self)),
            Typed::PageDown => self.scroll_down(view::page_rows(self)),
            Typed::WordLeft => self.composer.word_left(),
            Typed::WordRight => self.composer.word_right(),
            Typed::Function(1) => self.help = Some(0),
            Typed::Function(2) => self.toggle_list(),
            Typed::Function(3) => self.toggle_members(),
            Typed::Function(_) => {}
            Typed::Paste(bytes) => self.pasted(&bytes),
            Typed::Mouse(mouse) => self.mouse(mouse),
            Typed::Focus(_) | Typed::DroppedText => {}
        }
        self.was_interrupted = false;
    }

    fn alt(&mut self, character: char) {
        match character {
            '1'..='9' => {
                let number = usize::try_from(u32::from(character) - u32::from('1'));
                self.open_index(number.unwrap_or(0));
            }
            '0' => self.open_index(9),
            'a' => match self.transcripts.next_unread() {
                Some(index) => self.open_index(index),
                None => self.hint = Some("Nothing is unread.".to_owned()),
            },
            'n' => self
                .open_index((self.transcripts.current_index() + 1) % self.transcripts.all().len()),
            'p' => {
                let count = self.transcripts.all().len();
                self.open_index((self.transcripts.current_index() + count - 1) % count);
            }
            'k' | 'g' => self.switcher = Some(Switcher::default()),
            'm' => self.open(&super::Target::Mentions),
            'r' => self.reply_to_last(),
            'l' => self.toggle_list(),
            'u' => self.toggle_members(),
            'b' => self.composer.word_left(),
            'f' => self.composer.word_right(),
            'd' => self.composer.kill_word_right(),
            _ => {}
        }
    }

    fn toggle_list(&mut self) {
        self.wants_list = Some(!view::shows_list(self));
    }

    fn toggle_members(&mut self) {
        self.wants_members = Some(!view::shows_members(self));
    }

    fn enter(&mut self) {
        let Edit::Submitted(line) = self.composer.key(Key::Enter, false) else {
            return;
        };
        if !self.submit(&line) {
            // What was refused can be mended.
            self.composer.set(&line);
        }
    }

    fn complete(&mut self) {
        let before = self.composer.before_cursor();
        let candidates = self.completions(&before);
        if !self.composer.complete(&candidates) && candidates.len() > 1 {
            self.hint = Some(candidates.join("  "));
        }
    }

    /// What is pasted is a text. It is never run or sent by itself.
    fn pasted(&mut self, bytes: &[u8]) {
        let text = pasted_text(bytes);
        match text.split(LINE_BREAK).count() {
            0 | 1 => self.composer.insert(&text),
            lines => self.paste = Some(PasteQuestion { text, lines }),
        }
    }

    fn scroll_up(&mut self, rows: usize) {
        let (anchor, is_at_start) = view::scrolled_up(self, rows);
        self.transcripts.current_mut().anchor = anchor;
        self.selection = None;
        if is_at_start {
            self.ask_for_history();
        }
    }

    fn scroll_down(&mut self, rows: usize) {
        let anchor = view::scrolled_down(self, rows);
        self.transcripts.current_mut().anchor = anchor;
        self.selection = None;
    }

    fn mouse(&mut self, mouse: Mouse) {
        let place = (mouse.column, mouse.row);
        match mouse.act {
            MouseAct::WheelUp => self.scroll_up(WHEEL_ROWS),
            MouseAct::WheelDown => self.scroll_down(WHEEL_ROWS),
            MouseAct::Pressed => {
                self.selection = None;
                if let Some(index) = view::conversation_at(self, place) {
                    self.open_index(index);
                } else if view::is_in_transcript(self, place) {
                    self.selection = Some((place, place));
                }
            }
            MouseAct::Dragged => {
                if let Some((_, end)) = &mut self.selection {
                    *end = place;
                }
            }
            MouseAct::Released => match self.selection {
                Some((start, end)) if start == end => self.selection = None,
                Some(_) => self.copy(view::selected_text(self)),
                None => {}
            },
        }
    }

    /// Whether what is typed would be a command, for the view.
    pub(crate) fn is_command(&self) -> bool {
        let target = &self.transcripts.current().target;
        let text = self.composer.text();
        !matches!(understand(&text, target), super::slash::Typed::Text(_))
    }

    /// The words of the prompt and what is shown of its answer, while there is one.
    pub(crate) fn shown_answer(&self) -> Option<(String, String)> {
        let prompt = self.prompt()?;
        let words = match (prompt, self.link.user()) {
            // The name is not on the screen any more, and a slip in it would make an account.
            (Prompt::MakeAccount, Some(name)) => format!(
                "There is no account named {}. Create one? [y/N] ",
                isolated_if_needed(name)
            ),
            _ => prompt_text(prompt).to_owned(),
        };
        let text = match prompt.is_secret() {
            true => String::new(),
            false => self.answer.text(),
        };
        Some((words, text))
    }
}

/// What was pasted as one text with line breaks in it, without the last line end. Tabs stay; other controls become
/// U+FFFD.
fn pasted_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let characters = text.chars().map(|character| match character {
        '\n' | '\u{2029}' => LINE_BREAK,
        '\t' => '\t',
        character if character.is_control() => char::REPLACEMENT_CHARACTER,
        character => character,
    });
    characters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_lines_become_one_text() {
        for (pasted, text) in [
            ("a\tb", "a\tb"),
            ("a\r", "a"),
            ("a\r\nb\n", "a\u{2028}b"),
            ("a\n\n", "a\u{2028}"),
            ("a\x1b[31m\x07", "a\u{fffd}[31m\u{fffd}"),
        ] {
            assert_eq!(pasted_text(pasted.as_bytes()), text);
        }
        assert_eq!(pasted_text(b"\xff"), "\u{fffd}");
    }
}
