//! What both daemons and their children say, as samples.

use chat_node::control::client::{ControlClient, ControlError};
use chat_node::control::protocol::{Answer, Question, QueueTotals};
use chat_node::files::run_dir::RunDir;
use chat_node::metrics::catalogue::{
    BUILD, CERTIFICATE_END, CHILD_RESTARTS, CHILD_SERVING, HEALTH, MEMBERSHIPS, Metric, OLDEST,
    PLACES, QUEUES, REFUSALS, TOKENS, UP,
};
use chat_node::metrics::samples::{Sample, Samples};

use jiff::Timestamp;

use super::{files, processes};
use crate::daemons::{Daemons, Found, FoundState, Running};
use crate::verdict::{Health, Verdict};

/// Asks both daemons and all their children.
pub(super) fn gather(daemons: &Daemons) -> Vec<Sample> {
    let found = daemons.look();
    let mut samples = Samples::default();
    let health = Verdict::of(&found, daemons.state.path()).health.word();
    for word in Health::WORDS {
        samples.add(&HEALTH, &[word], u64::from(word == health));
    }
    files::add(&mut samples, daemons.state.path());
    if let Some(totals) = queue_totals(&found[0]) {
        add_queues(&mut samples, totals, Timestamp::now());
    }
    let mut all = Vec::new();
    for (found, run_dir) in found.iter().zip([&daemons.state, &daemons.front_end]) {
        add_daemon(&mut samples, found);
        if let FoundState::Running(running) = &found.state {
            all.extend(of_children(run_dir, running));
        }
    }
    all.extend(samples.into_vec());
    all
}

/// What is in all queues, if the state process has said that.
fn queue_totals(state: &Found) -> Option<QueueTotals> {
    match &state.state {
        FoundState::Running(running) => running.queue_totals,
        _ => None,
    }
}

fn add_queues(samples: &mut Samples, totals: QueueTotals, now: Timestamp) {
    let QueueTotals {
        waiting,
        nearly_full,
        full,
        oldest_ms,
        places,
        tokens,
        memberships,
        next: _,
    } = totals;
    samples.add(&PLACES, &[], places);
    samples.add(&TOKENS, &[], tokens);
    samples.add(&MEMBERSHIPS, &[], memberships);
    samples.add(&QUEUES, &["normal"], waiting.saturating_sub(nearly_full));
    samples.add(&QUEUES, &["nearly-full"], nearly_full.saturating_sub(full));
    samples.add(&QUEUES, &["full"], full);
    let age_ms = oldest_ms.map_or(0, |sent_ms| now.as_millisecond().saturating_sub(sent_ms));
    samples.add(&OLDEST, &[], u64::try_from(age_ms).unwrap_or(0) * 1_000);
}

fn add_daemon(samples: &mut Samples, found: &Found) {
    let program = found.program;
    let running = match &found.state {
        FoundState::Running(running) => running,
        _ => return samples.add(&UP, &[program], 0),
    };
    samples.add(&UP, &[program], 1);
    samples.add(&BUILD, &[program, &running.build], 1);
    let status = &running.report.status;
    for (child, number) in status.children.iter().zip(1..) {
        let number = u32::to_string(&number);
        let labels = [program, number.as_str()];
        samples.add(&CHILD_SERVING, &labels, u64::from(child.is_serving()));
        samples.add(&CHILD_RESTARTS, &labels, child.restarts);
    }
    if let Some(end) = status.certificate_end {
        let micros = u64::try_from(end.as_microsecond()).unwrap_or(0);
        samples.add(&CERTIFICATE_END, &[], micros);
    }
    for (kind, count) in status.refused.iter() {
        samples.add(&REFUSALS, &[program, kind], count);
    }
    processes::add(samples, program, &running.report);
}

/// The samples of all children that answer.
fn of_children(run_dir: &RunDir, running: &Running) -> Vec<Sample> {
    let Ok(mut client) = ControlClient::connect(run_dir) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    let children = running.report.status.children.iter();
    for (silent, number) in children.zip(&running.silent_children).zip(1..) {
        let (child, silent) = silent;
        if !child.is_serving() || silent.is_some() {
            continue;
        }
        match client.ask_child(number, Question::Metrics) {
            Ok(Answer::Metrics(answer)) => {
                let number = number.to_string();
                all.extend(answer.samples.into_iter().map(|it| named(it, &number)));
            }
            // The others may answer.
            Ok(_) | Err(ControlError::Refused { .. }) => {}
            Err(_) => break,
        }
    }
    all
}

/// A child's sample with the number of the child, if it is of a worker.
fn named(mut sample: Sample, number: &str) -> Sample {
    if Metric::of(&sample.metric).is_some_and(Metric::is_of_worker) {
        sample.labels.insert(0, number.to_owned());
    }
    sample
}
