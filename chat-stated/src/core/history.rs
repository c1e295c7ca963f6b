//! What of committed messages goes to the history, what clients ask of it, and what a checkpoint waits for.

mod questions;

use std::collections::{BTreeMap, BTreeSet};

use chat_model::{ConnectionSerial, MessageNumber, Outcome, StreamOffset};

use super::link::LinkId;
use super::{Action, Core};
use crate::database::NoRoom;
use crate::history::{Gap, HistoryEvent, HistoryRequest, KeptMessage, Retention, Scope};

/// Questions that may wait for their answers at once. Each takes 200 ms at most.
const MAX_QUESTIONS: usize = 64;
/// Messages that a search finds at most.
const MAX_FOUND: usize = 50;
/// While messages of so many bytes are on their way to the history, workers are not read. In memory they take up to
/// twice as much.
pub(super) const MAX_PENDING_BYTES: usize = 64 * 1024 * 1024;
/// While the history waits for space on the disk, a checkpoint waits for it until the journal has grown by so much.
const MAX_JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
/// Damaged messages that are counted.
const MAX_DAMAGED: usize = 1_000;

/// What a start has found of the history.
#[derive(Debug, Default)]
pub struct HistoryStart {
    /// The history is there, and has what was to be kept up to here.
    pub through: Option<MessageNumber>,
    /// What it lacks, found by this start.
    pub gap: Option<Gap>,
    /// Why it is not to be used.
    pub failure: Option<String>,
    /// Messages that it lacks and the journal has.
    pub kept: Vec<KeptMessage>,
}

/// Who asked.
#[derive(Clone, Debug)]
struct Asker {
    link: LinkId,
    serial: ConnectionSerial,
    offset: StreamOffset,
    is_search: bool,
    /// What was asked for; nothing if there can be no such message.
    scope: Option<Scope>,
}

/// What is known of the history.
#[derive(Debug, Default)]
pub(super) struct History {
    stage: Stage,
    /// All that was to be kept up to here is durable, or in a gap.
    settled: MessageNumber,
    /// Bytes of messages on their way.
    pending_bytes: usize,
    /// The log has it that workers are not read because of that.
    is_delay_logged: bool,
    is_paused: bool,
    has_given_up: bool,
    /// Messages that it lacks, found or made by this process.
    gap: Option<Gap>,
    damaged: BTreeSet<MessageNumber>,
    questions: BTreeMap<u64, Asker>,
    last_ticket: u64,
    rows: u64,
    file_bytes: u64,
}

#[derive(Debug, Default)]
enum Stage {
    /// Nothing was kept yet.
    #[default]
    Absent,
    Working,
    /// For the rest of this process's life.
    Failed {
        error: String,
    },
}

impl History {
    pub(super) fn is_idle(&self) -> bool {
        self.questions.is_empty()
    }

    fn is_working(&self) -> bool {
        matches!(self.stage, Stage::Working)
    }

    /// Whether the journal may forget messages up to this one.
    pub(super) fn is_settled(&self, last: MessageNumber) -> bool {
        !self.is_working() || self.settled >= last
    }

    pub(super) fn is_behind(&self) -> bool {
        self.pending_bytes > MAX_PENDING_BYTES
    }

    /// Says that the history is too far behind, and that it has caught up by half.
    fn log_delay(&mut self) {
        let mebibytes = MAX_PENDING_BYTES / 1024 / 1024;
        if self.is_behind() && !self.is_delay_logged {
            self.is_delay_logged = true;
            log::warn!(
                "messages of {mebibytes} MiB wait for the history: workers are not read until it has written some"
            );
        }
        if self.is_delay_logged && self.pending_bytes <= MAX_PENDING_BYTES / 2 {
            self.is_delay_logged = false;
            log::info!("the history has caught up: workers are read again");
        }
    }

    fn lacks(&mut self, gap: Gap) {
        let known = self.gap.get_or_insert(gap);
        known.first = known.first.min(gap.first);
        known.last = known.last.max(gap.last);
    }

    /// What an operator has to know of it.
    pub(super) fn warning(&self) -> Option<String> {
        let gap = self.gap.map(|gap| gap.to_string());
        let damaged = (!self.damaged.is_empty()).then(|| {
            format!(
                "{} messages of the history are damaged and shown to nobody: the log names them",
                self.damaged.len()
            )
        });
        let paused = self
            .is_paused
            .then(|| "the history waits for space on the disk: free some".to_owned());
        let failed = match &self.stage {
            Stage::Failed { error } => Some(format!(
                "the history is off, the chat goes on without it: {error}"
            )),
            _ => None,
        };
        let warnings = [failed, paused, gap, damaged];
        let warnings: Vec<String> = warnings.into_iter().flatten().collect();
        (!warnings.is_empty()).then(|| warnings.join("; "))
    }

    /// Messages in it, bytes of its file, and bytes on their way to it.
    pub(super) fn sizes(&self) -> (u64, u64, usize) {
        (self.rows, self.file_bytes, self.pending_bytes)
    }

    /// How far it is behind a message that belongs into it, in message numbers.
    pub(super) fn lag(&self, last: MessageNumber) -> u64 {
        match self.is_working() {
            true => last.0.saturating_sub(self.settled.0),
            false => 0,
        }
    }

    /// Whether it lacks messages.
    pub(super) fn is_incomplete(&self) -> bool {
        self.gap.is_some()
    }

    /// How many damaged messages were found in it.
    pub(super) fn damaged_count(&self) -> usize {
        self.damaged.len()
    }

