//! Restricts the system calls of a process with a kernel filter (seccomp).

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};

/// The reaction to a call that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// SIGSYS kills the process. For processes that clients could compromise and that are replaced at once.
    Kill,
    /// The call fails with EPERM.
    Refuse,
}

/// A condition on the arguments of a call.
#[derive(Clone, Copy, Debug)]
pub enum Condition {
    /// The argument with this index has this value.
    Is(u8, i64),
    /// The argument with this index has none of these bits.
    HasNot(u8, i64),
    /// Two arguments with these indices have these values.
    Are([(u8, i64); 2]),
}

/// The system calls of a process that serves.
#[derive(Clone, Debug)]
pub struct SystemCalls {
    /// Calls that are allowed with any arguments.
    pub allowed: Vec<i64>,
    /// Calls that are allowed if one of their conditions is met.
    pub conditional: Vec<(i64, Condition)>,
    /// The reaction to other calls.
    pub otherwise: Otherwise,
}

/// The calls of every event loop: existing sockets, time, memory, exit. Socket options and passing on of descriptors
/// are not included, because the listening sockets are shared with other processes. A parent passes on new log files.
pub const WAITING_LOOP: &[i64] = &[
    libc::SYS_accept4,
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    libc::SYS_dup3,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpeername,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    libc::SYS_sigaltstack,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
    libc::SYS_write,
    libc::SYS_writev,
];

/// The additional calls of a loop with threads.
pub const THREADED_LOOP: &[i64] = &[
    libc::SYS_getpriority,
    libc::SYS_membarrier,
    libc::SYS_rseq,
    libc::SYS_sched_setattr,
    libc::SYS_set_robust_list,
    libc::SYS_timer_create,
    libc::SYS_timer_delete,
    libc::SYS_timer_settime,
];

/// `PR_SET_VMA`: a C library names its memory with it. Says nothing to anybody.
const PR_SET_VMA: i64 = 0x5356_4d41;

impl SystemCalls {
    /// Those of the lists; memory that can be executed cannot be had, signals go to nobody but this process.
    pub fn new(lists: &[&[i64]], otherwise: Otherwise) -> Self {
        let own_pid = i64::from(std::process::id());
        let not_executed = Condition::HasNot(2, i64::from(libc::PROT_EXEC));
        Self {
            allowed: lists.concat(),
            conditional: vec![
                (libc::SYS_mmap, not_executed),
                (libc::SYS_mprotect, not_executed),
                // A panic that ends the process does so by a signal.
                (libc::SYS_tgkill, Condition::Is(0, own_pid)),
                (
                    libc::SYS_prctl,
                    Condition::Is(0, i64::from(libc::PR_SET_NAME)),
                ),
                (libc::SYS_prctl, Condition::Is(0, PR_SET_VMA)),
                (libc::SYS_fcntl, Condition::Is(1, i64::from(libc::F_GETFL))),
                (libc::SYS_fcntl, Condition::Is(1, i64::from(libc::F_GETFD))),
                (libc::SYS_fcntl, Condition::Is(1, i64::from(libc::F_SETFD))),
                (
                    libc::SYS_fcntl,
                    Condition::Is(1, i64::from(libc::F_DUPFD_CLOEXEC)),
                ),
            ],
            otherwise,
        }
    }

    /// Allows a call under a condition too.
    pub fn or_if(mut self, call: i64, condition: Condition) -> Self {
        self.conditional.push((call, condition));
        self
    }

    /// Holds all threads of this process to it, for good.
    pub(super) fn install(&self) -> io::Result<()> {
        let program = self.compile().map_err(io::Error::other)?;
        apply_filter_all_threads(&program).map_err(io::Error::other)
    }

    fn compile(&self) -> Result<BpfProgram, BackendError> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
        for (call, condition) in &self.conditional {
            let rule = SeccompRule::new(condition.compile()?)?;
            rules.entry(*call).or_default().push(rule);
        }
        // No rules stand for all arguments.
        rules.extend(self.allowed.iter().map(|call| (*call, Vec::new())));
        let otherwise = match self.otherwise {
            Otherwise::Kill => SeccompAction::KillProcess,
            Otherwise::Refuse => SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        };
        let arch = TargetArch::try_from(std::env::consts::ARCH)?;
        SeccompFilter::new(rules, otherwise, SeccompAction::Allow, arch)?.try_into()
    }
}

impl Condition {
    /// All of these have to hold.
    fn compile(self) -> Result<Vec<SeccompCondition>, BackendError> {
        let compare = |index, operator, value: i64| {
            let length = SeccompCmpArgLen::Dword;
            SeccompCondition::new(index, length, operator, value.unsigned_abs())
        };
        let is = |(index, value)| compare(index, SeccompCmpOp::Eq, value);
        match self {
            Self::Is(index, value) => Ok(vec![is((index, value))?]),
            Self::HasNot(index, bits) => {
                let operator = SeccompCmpOp::MaskedEq(bits.unsigned_abs());
                Ok(vec![compare(index, operator, 0)?])
            }
            Self::Are(pairs) => pairs.into_iter().map(is).collect(),
        }
    }
}

impl fmt::Display for SystemCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut calls: Vec<i64> = self.allowed.clone();
        calls.extend(self.conditional.iter().map(|(call, _)| *call));
        calls.sort_unstable();
        calls.dedup();
        let otherwise = match self.otherwise {
            Otherwise::Kill => "killed at any other",
            Otherwise::Refuse => "any other refused",
        };
        write!(f, "{} system calls, {otherwise}", calls.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_calls_compile() {
        let calls = SystemCalls::new(&[WAITING_LOOP, THREADED_LOOP], Otherwise::Refuse)
            .or_if(libc::SYS_fcntl, Condition::Is(1, i64::from(libc::F_SETLK)));
        assert!(!calls.compile().unwrap().is_empty());
        let count = WAITING_LOOP.len() + THREADED_LOOP.len() + 5;
        assert_eq!(
            calls.to_string(),
            format!("{count} system calls, any other refused")
        );
    }
}
