//! What came of a soak: one JSON line for programs, and a few lines for people.

use std::fmt::Write;
use std::time::Duration;

use super::Options;
use super::growth::Growth;
use crate::footprint::{Footprint, Role, mebibytes};
use crate::machine::page;
use crate::verdict::Verdict;

/// What was measured. Every message came once, in order: else there is none.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Once a second.
    pub growth: Growth,
    /// After everything was read and the clients were gone.
    pub final_footprint: Footprint,
    /// From the first message to the last.
    pub took: Duration,
}

/// A finished soak.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was found.
    pub outcome: Outcome,
    options: Options,
    verdict: Verdict,
}

impl Report {
    pub(super) fn new(options: &Options, outcome: Outcome) -> Self {
        Self {
            verdict: Verdict::new("soak", outcome.growth.failures(&outcome.final_footprint)),
            options: options.clone(),
            outcome,
        }
    }

    /// Whether nothing grew with the messages.
    pub fn is_success(&self) -> bool {
        self.verdict.is_success()
    }

    /// One object, on one line.
    pub fn json(&self) -> String {
        let Outcome {
            growth,
            final_footprint,
            took,
        } = &self.outcome;
        let mut json = self.verdict.begin_json();
        json.number("messages", self.options.messages);
        json.number("pairs", self.options.pairs as u64);
        json.number("window", self.options.window as u64);
        json.text("push", self.options.push.word());
        json.number("text_bytes", self.options.run.text_bytes as u64);
        json.number("took_ms", took.as_millis() as u64);
        json.number("messages_per_second", self.messages_per_second() as u64);
        for (word, of) in measures() {
            json.number(&format!("{word}_first_tenth"), growth.most_in_tenth(0, &of));
            json.number(&format!("{word}_last_tenth"), growth.most_in_tenth(9, &of));
            json.number(&format!("{word}_max"), growth.most(&of));
            json.number(&format!("{word}_final"), of(final_footprint));
        }
        json.number("samples", growth.samples().len() as u64);
        self.verdict.finish_json(json)
    }

    /// For people, several lines.
    pub fn text(&self) -> String {
        let Outcome {
            growth,
            final_footprint,
            took,
        } = &self.outcome;
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}: {} messages sent, and read once and in order, by {} pairs in {:.1} s: {:.0} a second",
            self.verdict.begin_text(),
            self.options.messages,
            self.options.pairs,
            took.as_secs_f64(),
            self.messages_per_second()
        );
        let _ = writeln!(
            text,
            "  {:<18}{:>12}{:>12}{:>12}{:>12}",
            "", "1st tenth", "last tenth", "most", "final"
        );
        for (word, of) in measures() {
            let figures = [
                growth.most_in_tenth(0, &of),
                growth.most_in_tenth(9, &of),
                growth.most(&of),
                of(final_footprint),
            ]
            .map(mebibytes);
            let [first, last, most, end] = figures;
            let _ = writeln!(text, "  {word:<18}{first:>12}{last:>12}{most:>12}{end:>12}");
        }
        let _ = write!(text, "  messages/s by tenth:");
        for tenth in 0..10 {
            let _ = write!(text, " {:.0}", growth.rate_in_tenth(tenth));
        }
        text.push('\n');
        self.verdict.finish_text(&mut text);
        text
    }

    /// A page for the documentation.
    pub fn page(&self) -> String {
        let Options {
            messages,
            pairs,
            window,
            lead,
            push,
            run,
            ..
        } = &self.options;
        let command = format!(
            "chat-bench soak --messages {messages} --pairs {pairs} --window {window} --lead {lead} --push {} \
             {}",
            push.word(),
            run.flags()
        );
        page("The last soak", &command, &self.text(), &self.json())
    }

    fn messages_per_second(&self) -> f64 {
        self.options.messages as f64 / self.outcome.took.as_secs_f64().max(1e-6)
    }
}

/// Its name, and how it is found in a footprint.
type Measure = (String, Box<dyn Fn(&Footprint) -> u64>);

/// What is looked at, in bytes.
fn measures() -> Vec<Measure> {
    let mut measures: Vec<Measure> = Vec::new();
    for role in Role::ALL {
        measures.push((
            format!("{}_rss", role.word()),
            Box::new(move |footprint: &Footprint| footprint.resident(role)),
        ));
    }
    measures.push((
        "state_dir".to_owned(),
        Box::new(|footprint: &Footprint| footprint.state_dir_bytes),
    ));
    measures
}
