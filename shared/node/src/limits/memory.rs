//! The memory available to a process: the minimum of the host's memory, the limits of its control groups, and its own
//! limits.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};

const MIB: u64 = 1024 * 1024;

/// The available memory, and what limits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AvailableMemory {
    /// The limit in bytes.
    pub bytes: u64,
    /// What sets the limit.
    pub by: MemorySource,
}

/// What limits the memory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemorySource {
    /// The memory of the host, without swap.
    Host,
    /// A control group, or one above it.
    ControlGroup,
    /// Half of `RLIMIT_AS` (`ulimit -v`): address space is used up well before memory.
    AddressSpace,
    /// Half of `RLIMIT_DATA` (`ulimit -d`), for the same reason.
    Data,
}

impl AvailableMemory {
    /// The memory available to this process now. Call this before file access is restricted.
    pub fn of_this_process() -> Self {
        let read = |path: &Path| fs::read_to_string(path).ok();
        let host = nix::sys::sysinfo::sysinfo().map_or(u64::MAX, |host| host.ram_total());
        let group = control_group_bytes(read).unwrap_or(u64::MAX);
        let half_of = |resource| getrlimit(resource).map_or(u64::MAX, |(soft, _)| half(soft));
        [
            (host, MemorySource::Host),
            (group, MemorySource::ControlGroup),
            (half_of(Resource::RLIMIT_AS), MemorySource::AddressSpace),
            (half_of(Resource::RLIMIT_DATA), MemorySource::Data),
        ]
        .map(|(bytes, by)| Self { bytes, by })
        .into_iter()
        .min()
        .expect("there are four")
    }
}

fn half(limit: u64) -> u64 {
    match limit {
        nix::libc::RLIM_INFINITY => u64::MAX,
        limit => limit / 2,
    }
}

impl fmt::Display for AvailableMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.by {
            MemorySource::Host => "the host",
            MemorySource::ControlGroup => "a control group",
            MemorySource::AddressSpace => "ulimit -v",
            MemorySource::Data => "ulimit -d",
        };
        write!(f, "{} MiB, by {by}", self.bytes / MIB)
    }
}

/// A version of control groups, and its files with limits.
struct Hierarchy {
    file_system: &'static str,
    /// An option that the mount must have.
    option: Option<&'static str>,
    /// The field between the colons in `/proc/self/cgroup`.
    controller: &'static str,
    limits: &'static [&'static str],
}

const HIERARCHIES: [Hierarchy; 2] = [
    Hierarchy {
        file_system: "cgroup2",
        option: None,
        controller: "",
        limits: &["memory.max", "memory.high"],
    },
    Hierarchy {
        file_system: "cgroup",
        option: Some("memory"),
        controller: "memory",
        limits: &["memory.limit_in_bytes"],
    },
];

/// The smallest limit of this process's groups and of the groups above them, as far as they are visible.
fn control_group_bytes(read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let groups = read(Path::new("/proc/self/cgroup"))?;
    let mounts = read(Path::new("/proc/self/mountinfo"))?;
    let directories = HIERARCHIES.iter().flat_map(|hierarchy| {
        let mounts = mounts.lines().filter_map(|line| Mount::of(line, hierarchy));
        let group = group_of(&groups, hierarchy);
        let directories = mounts.flat_map(move |mount| mount.directories(group));
        directories.map(move |directory| (directory, hierarchy.limits))
    });
    directories
        .flat_map(|(directory, limits)| limits.iter().map(move |limit| directory.join(limit)))
        .filter_map(|file| read(&file)?.trim().parse().ok())
        .min()
}

/// The group's path in its hierarchy.
fn group_of<'a>(groups: &'a str, hierarchy: &Hierarchy) -> Option<&'a str> {
    groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let is_of = controllers.split(',').any(|it| it == hierarchy.controller);
        is_of.then_some(path)
    })
}

/// A mount of a hierarchy, or of a part of it.
struct Mount {
    /// The mounted group.
    root: PathBuf,
    at: PathBuf,
}

