//! How healthy the server is, and why. Pure.

use std::path::{self, Path};

use chat_node::control::protocol::{BUILD, PendingSetting, SettingsReport};
use chat_node::control::status_file::{ChildStatus, Phase};

use crate::daemons::{Found, FoundState, Running};
use crate::exit_status::ExitStatus;

/// The health of a server, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    /// Everything is served, and nothing needs an operator.
    Healthy,
    /// Clients are served, but something needs an operator.
    Degraded,
    /// It is not known whether clients are served.
    Unknown,
    /// Clients are not served.
    Down,
    /// Neither daemon runs.
    NothingRuns,
}

impl Health {
    /// All words, from best to worst.
    pub(crate) const WORDS: [&str; 4] = ["healthy", "degraded", "unknown", "down"];

    /// The last word of the output.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unknown => "unknown",
            Self::Down | Self::NothingRuns => "down",
        }
    }

    pub(crate) fn exit_status(self) -> ExitStatus {
        match self {
            Self::Healthy => ExitStatus::Done,
            Self::Degraded => ExitStatus::NotDone,
            Self::Unknown => ExitStatus::Unknown,
            Self::Down => ExitStatus::Down,
            Self::NothingRuns => ExitStatus::NothingRuns,
        }
    }
}

/// A health and its reasons, worst first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) health: Health,
    pub(crate) reasons: Vec<String>,
}

impl Verdict {
    pub(crate) fn of(found: &[Found], run_dir: &Path) -> Self {
        let runs = |it: &Found| !matches!(it.state, FoundState::NotRunning);
        if !found.iter().any(runs) {
            let run_dir = path::absolute(run_dir).unwrap_or_else(|_| run_dir.to_owned());
            let reason = format!(
                "nothing runs in the run directory {} (CHAT_RUN_DIR or --run-dir names another one)",
                run_dir.display()
            );
            return Self {
                health: Health::NothingRuns,
                reasons: vec![reason],
            };
        }
        let mut reasons: Vec<(Health, String)> = found.iter().flat_map(reasons_of).collect();
        // Stable: of one health they stay in their order.
        reasons.sort_by_key(|(health, _)| std::cmp::Reverse(*health));
        Self {
            health: reasons.first().map_or(Health::Healthy, |worst| worst.0),
            reasons: reasons.into_iter().map(|(_, reason)| reason).collect(),
        }
    }
}

fn reasons_of(found: &Found) -> Vec<(Health, String)> {
    let program = found.program;
    match &found.state {
        FoundState::NotRunning => vec![(Health::Down, format!("{program} does not run"))],
        FoundState::Unreachable(reason) => vec![(Health::Unknown, reason.clone())],
        FoundState::Silent(reason) => vec![(Health::Degraded, reason.clone())],
        FoundState::Running(running) => {
            let reasons = reasons_of_running(running);
            let named = |(health, reason)| (health, format!("{program}: {reason}"));
            reasons.into_iter().map(named).collect()
        }
    }
}

fn reasons_of_running(running: &Running) -> Vec<(Health, String)> {
    let (role, status) = (&running.report.role, &running.report.status);
    let mut reasons = Vec::new();
    let children = status.children.iter().zip(&running.silent_children);
    let is_served =
        |(child, silent): (&ChildStatus, &Option<String>)| child.is_serving() && silent.is_none();
    if !children.clone().any(is_served) {
        let phase = status.phase.word();
        reasons.push((Health::Down, format!("it is {phase}, and no {role} serves")));
    }
    for ((child, silent), number) in children.zip(1..) {
        if let Some(reason) = trouble_of(child, silent.as_deref()) {
            reasons.push((Health::Degraded, format!("{role} {number} {reason}")));
        }
        if !child.warning.text.is_empty() {
            let warning = &child.warning.text;
            reasons.push((Health::Degraded, format!("{role} {number}: {warning}")));
        }
    }
    if let Some(totals) = running.queue_totals
        && totals.nearly_full > 0
    {
        let count = totals.nearly_full;
        let reason = format!("{count} queues are at 90 % of a limit or more (chatctl queues)");
        reasons.push((Health::Degraded, reason));
    }
    if !status.warning.is_empty() {
        reasons.push((Health::Degraded, status.warning.clone()));
    }
    if status.draining.is_some() {
        let reason = "draining: it takes no new connections (chatctl drain --off takes them again)";
        reasons.push((Health::Degraded, reason.to_owned()));
    }
    if let Some(reason) = pending_settings(&running.settings) {
        reasons.push((Health::Degraded, reason));
    }
    if running.build != BUILD {
        let build = &running.build;
        let reason = format!("version {build} runs, but {BUILD} is installed (scripts/restart)");
        reasons.push((Health::Degraded, reason));
    }
    reasons
}

