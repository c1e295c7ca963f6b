//! What the kernel says of each process of the server.

use std::fs;

use chat_node::control::protocol::StatusReport;
use chat_node::metrics::catalogue::{CPU, RESIDENT_BYTES, THREADS};
use chat_node::metrics::samples::Samples;

/// Ticks of the kernel's clock in a second, as programs see it; the same on every Linux.
const TICKS_PER_SECOND: u64 = 100;
const MICROS_PER_TICK: u64 = 1_000_000 / TICKS_PER_SECOND;

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
}

/// Adds the parent's and its children's. A process that cannot be seen from here is left out.
pub(super) fn add(samples: &mut Samples, program: &str, report: &StatusReport) {
    let status = &report.status;
    add_process(samples, [program, "parent"], status.pid, None);
    for (child, number) in status.children.iter().zip(1..) {
        if let Some(process) = child.process {
            let name = format!("{}-{number}", report.role.replace(' ', "-"));
            let start_ticks = Some(process.start_ticks);
            add_process(samples, [program, &name], process.pid, start_ticks);
        }
    }
}

fn add_process(samples: &mut Samples, labels: [&str; 2], pid: i32, start_ticks: Option<u64>) {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return;
    };
    // Another process may have the number, above all in another PID namespace.
    let is_it = |stat: &Stat| start_ticks.is_none_or(|ticks| ticks == stat.start_ticks);
    if let Some(stat) = parse(&text).filter(is_it) {
        samples.add(&CPU, &labels, stat.cpu_ticks * MICROS_PER_TICK);
        samples.add(&THREADS, &labels, stat.threads);
        let status = fs::read_to_string(format!("/proc/{pid}/status"));
        if let Some(bytes) = resident_bytes(&status.unwrap_or_default()) {
            samples.add(&RESIDENT_BYTES, &labels, bytes);
        }
    }
}

/// Of the text of `/proc/PID/status`.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024)
}

fn parse(text: &str) -> Option<Stat> {
    // The name may have spaces and brackets in it.
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    // As proc(5) numbers them; the name is the second.
    let field = |number: usize| fields.get(number - 3)?.trim().parse::<u64>().ok();
    Some(Stat {
        cpu_ticks: field(14)? + field(15)?,
        threads: field(20)?,
        start_ticks: field(22)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_with_brackets_is_no_field() {
        let fields = "S 1 1 1 0 -1 4194560 9 9 9 9 70 30 9 9 20 0 5 0 12345 999 321 18";
        let stat = Stat {
            cpu_ticks: 100,
            threads: 5,
            start_ticks: 12_345,
        };
        assert_eq!(parse(&format!("7 (a) (b)) {fields}\n")), Some(stat));
        assert_eq!(parse("7 (a"), None);
        let status = "Name:\ta\nVmRSS:\t    2048 kB\nThreads:\t5\n";
        assert_eq!(resident_bytes(status), Some(2_097_152));
    }
}
