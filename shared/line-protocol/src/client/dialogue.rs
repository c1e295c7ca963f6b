//! One connection from the client's side: what is said, and what the next line means.

use std::collections::VecDeque;

use super::{Answer, Command, MessageLine, Refusal, number};
use crate::answer::after_word;
use crate::words;

/// How far the dialogue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The server waits for a name.
    Name,
    /// A name was sent.
    NameSent,
    /// The server offers to make an account.
    Offer,
    /// The offer was declined.
    Declined,
    /// The offer was accepted.
    Accepted,
    /// The server waits for the new account's password, twice.
    NewPassword,
    /// Both were sent.
    NewPasswordSent,
    /// The server waits for the password.
    Password,
    /// The password was sent.
    PasswordSent,
    /// Logged in; the messages that waited are coming.
    Backlog,
    /// Commands can be sent.
    Chat,
    /// The server closes.
    Over,
}

/// What a line of the server means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// After a name: the account exists.
    PasswordWanted,
    /// The password was wrong: another one may be sent.
    WrongPassword,
    /// No account has this name: it can be made.
    OfferToRegister,
    /// The password of the new account is wanted, twice.
    NewPasswordWanted,
    /// The two passwords of the new account differ, or are empty: they are wanted again.
    PasswordsDiffer,
    /// The account was made; a name is wanted.
    Registered,
    /// The offer was declined; a name is wanted.
    NameWanted,
    /// No account can have this name, or it is disabled; another name is wanted.
    NameNotPossible,
    /// Another client made the account first; a name is wanted.
    NameTaken,
    /// The user is logged in already; a name is wanted.
    AlreadyConnected,
    /// The user is blocked from here; the server closes.
    Blocked {
        /// What is left of the block.
        seconds: u64,
    },
    /// The last allowed password was wrong: the user is blocked from here, and the server closes.
    Locked {
        /// The whole length of the block.
        seconds: u64,
    },
    /// A line of the login was refused. After a name or a password, it is wanted again.
    LoginRefused(Refusal<'a>),
    /// Logged in; what waits follows.
    Welcome,
    /// A message.
    Message(MessageLine<'a>),
    /// All that waited at the login has come.
    CaughtUp,
    /// A change of the password was asked for: the current one is wanted, the new one, and that again.
    PasswordsWanted,
    /// The oldest command that was not answered is.
    Answer(Command, Answer<'a>),
    /// A message of the history, behind the answer that counts them. It is not new.
    Kept(MessageLine<'a>),
    /// What came with a command's answer is complete.
    Done(Command),
    /// The logout is done; the server closes.
    Goodbye,
    /// The client was silent for too long; the server closes.
    TimedOut,
    /// The same session of the user has logged in elsewhere; the server closes.
    Replaced,
    /// A line that has no place here.
    Unexpected(&'a [u8]),
}

/// The dialogue of one connection.
#[derive(Debug)]
pub struct Dialogue {
    step: Step,
    /// Sent and not done, oldest first.
    asked: VecDeque<Command>,
    /// The oldest was answered; its `DONE` is to come.
    is_answered: bool,
    /// Messages of the history that are to come with this answer.
    kept_to_come: u64,
}

impl Default for Dialogue {
    fn default() -> Self {
        Self {
            step: Step::Name,
            asked: VecDeque::new(),
            is_answered: false,
            kept_to_come: 0,
        }
    }
}

impl Dialogue {
    /// Begins again, for a new connection.
    pub fn restart(&mut self) {
        self.step = Step::Name;
        self.asked.clear();
        self.is_answered = false;
        self.kept_to_come = 0;
    }

    /// How far it is.
    pub fn step(&self) -> Step {
        self.step
    }

    /// Whether commands may be sent.
    pub fn is_chatting(&self) -> bool {
        self.step == Step::Chat
    }

    /// Whether the user is logged in.
    pub fn is_logged_in(&self) -> bool {
        matches!(self.step, Step::Backlog | Step::Chat)
    }

    /// How many commands are not done.
    pub fn asked(&self) -> usize {
        self.asked.len()
    }

    /// Appends a name.
    pub fn give_name(&mut self, name: &[u8], output: &mut Vec<u8>) {
        append_line(name, output);
        self.step = Step::NameSent;
    }

    /// Appends the answer to the offer to make an account.
    pub fn answer_offer(&mut self, is_accepted: bool, output: &mut Vec<u8>) {
        let (answer, step) = match is_accepted {
            true => (words::YES, Step::Accepted),
            false => (words::NO, Step::Declined),
        };
        append_line(answer.as_bytes(), output);
        self.step = step;
    }

    /// Appends the password of a new account, twice.
    pub fn give_new_password(&mut self, password: &[u8], output: &mut Vec<u8>) {
        append_line(password, output);
        append_line(password, output);
        self.step = Step::NewPasswordSent;
    }

    /// Appends a password.
    pub fn give_password(&mut self, password: &[u8], output: &mut Vec<u8>) {
        append_line(password, output);
        self.step = Step::PasswordSent;
    }

    /// Appends a line that is a command.
    pub fn ask(&mut self, line: &[u8], output: &mut Vec<u8>) {
        append_line(line, output);
        self.asked_for(Command::of(line));
    }

    /// Appends one of the lines behind [`Event::PasswordsWanted`].
    pub fn give_changed_password(&mut self, password: &[u8], output: &mut Vec<u8>) {
        append_line(password, output);
    }

    /// A command was written by other means.
    pub fn asked_for(&mut self, command: Command) {
        self.asked.push_back(command);
    }

    /// A line came, here without its end.
    pub fn hear<'a>(&mut self, line: &'a [u8]) -> Event<'a> {
        match self.step {
            Step::Backlog | Step::Chat => self.hear_in_chat(line),
            Step::Over => Event::Unexpected(line),
            _ if line == words::TIMEOUT.as_bytes() => self.end(Event::TimedOut),
            _ => self.hear_in_login(line),
        }
    }

    fn hear_in_login<'a>(&mut self, line: &'a [u8]) -> Event<'a> {
        let word = std::str::from_utf8(line).unwrap_or_default();
        let (event, step) = match (self.step, word) {
            (Step::NameSent, words::REGISTER) => (Event::OfferToRegister, Step::Offer),
            (Step::NameSent, words::PASSWORD) => (Event::PasswordWanted, Step::Password),
            (Step::Accepted, words::PASSWORD) => (Event::NewPasswordWanted, Step::NewPassword),
            (Step::NewPasswordSent, words::PASSWORD) => (Event::PasswordsDiffer, Step::NewPassword),
            (Step::PasswordSent, words::PASSWORD) => (Event::WrongPassword, Step::Password),
            (Step::NewPasswordSent, words::REGISTERED) => (Event::Registered, Step::Name),
            // The state daemon died between the login and its answer, and the session began again elsewhere.
            (Step::PasswordSent, words::REPLACED) => (Event::Replaced, Step::Over),
            (Step::PasswordSent, words::WELCOME) => (Event::Welcome, Step::Backlog),
            (Step::NameSent | Step::PasswordSent, words::CONNECTED) => {
                (Event::AlreadyConnected, Step::Name)
            }
            (Step::Declined, words::USERNAME) => (Event::NameWanted, Step::Name),
            (Step::NameSent | Step::PasswordSent, words::USERNAME) => {
                (Event::NameNotPossible, Step::Name)
            }
            (Step::Accepted | Step::NewPasswordSent, words::USERNAME) => {
                (Event::NameTaken, Step::Name)
            }
            _ => return self.hear_refusal(line),
        };
        self.step = step;
        event
    }

    /// Blocks, errors, and what this end does not know.
    fn hear_refusal<'a>(&mut self, line: &'a [u8]) -> Event<'a> {
        let block = match self.step {
            Step::NameSent => after_word(line, words::BLOCKED).and_then(number),
            Step::PasswordSent => number(line),
            _ => None,
        };
        if let Some(seconds) = block {
            return self.end(match self.step {
                Step::PasswordSent => Event::Locked { seconds },
                _ => Event::Blocked { seconds },
            });
        }
        let Some(refusal) = Refusal::parse(line) else {
            return Event::Unexpected(line);
        };
        self.step = match self.step {
            Step::NameSent => Step::Name,
            Step::PasswordSent => Step::Password,
            other => other,
        };
        Event::LoginRefused(refusal)
    }

    fn hear_in_chat<'a>(&mut self, line: &'a [u8]) -> Event<'a> {
        if let Some(message) = MessageLine::parse(line) {
            return Event::Message(message);
        }
        if self.kept_to_come > 0
            && let Some(message) = MessageLine::parse_kept(line)
        {
            self.kept_to_come -= 1;
            return Event::Kept(message);
        }
        let is_done = line == words::DONE.as_bytes();
        let is_timeout = line == words::TIMEOUT.as_bytes();
        let is_replaced = line == words::REPLACED.as_bytes();
        if self.step == Step::Backlog {
            return match (is_done, is_timeout) {
                (true, _) => {
                    self.step = Step::Chat;
                    Event::CaughtUp
                }
                (_, true) => self.end(Event::TimedOut),
                _ if is_replaced => self.end(Event::Replaced),
                _ => Event::Unexpected(line),
            };
        }
        match self.asked.front().copied() {
            Some(command) if self.is_answered && is_done => {
                self.is_answered = false;
                self.kept_to_come = 0;
                self.asked.pop_front();
                Event::Done(command)
            }
            // A user of an older account file may be called like a word.
            Some(command) if !self.is_answered && command.is_for_names() => {
                self.answer(command, line)
            }
            _ if is_timeout => self.end(Event::TimedOut),
            _ if is_replaced => self.end(Event::Replaced),
            Some(Command::LogOut) if line == words::GOODBYE.as_bytes() => self.end(Event::Goodbye),
            Some(Command::Passwd) if !self.is_answered && !is_done => self.hear_of_passwd(line),
            Some(command) if !self.is_answered && !is_done => self.answer(command, line),
            _ => Event::Unexpected(line),
        }
    }

    fn hear_of_passwd<'a>(&mut self, line: &'a [u8]) -> Event<'a> {
        if line == words::PASSWORD.as_bytes() {
            return Event::PasswordsWanted;
        }
        match number(line) {
            Some(seconds) => self.end(Event::Locked { seconds }),
            None => self.answer(Command::Passwd, line),
        }
    }

    fn answer<'a>(&mut self, command: Command, line: &'a [u8]) -> Event<'a> {
        self.is_answered = true;
        let answer = Answer::read(command, line);
        if let Answer::Found { count, .. } = answer {
            self.kept_to_come = count;
        }
        Event::Answer(command, answer)
    }

    fn end<'a>(&mut self, event: Event<'a>) -> Event<'a> {
        self.step = Step::Over;
        event
    }
}

