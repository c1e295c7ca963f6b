//! What operators change by questions: one act at a time, answered once journal and account file have it.

use std::net::IpAddr;

use chat_model::message::may_be_text;
use chat_model::{AccountId, Password, RoomId, name, text};
use chat_node::control::change::{Change, TypedPassword};
use chat_node::control::protocol::Answer;

use super::{Action, Core};
use crate::account_file::difference::LineToRemove;
use crate::account_file::read::ReadError;
use crate::account_file::writer::FileRequest;
use crate::entry::{Entry, OperatorAct};
use crate::passwords::pool::{PasswordJob, PasswordResult};
use crate::passwords::secret::check_form;
use crate::state::{ActRefusal, OperatorOutcome};

/// Who asks for the hashes of operators' passwords, for fairness.
const OPERATORS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// Longest password of an operator's tool. One of a client may be as long as a line.
const MAX_PASSWORD_BYTES: usize = 1_024;

/// What a question comes to; the error is for people.
pub(super) type Answered = Result<Answer, String>;

/// The act under way, and answers on their way out.
#[derive(Debug, Default)]
pub(super) struct Operations {
    under_way: Option<UnderWay>,
    answers: Vec<(u64, Answered)>,
}

#[derive(Debug)]
struct UnderWay {
    question: u64,
    step: Step,
}

/// What an act waits for.
#[derive(Debug)]
enum Step {
    /// Whether the account file has the name of a new account.
    Name {
        ticket: u64,
        name: String,
        login: NewLogin,
    },
    /// The secret of a password.
    Secret { ticket: u64, whose: Whose },
    /// The journal, and then the account file.
    Decision,
}

/// How the user of a new account logs in.
#[derive(Debug)]
enum NewLogin {
    Password(Password<'static>),
    /// The secret of the password that the user has on another server. It is well-formed.
    Secret(String),
}

/// Whose password is hashed.
#[derive(Debug)]
enum Whose {
    NewAccount(String),
    Account(AccountId),
}

impl Operations {
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_none()
    }
}

impl Core {
    /// Begins a change. The error is for people, and says why nothing is changed.
    pub(super) fn take_change(&mut self, question: u64, change: &Change) -> Result<(), String> {
        if self.operations.under_way.is_some() {
            return Err("another change of an operator is under way: try again".to_owned());
        }
        let step = match change {
            Change::LiftBlocks { name, address } => {
                let account = name.as_deref().map(|name| self.account_named(name));
                let account = account.transpose()?;
                let address = *address;
                self.try_act(question, OperatorAct::LiftBlocks { account, address })?
            }
            Change::AddAccount { name, password } => {
                self.add_account(name, NewLogin::Password(typed(password)?))?
            }
            Change::ImportAccount { name, hash } => {
                self.add_account(name, NewLogin::Secret(secret_of(hash)?))?
            }
            Change::SetPassword { name, password } => {
                let account = self.account_named(name)?;
                self.hash_for(Whose::Account(account), typed(password)?)
            }
            Change::DisableAccount { name } => {
                let account = self.account_named(name)?;
                self.try_act(question, OperatorAct::DisableAccount { account })?
            }
            Change::EnableAccount { name } => {
                let account = self.account_named(name)?;
                self.try_act(question, OperatorAct::EnableAccount { account })?
            }
            Change::ForgetAccount { name } => {
                let account = self.account_named(name)?;
                self.try_act(question, OperatorAct::ForgetAccount { account })?
            }
            Change::Announce { sender, text } => {
                let sender = self.account_named(sender)?;
                let text = text::clean(text.as_bytes()).into_owned();
                if !may_be_text(&text) {
                    return Err("the text is empty or too long".to_owned());
                }
                self.try_act(question, OperatorAct::Announce { sender, text })?
            }
            Change::DropRoom { room } => {
                let room = self.room_of_name(room)?;
                self.try_act(question, OperatorAct::DropRoom { room })?
            }
            Change::SetRoomRetention { days: 0, .. } => {
                return Err("a room is kept for at least 1 day".to_owned());
            }
            Change::SetRoomRetention { room, days } => {
                let (room, days) = (self.room_of_name(room)?, *days);
                self.try_act(question, OperatorAct::SetRoomRetention { room, days })?
            }
            Change::DropToken { name, token } => {
                let account = self.account_named(name)?;
                let name = token.clone();
                self.try_act(question, OperatorAct::DropToken { account, name })?
            }
        };
        self.operations.under_way = Some(UnderWay { question, step });
        Ok(())
    }