/// What the settings file says that is not in force, or why nobody can tell.
fn pending_settings(settings: &SettingsReport) -> Option<String> {
    match &settings.pending {
        Ok(pending) if pending.is_empty() => None,
        Ok(pending) => {
            let named = pending.iter().map(
                |PendingSetting {
                     key, needs_restart, ..
                 }| {
                    let remedy = if *needs_restart { "restart" } else { "reload" };
                    format!("{key} (scripts/{remedy})")
                },
            );
            let named: Vec<String> = named.collect();
            Some(format!(
                "settings differ from the file: {}",
                named.join(", ")
            ))
        }
        Err(reason) => Some(format!("the settings cannot be read again: {reason}")),
    }
}

fn trouble_of(child: &ChildStatus, silent: Option<&str>) -> Option<String> {
    if let Some(since) = child.silent_since {
        return Some(format!("gives no sign of life since {since:.0}"));
    }
    if child.phase != Phase::Serving {
        let end = child.last_end.as_ref();
        let end = end.map_or(String::new(), |end| format!(" ({})", end.reason));
        return Some(format!("is {}{end}", child.phase.word()));
    }
    silent.map(|reason| format!("gave no answer: {reason}"))
}

#[cfg(test)]
mod tests {
    use chat_node::control::protocol::{QueueTotals, StatusReport};
    use chat_node::control::status_file::Status;
    use chat_node::supervisor::child_reports::ChildWarning;

    use super::*;

    fn serving(children: usize) -> Running {
        let child = ChildStatus {
            phase: Phase::Serving,
            ..ChildStatus::default()
        };
        Running {
            build: BUILD.to_owned(),
            report: StatusReport {
                role: "worker".to_owned(),
                status: Status {
                    phase: Phase::Serving,
                    children: vec![child; children],
                    ..Status::default()
                },
            },
            settings: SettingsReport {
                pending: Ok(Vec::new()),
                running: std::collections::BTreeMap::new(),
            },
            silent_children: vec![None; children],
            queue_totals: None,
        }
    }

    fn verdict(states: [FoundState; 2]) -> (Health, Vec<String>) {
        let programs = ["chat-stated", "chat-frontd"].into_iter();
        let found: Vec<Found> = programs
            .zip(states)
            .map(|(program, state)| Found { program, state })
            .collect();
        let Verdict { health, reasons } = Verdict::of(&found, Path::new("/run/x"));
        (health, reasons)
    }

    fn of_front_end(change: impl FnOnce(&mut Running)) -> (Health, Vec<String>) {
        let mut front_end = serving(2);
        change(&mut front_end);
        verdict([
            FoundState::Running(Box::new(serving(1))),
            FoundState::Running(Box::new(front_end)),
        ])
    }

    #[test]
    fn served_without_warning_is_healthy() {
        assert_eq!(of_front_end(|_| ()), (Health::Healthy, vec![]));
    }

