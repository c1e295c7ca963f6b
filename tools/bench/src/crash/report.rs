//! What came of a storm: one JSON line for programs, and a few lines for people.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use super::Options;
use super::kills::Victim;
use super::storm::Outcome;
use crate::machine::page;
use crate::verdict::Verdict;

/// Of the kills, at least so many in a hundred have to hit while messages are on their way.
const LEAST_KILLS_IN_TRAFFIC_PERCENT: u64 = 25;

/// A finished storm.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the random choices began with.
    pub seed: u64,
    /// What was found.
    pub outcome: Outcome,
    options: Options,
    verdict: Verdict,
}

impl Report {
    pub(super) fn new(options: &Options, seed: u64, outcome: Outcome) -> Self {
        let failures = failures(options, &outcome);
        Self {
            seed,
            outcome,
            options: options.clone(),
            verdict: Verdict::new("crash", failures),
        }
    }

    /// Whether all promises were kept, and there was enough traffic to tell.
    pub fn is_success(&self) -> bool {
        self.verdict.is_success()
    }

    /// Why it is not, in words.
    pub fn failures(&self) -> &[String] {
        &self.verdict.failures
    }

    /// The installation's directory was kept, to look into.
    pub(super) fn kept_dir(&mut self, dir: &Path) {
        let finding = format!("what it left was kept in {}", dir.display());
        self.outcome.findings.push(finding);
    }

    /// One object, on one line.
    pub fn json(&self) -> String {
        let mut json = self.verdict.begin_json();
        json.number("seed", self.seed);
        for (key, value) in self.figures() {
            json.number(&key, value);
        }
        json.text("killed", &self.options.kill.to_string());
        match self.options.rooms {
            0 => json.number("pairs", self.options.pairs as u64),
            rooms => {
                json.number("rooms", rooms as u64);
                json.number("room_members", self.options.room_members as u64);
                json.number("sessions", self.options.sessions as u64);
                json.number("once_percent", self.options.once_percent);
            }
        }
        json.number("reader_processes", self.options.reader_processes as u64);
        json.number("text_bytes", self.options.run.text_bytes as u64);
        json.texts("findings", &self.outcome.findings);
        self.verdict.finish_json(json)
    }

    fn describe_clients(&self) -> String {
        let Options {
            pairs,
            rooms,
            room_members,
            sessions,
            once_percent,
            reader_processes,
            ..
        } = self.options;
        match rooms {
            0 => format!(
                "{pairs} pairs, of which {} readers are processes of their own",
                reader_processes.min(pairs)
            ),
            _ => format!(
                "{rooms} rooms of {room_members} members with {sessions} sessions each, of which {} are processes of \
                 their own; {once_percent} % of the senders use `once`",
                reader_processes.min(rooms * room_members * sessions)
            ),
        }
    }

