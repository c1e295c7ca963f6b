//! What the full screen shows, without I/O: keys, lines of the server and times go in, actions come out.

mod chat;
mod composer;
mod decisions;
mod keyboard;
pub(crate) mod link;
mod news;
mod notice;
mod online;
mod outbox;
mod preferences;
mod repeats;
pub(crate) mod request;
mod slash;
pub(crate) mod target;
#[cfg(test)]
pub(super) mod tests;
pub(crate) mod transcript;
mod transcripts;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use chat_line_protocol::words;
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) use self::composer::Composer;
use self::link::{Link, LinkAction};
pub(crate) use self::notice::Notifying;
use self::preferences::Preferences;
use self::request::Purpose;
pub(crate) use self::slash::SLASH_COMMANDS;
use self::target::Target;
use self::transcript::Entry;
pub(crate) use self::transcripts::Transcripts;
use super::keys::Typed;
use super::log::LogLine;
use super::notifier::Notice;
use super::settings::Settings;
use super::view;
use crate::conversation::{self, KeptLogin, Prompt};
use crate::exit_status::ExitStatus;

/// After this long without an answer, the client says that it still waits.
pub(crate) const STILL_WAITING: Duration = Duration::from_secs(3);
/// What is known of who is online counts for so long, while it is shown.
const ONLINE_LASTS: Duration = Duration::from_secs(60);
/// With more users online, nobody looks for one in that list.
const MOST_ONLINE: usize = 1_000;
/// While a time is shown that changes, it is shown anew this often.
const SECOND: Duration = Duration::from_secs(1);

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// The user did something.
    Typed(Typed),
    /// The connection is made.
    Connected,
    /// The connection has ended, or could not be made.
    Lost(Option<String>),
    /// A line of the server, without its end.
    ServerLine(&'a [u8]),
    /// What is kept of a login; after [`Action::FindLogin`].
    LoginFound(Result<Option<KeptLogin>, String>),
    /// Whether the login could be kept; after [`Action::StoreLogin`].
    LoginStored(Result<(), String>),
    /// What commands of earlier runs have decided; after [`Action::FindPreferences`].
    PreferencesFound(Result<String, String>),
    /// Something could not be written or run, and why.
    Failed(String),
    /// The log cannot be written, and why.
    LogFailed(String),
    /// The terminal has this many columns and rows.
    Resized(u16, u16),
    /// The user or the system wants the program to end.
    Leave,
    /// Time has passed.
    Tick,
}

/// What is to be done outside.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Connect to the server.
    Connect,
    /// Break the connection off.
    Close,
    /// Send a line, with its end, after all that has arrived was shown.
    Send(Vec<u8>),
    /// Find the kept login of this account.
    FindLogin(String),
    /// Keep this login of an account.
    StoreLogin(String, KeptLogin),
    /// Find what commands of earlier runs have decided for this account.
    FindPreferences(String),
    /// Keep what commands have decided for this account.
    StorePreferences(String, String),
    /// Tell the user by the terminal.
    Notify(Notifying, String),
    /// Tell the user by his command.
    RunCommand(Notice),
    /// Write into the log of this account.
    Log(String, LogLine),
    /// Give this text to the clipboard of the terminal.
    Copy(String),
    /// Draw all anew.
    Redraw,
    /// Stop the whole job.
    StopJob,
    /// The program is over, with these words behind the screen.
    End(ExitStatus, String),
}

/// A question that takes all keys until it is answered: whether to put in what was pasted.
pub(crate) struct PasteQuestion {
    pub(crate) text: String,
    pub(crate) lines: usize,
}

/// The choice of a conversation by a part of its name.
#[derive(Default)]
pub(crate) struct Switcher {
    pub(crate) part: String,
    pub(crate) chosen: usize,
}

/// The state of the full screen.
pub(crate) struct Model {
    pub(crate) link: Link,
    pub(crate) transcripts: Transcripts,
    pub(crate) composer: Composer,
    /// The answer to a prompt.
    pub(crate) answer: Composer,
    /// Words of the login, and the server's name.
    pub(crate) login_words: Vec<String>,
    pub(crate) server: String,
    pub(crate) account: String,
    /// A line for the user until the next key.
    pub(crate) hint: Option<String>,
    pub(crate) paste: Option<PasteQuestion>,
    pub(crate) switcher: Option<Switcher>,
    /// How many rows of the help are scrolled away, while it is shown.
    pub(crate) help: Option<u16>,
    /// Where the selection by the mouse begins and ends.
    pub(crate) selection: Option<((u16, u16), (u16, u16))>,
    /// What the user wants to see beside the conversation, if he has said so.
    pub(crate) wants_list: Option<bool>,
    pub(crate) wants_members: Option<bool>,
    pub(crate) size: (u16, u16),
    pub(crate) online: Vec<String>,
    pub(crate) zone: TimeZone,
    pub(crate) now: Duration,
    pub(crate) wall: Timestamp,
    known_names: BTreeSet<String>,
    logs: bool,
    has_command: bool,
    /// When the server was asked who is online.
    online_asked: Duration,
    has_focus: bool,
    /// Where own messages stand whose answer is awaited.
    waiting: HashMap<u64, Target>,
    has_direct_history: bool,
    /// The user was told what would be lost by leaving.
    leave_was_warned: bool,
    /// The last key was Ctrl-C, with nothing typed.
    was_interrupted: bool,
    actions: Vec<Action>,
}

