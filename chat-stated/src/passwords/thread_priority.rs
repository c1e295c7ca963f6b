//! Lowers the priority of one thread: calls that the standard library and nix do not have. A nice value that is higher
//! already is kept, since raising the priority is not for everybody and is not what is wanted.
#![allow(unsafe_code)]

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;

/// Sets the nice value of the calling thread: -20 to 19, the highest gives way to all others. On Linux it belongs to a
/// thread. A higher one stays.
pub fn set_nice(nice: i32) -> io::Result<()> {
    set_policy(libc::SCHED_OTHER, nice, Duration::ZERO)
}

/// Makes the calling thread one that computes for long: others that wake on its core need not wait until its slice is
/// over. Linux before 6.12 knows no slices of threads, and takes the nice value only.
pub fn set_batch(nice: i32, slice: Duration) -> io::Result<()> {
    set_policy(libc::SCHED_BATCH, nice, slice)
}

/// Has the calling thread run only while nothing else of its process wants its core.
pub fn set_idle() -> io::Result<()> {
    set_policy(libc::SCHED_IDLE, 0, Duration::ZERO)
}

/// A slice of no length is the kernel's usual one.
fn set_policy(policy: i32, nice: i32, slice: Duration) -> io::Result<()> {
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: policy as u32,
        sched_flags: 0,
        sched_nice: nice.max(nice_of_this_thread()?),
        sched_priority: 0,
        sched_runtime: u64::try_from(slice.as_nanos()).unwrap_or(u64::MAX),
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: 0 is the calling thread; the attributes outlive the call, which reads as many bytes as they say.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    Errno::result(result)?;
    Ok(())
}

fn nice_of_this_thread() -> io::Result<i32> {
    // SAFETY: the call takes and gives numbers only; 0 is the calling thread.
    let result = unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, 0) };
    // The kernel gives 1 to 40, so that a value is no error.
    let priority = i32::try_from(Errno::result(result)?).unwrap_or_default();
    Ok(20 - priority)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn lowers_calling_thread_only() {
        let before = nice_of_this_thread();
        let of_thread = std::thread::spawn(|| {
            set_nice(10).unwrap();
            nice_of_this_thread()
        });
        assert_eq!(of_thread.join().unwrap(), before.max(10));
        assert_eq!(nice_of_this_thread(), before);
    }

    #[test]
    fn nice_value_is_what_kernel_tells_elsewhere() {
        for nice in [0, 12, 19] {
            let of_thread = std::thread::spawn(move || {
                set_nice(nice).unwrap();
                (super::nice_of_this_thread().unwrap(), nice_of_this_thread())
            });
            let (asked, told) = of_thread.join().unwrap();
            assert_eq!(asked, told);
        }
    }

    #[test]
    fn batch_thread_has_policy_and_nice() {
        let of_thread = std::thread::spawn(|| {
            set_batch(10, Duration::from_millis(100)).unwrap();
            (policy_of_this_thread(), nice_of_this_thread())
        });
        let nice = nice_of_this_thread().max(10);
        assert_eq!(of_thread.join().unwrap(), (libc::SCHED_BATCH, nice));
        assert_ne!(policy_of_this_thread(), libc::SCHED_BATCH);
    }

    #[test]
    fn lower_priority_is_never_raised() {
        let of_thread = std::thread::spawn(|| {
            set_nice(15).unwrap();
            let before = nice_of_this_thread();
            // Whoever is not root would be refused a lower value.
            set_batch(10, Duration::from_millis(100)).unwrap();
            let of_batch = (policy_of_this_thread(), nice_of_this_thread());
            set_nice(3).unwrap();
            (before, of_batch, nice_of_this_thread())
        });
        let (before, of_batch, after) = of_thread.join().unwrap();
        assert!(before >= 15);
        assert_eq!(of_batch, (libc::SCHED_BATCH, before));
        assert_eq!(after, before);
    }

    #[test]
    fn idle_thread_is_one_of_its_policy() {
        let of_thread = std::thread::spawn(|| {
            set_idle().unwrap();
            policy_of_this_thread()
        });
        assert_eq!(of_thread.join().unwrap(), libc::SCHED_IDLE);
        assert_ne!(policy_of_this_thread(), libc::SCHED_IDLE);
    }

    pub(in crate::passwords) fn policy_of_this_thread() -> i32 {
        field_of_this_thread(41)
    }

    pub(in crate::passwords) fn nice_of_this_thread() -> i32 {
        field_of_this_thread(19)
    }

    /// A field of the kernel's line about the thread, counted from 1; the second, its name, may hold spaces.
    fn field_of_this_thread(number: usize) -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, after_name) = stat.rsplit_once(')').unwrap();
        let field = after_name.split_whitespace().nth(number - 3).unwrap();
        field.parse().unwrap()
    }
}