    /// For people, several lines.
    pub fn text(&self) -> String {
        let Outcome {
            counts,
            measured,
            took,
            ..
        } = &self.outcome;
        let mut text = String::new();
        let mut line = |args: std::fmt::Arguments<'_>| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{args}");
        };
        line(format_args!(
            "{}: seed {}, {}, {:.1} s",
            self.verdict.begin_text(),
            self.seed,
            self.describe_clients(),
            took.as_secs_f64()
        ));
        let kinds: Vec<_> = Victim::KINDS
            .iter()
            .map(|kind| format!("{} {}", kind.word(), measured.kills[*kind as usize]))
            .collect();
        line(format_args!(
            "  kills           {} ({}), {} with messages on their way",
            measured.total_kills(),
            kinds.join(", "),
            measured.kills_in_traffic
        ));
        line(format_args!(
            "  messages        {} acknowledged, {} never answered ({} of them came), {} refused",
            counts.acknowledged,
            counts.unanswered_received + counts.unanswered_gone,
            counts.unanswered_received,
            counts.refused
        ));
        if self.options.rooms > 0 {
            line(format_args!(
                "  rooms           {} messages at their readers, {} lines sent again by `once`, {} in the history",
                counts.delivered, counts.asked_again, measured.kept
            ));
        }
        line(format_args!(
            "  promises        {} lost, {} doubled, {} out of order, {} foreign texts",
            counts.lost, counts.doubled, counts.out_of_order, counts.foreign
        ));
        let numbers = match self.outcome.numbers {
            Some(numbers) => format!("{numbers} numbers given out"),
            None => "numbers given out not known".to_owned(),
        };
        line(format_args!(
            "  at the journal  {numbers}, {} messages received, {} repeated after a broken connection",
            counts.received, counts.repeated
        ));
        line(format_args!(
            "  connections     {} closed with their worker, {} closed before their worker was known, {} closed \
             unexpectedly",
            measured.closed_by_kill, measured.closed_unknown, measured.closed_unexpectedly
        ));
        line(format_args!(
            "  logins          {}, {} times told connected (longest {}), {} busy, {} times nobody listened",
            measured.logins,
            measured.told_connected,
            milliseconds(measured.longest_connected),
            measured.told_busy,
            measured.connects_refused
        ));
        line(format_args!(
            "  answers         p50 {}, p99 {}, p99.9 {}, longest {}",
            milliseconds(measured.answers.percentile(50.0)),
            milliseconds(measured.answers.percentile(99.0)),
            milliseconds(measured.answers.percentile(99.9)),
            milliseconds(measured.answers.longest())
        ));
        line(format_args!(
            "  back after cut  p50 {}, p99 {}, longest {}",
            milliseconds(measured.relogins.percentile(50.0)),
            milliseconds(measured.relogins.percentile(99.0)),
            milliseconds(measured.relogins.longest())
        ));
        for kind in Victim::KINDS {
            line(format_args!(
                "  longest pause   {} alone: answer {}, back after cut {}",
                kind.word(),
                milliseconds(measured.longest_answer_by_kind[kind as usize]),
                milliseconds(measured.longest_relogin_by_kind[kind as usize])
            ));
        }
        for failure in &self.verdict.failures {
            line(format_args!("  failure: {failure}"));
        }
        for finding in &self.outcome.findings {
            line(format_args!("  {finding}"));
        }
        text
    }

    /// A page for the documentation: when and where it was, the text, the JSON line.
    pub fn page(&self) -> String {
        let Options {
            kills,
            messages,
            pairs,
            rooms,
            room_members,
            sessions,
            once_percent,
            kill_interval_ms,
            kill,
            reader_processes,
            ..
        } = &self.options;
        let clients = match rooms {
            0 => format!("--pairs {pairs}"),
            _ => format!(
                "--rooms {rooms} --room-members {room_members} --sessions {sessions} --once-percent {once_percent}"
            ),
        };
        let command = format!(
            "chat-bench crash --seed {} --kills {kills} --messages {messages} {clients} \
             --kill-interval-ms {kill_interval_ms} --kill {kill} --reader-processes {reader_processes}",
            self.seed
        );
        page("The last storm", &command, &self.text(), &self.json())
    }

    fn figures(&self) -> Vec<(String, u64)> {
        let Outcome {
            counts,
            measured,
            numbers,
            took,
            ..
        } = &self.outcome;
        let mut figures: Vec<(String, u64)> = [
            ("took_ms", ms(*took)),
            ("kills", measured.total_kills()),
            ("kills_in_traffic", measured.kills_in_traffic),
            ("asked", counts.asked),
            ("asked_again", counts.asked_again),
            ("acknowledged", counts.acknowledged),
            ("refused", counts.refused),
            ("received", counts.received),
            ("delivered", counts.delivered),
            ("lost", counts.lost),
            ("doubled", counts.doubled),
            ("out_of_order", counts.out_of_order),
            ("foreign", counts.foreign),
            ("repeated", counts.repeated),
            ("unanswered_received", counts.unanswered_received),
            ("unanswered_gone", counts.unanswered_gone),
            ("closed_by_kill", measured.closed_by_kill),
            ("closed_unknown", measured.closed_unknown),
            ("closed_unexpectedly", measured.closed_unexpectedly),
            ("surprises", measured.surprises),
            ("logins", measured.logins),
            ("logouts", measured.logouts),
            ("kept", measured.kept),
            ("told_connected", measured.told_connected),
            ("told_busy", measured.told_busy),
            ("connects_refused", measured.connects_refused),
            ("longest_connected_ms", ms(measured.longest_connected)),
            ("answer_p50_us", us(measured.answers.percentile(50.0))),
            ("answer_p99_us", us(measured.answers.percentile(99.0))),
            ("answer_p999_us", us(measured.answers.percentile(99.9))),
            ("answer_longest_ms", ms(measured.answers.longest())),
            ("relogin_p50_ms", ms(measured.relogins.percentile(50.0))),
            ("relogin_p99_ms", ms(measured.relogins.percentile(99.0))),
            ("relogin_longest_ms", ms(measured.relogins.longest())),
            ("longest_pause_ms", ms(measured.longest_pause())),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
        for kind in Victim::KINDS {
            let (word, kind) = (kind.word(), kind as usize);
            figures.extend([
                (format!("kills_{word}"), measured.kills[kind]),
                (
                    format!("answer_longest_{word}_ms"),
                    ms(measured.longest_answer_by_kind[kind]),
                ),
                (
                    format!("relogin_longest_{word}_ms"),
                    ms(measured.longest_relogin_by_kind[kind]),
                ),
            ]);
        }
        if let Some(numbers) = numbers {
            figures.push(("numbers".to_owned(), *numbers));
        }
        figures
    }
}

