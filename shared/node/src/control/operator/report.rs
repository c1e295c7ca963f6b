//! Describes a running daemon for people.

use std::io::{self, Write};
use std::path::Path;

use super::{Health, running};
use crate::control::status_file::{ChildStatus, Draining, Phase, Status};
use crate::files::run_dir::RunDir;

/// Writes the status of the daemon of `run_dir` and of its children for people. `role` is the name of a child. Also
/// returns the daemon's own status, if it runs.
pub fn report(
    run_dir: &RunDir,
    role: &str,
    out: &mut impl Write,
) -> anyhow::Result<(Health, Option<Status>)> {
    let program = run_dir.program();
    let Some(daemon) = running(run_dir)? else {
        writeln!(out, "{program}: not running")?;
        return Ok((Health::NotRunning, None));
    };
    let pid = daemon.pid();
    let Some(status) = Status::read(&run_dir.status_file()).filter(|status| status.pid == pid)
    else {
        writeln!(out, "{program}: starting, process {pid}")?;
        return Ok((Health::Degraded, None));
    };
    let health = describe(program, role, &status, out)?;
    Ok((health, Some(status)))
}

/// Writes the status of a daemon and of its children, whose name is `role`, for people.
pub fn describe(
    program: &str,
    role: &str,
    status: &Status,
    out: &mut impl Write,
) -> io::Result<Health> {
    let Status {
        phase, since, pid, ..
    } = status;
    let phase = match status.draining {
        Some(_) if *phase == Phase::Serving => "draining",
        _ => phase.word(),
    };
    writeln!(out, "{program}: {phase}, process {pid}, since {since:.0}")?;
    if let Some(Draining { since, until }) = status.draining {
        let until = until.map_or(String::new(), |until| {
            format!("; clients may stay until {until:.0}")
        });
        writeln!(out, "  takes no new connections since {since:.0}{until}")?;
    }
    for (child, number) in status.children.iter().zip(1..) {
        writeln!(out, "  {role} {number}: {}", describe_child(child))?;
        if !child.sandbox.is_empty() {
            writeln!(out, "    sandbox: {}", child.sandbox)?;
        }
        if !child.warning.text.is_empty() {
            writeln!(out, "    warning: {}", child.warning.text)?;
        }
    }
    if !status.refused.is_empty() {
        let refused = status.refused.iter();
        let refused: Vec<String> = refused.map(|(kind, n)| format!("{kind} {n}")).collect();
        writeln!(out, "  refused since then: {}", refused.join(", "))?;
    }
    if let Some(Ok(words)) = &status.reload.result {
        writeln!(out, "  {words}")?;
    }
    if !status.warning.is_empty() {
        writeln!(out, "  warning: {}", status.warning)?;
    }
    let serving = |child: &ChildStatus| {
        let is_alive = child.process.is_some_and(|process| process.is_alive());
        child.is_serving() && is_alive && !child.warning.is_refusing
    };
    let is_healthy = status.phase == Phase::Serving && status.children.iter().all(serving);
    let health = match is_healthy {
        true => Health::Healthy,
        false => Health::Degraded,
    };
    Ok(health)
}

fn describe_child(child: &ChildStatus) -> String {
    let mut text = format!("{} since {:.0}", child.phase.word(), child.since);
    match child.process {
        Some(process) if process.is_alive() => text += &format!(", process {}", process.pid),
        Some(process) => text += &format!(", process {} is gone", process.pid),
        None => {}
    }
    if let Some(since) = child.silent_since {
        text += &format!(
            ", no sign of life since {since:.0}: it is stopped (continue it with kill -CONT), or it hangs \
             (replace it with kill -KILL)"
        );
    }
    if let Some(at) = child.next_start {
        text += &format!(", started again at {at:.0}");
    }
    text += &format!(", {} restarts", child.restarts);
    if let Some(end) = &child.last_end {
        text += &format!(", last end {:.0}: {}", end.at, end.reason);
    }
    text
}

/// Writes the sizes of the files and directories at `paths` that exist.
pub fn report_sizes(paths: &[&Path], out: &mut impl Write) -> io::Result<()> {
    for path in paths {
        if path.exists() {
            let (path, size) = (path.display(), bytes_below(path));
            writeln!(out, "  {path}: {}", human_readable(size))?;
        }
    }
    Ok(())
}

/// The bytes in the file or directory at `path`, one level deep. No daemon has deeper directories.
fn bytes_below(path: &Path) -> u64 {
    match path.read_dir() {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok()?.metadata().ok())
            .map(|metadata| metadata.len())
            .sum(),
        Err(_) => path.metadata().map_or(0, |metadata| metadata.len()),
    }
}

fn human_readable(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = "bytes";
    for larger in UNITS {
        if size < 1024.0 {
            break;
        }
        (size, unit) = (size / 1024.0, larger);
    }
    match unit {
        "bytes" => format!("{bytes} bytes"),
        _ => format!("{size:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(human_readable(1023), "1023 bytes");
        assert_eq!(human_readable(1536), "1.5 KiB");
        assert_eq!(human_readable(5 << 40), "5.0 TiB");
        assert_eq!(human_readable(5 << 50), "5120.0 TiB");
    }
}