    /// Whether it is off though it should not be.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.stage, Stage::Failed { .. })
    }
}

impl Core {
    /// Takes what a start has found of the history. To be called before anything is committed.
    pub fn history_opened(&mut self, start: HistoryStart) {
        let history = &mut self.history;
        if let Some(gap) = start.gap {
            log::error!("{gap}");
            history.lacks(gap);
        }
        match (start.failure, start.through) {
            (Some(error), _) => {
                self.keep(start.kept);
                self.history_failed(error);
            }
            (None, Some(through)) => {
                history.stage = Stage::Working;
                history.settled = through;
                self.keep(start.kept);
                self.retain_history();
            }
            (None, None) => {}
        }
    }

    /// Sends messages that were committed to the history, and says what it has to keep no longer.
    pub(super) fn keep_messages(&mut self) {
        if !self.effects.kept.is_empty() {
            let kept = std::mem::take(&mut self.effects.kept);
            self.keep(kept);
        }
        if !self.effects.forgotten.is_empty() {
            let forgotten = std::mem::take(&mut self.effects.forgotten);
            if self.history.is_working() {
                let request = HistoryRequest::Forget(forgotten);
                self.actions.push(Action::History(request));
            }
        }
    }

    pub(super) fn keep(&mut self, kept: Vec<KeptMessage>) {
        let (Some(first), Some(last)) = (kept.first(), kept.last()) else {
            return;
        };
        if matches!(self.history.stage, Stage::Absent) {
            self.history.stage = Stage::Working;
            self.history.settled = MessageNumber(first.number.0.saturating_sub(1));
        }
        if !self.history.is_working() {
            return self.history.lacks(Gap {
                first: first.number,
                last: last.number,
            });
        }
        let bytes: usize = kept.iter().map(KeptMessage::bytes).sum();
        self.history.pending_bytes += bytes;
        self.history.log_delay();
        let request = HistoryRequest::Keep(kept);
        self.actions.push(Action::History(request));
    }

    /// Has all deleted that the state gave up before this process began.
    fn retain_history(&mut self) {
        let rooms = self.state.kept_rooms();
        let retention = Retention {
            direct_after: self.state.direct_kept_after(),
            rooms_after: rooms.map(|room| (room.room, room.after)).collect(),
            last_room: self.state.last_room(),
        };
        let request = HistoryRequest::Retain(retention);
        self.actions.push(Action::History(request));
    }

    /// A checkpoint waits for the history. If that waits for space, and the journal has grown too long, what waits
    /// becomes a gap.
    pub(super) fn checkpoint_waits_for_history(&mut self, journal_bytes: u64) {
        let history = &mut self.history;
        if history.is_paused && !history.has_given_up && journal_bytes > MAX_JOURNAL_BYTES {
            history.has_given_up = true;
            let request = HistoryRequest::GiveUpWaiting;
            self.actions.push(Action::History(request));
        }
    }

    /// What came of a request to the history.
    pub fn take_history(&mut self, event: HistoryEvent) {
        let history = &mut self.history;
        match event {
            HistoryEvent::Settled {
                through,
                bytes,
                rows,
                file_bytes,
            } => {
                history.settled = history.settled.max(through);
                history.pending_bytes = history.pending_bytes.saturating_sub(bytes);
                history.log_delay();
                (history.rows, history.file_bytes) = (rows, file_bytes);
            }
            HistoryEvent::Paused(cause) => self.history_pauses(cause),
            HistoryEvent::Gap(gap) => {
                log::error!("{gap}: the disk had no space for too long");
                history.lacks(gap);
            }
            HistoryEvent::Answered { ticket, found } => {
                let Some(asker) = history.questions.remove(&ticket) else {
                    return;
                };
                match found {
                    Some(found) => self.answer_asker(&asker, &found),
                    None => self.answer(asker.link, asker.serial, asker.offset, Outcome::Busy),
                }
            }
            HistoryEvent::Failed { error } => self.history_failed(error),
        }
    }

    fn history_pauses(&mut self, cause: Option<NoRoom>) {
        self.history.is_paused = cause.is_some();
        self.history.has_given_up = false;
        if cause.is_none() {
            log::warn!("the history has space again");
        }
    }

    /// Nothing more is kept in this process's life, and no checkpoint waits.
    fn history_failed(&mut self, error: String) {
        log::error!("{error}. The history is off");
        let (settled, last) = (self.history.settled, self.state.keeping().last);
        if self.history.is_working() && last > settled {
            self.history.lacks(Gap {
                first: MessageNumber(settled.0 + 1),
                last,
            });
        }
        let history = &mut self.history;
        history.stage = Stage::Failed { error };
        history.pending_bytes = 0;
        history.is_paused = false;
        // The threads answer what they were asked.
    }

    fn note_damaged(&mut self, damaged: &[MessageNumber]) {
        for number in damaged {
            if self.history.damaged.len() < MAX_DAMAGED && self.history.damaged.insert(*number) {
                log::error!(
                    "message {} of the history is damaged: it is shown to nobody",
                    number.0
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warning_names_what_history_lacks() {
        let mut history = History::default();
        assert_eq!(history.warning(), None);
        for (first, last) in [(5, 7), (3, 4)] {
            history.lacks(Gap {
                first: MessageNumber(first),
                last: MessageNumber(last),
            });
        }
        let warning = history.warning();
        assert_eq!(
            warning.as_deref(),
            Some("the history lacks messages 3 to 7")
        );
    }
}