    /// Answers to questions, by their tickets.
    pub fn take_answers(&mut self) -> Vec<(u64, Result<Answer, String>)> {
        std::mem::take(&mut self.operations.answers)
    }

    pub(super) fn end_question(&mut self, ticket: u64, answer: Answered) {
        self.operations.answers.push((ticket, answer));
    }

    pub(super) fn account_named(&self, name: &str) -> Result<AccountId, String> {
        let found = self.state.account(name);
        let (account, _) = found.ok_or_else(|| format!("there is no account {name}"))?;
        Ok(account)
    }

    fn room_of_name(&self, name: &str) -> Result<RoomId, String> {
        let found = self.state.room_id(name);
        found.ok_or_else(|| no_room(name))
    }

    fn try_act(&mut self, ticket: u64, act: OperatorAct) -> Result<Step, String> {
        if act.adds() && self.space.refuses_messages() {
            return Err(NO_ROOM.to_owned());
        }
        self.batches.push(Entry::Operate { ticket, act });
        Ok(Step::Decision)
    }

    fn add_account(&mut self, name: &str, login: NewLogin) -> Result<Step, String> {
        if !name::may_be_registered(name) {
            return Err(format!("{name} cannot be the name of an account"));
        }
        let found = self.state.account(name);
        if found.is_some_and(|(_, record)| !record.is_forgotten()) {
            return Err(refusal(ActRefusal::NameTaken));
        }
        // An operator may have added a line of this name, and not yet said so.
        let ticket = self.logins.next_ticket();
        self.actions.push(Action::File(FileRequest::Look {
            ticket,
            name: name.to_owned(),
            was_taken_in: self.appends.was_taken_in(),
        }));
        Ok(Step::Name {
            ticket,
            name: name.to_owned(),
            login,
        })
    }

    fn hash_for(&mut self, whose: Whose, password: Password<'static>) -> Step {
        let ticket = self.logins.next_ticket();
        self.actions.push(Action::Hash {
            ticket,
            source: OPERATORS,
            job: PasswordJob::Hash { password },
        });
        Step::Secret { ticket, whose }
    }

    /// Whether the account file has a line of a name that is to be added.
    pub(super) fn operator_name_looked_for(
        &mut self,
        ticket: u64,
        stands: Result<bool, ReadError>,
    ) {
        let is_of = |under_way: &UnderWay| matches!(&under_way.step, Step::Name { ticket: of, .. } if *of == ticket);
        let under_way = self.operations.under_way.take_if(|it| is_of(it));
        let Some(UnderWay {
            question,
            step: Step::Name { name, login, .. },
        }) = under_way
        else {
            return;
        };
        let reason = match stands {
            Ok(false) => return self.go_on_with(question, name, login),
            Ok(true) => {
                format!("the account file has a line of {name}, which scripts/reload takes in")
            }
            Err(error) => error.to_string(),
        };
        self.end_question(question, Err(reason));
    }

    /// The name of a new account is free.
    fn go_on_with(&mut self, question: u64, name: String, login: NewLogin) {
        let step = match login {
            NewLogin::Password(password) => Ok(self.hash_for(Whose::NewAccount(name), password)),
            NewLogin::Secret(secret) => {
                self.try_act(question, OperatorAct::AddAccount { name, secret })
            }
        };
        match step {
            Ok(step) => self.operations.under_way = Some(UnderWay { question, step }),
            Err(reason) => self.end_question(question, Err(reason)),
        }
    }

    /// The pool takes no more passwords now.
    pub(super) fn operator_password_refused(&mut self, ticket: u64) {
        if let Some((question, _)) = self.take_hashed(ticket) {
            let reason = "too many passwords wait to be hashed: try again".to_owned();
            self.end_question(question, Err(reason));
        }
    }

    /// A password of an operator is hashed.
    pub(super) fn operator_password_done(&mut self, ticket: u64, result: PasswordResult) {
        let Some((question, whose)) = self.take_hashed(ticket) else {
            return;
        };
        let secret = match result {
            PasswordResult::Hashed(secret) => secret,
            PasswordResult::Failed(error) => {
                return self.end_question(question, Err(error.to_string()));
            }
            result => unreachable!("a password job was answered with {result:?}"),
        };
        let act = match whose {
            Whose::NewAccount(name) => OperatorAct::AddAccount { name, secret },
            Whose::Account(account) => OperatorAct::SetPassword { account, secret },
        };
        match self.try_act(question, act) {
            Ok(step) => self.operations.under_way = Some(UnderWay { question, step }),
            Err(reason) => self.end_question(question, Err(reason)),
        }
    }

