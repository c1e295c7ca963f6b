//! What the server's processes take of memory, and its state of the disk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use chat_node::process::identity::ProcessIdentity;

use crate::installation::{Daemon, Installation};

/// A kind of server process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Holds the state.
    State,
    /// Watches over the one that holds the state.
    Supervisor,
    /// Serves clients.
    Worker,
    /// Watches over the workers.
    Master,
}

impl Role {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::State, Self::Supervisor, Self::Worker, Self::Master];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Supervisor => "supervisor",
            Self::Worker => "worker",
            Self::Master => "master",
        }
    }
}

/// The processes of an installation, as they were at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerProcesses(Vec<(Role, ProcessIdentity)>);

impl ServerProcesses {
    /// Those that live now.
    pub fn of(installation: &Installation) -> Self {
        let daemons = [
            (Daemon::State, Role::Supervisor, Role::State),
            (Daemon::Front, Role::Master, Role::Worker),
        ];
        let mut all = Vec::new();
        for (daemon, parent, child) in daemons {
            let processes = installation.processes(daemon);
            all.extend(processes.parent.map(|process| (parent, process)));
            all.extend(processes.children.iter().map(|process| (child, *process)));
        }
        Self(all)
    }

    /// Whether each of them lives still.
    pub fn are_alive(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|(_, process)| process.is_alive())
    }
}

/// Resident memory and disk at one moment, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// By role; of several processes the largest.
    pub resident_bytes: [u64; Role::ALL.len()],
    /// What is allocated to the files of the state directory.
    pub state_dir_bytes: u64,
}

impl Footprint {
    /// What these processes and this state directory take now.
    pub fn measure(processes: &ServerProcesses, state_dir: &Path) -> Self {
        let mut footprint = Self {
            state_dir_bytes: allocated_bytes(state_dir),
            ..Self::default()
        };
        for (role, process) in &processes.0 {
            let largest = &mut footprint.resident_bytes[*role as usize];
            *largest = resident_bytes(process.pid).unwrap_or(0).max(*largest);
        }
        footprint
    }

    /// The resident memory of the largest process of a role.
    pub fn resident(&self, role: Role) -> u64 {
        self.resident_bytes[role as usize]
    }
}

/// Bytes in people's words.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0))
}

fn resident_bytes(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// A file that vanishes meanwhile counts nothing.
fn allocated_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    entries
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.blocks() * 512)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_blocks_are_measured() {
        let own = resident_bytes(std::process::id() as i32).unwrap();
        assert!(own > 100 * 1024, "{own}");
        assert_eq!(resident_bytes(-1), None);
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(allocated_bytes(dir.path()), 0);
        let content = vec![1; 100_000];
        fs::write(dir.path().join("file"), &content).unwrap();
        let file = fs::File::open(dir.path().join("file")).unwrap();
        file.sync_all().unwrap();
        let bytes = allocated_bytes(dir.path());
        assert!((100_000..1_000_000).contains(&bytes), "{bytes}");
    }
}
