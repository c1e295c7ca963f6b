//! What a line typed in the chat does.

use super::request::{Delivery, Purpose};
use super::slash::{SLASH_COMMANDS, Typed, understand};
use super::target::Target;
use super::transcript::{Author, Entry};
use super::{Action, Model};
use crate::conversation::command;

impl Model {
    /// Enter was pressed on this line; whether it was taken.
    pub(super) fn submit(&mut self, line: &str) -> bool {
        let current = self.transcripts.current().target.clone();
        match understand(line, &current) {
            Typed::Text(text) if text.is_empty() => {}
            Typed::Text(text) => return self.send(&current, &text),
            Typed::TextTo(target, text) => {
                let is_sent = self.send(&target, &text);
                if is_sent {
                    self.open_without_draft(&target);
                }
                return is_sent;
            }
            Typed::Open(target) => self.open_without_draft(&target),
            Typed::Close => {
                if !self.transcripts.close_current() {
                    self.hint = Some("This conversation stays.".to_owned());
                }
            }
            Typed::Ask(line) => self.ask(line, Purpose::Typed),
            Typed::Search(words) => {
                let place = current.of_history().unwrap_or("*");
                self.ask(format!("search {place} {words}"), Purpose::Search(words));
            }
            Typed::History => self.ask_for_history(),
            Typed::Clear => {
                let transcript = self.transcripts.current_mut();
                transcript.entries.clear();
                (transcript.mark, transcript.anchor) = (None, None);
            }
            Typed::Mute { may_begin } => self.mute(may_begin),
            Typed::Ignore { name, may_begin } => self.ignore(&name, may_begin),
            Typed::Ignored => self.list_ignored(),
            Typed::Number(number) => self.open_index(number.wrapping_sub(1)),
            Typed::Mentions => self.open_without_draft(&Target::Mentions),
            Typed::Notify(how) => return self.notify_by(&how),
            Typed::Reconnect => self.link.connect_now(self.now),
            Typed::Quit => self.leave(),
            Typed::Help => self.help = Some(0),
            Typed::Wrong(why) => {
                self.hint = Some(why);
                return false;
            }
        }
        true
    }

    /// Opens a conversation by a command, which is not to become a draft.
    fn open_without_draft(&mut self, target: &Target) {
        self.composer.take();
        self.open(target);
    }

    fn send(&mut self, target: &Target, text: &str) -> bool {
        let Some(line) = target.line_with(text) else {
            self.hint = Some(
                "Nobody is chosen: /msg NAME TEXT, /join #ROOM, or Alt and a number.".to_owned(),
            );
            return false;
        };
        let max_bytes = self.link.max_message_line_bytes();
        if line.len() > max_bytes {
            let excess = line.len() - max_bytes;
            self.hint = Some(format!("Not sent: the message is {excess} bytes too long."));
            return false;
        }
        let id = self.link.post(line, self.now);
        self.leave_was_warned = false;
        self.waiting.insert(id, target.clone());
        let entry = Entry {
            time: self.wall,
            number: None,
            author: Author::Own(Some(id)),
            text: text.into(),
            delivery: Delivery::Waiting,
            is_mention: false,
            also_to: None,
        };
        let transcript = self.transcripts.with(target);
        transcript.add(entry, false, false);
        transcript.anchor = None;
        if let Target::Person(name) = target {
            let name = name.clone();
            self.know(&name);
        }
        true
    }

    /// The user wants to leave. What is not sent yet is said first.
    pub(super) fn leave(&mut self) {
        let unsent = self.link.unsent_lines().len();
        if unsent > 0 && !self.link.is_online() && !self.leave_was_warned {
            self.leave_was_warned = true;
            self.hint = Some(format!(
                "{unsent} not sent, as there is no connection. Leave again to give up what is not sent."
            ));
            return;
        }
        self.link.leave(self.now);
    }

    pub(super) fn leave_at_once(&mut self) {
        self.leave_was_warned = true;
        self.link.leave(self.now);
    }

    /// Completions for what stands before the cursor.
    pub(super) fn completions(&self, before_cursor: &str) -> Vec<String> {
        let start = before_cursor.rfind([' ', '\t', '(', crate::safe_text::LINE_BREAK]);
        let start = start.map_or(0, |at| {
            at + before_cursor[at..].chars().next().map_or(0, char::len_utf8)
        });
        let word = &before_cursor[start..];
        let mut candidates: Vec<String> = match word.strip_prefix('/').filter(|_| start == 0) {
            Some(_) => {
                let own = SLASH_COMMANDS.iter().map(|command| command.word);
                let of_server = command::usages().map(|usage| usage.word);
                own.chain(of_server)
                    .map(|word| format!("/{word}"))
                    .collect()
            }
            None => {
                let here = self.transcripts.current().members.iter();
                let here = here.map(|name| name.trim_start_matches(['~', '@']).to_owned());
                let conversations = self.transcripts.all().iter();
                let conversations = conversations
                    .filter(|transcript| transcript.target.of_history().is_some())
                    .map(|transcript| transcript.target.name());
                here.chain(conversations)
                    .chain(self.known_names.iter().cloned())
                    .collect()
            }
        };
        candidates.retain(|candidate| candidate.starts_with(word) && !word.is_empty());
        candidates.sort();
        candidates.dedup();
        let is_group = matches!(
            self.transcripts.current().target,
            Target::Room(_) | Target::Everyone | Target::Group(_)
        );
        if let ([name], 0) = (candidates.as_mut_slice(), start)
            && is_group
            && !name.starts_with(['#', '/'])
        {
            // Who is spoken to, as in IRC.
            name.push(':');
        }
        candidates
    }

    /// Goes to the newest message that is for the user alone or names him.
    pub(super) fn reply_to_last(&mut self) {
        let last = self
            .transcripts
            .all()
            .iter()
            .enumerate()
            .filter(|(_, transcript)| {
                matches!(
                    transcript.target,
                    Target::Person(_) | Target::Group(_) | Target::Room(_)
                )
            });
        let last = last.filter_map(|(index, transcript)| {
            let is_direct = !matches!(transcript.target, Target::Room(_));
            let mut entries = transcript.entries.iter().rev();
            let entry = entries.find(|entry| {
                matches!(entry.author, Author::User(_)) && (is_direct || entry.is_mention)
            })?;
            Some((entry.time, index))
        });
        match last.max() {
            Some((_, index)) => self.open_index(index),
            None => self.hint = Some("There is no message to reply to.".to_owned()),
        }
    }

    /// Gives a text to the clipboard.
    pub(super) fn copy(&mut self, text: String) {
        if !text.is_empty() {
            let lines = text.lines().count();
            self.hint = Some(format!(
                "Copied {lines} line{}.",
                if lines == 1 { "" } else { "s" }
            ));
            self.actions.push(Action::Copy(text));
        }
    }
}
