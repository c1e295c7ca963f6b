//! The dialogue after `welcome`.

use std::borrow::Cow;

use chat_line_protocol::words;
use chat_model::{NameList, Outcome};
use chat_node::logs::security_log::Event;

use super::command::{self, Command, CommandError, PushMode};
use super::line_buffer::Line;
use super::slot::{Question, Setting, Slot};
use super::{Ending, Session, refusal};

impl Session {
    pub(super) fn take_chat_line(&mut self, line: &Line) {
        let content = self.input.content(line);
        if line.is_too_long {
            let word = command::command_word(content);
            let answer = refusal("length", &word);
            let slot = Slot::new(line.end, word.into(), Question::Fetch);
            return self.ask(slot.answered_with(answer));
        }
        let parsed = command::parse(content);
        if let Ok(Command::Send(draft)) = &parsed
            && !self.is_daemon_lost
            && !draft.has_more_recipients_than(self.limits.max_recipients)
        {
            return self.slots.push_draft(line.end, draft);
        }
        let word = match &parsed {
            Ok(command) => command.word().into(),
            Err(error) => error.word(),
        };
        let slot = |question| Slot::new(line.end, word.clone(), question);
        let slot = match parsed {
            Ok(Command::LogOut) => return self.begin_ending(Ending::LogOut),
            Ok(Command::Who) => slot(Question::Who),
            Ok(Command::Last { minutes }) => slot(Question::Last { minutes }),
            Ok(Command::Send(draft))
                if draft.has_more_recipients_than(self.limits.max_recipients) =>
            {
                self.event = Some(Event::GroupSize);
                slot(Question::Fetch).answered_with(refusal("args", &word))
            }
            // The daemon is lost: it is refused at once.
            Ok(Command::Send(_)) => slot(Question::Fetch),
            Ok(Command::Broadcast { text }) => slot(Question::Broadcast { text }),
            Ok(Command::Fetch) => slot(Question::Fetch).answered_with(words::FETCHING),
            Ok(Command::Push(mode)) => {
                let on = mode != PushMode::Off;
                let mut slot = slot(Question::Push { on }).answered_with(push_answer(mode));
                slot.setting = Some(Setting::Push(mode));
                slot
            }
            Ok(Command::Ids(has_ids)) => {
                let answer = if has_ids { "ids:on" } else { "ids:off" };
                let mut slot = slot(Question::Fetch).answered_with(answer);
                slot.setting = Some(Setting::Ids(has_ids));
                slot
            }
            Err(CommandError::Unknown { .. }) => {
                slot(Question::Fetch).answered_with(refusal("command", &word))
            }
            Err(CommandError::Arguments { .. }) => {
                slot(Question::Fetch).answered_with(refusal("args", &word))
            }
        };
        self.ask(slot);
    }

    /// What the daemon said to a line: the line to be shown.
    pub(super) fn understand(
        &mut self,
        index: usize,
        outcome: &Outcome<'_>,
    ) -> Option<Cow<'static, str>> {
        let slot = self.slots.get_mut(index);
        match &slot.question {
            question @ (Question::Name { .. }
            | Question::Register { .. }
            | Question::LogIn { .. }) => {
                let question = question.clone();
                return self.understand_login(&question, outcome);
            }
            Question::LogOut => {
                if let Some(ending) = self.ending {
                    self.finish(ending);
                }
                return None;
            }
            _ => {}
        }
        match outcome {
            Outcome::Done => slot.answer.take(),
            Outcome::Stored { unknown } if unknown.is_empty() => Some(words::SENT_TO_ALL.into()),
            Outcome::Stored { unknown } => Some(sent_but(unknown).into()),
            Outcome::QueueFull => Some(refusal("quota", &slot.word).into()),
            Outcome::DiskFull => Some(refusal("full", &slot.word).into()),
            Outcome::Busy => Some(refusal("busy", &slot.word).into()),
            // A worker and a daemon of one build never disagree on what may be asked.
            other => {
                log::error!("the state daemon gave {other:?} to `{}`", slot.word);
                Some(refusal("args", &slot.word).into())
            }
        }
    }
}

/// The answer to a message that some of those named do not get, because no account has their name.
fn sent_but(unknown: &NameList<'_>) -> String {
    let mut answer = format!("{}:", words::SEND);
    for (index, name) in unknown.iter().enumerate() {
        if index > 0 {
            answer.push(',');
        }
        answer.push_str(name);
    }
    answer
}

fn push_answer(mode: PushMode) -> &'static str {
    match mode {
        PushMode::On => "push:on",
        PushMode::Ack => "push:ack",
        PushMode::Off => "push:off",
    }
}
