//! The power goes at any moment of a run, and takes what was not synced, or a part of it.

use std::fs;

use crate::cases::{are_all_wanted, try_each};
use crate::control::{Failure, Fault, Kind};
use crate::daemon::{Installation, quick_directory};
use crate::run::{ACCOUNTS, Told, run};
use crate::trace::{self, Cut, Disk, Event};
use crate::worker::Worker;

const ROUNDS: usize = 80;
/// Observations after which the process that holds the state is killed.
const KILLED_AT: [usize; 3] = [3, 30, 61];

/// A run as it was written down.
struct Recorded {
    accounts: Vec<u8>,
    events: Vec<Event>,
    /// What was told at each mark.
    told: Vec<Told>,
    with_history: bool,
}

impl Recorded {
    fn new(fault: Option<Fault>, with_history: bool) -> Self {
        let mut installation = Installation::new(&ACCOUNTS);
        installation.flags = vec![
            "--checkpoint-every-entries=25".into(),
            "--resident-text-bytes=0".into(),
            "--disk-reserve=1".into(),
        ];
        if with_history {
            installation.flags.push("--direct-history".into());
        }
        let accounts = fs::read(installation.run_dir().join("user_pass.txt")).unwrap();
        if let Some(fault) = fault {
            installation.control.fail(fault);
        }
        let mut daemon = installation.start_traced();
        let supervisor = daemon.id();
        let mut told = vec![Told::default()];
        let mut observe = |now: &Told| {
            trace::mark(&installation.trace(), told.len());
            if fault.is_none() && KILLED_AT.contains(&told.len()) {
                installation.kill_state_process(supervisor);
            }
            told.push(now.clone());
        };
        let mut now = Told::default();
        let mut worker = Worker::new(&installation, &mut daemon);
        run(&mut worker, ROUNDS, &mut now, &mut observe).unwrap();
        observe(&now);
        if let Some(fault) = fault {
            assert!(installation.control.failed() > 0, "{fault:?}");
        }
        drop(daemon);
        Self {
            accounts,
            events: trace::read(&installation.trace()),
            told,
            with_history,
        }
    }

    /// The disk, and what was told, after so many events.
    fn after(&self, events: usize) -> (Disk, &Told) {
        let mut disk = Disk::with(&[("user_pass.txt", &self.accounts)]);
        let mut told = &self.told[0];
        for event in &self.events[..events] {
            disk.take(event);
            if let Event::Mark(number) = event {
                told = &self.told[*number];
            }
        }
        (disk, told)
    }

    fn check(&self, events: usize, cut: Cut) {
        let (disk, told) = self.after(events);
        let dir = quick_directory();
        disk.write(cut, dir.path());
        told.check_disk(dir.path());
        if self.with_history {
            told.check_history(dir.path());
        }
    }
}

/// Cuts the power after each number of events, or after a sample of them.
fn cut_everywhere(recorded: &Recorded, sample: Option<usize>, seeds: u64) {
    let all = recorded.events.len();
    let step = sample.map_or(1, |sample| (all / sample).max(1));
    let mut cuts = Vec::new();
    for (turn, events) in (0..=all).step_by(step).enumerate() {
        cuts.extend([(events, Cut::Keeps), (events, Cut::Drops)]);
        if recorded.with_history {
            cuts.extend([(events, Cut::DropsHistory), (events, Cut::KeepsHistory)]);
        }
        let seed = |seed: u64| Cut::Mixes(turn as u64 * seeds + seed);
        cuts.extend((0..seeds).map(|number| (events, seed(number))));
    }
    try_each(&cuts, |(events, cut)| recorded.check(*events, *cut));
}

#[test]
fn nothing_acknowledged_is_lost_whenever_power_goes() {
    let recorded = Recorded::new(None, false);
    assert!(recorded.events.len() > 1_000, "{}", recorded.events.len());
    if are_all_wanted() {
        cut_everywhere(&recorded, None, 6);
    } else {
        cut_everywhere(&recorded, Some(150), 2);
    }
}

#[test]
fn history_has_everything_whenever_power_goes() {
    let recorded = Recorded::new(None, true);
    let is_sync =
        |event: &&Event| matches!(event, Event::Sync { path } if path.starts_with("state/history"));
    let syncs = recorded.events.iter().filter(is_sync).count();
    assert!(syncs > 5, "{syncs}");
    match are_all_wanted() {
        true => cut_everywhere(&recorded, None, 6),
        false => cut_everywhere(&recorded, Some(150), 2),
    }
}

/// After a failed sync what was to be written can be read until the power goes. So it has to be written again.
#[test]
fn failed_sync_is_rewritten_before_use() {
    let places: Vec<i64> = match are_all_wanted() {
        true => (1..120).collect(),
        false => vec![2, 11, 26, 35, 47, 60, 71, 90],
    };
    try_each(&places, |at| {
        let fault = Fault {
            kind: Kind::Sync,
            at: *at,
            failure: Failure::Io,
            for_ever: false,
        };
        let recorded = Recorded::new(Some(fault), false);
        let is_lost = |event: &Event| matches!(event, Event::LostSync { .. });
        let lost = recorded.events.iter().position(is_lost).unwrap();
        let step = ((recorded.events.len() - lost) / 12).max(1);
        for events in (lost..=recorded.events.len()).step_by(step) {
            for cut in [Cut::Drops, Cut::Keeps, Cut::Mixes(events as u64)] {
                recorded.check(events, cut);
            }
        }
    });
}
