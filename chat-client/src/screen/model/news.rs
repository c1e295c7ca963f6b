//! What the link tells, and where it is shown.

use super::link::News;
use super::notice::Notifying;
use super::request::{Delivery, Purpose, Request};
use super::target::Target;
use super::transcript::{Author, Entry, History, entry_of};
use super::{Action, Model};
use crate::conversation::message::Message;
use crate::screen::log::LogLine;
use crate::screen::notifier::Notice;

/// Most names that are kept for completion.
const MAX_KNOWN_NAMES: usize = 10_000;
/// Longest part of a text in a notice.
const NOTICE_CHARACTERS: usize = 120;

impl Model {
    pub(super) fn learn(&mut self, news: News) {
        match news {
            News::OfLogin(words) if self.is_logging_in() => self.login_words.push(words),
            News::OfLogin(words) | News::Note(words) => self.note(&words),
            News::Answered(words) => self.note(&words),
            News::LoggedIn { account, again } => self.logged_in(account, again),
            News::Message(message) => self.message(&message),
            News::Delivered(id, delivery) => self.delivered(id, delivery),
            News::Rooms(rooms) => {
                for room in rooms {
                    self.know(&room);
                    self.transcripts.with(&Target::Room(room));
                }
            }
            News::Online(names) => {
                names.iter().for_each(|name| self.know(name));
                self.online_asked = self.now;
                self.online = names;
            }
            News::Members(room, names) => {
                for name in &names {
                    self.know(name.trim_start_matches(['~', '@']));
                }
                self.transcripts.with(&Target::Room(room)).members = names;
            }
            News::Topic(room, topic) => self.transcripts.with(&Target::Room(room)).topic = topic,
            News::History(target, kept) => self.history_came(&target, kept),
            News::Found(words, found, has_more) => self.found(&words, &found, has_more),
            News::Joined(room) => self.open(&Target::Room(room)),
            News::Left(room) => {
                let target = Target::Room(room);
                let is_shown = self.transcripts.current().target == target;
                if is_shown
                    && self.composer.is_empty()
                    && !self.waiting.values().any(|to| *to == target)
                {
                    self.transcripts.close_current();
                } else if let Some(transcript) = self.transcripts.find(&target) {
                    transcript.members.clear();
                }
            }
        }
    }

    fn logged_in(&mut self, account: String, again: bool) {
        self.answer.take();
        self.login_words.clear();
        self.know(&account);
        self.account = account;
        if !again {
            let account = self.account_alone();
            self.actions.push(Action::FindPreferences(account));
        }
        self.note(&match again {
            false => format!(
                "Welcome, {}. F1 shows the keys. /join #ROOM joins a room, /msg NAME TEXT writes to a user.",
                self.account
            ),
            true => "Connected again.".to_owned(),
        });
        if again {
            // What was asked of the connection that is lost is not answered any more.
            self.transcripts.forget_questions();
            self.refresh();
        }
    }

    fn message(&mut self, message: &Message) {
        if self.transcripts.preferences.ignores(&message.sender) {
            return;
        }
        let target = Target::of_message(message, &self.account);
        if message.sender != "*" {
            self.know(&message.sender);
        }
        let entry = entry_of(message, &self.account);
        self.log(&target, &message.sender, &entry);
        let is_to_few = matches!(target, Target::Person(_) | Target::Group(_));
        let is_direct = is_to_few && matches!(entry.author, Author::User(_));
        let is_urgent = is_direct || entry.is_mention;
        if entry.is_mention {
            let entry = of_list(&entry, message);
            let is_unread = self.transcripts.current().target != Target::Mentions;
            self.transcripts
                .with(&Target::Mentions)
                .add(entry, is_unread, false);
        }
        let is_shown = self.transcripts.current().target == target && self.has_focus;
        let is_from_other = matches!(entry.author, Author::User(_));
        if is_from_other && matches!(&target, Target::Room(room) if self.is_current_room(room)) {
            // Nobody tells of those who join.
            self.note_member(&message.sender);
        }
        let transcript = self.transcripts.with(&target);
        let is_muted = transcript.is_muted;
        transcript.add(entry, !is_shown && is_from_other, is_urgent);
        if self.transcripts.current().target == target {
            self.transcripts.current_mut().read();
        }
        if is_urgent && !is_shown && !is_muted {
            self.notify(&target, message);
        }
    }

