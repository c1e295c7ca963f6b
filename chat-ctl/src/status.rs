//! `chatctl status`: both daemons, their versions and children, and how healthy they are together.

use chat_node::control::operator::describe;
use chat_node::control::protocol::BUILD;
use chat_node::control::status_file::Status;
use serde::Serialize;

use crate::daemons::{Daemons, Found, FoundState};
use crate::exit_status::ExitStatus;
use crate::verdict::Verdict;

/// Returns the output and the exit status.
pub(crate) fn run(daemons: &Daemons, json: bool, is_summary: bool) -> (String, ExitStatus) {
    let found = daemons.look();
    let verdict = Verdict::of(&found, daemons.state.path());
    let text = match json {
        true => render_json(&found, &verdict),
        false => render(&found, &verdict, is_summary),
    };
    (text, verdict.health.exit_status())
}

fn render(found: &[Found], verdict: &Verdict, is_summary: bool) -> String {
    let mut text = String::new();
    if !is_summary {
        for found in found {
            text += &render_daemon(found);
        }
    }
    for reason in &verdict.reasons {
        text += &format!("reason: {reason}\n");
    }
    text += verdict.health.word();
    text += "\n";
    text
}

fn render_daemon(found: &Found) -> String {
    let program = found.program;
    match &found.state {
        FoundState::NotRunning => format!("{program}: not running\n"),
        FoundState::Unreachable(reason) | FoundState::Silent(reason) => format!("{reason}\n"),
        FoundState::Running(running) => {
            let (role, status) = (&running.report.role, &running.report.status);
            let mut text = Vec::new();
            // Writing to memory does not fail.
            let _ = describe(program, role, status, &mut text);
            let mut text = String::from_utf8_lossy(&text).into_owned();
            for address in &status.addresses {
                text += &format!("  listens on {address}\n");
            }
            text + &format!("  version {}\n", running.build)
        }
    }
}

/// The shape of the JSON output.
#[derive(Serialize)]
struct Output<'a> {
    health: &'static str,
    reasons: &'a [String],
    /// The version of chatctl.
    version: &'static str,
    daemons: Vec<DaemonOutput<'a>>,
}

#[derive(Serialize)]
struct DaemonOutput<'a> {
    program: &'static str,
    /// Unknown if it cannot be asked.
    is_running: Option<bool>,
    /// Why it has not answered.
    problem: Option<&'a str>,
    version: Option<&'a str>,
    status: Option<&'a Status>,
}

fn render_json(found: &[Found], verdict: &Verdict) -> String {
    let output = Output {
        health: verdict.health.word(),
        reasons: &verdict.reasons,
        version: BUILD,
        daemons: found.iter().map(daemon_output).collect(),
    };
    crate::json(&output)
}

fn daemon_output(found: &Found) -> DaemonOutput<'_> {
    let (is_running, problem, running) = match &found.state {
        FoundState::NotRunning => (Some(false), None, None),
        FoundState::Unreachable(reason) => (None, Some(reason.as_str()), None),
        FoundState::Silent(reason) => (Some(true), Some(reason.as_str()), None),
        FoundState::Running(running) => (Some(true), None, Some(running)),
    };
    DaemonOutput {
        program: found.program,
        is_running,
        problem,
        version: running.map(|it| it.build.as_str()),
        status: running.map(|it| &it.report.status),
    }
}
