//! Processes with all that they started: what they take of processors and memory, as `/proc` tells.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// What the kernel counts processor time in, for programs; the same on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// These processes and their descendants, as they are now.
pub fn descendants(roots: &[i32]) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some(parent) = stat_field(pid, 1) {
            children.entry(parent as i32).or_default().push(pid);
        }
    }
    let mut tree = roots.to_vec();
    let mut next = 0;
    while let Some(pid) = tree.get(next) {
        let more = children.remove(pid).unwrap_or_default();
        tree.extend(more);
        next += 1;
    }
    tree
}

/// Processor time that these processes have used so far, in user mode and in the kernel.
pub fn processor_time(pids: &[i32]) -> Duration {
    let ticks = |pid: &i32| Some(stat_field(*pid, 11)? + stat_field(*pid, 12)?);
    let ticks: u64 = pids.iter().filter_map(ticks).sum();
    TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}

/// Memory of processes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Their share of what is resident, shared pages divided among those that share them.
    pub proportional_bytes: u64,
    /// What is theirs alone and not a file's.
    pub anonymous_bytes: u64,
}

/// What these processes take together.
pub fn memory(pids: &[i32]) -> Memory {
    let mut sum = Memory::default();
    for pid in pids {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let bytes = |key: &str| {
            let line = rollup.lines().find_map(|line| line.strip_prefix(key));
            let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse().ok());
            kib.unwrap_or(0_u64) * 1024
        };
        sum.proportional_bytes += bytes("Pss:");
        sum.anonymous_bytes += bytes("Anonymous:");
    }
    sum
}

/// A number of `/proc/PID/stat`, counted from the state, which is field 0.
fn stat_field(pid: i32, field: usize) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may itself hold spaces and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(field)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn child_belongs_to_tree_and_has_memory() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let own = std::process::id() as i32;
        let tree = descendants(&[own]);
        assert!(tree.contains(&own) && tree.contains(&(child.id() as i32)));
        let memory = memory(&[own]);
        assert!(memory.proportional_bytes > 100 * 1024 && memory.anonymous_bytes > 0);
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn work_takes_processor_time() {
        let own = [std::process::id() as i32];
        let before = processor_time(&own);
        let mut number = 1_u64;
        while processor_time(&own) < before + 2 * TICK {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
        assert_eq!(processor_time(&[-1]), Duration::ZERO);
    }
}