    /// Tells the user of a message while he looks elsewhere.
    fn notify(&mut self, target: &Target, message: &Message) {
        let text: String = message.text.chars().take(NOTICE_CHARACTERS).collect();
        let text = text.replace(char::is_control, " ");
        let from = message.sender.clone();
        let action = match self.transcripts.preferences.notifying(&target.key()) {
            Notifying::Off => return,
            Notifying::Command => Action::RunCommand(Notice {
                place: target.name(),
                from,
                text,
            }),
            by_terminal => Action::Notify(by_terminal, format!("{from}: {text}")),
        };
        self.actions.push(action);
    }

    /// Writes an entry into the log, if the user wants one.
    fn log(&mut self, target: &Target, author: &str, entry: &Entry) {
        if self.logs {
            let line = LogLine {
                conversation: target.key(),
                time: entry.time,
                author: author.to_owned(),
                text: entry.text.to_string(),
            };
            let account = self.account_alone();
            self.actions.push(Action::Log(account, line));
        }
    }

    /// The account without the session.
    pub(super) fn account_alone(&self) -> String {
        let account = self.account.split('/').next();
        account.unwrap_or_default().to_owned()
    }

    fn is_current_room(&self, room: &str) -> bool {
        matches!(&self.transcripts.current().target, Target::Room(current) if current == room)
    }

    fn note_member(&mut self, name: &str) {
        let members = &mut self.transcripts.current_mut().members;
        let is_known = members
            .iter()
            .any(|member| member.trim_start_matches(['~', '@']) == name);
        if !is_known && !members.is_empty() {
            members.push(name.to_owned());
        }
    }

    fn delivered(&mut self, id: u64, delivery: Delivery) {
        let Some(target) = self.waiting.remove(&id) else {
            return;
        };
        let names_nobody = |names: &[String]| match &target {
            Target::Room(_) | Target::Person(_) => true,
            Target::Group(all) => names.len() >= all.len(),
            _ => false,
        };
        let delivery = match delivery {
            Delivery::StoredExcept(names) if names_nobody(&names) => {
                let names = names.join(", ");
                Delivery::Refused(match names.starts_with('#') {
                    true => format!("Not sent: you are not in {names}. /join {names} joins it."),
                    false => format!("Not sent: there is no user {names}."),
                })
            }
            other => other,
        };
        let is_refused = matches!(delivery, Delivery::Refused(_));
        let transcript = self.transcripts.find(&target);
        let entry = transcript.and_then(|transcript| transcript.delivered(id, delivery));
        if let Some(entry) = entry.cloned().filter(|_| !is_refused) {
            let author = self.account_alone();
            self.log(&target, &author, &entry);
        }
        if is_refused && self.transcripts.current().target != target {
            self.hint = Some(format!("A message to {} was refused.", target.name()));
        }
    }

    /// Shows a conversation, and asks for what is not known of it.
    pub(super) fn open(&mut self, target: &Target) {
        let index = self.transcripts.index_with(target);
        self.open_index(index);
    }

    pub(super) fn open_index(&mut self, index: usize) {
        if index >= self.transcripts.all().len() {
            self.hint = Some("There is no conversation with this number.".to_owned());
            return;
        }
        if index != self.transcripts.current_index() {
            let draft = self.composer.take();
            self.transcripts.current_mut().draft = draft;
            self.transcripts.show(index);
            let draft = std::mem::take(&mut self.transcripts.current_mut().draft);
            self.composer.set(&draft);
        }
        self.selection = None;
        self.refresh();
        if self.transcripts.current().history == History::Unasked {
            self.ask_for_history();
        }
    }

