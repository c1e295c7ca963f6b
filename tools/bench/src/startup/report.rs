//! What came of a start: one JSON line for programs, and a few lines for people.

use std::fmt::Write;
use std::time::Duration;

use super::Options;
use crate::footprint::{Footprint, Role, mebibytes};
use crate::machine::page;
use crate::verdict::Verdict;

/// What was measured. Every message came once, in order: else there is none.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// From the first login of a sender to the last logout.
    pub queueing_took: Duration,
    /// Once everything was queued.
    pub queued: Footprint,
    /// Until the processes of both daemons were gone.
    pub stop_took: Duration,
    /// From the start of the first process until the state daemon served.
    pub state_ready: Duration,
    /// The same, until the front end served.
    pub front_ready: Duration,
    /// The same, until a user for whom nothing waited had `welcome` and `DONE`.
    pub first_welcome: Duration,
    /// The same, until after him a user had all that waited for him.
    pub first_caught_up: Duration,
    /// How many messages that was.
    pub first_messages: u64,
    /// After these two.
    pub started: Footprint,
    /// Until all others had theirs.
    pub reading_took: Duration,
    /// After that, once the state directory no longer changed.
    pub read: Footprint,
}

/// A finished measurement.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was found.
    pub outcome: Outcome,
    options: Options,
    verdict: Verdict,
}

impl Report {
    pub(super) fn new(options: &Options, outcome: Outcome) -> Self {
        let (limit, took) = (options.within_ms, outcome.first_welcome.as_millis());
        let failures = limit
            .filter(|limit| took > u128::from(*limit))
            .map(|limit| {
                format!("the first user was welcome after {took} ms, later than {limit} ms")
            });
        Self {
            verdict: Verdict::new("startup", failures.into_iter().collect()),
            options: options.clone(),
            outcome,
        }
    }

    /// Whether it was in time, if there is a limit.
    pub fn is_success(&self) -> bool {
        self.verdict.is_success()
    }

    /// One object, on one line.
    pub fn json(&self) -> String {
        let outcome = &self.outcome;
        let mut json = self.verdict.begin_json();
        json.number("queued", self.options.queued);
        json.number("users", self.options.users as u64);
        json.number("text_bytes", self.options.run.text_bytes as u64);
        for (key, took) in [
            ("queueing_ms", outcome.queueing_took),
            ("stop_ms", outcome.stop_took),
            ("state_ready_ms", outcome.state_ready),
            ("front_ready_ms", outcome.front_ready),
            ("first_welcome_ms", outcome.first_welcome),
            ("first_caught_up_ms", outcome.first_caught_up),
            ("reading_ms", outcome.reading_took),
        ] {
            json.number(key, took.as_millis() as u64);
        }
        json.number("first_messages", outcome.first_messages);
        for (when, footprint) in self.footprints() {
            for role in [Role::State, Role::Worker] {
                let key = format!("{}_rss_{when}", role.word());
                json.number(&key, footprint.resident(role));
            }
            json.number(&format!("state_dir_{when}"), footprint.state_dir_bytes);
        }
        self.verdict.finish_json(json)
    }

    /// For people, several lines.
    pub fn text(&self) -> String {
        let outcome = &self.outcome;
        let Options {
            queued, users, run, ..
        } = &self.options;
        let ms = |took: Duration| took.as_secs_f64() * 1_000.0;
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}: {queued} messages of {} bytes waited for {users} users; each came once, in order",
            self.verdict.begin_text(),
            run.text_bytes
        );
        let _ = writeln!(
            text,
            "  since the start    state daemon serves {:.0} ms, front end too {:.0} ms, a user is welcome {:.0} ms",
            ms(outcome.state_ready),
            ms(outcome.front_ready),
            ms(outcome.first_welcome)
        );
        let _ = writeln!(
            text,
            "                     the next has his {} messages {:.0} ms",
            outcome.first_messages,
            ms(outcome.first_caught_up)
        );
        let _ = writeln!(
            text,
            "  before and after   queueing {:.0} ms, stopping {:.0} ms, reading the rest {:.0} ms",
            ms(outcome.queueing_took),
            ms(outcome.stop_took),
            ms(outcome.reading_took)
        );
        for (when, footprint) in self.footprints() {
            let _ = writeln!(
                text,
                "  {when:<18} state daemon {} resident, worker {}, state directory {}",
                mebibytes(footprint.resident(Role::State)),
                mebibytes(footprint.resident(Role::Worker)),
                mebibytes(footprint.state_dir_bytes)
            );
        }
        self.verdict.finish_text(&mut text);
        text
    }

    /// A page for the documentation.
    pub fn page(&self) -> String {
        let Options {
            queued,
            users,
            window,
            run,
            ..
        } = &self.options;
        let command = format!(
            "chat-bench startup --queued {queued} --users {users} --window {window} {}",
            run.flags()
        );
        page("The last start", &command, &self.text(), &self.json())
    }

    fn footprints(&self) -> [(&'static str, &Footprint); 3] {
        let Outcome {
            queued,
            started,
            read,
            ..
        } = &self.outcome;
        [("queued", queued), ("started", started), ("read", read)]
    }
}