fn failures(options: &Options, outcome: &Outcome) -> Vec<String> {
    let Outcome {
        counts,
        measured,
        numbers,
        ..
    } = outcome;
    let mut failures = Vec::new();
    let broken_promises = [
        (counts.lost, "acknowledged messages are lost"),
        (counts.doubled, "messages are doubled"),
        (counts.out_of_order, "messages are out of order"),
        (
            counts.foreign,
            "texts came that nobody sent to their reader",
        ),
        (
            measured.closed_unexpectedly,
            "connections closed although their worker was not killed",
        ),
        (
            measured.surprises - measured.closed_unexpectedly,
            "lines have no place in the protocol",
        ),
    ];
    for (count, what) in broken_promises {
        if count > 0 {
            failures.push(format!("{count} {what}"));
        }
    }
    if let Some(numbers) = numbers.filter(|numbers| *numbers != counts.received) {
        failures.push(format!(
            "the server gave out {numbers} numbers, but {} messages were received",
            counts.received
        ));
    }
    if counts.acknowledged < options.messages || measured.total_kills() < options.kills {
        failures.push(format!(
            "too little traffic: {} messages and {} kills",
            counts.acknowledged,
            measured.total_kills()
        ));
    }
    let kills = measured.total_kills();
    if measured.kills_in_traffic * 100 < kills * LEAST_KILLS_IN_TRAFFIC_PERCENT {
        failures.push(format!(
            "too little traffic: only {} of {kills} kills hit while messages were on their way",
            measured.kills_in_traffic
        ));
    }
    failures
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use clap::Parser;

    use super::super::counts::Counts;
    use super::super::measured::Measured;
    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    fn report(kills_in_traffic: u64, counts: Counts) -> Report {
        let options = Arguments::parse_from(["crash", "--kills=4", "--messages=10"]).options;
        let mut measured = Measured::default();
        for kill in 0..4 {
            measured.killed(Victim::Worker, kill < kills_in_traffic, Instant::now());
        }
        let outcome = Outcome {
            numbers: Some(counts.received),
            counts,
            measured,
            took: Duration::from_secs(1),
            findings: vec!["a \"quoted\"\nfinding".to_owned()],
        };
        Report::new(&options, 5, outcome)
    }

    fn enough() -> Counts {
        Counts {
            asked: 10,
            acknowledged: 10,
            received: 10,
            ..Counts::default()
        }
    }

    #[test]
    fn kept_promises_are_success() {
        let report = report(4, enough());
        assert!(report.is_success(), "{:?}", report.failures());
        let json = report.json();
        assert!(json.starts_with(r#"{"bench":"crash","result":"pass","seed":5,"#));
        assert!(
            json.contains(r#""lost":0,"#) && !json.contains('\n'),
            "{json}"
        );
        assert!(json.ends_with(r#""findings":["a \"quoted\"\u000afinding"],"failures":[]}"#));
    }

    #[test]
    fn each_broken_promise_is_failure() {
        let broken = |change: fn(&mut Counts)| {
            let mut counts = enough();
            change(&mut counts);
            report(4, counts).failures().len()
        };
        assert_eq!(broken(|counts| counts.lost = 1), 1);
        assert_eq!(broken(|counts| counts.doubled = 1), 1);
        assert_eq!(broken(|counts| counts.out_of_order = 1), 1);
        assert_eq!(broken(|counts| counts.foreign = 1), 1);
        let mut closed = report(4, enough());
        closed.outcome.measured.closed_unexpectedly = 1;
        closed.outcome.measured.surprises = 1;
        assert_eq!(failures(&closed.options, &closed.outcome).len(), 1);
        closed.outcome.numbers = Some(11);
        assert_eq!(failures(&closed.options, &closed.outcome).len(), 2);
    }

    #[test]
    fn too_little_traffic_is_failure() {
        assert!(!report(0, enough()).is_success());
        let few = Counts {
            acknowledged: 9,
            ..enough()
        };
        assert!(!report(4, few).is_success());
    }
}