fn append_line(line: &[u8], output: &mut Vec<u8>) {
    output.extend_from_slice(line);
    output.push(b'\n');
}

#[cfg(test)]
mod tests {
    use chat_model::PushMode;

    use super::*;

    const MESSAGE: &[u8] = b"[t] a: b";

    fn logged_in() -> Dialogue {
        let mut dialogue = Dialogue::default();
        let output = &mut Vec::new();
        dialogue.give_name(b"ann", output);
        assert_eq!(dialogue.hear(b"password"), Event::PasswordWanted);
        dialogue.give_password(b"secret", output);
        assert_eq!(output, b"ann\nsecret\n");
        assert_eq!(dialogue.hear(b"welcome"), Event::Welcome);
        assert_eq!(dialogue.hear(b"DONE"), Event::CaughtUp);
        assert!(dialogue.is_chatting());
        dialogue
    }

    fn at(step: Step) -> Dialogue {
        Dialogue {
            step,
            ..Dialogue::default()
        }
    }

    #[test]
    fn passwd_wants_lines_before_its_answer() {
        let mut dialogue = logged_in();
        let output = &mut Vec::new();
        dialogue.ask(b"passwd", output);
        assert_eq!(dialogue.hear(b"password"), Event::PasswordsWanted);
        for line in [&b"old"[..], b"new", b"new"] {
            dialogue.give_changed_password(line, output);
        }
        assert_eq!(output, b"passwd\nold\nnew\nnew\n");
        assert_eq!(dialogue.hear(MESSAGE), message(MESSAGE));
        let wrong = Event::Answer(Command::Passwd, Answer::Passwd(b"wrong"));
        assert_eq!(dialogue.hear(b"passwd:wrong"), wrong);
        assert_eq!(dialogue.hear(b"DONE"), Event::Done(Command::Passwd));
        dialogue.ask(b"passwd", output);
        assert_eq!(dialogue.hear(b"password"), Event::PasswordsWanted);
        let locked = Event::Locked { seconds: 60 };
        assert_eq!(dialogue.hear(b"60"), locked);
        assert_eq!(dialogue.step(), Step::Over);
    }

