//! What operators change by questions: one act at a time, answered once the journal has it.

use std::net::IpAddr;

use chat_node::control::change::Change;
use chat_node::control::protocol::Answer;

use super::Core;
use crate::entry::{Entry, OperatorAct};
use crate::state::OperatorOutcome;

/// What a question comes to; the error is for people.
pub(super) type Answered = Result<Answer, String>;

/// The act under way, and answers on their way out.
#[derive(Debug, Default)]
pub(super) struct Operations {
    /// The question of the act that is not decided yet.
    under_way: Option<u64>,
    answers: Vec<(u64, Answered)>,
}

impl Core {
    /// Begins a change. The error is for people, and says why nothing is changed.
    pub(super) fn take_change(&mut self, ticket: u64, change: &Change) -> Result<(), String> {
        if self.operations.under_way.is_some() {
            return Err("another change of an operator is under way: try again".to_owned());
        }
        let act = match change {
            Change::LiftBlocks { name, address } => self.lift_blocks(name.as_deref(), *address)?,
        };
        self.operations.under_way = Some(ticket);
        self.batches.push(Entry::Operate { ticket, act });
        Ok(())
    }

    /// Answers to questions, by their tickets.
    pub fn take_answers(&mut self) -> Vec<(u64, Result<Answer, String>)> {
        std::mem::take(&mut self.operations.answers)
    }

    pub(super) fn end_question(&mut self, ticket: u64, answer: Answered) {
        self.operations.answers.push((ticket, answer));
    }

    fn lift_blocks(
        &self,
        name: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<OperatorAct, String> {
        let account = match name {
            Some(name) => {
                let found = self.state.account(name);
                let (account, _) = found.ok_or_else(|| format!("there is no account {name}"))?;
                Some(account)
            }
            None => None,
        };
        Ok(OperatorAct::LiftBlocks { account, address })
    }

    /// Answers the questions whose acts are decided.
    pub(super) fn tell_operated(&mut self) {
        for operated in std::mem::take(&mut self.effects.operated) {
            let answer = match operated.outcome {
                OperatorOutcome::Lifted(blocks) => Ok(Answer::Lifted { blocks }),
            };
            self.end_act(operated.ticket, answer);
        }
    }

    /// The disk has no room for an act.
    pub(super) fn refuse_act_for_room(&mut self, ticket: u64) {
        let reason = "the disk has no room for it: nothing was changed".to_owned();
        self.end_act(ticket, Err(reason));
    }

    fn end_act(&mut self, ticket: u64, answer: Answered) {
        if self
            .operations
            .under_way
            .take_if(|it| *it == ticket)
            .is_some()
        {
            self.end_question(ticket, answer);
        }
    }
}