    #[test]
    fn nothing_runs_is_no_failure() {
        let (health, reasons) = verdict([FoundState::NotRunning, FoundState::NotRunning]);
        let expected = "nothing runs in the run directory /run/x (CHAT_RUN_DIR or --run-dir names another one)";
        assert_eq!(reasons, [expected]);
        assert_eq!(health.exit_status(), ExitStatus::NothingRuns);
        assert_eq!(health.word(), "down");
    }

    #[test]
    fn missing_daemon_is_down() {
        let said = verdict([
            FoundState::NotRunning,
            FoundState::Silent("chat-frontd does not answer".to_owned()),
        ]);
        let reasons = ["chat-stated does not run", "chat-frontd does not answer"];
        assert_eq!(said, (Health::Down, reasons.map(str::to_owned).to_vec()));
    }

    #[test]
    fn daemon_without_serving_child_is_down() {
        let (health, reasons) = of_front_end(|front_end| {
            let children = &mut front_end.report.status.children;
            children[0].phase = Phase::Waiting;
            children[1].silent_since = Some(ChildStatus::default().since);
        });
        assert_eq!(health, Health::Down);
        let expected = [
            "chat-frontd: it is serving, and no worker serves",
            "chat-frontd: worker 1 is waiting",
            "chat-frontd: worker 2 gives no sign of life since 1970-01-01T00:00:00Z",
        ];
        assert_eq!(reasons, expected);
    }

    #[test]
    fn silent_child_degrades() {
        let (health, reasons) =
            of_front_end(|front_end| front_end.silent_children[1] = Some("late".to_owned()));
        assert_eq!(health, Health::Degraded);
        assert_eq!(reasons, ["chat-frontd: worker 2 gave no answer: late"]);
    }

    #[test]
    fn warnings_degrade() {
        let (health, reasons) = of_front_end(|front_end| {
            let status = &mut front_end.report.status;
            status.warning = "the certificate has expired".to_owned();
            status.children[0].warning = ChildWarning::of("few descriptors".to_owned());
        });
        assert_eq!(health, Health::Degraded);
        let expected = [
            "chat-frontd: worker 1: few descriptors",
            "chat-frontd: the certificate has expired",
        ];
        assert_eq!(reasons, expected);
    }

    #[test]
    fn pending_settings_degrade() {
        let pending = |key: &str, needs_restart| PendingSetting {
            key: key.to_owned(),
            value: None,
            needs_restart,
        };
        let reasons = of_front_end(|front_end| {
            front_end.settings.pending = Ok(vec![pending("a.b", false), pending("a.c", true)]);
        });
        let expected = "chat-frontd: settings differ from the file: a.b (scripts/reload), a.c (scripts/restart)";
        assert_eq!(reasons, (Health::Degraded, vec![expected.to_owned()]));
        let reasons = of_front_end(|front_end| front_end.settings.pending = Err("x".to_owned()));
        let expected = "chat-frontd: the settings cannot be read again: x";
        assert_eq!(reasons, (Health::Degraded, vec![expected.to_owned()]));
    }

    #[test]
    fn nearly_full_queues_degrade() {
        let (health, reasons) = of_front_end(|daemon| {
            daemon.queue_totals = Some(QueueTotals {
                waiting: 9,
                nearly_full: 2,
                ..QueueTotals::default()
            });
        });
        assert_eq!(health, Health::Degraded);
        let expected = "chat-frontd: 2 queues are at 90 % of a limit or more (chatctl queues)";
        assert_eq!(reasons, [expected]);
    }

    #[test]
    fn other_version_degrades() {
        let (health, reasons) = of_front_end(|front_end| front_end.build = "0.0.9".to_owned());
        assert_eq!(health, Health::Degraded);
        assert!(reasons[0].contains("version 0.0.9 runs"), "{reasons:?}");
    }

    #[test]
    fn unreachable_daemon_is_unknown() {
        let (health, _) = verdict([
            FoundState::Running(Box::new(serving(1))),
            FoundState::Unreachable("permission denied".to_owned()),
        ]);
        assert_eq!(health.exit_status(), ExitStatus::Unknown);
    }
}
