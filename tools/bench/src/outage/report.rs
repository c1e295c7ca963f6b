//! What came of the outages: one JSON line for programs, and a few lines for people.

use std::fmt::Write;
use std::time::Duration;

use chat_node::metrics::histogram::Histogram;

use super::Options;
use crate::json_object::JsonObject;
use crate::machine::page;

/// What was measured. No connection closed, and every answer was right: else there is none.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The longest wait of each client before the first kill.
    pub quiet: Histogram,
    /// The wait of each client at each kill.
    pub pauses: Histogram,
    /// The longest wait at each kill.
    pub longest_of_kill: Histogram,
    /// Messages that were acknowledged to the clients who went on sending.
    pub answers: u64,
    /// Processes that wanted a processor, before and after: others may have been busy on this machine.
    pub load_before: String,
    /// The same in the end.
    pub load_after: String,
}

impl Outcome {
    pub(super) fn new(load_before: String) -> Self {
        Self {
            load_before,
            ..Self::default()
        }
    }

    pub(super) fn add_kill(&mut self, pauses: &[Duration]) {
        self.pauses.add_all(pauses);
        let longest = pauses.iter().max().copied();
        self.longest_of_kill.add(longest.unwrap_or_default());
    }
}

/// A finished measurement.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was found.
    pub outcome: Outcome,
    options: Options,
    failures: Vec<String>,
}

impl Report {
    pub(super) fn new(options: &Options, outcome: Outcome) -> Self {
        let median = outcome.pauses.percentile(50.0);
        let failures = options
            .within_ms
            .filter(|limit| median > Duration::from_millis(*limit))
            .map(|limit| format!("half of the waits were longer than {limit} ms"));
        Self {
            failures: failures.into_iter().collect(),
            options: options.clone(),
            outcome,
        }
    }

    /// Whether the waits were short enough, if there is a limit.
    pub fn is_success(&self) -> bool {
        self.failures.is_empty()
    }

    /// One object, on one line.
    pub fn json(&self) -> String {
        let outcome = &self.outcome;
        let mut json = JsonObject::default();
        json.text("bench", "outage");
        json.text("result", if self.is_success() { "pass" } else { "fail" });
        json.number("queued", self.options.queued);
        json.number("users", self.options.users as u64);
        json.number("clients", self.options.clients as u64);
        json.number("kills", u64::from(self.options.kills));
        json.number("answers", outcome.answers);
        for (what, waits) in self.waits() {
            for (which, wait) in figures(waits) {
                json.number(&format!("{what}_{which}_us"), wait.as_micros() as u64);
            }
        }
        json.text("load_before", &outcome.load_before);
        json.text("load_after", &outcome.load_after);
        json.texts("failures", &self.failures);
        json.finish()
    }

    /// Lines for people.
    pub fn text(&self) -> String {
        let Options {
            queued,
            users,
            clients,
            kills,
            ..
        } = &self.options;
        let result = if self.is_success() {
            "passed"
        } else {
            "FAILED"
        };
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "outage {result}: the state process was killed {kills} times while {queued} messages waited for {users} \
             users; {clients} clients went on sending, none was cut off, {} answers",
            self.outcome.answers
        );
        for (name, waits) in [
            ("quiet", &self.outcome.quiet),
            ("at a kill", &self.outcome.pauses),
            ("slowest client", &self.outcome.longest_of_kill),
        ] {
            let [median, p99, max] = figures(waits).map(|(_, wait)| wait.as_secs_f64() * 1_000.0);
            let _ = writeln!(
                text,
                "  {name:<16} longest wait of a client: median {median:.1} ms, p99 {p99:.1} ms, longest {max:.1} ms"
            );
        }
        let (before, after) = (&self.outcome.load_before, &self.outcome.load_after);
        let _ = writeln!(text, "  load             before {before}, after {after}");
        for failure in &self.failures {
            let _ = writeln!(text, "  failure: {failure}");
        }
        text
    }

    /// A page for the documentation.
    pub fn page(&self) -> String {
        let Options {
            queued,
            users,
            clients,
            kills,
            every_ms,
            run,
            ..
        } = &self.options;
        let flags = run.flags();
        let command = format!(
            "chat-bench outage --queued {queued} --users {users} --clients {clients} --kills {kills} \
             --every-ms {every_ms} {flags}"
        );
        page("The last outages", &command, &self.text(), &self.json())
    }

    fn waits(&self) -> [(&'static str, &Histogram); 3] {
        [
            ("quiet", &self.outcome.quiet),
            ("pause", &self.outcome.pauses),
            ("slowest", &self.outcome.longest_of_kill),
        ]
    }
}

fn figures(waits: &Histogram) -> [(&'static str, Duration); 3] {
    [
        ("median", waits.percentile(50.0)),
        ("p99", waits.percentile(99.0)),
        ("max", waits.longest()),
    ]
}