impl Mount {
    /// Parses a line of `/proc/self/mountinfo`.
    fn of(line: &str, hierarchy: &Hierarchy) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut file_system = file_system.split(' ');
        let kind = file_system.next()?;
        let options = file_system.nth(1).unwrap_or("");
        let has_option = |wanted: &str| options.split(',').any(|option| option == wanted);
        if kind != hierarchy.file_system || !hierarchy.option.is_none_or(has_option) {
            return None;
        }
        let mut mount = mount.split(' ').skip(3);
        Some(Self {
            root: PathBuf::from(unescaped(mount.next()?)),
            at: PathBuf::from(unescaped(mount.next()?)),
        })
    }

    /// The directories of the group and of the groups above it. If the group is not below the mount, as in a container
    /// that sees the names of its host, this is the mount point, which is the container's own group.
    fn directories(self, group: Option<&str>) -> Vec<PathBuf> {
        let below = group.and_then(|group| Path::new(group).strip_prefix(&self.root).ok());
        let below = below.filter(|below| {
            let is_plain = |part| matches!(part, std::path::Component::Normal(_));
            below.components().all(is_plain)
        });
        let own = self.at.join(below.unwrap_or(Path::new("")));
        let up = own.ancestors();
        let directories = up.take_while(|directory| directory.starts_with(&self.at));
        directories.map(Path::to_owned).collect()
    }
}

/// Decodes a path of `/proc`, in which blanks and the like are three octal digits.
fn unescaped(path: &str) -> String {
    let escapes = [(r"\040", " "), (r"\011", "\t"), (r"\012", "\n")];
    let plain = escapes
        .iter()
        .fold(path.to_owned(), |path, (escape, character)| {
            path.replace(escape, character)
        });
    plain.replace(r"\134", r"\")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SECOND: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    const FIRST: &str = "22 1 8:1 / / rw - ext4 /dev/vda rw\n\
        33 23 0:29 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu\n\
        34 23 0:30 / /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory\n";

    fn limit(groups: &str, mounts: &str, files: &[(&str, &str)]) -> Option<u64> {
        let mut files: BTreeMap<&str, &str> = files.iter().copied().collect();
        files.insert("/proc/self/cgroup", groups);
        files.insert("/proc/self/mountinfo", mounts);
        control_group_bytes(|path| Some((*files.get(path.to_str()?)?).to_owned()))
    }

    #[test]
    fn least_limit_up_hierarchy_counts() {
        let files = [
            ("/sys/fs/cgroup/a/memory.max", "2000\n"),
            ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("/sys/fs/cgroup/a/b/memory.high", "3000\n"),
            ("/sys/fs/cgroup/c/memory.max", "1\n"),
        ];
        assert_eq!(limit("0::/a/b\n", SECOND, &files), Some(2_000));
        assert_eq!(limit("0::/a/b/d\n", SECOND, &files), Some(2_000));
        assert_eq!(limit("0::/\n", SECOND, &files), None);
    }

    #[test]
    fn limits_of_first_version_are_heeded() {
        let files = [
            (
                "/sys/fs/cgroup/memory/x/memory.limit_in_bytes",
                "1073741824\n",
            ),
            (
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("/sys/fs/cgroup/cpu/x/memory.limit_in_bytes", "1\n"),
        ];
        let groups = "5:cpu,cpuacct:/x\n4:memory:/x\n0::/\n";
        assert_eq!(limit(groups, FIRST, &files), Some(1 << 30));
    }

    #[test]
    fn container_reads_its_own_limit() {
        let mounts = r"9 8 0:30 /docker/f00 /sys/fs/cg\040roup rw - cgroup cgroup rw,memory";
        let files = [("/sys/fs/cg roup/memory.limit_in_bytes", "7\n")];
        assert_eq!(limit("4:memory:/docker/f00\n", mounts, &files), Some(7));
        assert_eq!(limit("4:memory:/docker/bar\n", mounts, &files), Some(7));
        assert_eq!(limit("0::/../../other\n", SECOND, &files), None);
    }

    #[test]
    fn what_cannot_be_read_limits_nothing() {
        assert_eq!(control_group_bytes(|_| None), None);
        assert_eq!(limit("", "", &[]), None);
        assert_eq!(limit("nonsense\n1:\n", " - cgroup2\n", &[]), None);
    }

    #[test]
    fn this_process_may_have_something() {
        let available = AvailableMemory::of_this_process();
        assert!(available.bytes > MIB, "{available}");
    }
}
