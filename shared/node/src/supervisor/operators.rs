//! Requests of operators' tools on the control socket: which are under way, and how they end. The supervisor does what
//! they ask for.

use crate::control::protocol::{Answer, Report};
use crate::control::socket::{Asked, ConnectionKey, ControlSocket};

/// A question that a child has not answered.
#[derive(Debug)]
struct Pending {
    ticket: u64,
    connection: ConnectionKey,
    /// Index of the child.
    index: usize,
    /// For people.
    name: String,
    answer_ms: u64,
    due_ms: u64,
}

/// The control socket, and the questions under way.
#[derive(Debug)]
pub(super) struct Operators {
    pub(super) socket: ControlSocket,
    pending: Vec<Pending>,
    /// Connections that wait for a reload, and its number.
    reloads: Vec<(ConnectionKey, u64)>,
    last_ticket: u64,
}

impl Operators {
    pub(super) fn new(socket: ControlSocket) -> Self {
        Self {
            socket,
            pending: Vec::new(),
            reloads: Vec::new(),
            last_ticket: 0,
        }
    }

    /// When [`Self::turn`] is due although nothing happens.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        if self.socket.has_waiting() {
            return Some(0);
        }
        let answers = self.pending.iter().map(|pending| pending.due_ms);
        answers.chain(self.socket.next_due_ms()).min()
    }

    /// Returns the requests that have come.
    pub(super) fn turn(&mut self, now_ms: u64) -> Vec<Asked> {
        self.socket.turn(now_ms)
    }

    /// A connection waits for the answer of a child from now on. Returns the ticket of the question.
    pub(super) fn wait_for(
        &mut self,
        connection: ConnectionKey,
        (index, name): (usize, String),
        answer_ms: u64,
        now_ms: u64,
    ) -> u64 {
        self.last_ticket += 1;
        self.pending.push(Pending {
            ticket: self.last_ticket,
            connection,
            index,
            name,
            answer_ms,
            due_ms: now_ms + answer_ms,
        });
        self.last_ticket
    }

    /// A connection waits for the reload of this number from now on.
    pub(super) fn wait_for_reload(&mut self, connection: ConnectionKey, number: u64) {
        self.reloads.push((connection, number));
    }

    /// Whether a connection waits for a reload up to this number.
    pub(super) fn awaits_reload(&self, answered: u64) -> bool {
        self.reloads.iter().any(|(_, number)| *number <= answered)
    }

    /// The reloads up to this number have ended.
    pub(super) fn reloaded(&mut self, answered: u64, report: &Report, now_ms: u64) {
        let is_ended = |(_, number): &mut (ConnectionKey, u64)| *number <= answered;
        for (connection, _) in self.reloads.extract_if(.., is_ended) {
            self.socket.answer(connection, report, now_ms);
        }
    }

    /// A child has answered.
    pub(super) fn answered(&mut self, ticket: u64, answer: Result<Answer, String>, now_ms: u64) {
        let report = match answer {
            Ok(answer) => Report::Answer { answer },
            Err(reason) => Report::Failed { reason },
        };
        self.end(
            |pending| pending.ticket == ticket,
            |_| report.clone(),
            now_ms,
        );
    }

    /// The child of this index has ended, and answers nothing more.
    pub(super) fn child_ended(&mut self, index: usize, now_ms: u64) {
        let report = |pending: &Pending| Report::Failed {
            reason: format!("{} has ended before it answered", pending.name),
        };
        self.end(|pending| pending.index == index, report, now_ms);
    }

    /// Ends questions that are not answered in time. Returns their tickets and children.
    pub(super) fn end_overdue(&mut self, now_ms: u64) -> Vec<(u64, usize)> {
        let is_overdue = |pending: &Pending| pending.due_ms <= now_ms;
        let overdue = self.pending.iter().filter(|pending| is_overdue(pending));
        let overdue = overdue
            .map(|pending| (pending.ticket, pending.index))
            .collect();
        let report = |pending: &Pending| Report::Failed {
            reason: format!(
                "{} does not answer within {} s: it is stopped or hangs, and what was asked may still happen",
                pending.name,
                pending.answer_ms / 1_000
            ),
        };
        self.end(is_overdue, report, now_ms);
        overdue
    }

    fn end(
        &mut self,
        is_ended: impl Fn(&Pending) -> bool,
        report: impl Fn(&Pending) -> Report,
        now_ms: u64,
    ) {
        for ended in self.pending.extract_if(.., |pending| is_ended(pending)) {
            self.socket
                .answer(ended.connection, &report(&ended), now_ms);
        }
    }
}