impl Model {
    /// Begins with a connection that is made already.
    pub(crate) fn new(link: Link, server: String, zone: TimeZone) -> Self {
        Self {
            link,
            transcripts: Transcripts::default(),
            composer: Composer::default(),
            answer: Composer::default(),
            login_words: Vec::new(),
            server,
            account: String::new(),
            hint: None,
            paste: None,
            switcher: None,
            help: None,
            selection: None,
            wants_list: None,
            wants_members: None,
            size: (80, 24),
            online: Vec::new(),
            zone,
            now: Duration::ZERO,
            wall: Timestamp::UNIX_EPOCH,
            known_names: BTreeSet::new(),
            logs: false,
            online_asked: Duration::ZERO,
            has_command: false,
            has_focus: true,
            waiting: HashMap::new(),
            has_direct_history: true,
            leave_was_warned: false,
            was_interrupted: false,
            actions: Vec::new(),
        }
    }

    /// Takes over what the settings file says.
    pub(crate) fn configure(&mut self, settings: &Settings) {
        self.logs = settings.log;
        self.has_command = !settings.notify_command.is_empty();
        let (mute, ignore) = (settings.mute.clone(), settings.ignore.clone());
        self.transcripts.preferences = Preferences::new(settings.notify, mute, ignore);
        self.transcripts.apply_preferences();
    }

    /// Handles an input at this time since the start, and at this time of day.
    pub(crate) fn handle(
        &mut self,
        input: Input<'_>,
        now: Duration,
        wall: Timestamp,
    ) -> Vec<Action> {
        (self.now, self.wall) = (now, wall);
        match input {
            Input::Typed(typed) => self.typed(typed),
            Input::Connected => self.link.connected(now),
            Input::Lost(reason) => self.link.lost(reason, now),
            Input::ServerLine(line) => self.link.heard(line, now),
            Input::LoginFound(found) => {
                self.link
                    .login_input(conversation::Input::LoginFound(found), now);
            }
            Input::LoginStored(Ok(())) => self.hint = Some("This login is kept.".to_owned()),
            Input::LoginStored(Err(reason)) => {
                self.note(&format!("The login is not kept: {reason}."))
            }
            Input::PreferencesFound(Ok(text)) => {
                self.transcripts.preferences.read(&text);
                self.transcripts.apply_preferences();
            }
            Input::PreferencesFound(Err(reason)) | Input::Failed(reason) => {
                self.note(&format!("{reason}."));
            }
            Input::LogFailed(reason) => {
                self.logs = false;
                self.note(&format!("{reason}. Nothing more is logged in this run."));
            }
            Input::Resized(columns, rows) => self.size = (columns, rows),
            Input::Leave => self.leave_at_once(),
            Input::Tick => {
                if self.online_due().is_some_and(|due| due <= now) {
                    self.online_asked = now;
                    self.ask(words::WHO.to_owned(), Purpose::Online);
                }
                self.link.tick(now);
            }
        }
        self.take_from_link();
        std::mem::take(&mut self.actions)
    }

    /// When the next [`Input::Tick`] is due.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let waits = self.link.waits_since().map(|since| {
            let shown_from = since + STILL_WAITING;
            shown_from.max(self.now + SECOND)
        });
        let online_due = self.online_due();
        let is_counting = matches!(self.link.parted(), Some((_, Some(_))));
        let counts = is_counting.then_some(self.now + SECOND);
        self.link
            .deadline()
            .into_iter()
            .chain(waits)
            .chain(counts)
            .chain(online_due)
            .min()
    }

    /// Who is online, for whom it is asked again and again.
    pub(crate) fn online_if_known(&self) -> Option<HashSet<&str>> {
        let is_known = (1..=MOST_ONLINE).contains(&self.online.len());
        is_known.then(|| self.online.iter().map(String::as_str).collect())
    }

    /// When to ask again who is online: only for whom it is shown, and where that is no long list.
    fn online_due(&self) -> Option<Duration> {
        let is_wanted =
            self.link.is_online() && self.online.len() <= MOST_ONLINE && view::shows_members(self);
        is_wanted.then(|| self.online_asked + ONLINE_LASTS)
    }

    /// What the user is asked, if anything.
    pub(crate) fn prompt(&self) -> Option<Prompt> {
        self.link.prompt()
    }

    /// Whether the login takes the whole screen.
    pub(crate) fn is_logging_in(&self) -> bool {
        !self.link.was_online()
    }

    /// What was typed and the server does not have, for when the program ends.
    pub(crate) fn unsent(&mut self) -> Vec<String> {
        let mut unsent: Vec<String> = self.link.unsent_lines();
        let current = self.composer.take();
        let drafts = self.transcripts.all().iter();
        let drafts = drafts.map(|transcript| transcript.draft.clone());
        unsent.extend(drafts.chain([current]).filter(|draft| !draft.is_empty()));
        unsent
    }

    /// Adds words of the client to the conversation that is shown.
    fn note(&mut self, words: &str) {
        for words in words.lines() {
            let entry = Entry::of_client(self.wall, words);
            self.transcripts.current_mut().add(entry, false, false);
        }
    }

    fn take_from_link(&mut self) {
        loop {
            let (actions, news) = self.link.take();
            if actions.is_empty() && news.is_empty() {
                return;
            }
            for news in news {
                self.learn(news);
            }
            for action in actions {
                self.actions.push(match action {
                    LinkAction::Connect => Action::Connect,
                    LinkAction::Close => Action::Close,
                    LinkAction::Send(line) => Action::Send(line),
                    LinkAction::FindLogin(account) => Action::FindLogin(account),
                    LinkAction::StoreLogin(account, login) => Action::StoreLogin(account, login),
                    LinkAction::End(status, words) => Action::End(status, words),
                });
            }
        }
    }
}