    fn take_hashed(&mut self, ticket: u64) -> Option<(u64, Whose)> {
        let is_of = |under_way: &UnderWay| matches!(&under_way.step, Step::Secret { ticket: of, .. } if *of == ticket);
        match self.operations.under_way.take_if(|it| is_of(it))? {
            UnderWay {
                question,
                step: Step::Secret { whose, .. },
            } => Some((question, whose)),
            UnderWay { .. } => None,
        }
    }

    /// Goes on with acts that are decided: the account file follows, or the question is answered.
    pub(super) fn tell_operated(&mut self) {
        for operated in std::mem::take(&mut self.effects.operated) {
            let question = operated.ticket;
            let answer = match operated.outcome {
                OperatorOutcome::Lifted(blocks) => Ok(Answer::Lifted { blocks }),
                OperatorOutcome::Taken => continue,
                OperatorOutcome::Added(line) => {
                    self.file_line_of_act(line, question);
                    continue;
                }
                OperatorOutcome::Disabled { filed, name } => {
                    let line = LineToRemove {
                        name: name.to_string(),
                        keeps_secret: true,
                        filed,
                    };
                    self.remove_lines(vec![line], Some((question, Answer::Done)));
                    continue;
                }
                OperatorOutcome::Forgotten {
                    filed,
                    name,
                    given_up,
                } => {
                    let line = LineToRemove {
                        name: name.to_string(),
                        keeps_secret: false,
                        filed,
                    };
                    let answer = Answer::Forgotten {
                        messages: given_up.messages,
                        bytes: given_up.bytes,
                        broadcasts: given_up.broadcasts,
                        room_messages: given_up.room_messages,
                    };
                    self.remove_lines(vec![line], Some((question, answer)));
                    continue;
                }
                OperatorOutcome::Announced | OperatorOutcome::Done => Ok(Answer::Done),
                OperatorOutcome::Refused(ActRefusal::AlreadySo) => Ok(Answer::Unchanged),
                OperatorOutcome::Refused(reason) => Err(refusal(reason)),
            };
            self.end_act(question, answer);
        }
    }

    /// The disk has no room for an act.
    pub(super) fn refuse_act_for_room(&mut self, ticket: u64) {
        self.end_act(ticket, Err(NO_ROOM.to_owned()));
    }

    pub(super) fn end_act(&mut self, question: u64, answer: Answered) {
        let under_way = &mut self.operations.under_way;
        if under_way.take_if(|it| it.question == question).is_some() {
            self.end_question(question, answer);
        }
    }
}

/// Why nothing is known of a room.
pub(super) fn no_room(name: &str) -> String {
    format!("there is no room {name}")
}

const NO_ROOM: &str = "the disk has no room for it: nothing is changed";

fn typed(password: &TypedPassword) -> Result<Password<'static>, String> {
    let bytes = password.bytes().ok_or("it is no password")?;
    match bytes.len() {
        0 => Err("the password is empty".to_owned()),
        1..=MAX_PASSWORD_BYTES => Ok(bytes.as_slice().into()),
        _ => Err(format!("a password has at most {MAX_PASSWORD_BYTES} bytes")),
    }
}

fn secret_of(hash: &TypedPassword) -> Result<String, String> {
    let bytes = hash.bytes().ok_or("it is no hash")?;
    let secret = std::str::from_utf8(&bytes).map_err(|_| "its hash is not UTF-8")?;
    check_form(secret).map_err(|error| format!("its hash {error}"))?;
    Ok(secret.to_owned())
}

fn refusal(reason: ActRefusal) -> String {
    match reason {
        ActRefusal::NameTaken => {
            "there is such an account already: change its password, or enable it".to_owned()
        }
        ActRefusal::TooManyAccounts => {
            "there may be no more accounts (CHAT_MAX_ACCOUNTS)".to_owned()
        }
        ActRefusal::NoSuchRoom => "there is no such room any more".to_owned(),
        ActRefusal::NoToken => "the account has no such token".to_owned(),
        ActRefusal::NoAccount => "there is no such account".to_owned(),
        ActRefusal::NoSecret => {
            "the account was forgotten, and its password with it: add it again".to_owned()
        }
        ActRefusal::Quota(limit) => format!("a limit of broadcasts is reached: {}", limit.name()),
        ActRefusal::TooMuchWaits => "all messages that may wait do wait".to_owned(),
        ActRefusal::AlreadySo => "it is so already".to_owned(),
        ActRefusal::LineOnItsWay => {
            "its newest line is on the way to the account file: try again, or see the log"
                .to_owned()
        }
    }
}