    #[test]
    fn history_follows_its_answer() {
        let mut dialogue = logged_in();
        let kept = b"<t> #1 a: b";
        assert_eq!(dialogue.hear(kept), Event::Unexpected(kept));
        dialogue.ask(b"history #a 1", &mut Vec::new());
        let (count, has_more) = (1, false);
        let found = Event::Answer(Command::History, Answer::Found { count, has_more });
        assert_eq!(dialogue.hear(b"history:1"), found);
        let message_of_history = MessageLine::parse_kept(kept).expect("a message");
        assert_eq!(dialogue.hear(kept), Event::Kept(message_of_history));
        assert_eq!(dialogue.hear(kept), Event::Unexpected(kept));
        assert_eq!(dialogue.hear(MESSAGE), message(MESSAGE));
        assert_eq!(dialogue.hear(b"DONE"), Event::Done(Command::History));
    }

    fn message(line: &[u8]) -> Event<'_> {
        Event::Message(MessageLine::parse(line).expect("a message"))
    }

    #[test]
    fn login_may_take_several_tries() {
        let mut dialogue = Dialogue::default();
        let output = &mut Vec::new();
        dialogue.give_name(b"ann", output);
        assert_eq!(dialogue.hear(b"connected"), Event::AlreadyConnected);
        dialogue.give_name(b"ann", output);
        let busy = dialogue.hear(b"error:busy:");
        assert!(matches!(busy, Event::LoginRefused(refusal) if refusal.is_temporary()));
        assert_eq!(dialogue.step(), Step::Name);
        dialogue.give_name(b"ann", output);
        assert_eq!(dialogue.hear(b"password"), Event::PasswordWanted);
        for (line, event) in [
            ("password", Event::WrongPassword),
            ("welcome", Event::Welcome),
        ] {
            dialogue.give_password(b"secret", output);
            assert_eq!(dialogue.hear(line.as_bytes()), event);
        }
        assert!(matches!(dialogue.hear(MESSAGE), Event::Message(_)));
        assert!(dialogue.is_logged_in() && !dialogue.is_chatting());
        assert_eq!(dialogue.hear(b"DONE"), Event::CaughtUp);
    }

    #[test]
    fn account_is_made_on_request() {
        let mut dialogue = at(Step::NameSent);
        let output = &mut Vec::new();
        assert_eq!(dialogue.hear(b"register"), Event::OfferToRegister);
        dialogue.answer_offer(true, output);
        assert_eq!(dialogue.hear(b"password"), Event::NewPasswordWanted);
        dialogue.give_new_password(b"a", output);
        assert_eq!(dialogue.hear(b"password"), Event::PasswordsDiffer);
        dialogue.give_new_password(b"b", output);
        assert_eq!(dialogue.hear(b"registered"), Event::Registered);
        assert_eq!(output, b"y\na\na\nb\nb\n");
        assert_eq!(dialogue.step(), Step::Name);
        let mut dialogue = at(Step::Offer);
        dialogue.answer_offer(false, output);
        assert_eq!(dialogue.hear(b"username"), Event::NameWanted);
    }

    #[test]
    fn words_depend_on_the_step() {
        for (step, line, event, next) in [
            (
                Step::NameSent,
                "username",
                Event::NameNotPossible,
                Step::Name,
            ),
            (
                Step::PasswordSent,
                "username",
                Event::NameNotPossible,
                Step::Name,
            ),
            (
                Step::NewPasswordSent,
                "username",
                Event::NameTaken,
                Step::Name,
            ),
            (
                Step::PasswordSent,
                "connected",
                Event::AlreadyConnected,
                Step::Name,
            ),
            (
                Step::NameSent,
                "blocked:7",
                Event::Blocked { seconds: 7 },
                Step::Over,
            ),
            (
                Step::PasswordSent,
                "60",
                Event::Locked { seconds: 60 },
                Step::Over,
            ),
            (
                Step::NameSent,
                "60",
                Event::Unexpected(b"60"),
                Step::NameSent,
            ),
            (Step::Offer, "timeout", Event::TimedOut, Step::Over),
            (Step::Backlog, "timeout", Event::TimedOut, Step::Over),
            (Step::Chat, "timeout", Event::TimedOut, Step::Over),
            (Step::PasswordSent, "replaced", Event::Replaced, Step::Over),
            (Step::Backlog, "replaced", Event::Replaced, Step::Over),
            (Step::Chat, "replaced", Event::Replaced, Step::Over),
        ] {
            let mut dialogue = at(step);
            assert_eq!(dialogue.hear(line.as_bytes()), event, "{step:?}");
            assert_eq!(dialogue.step(), next, "{step:?} {line}");
        }
    }

    #[test]
    fn answers_belong_to_commands_in_order() {
        let mut dialogue = logged_in();
        let output = &mut Vec::new();
        dialogue.ask(b"send bob hi", output);
        dialogue.ask(b"fetch", output);
        assert_eq!(output, b"send bob hi\nfetch\n");
        assert!(matches!(dialogue.hear(MESSAGE), Event::Message(_)));
        let sent = Event::Answer(Command::Send, Answer::Sent);
        assert_eq!(dialogue.hear(b"sent:"), sent);
        assert!(matches!(dialogue.hear(MESSAGE), Event::Message(_)));
        assert_eq!(dialogue.hear(b"DONE"), Event::Done(Command::Send));
        let fetching = Event::Answer(Command::Fetch, Answer::Fetching);
        assert_eq!(dialogue.hear(b"fetching"), fetching);
        assert_eq!(dialogue.hear(b"DONE"), Event::Done(Command::Fetch));
        assert_eq!(dialogue.asked(), 0);
        dialogue.ask(b"push on", output);
        let push = Event::Answer(Command::Push, Answer::Push(PushMode::On));
        assert_eq!(dialogue.hear(b"push:on"), push);
        assert_eq!(dialogue.hear(b"DONE"), Event::Done(Command::Push));
        dialogue.ask(b"logout", output);
        assert_eq!(dialogue.hear(b"goodbye"), Event::Goodbye);
        assert_eq!(dialogue.hear(b"DONE"), Event::Unexpected(b"DONE"));
    }

    #[test]
    fn names_of_users_may_be_words() {
        for name in ["DONE", "timeout", "goodbye"] {
            let mut dialogue = logged_in();
            dialogue.ask(b"who", &mut Vec::new());
            let users = Event::Answer(Command::Who, Answer::Users(name.as_bytes()));
            assert_eq!(dialogue.hear(name.as_bytes()), users);
            assert_eq!(dialogue.hear(b"DONE"), Event::Done(Command::Who));
        }
    }

    #[test]
    fn unasked_answer_is_unexpected() {
        assert_eq!(logged_in().hear(b"sent:"), Event::Unexpected(b"sent:"));
        assert_eq!(logged_in().hear(b"DONE"), Event::Unexpected(b"DONE"));
        let mut dialogue = logged_in();
        dialogue.asked_for(Command::Send);
        assert_eq!(dialogue.hear(b"DONE"), Event::Unexpected(b"DONE"));
        dialogue.hear(b"sent:");
        assert_eq!(dialogue.hear(b"sent:"), Event::Unexpected(b"sent:"));
    }
}
