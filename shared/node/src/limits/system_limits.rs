//! Limits of the system for a process (ulimit, systemd's Limit...=). Reaching one of them causes an error for a client,
//! and never ends the process.

use std::io;

use anyhow::bail;
use nix::errno::Errno;
use nix::libc::RLIM_INFINITY;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::limits::descriptor_limit;

const MIB: u64 = 1024 * 1024;

/// The fewest descriptors with which a child can work: sockets, files and event queue.
const LEAST_DESCRIPTORS: u64 = 48;

/// How large the system lets a file become, in bytes, if there is a limit.
pub fn file_limit_bytes() -> Option<u64> {
    soft_limit(Resource::RLIMIT_FSIZE).ok().flatten()
}

/// The limits of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemLimits {
    /// Maximum number of open descriptors.
    pub descriptors: u64,
    /// Maximum size of a file in bytes, if there is a limit.
    pub file_bytes: Option<u64>,
    address_space_bytes: Option<u64>,
    data_bytes: Option<u64>,
    processor_s: Option<u64>,
}

impl SystemLimits {
    /// Raises the limits of descriptors and file size as far as possible, and returns all limits.
    pub fn raise() -> nix::Result<Self> {
        let descriptors = descriptor_limit::raise()?;
        let (soft, hard) = getrlimit(Resource::RLIMIT_FSIZE)?;
        if soft < hard {
            setrlimit(Resource::RLIMIT_FSIZE, hard, hard)?;
        }
        Ok(Self {
            descriptors,
            file_bytes: (hard != RLIM_INFINITY).then_some(hard),
            address_space_bytes: soft_limit(Resource::RLIMIT_AS)?,
            data_bytes: soft_limit(Resource::RLIMIT_DATA)?,
            processor_s: soft_limit(Resource::RLIMIT_CPU)?,
        })
    }

    /// Fails if a child cannot work within these limits. At most half of its memory is data; the rest is code, and
    /// reserved space of stacks and heaps.
    pub fn check(&self, least_memory_bytes: u64) -> anyhow::Result<()> {
        let Self { descriptors, .. } = *self;
        if descriptors < LEAST_DESCRIPTORS {
            bail!(
                "the system allows a process {descriptors} descriptors, but it needs at least {LEAST_DESCRIPTORS}: \
                 raise the limit (ulimit -n, LimitNOFILE=)"
            );
        }
        let memory = [
            (
                self.address_space_bytes,
                least_memory_bytes,
                "ulimit -v, LimitAS=",
            ),
            (
                self.data_bytes,
                least_memory_bytes / 2,
                "ulimit -d, LimitDATA=",
            ),
        ];
        for (limit, least_bytes, name) in memory {
            if let Some(bytes) = limit.filter(|bytes| *bytes < least_bytes) {
                let (mib, least_mib) = (bytes / MIB, least_bytes / MIB);
                bail!(
                    "the system allows a process {mib} MiB of memory, but it needs at least {least_mib}: raise the \
                     limit ({name})"
                );
            }
        }
        Ok(())
    }

    /// A warning if a limit will end this process; empty otherwise.
    pub fn warning(&self) -> String {
        self.processor_s.map_or_else(String::new, |seconds| {
            format!(
                "the system kills this process after {seconds} s of processor time (ulimit -t, LimitCPU=)"
            )
        })
    }
}

fn soft_limit(resource: Resource) -> nix::Result<Option<u64>> {
    let (soft, _) = getrlimit(resource)?;
    Ok((soft != RLIM_INFINITY).then_some(soft))
}

/// Advice about an error that a limit may have caused.
pub fn advice(error: &anyhow::Error) -> Option<&'static str> {
    let os_errors = error.chain().filter_map(|cause| {
        let io_error = cause.downcast_ref::<io::Error>();
        io_error
            .and_then(io::Error::raw_os_error)
            .or_else(|| cause.downcast_ref::<Errno>().map(|errno| *errno as i32))
    });
    os_errors
        .map(Errno::from_raw)
        .find_map(|errno| match errno {
            Errno::EAGAIN => {
                Some("the limit of processes and threads may be reached (ulimit -u, TasksMax=)")
            }
            Errno::ENOMEM => Some("the limit of memory is reached (ulimit -v, MemoryMax=)"),
            Errno::EMFILE => Some("the limit of descriptors is reached (ulimit -n, LimitNOFILE=)"),
            Errno::ENFILE => Some("the host has no more descriptors (sysctl fs.file-max)"),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn limits() -> SystemLimits {
        SystemLimits {
            descriptors: 1024,
            file_bytes: None,
            address_space_bytes: None,
            data_bytes: None,
            processor_s: None,
        }
    }

    #[test]
    fn limits_that_are_too_small_are_named() {
        limits().check(64 * MIB).unwrap();
        let few = SystemLimits {
            descriptors: 20,
            ..limits()
        };
        let error = few.check(0).unwrap_err().to_string();
        assert!(error.contains("20 descriptors"), "{error}");
        assert!(error.contains("ulimit -n"), "{error}");
        let small = SystemLimits {
            address_space_bytes: Some(63 * MIB),
            ..limits()
        };
        small.check(63 * MIB).unwrap();
        let error = small.check(64 * MIB).unwrap_err().to_string();
        assert!(
            error.contains("63 MiB of memory, but it needs at least 64"),
            "{error}"
        );
        let small = SystemLimits {
            data_bytes: Some(31 * MIB),
            ..limits()
        };
        small.check(62 * MIB).unwrap();
        let error = small.check(64 * MIB).unwrap_err().to_string();
        assert!(
            error.contains("31 MiB of memory, but it needs at least 32"),
            "{error}"
        );
        assert_eq!(limits().warning(), "");
        let short = SystemLimits {
            processor_s: Some(9),
            ..limits()
        };
        assert!(short.warning().contains("after 9 s"), "{}", short.warning());
    }

    #[test]
    fn errors_of_limits_say_what_to_do() {
        let error = |errno: Errno| {
            let error: Result<(), _> = Err(io::Error::from(errno));
            error.context("cannot start a thread").unwrap_err()
        };
        assert!(advice(&error(Errno::EAGAIN)).unwrap().contains("ulimit -u"));
        assert!(advice(&error(Errno::EMFILE)).unwrap().contains("ulimit -n"));
        assert_eq!(advice(&error(Errno::EIO)), None);
    }

    #[test]
    fn file_size_limit_is_an_error() {
        use std::io::Write;
        crate::process::signals::ignore_meaningless().unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        // No other test of this program writes so much to a file.
        setrlimit(Resource::RLIMIT_FSIZE, 32 * MIB, hard).unwrap();
        file.set_len(32 * MIB).unwrap();
        io::Seek::seek(&mut file, io::SeekFrom::End(0)).unwrap();
        let error = file.write(b"x").unwrap_err();
        setrlimit(Resource::RLIMIT_FSIZE, soft, hard).unwrap();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