    /// Asks who is in the conversation that is shown, and what it is about.
    fn refresh(&mut self) {
        match self.transcripts.current().target.clone() {
            Target::Room(room) => {
                self.ask(format!("members {room}"), Purpose::Members(room.clone()));
                self.ask(format!("topic {room}"), Purpose::Topic(room));
            }
            Target::Everyone => self.ask("who".to_owned(), Purpose::Online),
            _ => {}
        }
    }

    pub(super) fn ask(&mut self, line: String, purpose: Purpose) {
        let is_asked = self.link.ask(
            Request {
                line,
                purpose: purpose.clone(),
            },
            self.now,
        );
        if !is_asked && purpose == Purpose::Typed {
            self.hint = Some("Not asked: there is no connection now.".to_owned());
        }
    }

    /// Asks for messages before those that are known.
    pub(super) fn ask_for_history(&mut self) {
        let has_direct_history = self.has_direct_history;
        let transcript = self.transcripts.current_mut();
        let is_possible = matches!(transcript.history, History::Unasked | History::MayHaveMore);
        let target = transcript.target.clone();
        let Some(name) = target.of_history().filter(|_| is_possible) else {
            return;
        };
        if matches!(target, Target::Person(_)) && !has_direct_history {
            transcript.history = History::Ended;
            return;
        }
        let before = match (transcript.history, transcript.oldest_number()) {
            (History::MayHaveMore, Some(number)) => format!(" before {number}"),
            _ => String::new(),
        };
        let line = format!("history {name} 50{before}");
        if self.link.is_online() {
            self.transcripts.current_mut().history = History::Asked;
            self.ask(line, Purpose::History(target));
        }
    }

    fn history_came(&mut self, target: &Target, kept: Option<Vec<Message>>) {
        if kept.is_none() && matches!(target, Target::Person(_)) {
            self.has_direct_history = false;
        }
        let kept = kept.unwrap_or_default();
        let preferences = &self.transcripts.preferences;
        let shown = kept
            .iter()
            .filter(|message| !preferences.ignores(&message.sender));
        let shown = shown.map(|message| entry_of(message, &self.account));
        let shown = shown.collect();
        if let Some(transcript) = self.transcripts.find(target) {
            transcript.merge(shown);
            if !kept.is_empty() {
                transcript.history = History::MayHaveMore;
            }
        }
    }

    fn found(&mut self, words: &str, found: &[Message], has_more: bool) {
        let account = self.account.clone();
        let entries: Vec<Entry> = found
            .iter()
            .map(|message| of_list(&entry_of(message, &account), message))
            .collect();
        let more = if has_more { " There may be more." } else { "" };
        let words = match entries.len() {
            0 => format!("Nothing found for: {words}.{more}"),
            1 => format!("1 message found for: {words}.{more}"),
            count => format!("{count} messages found for: {words}.{more}"),
        };
        let transcript = self.transcripts.with(&Target::Found);
        transcript.entries = entries;
        transcript.anchor = None;
        transcript.topic = words;
        self.open(&Target::Found);
    }

    pub(super) fn know(&mut self, name: &str) {
        if self.known_names.len() < MAX_KNOWN_NAMES && !name.is_empty() {
            self.known_names.insert(name.to_owned());
        }
    }
}

/// An entry as it stands among those of other conversations: with its room.
fn of_list(entry: &Entry, message: &Message) -> Entry {
    let room = message.room.as_deref().unwrap_or_default();
    let author = match (&entry.author, room) {
        (Author::Client, _) => Author::Client,
        (_, "") => Author::User(message.sender.as_str().into()),
        (_, room) => Author::User(format!("{} {room}", message.sender).into()),
    };
    Entry {
        author,
        ..entry.clone()
    }
}
