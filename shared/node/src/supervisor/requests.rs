//! Does what operators' tools ask a parent for.

use super::{Supervisor, now};
use crate::control::protocol::{Question, Report, Request, StatusReport};
use crate::control::socket::Asked;
use crate::logs::log_format;

impl Supervisor {
    /// Does what operators' tools ask for.
    pub(super) fn serve_operators(&mut self) {
        let now_ms = now(self.epoch).clock_ms;
        let Some(operators) = &mut self.operators else {
            return;
        };
        for (ticket, index) in operators.end_overdue(now_ms) {
            if let Some(link) = &mut self.links[index] {
                link.give_up(ticket);
            }
        }
        for asked in operators.turn(now_ms) {
            if let Some(report) = self.take_request(&asked, now_ms)
                && let Some(operators) = &mut self.operators
            {
                operators.socket.answer(asked.connection, &report, now_ms);
            }
        }
        self.report_reloads(now_ms);
    }

    /// Answers those whose reload has ended.
    fn report_reloads(&mut self, now_ms: u64) {
        let answered = self.reloads.answered();
        let operators = self.operators.as_ref();
        if !operators.is_some_and(|it| it.awaits_reload(answered)) {
            return;
        }
        // Whoever asked may read the status next.
        self.publish();
        let report = self.reload_report();
        if let Some(operators) = &mut self.operators {
            operators.reloaded(answered, &report, now_ms);
        }
    }

    /// Returns the report on a request, unless it comes later.
    fn take_request(&mut self, asked: &Asked, now_ms: u64) -> Option<Report> {
        match &asked.request {
            Request::Status => {
                self.publish();
                Some(Report::Status(Box::new(StatusReport {
                    role: self.starter.role.to_owned(),
                    status: self.publication.status().clone(),
                })))
            }
            Request::Settings => {
                let report = self.settings.as_ref().map(|it| it.inspect());
                Some(report.map_or_else(
                    || Report::Failed {
                        reason: "it has no settings".to_owned(),
                    },
                    Report::Settings,
                ))
            }
            Request::SetLogLevel { level } => {
                note_act(asked);
                Some(match log_format::set_level(level) {
                    Ok(()) => {
                        if let Some(settings) = &mut self.settings {
                            settings.log_level_set(level);
                        }
                        Report::Done
                    }
                    Err(reason) => Report::Failed { reason },
                })
            }
            Request::Reload { force } => {
                note_act(asked);
                if *force && let Err(reason) = self.accept_files() {
                    return Some(Report::Failed { reason });
                }
                self.request_reload();
                let number = self.reloads.requested();
                if let Some(operators) = &mut self.operators {
                    operators.wait_for_reload(asked.connection, number);
                }
                None
            }
            Request::Drain { within_s } => {
                note_act(asked);
                let within_s = *within_s;
                Some(done(self.begin_drain(within_s, now(self.epoch))))
            }
            Request::EndDrain => {
                note_act(asked);
                Some(done(self.end_drain()))
            }
            Request::Ask { child, question } => {
                match self.ask_child(*child, question, asked, now_ms) {
                    Ok(()) => None,
                    Err(reason) => Some(Report::Failed { reason }),
                }
            }
        }
    }

    /// Passes a question on to a child. Fails if there is none that could answer.
    fn ask_child(
        &mut self,
        number: u32,
        question: &Question,
        asked: &Asked,
        now_ms: u64,
    ) -> Result<(), String> {
        let index = (number as usize).wrapping_sub(1);
        let link = self.links.get_mut(index);
        let link = link.ok_or_else(|| format!("there is no child {number}"))?;
        let name = self.starter.child_name(number);
        let link = link.as_mut().filter(|link| link.is_ready());
        let (Some(link), Some(operators)) = (link, &mut self.operators) else {
            return Err(format!("{name} does not serve now"));
        };
        if !follows_parent(question) {
            note_act(asked);
        }
        let ticket = operators.wait_for(
            asked.connection,
            (index, name),
            question.answer_ms(),
            now_ms,
        );
        link.ask(ticket, question);
        link.flush();
        Ok(())
    }
}

/// Whether a child is to get the log level that its parent has. The line of the parent's change stands for it.
fn follows_parent(question: &Question) -> bool {
    match question {
        Question::SetLogLevel { level } => log::max_level().as_str().eq_ignore_ascii_case(level),
        _ => false,
    }
}

fn done(result: Result<(), String>) -> Report {
    match result {
        Ok(()) => Report::Done,
        Err(reason) => Report::Failed { reason },
    }
}

/// Writes into the security log who asks for a change.
fn note_act(asked: &Asked) {
    if let Some(act) = asked.request.act() {
        log::warn!("security: {act} by {}", asked.peer);
    }
}
