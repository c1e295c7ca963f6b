//! Lowers the priority of one thread: a call that the standard library and nix do not have.
#![allow(unsafe_code)]

use std::io;

use nix::errno::Errno;
use nix::libc;
use nix::unistd::gettid;

/// Sets the nice value of the calling thread: -20 to 19, the highest gives way to all others. On Linux it belongs to a thread.
pub fn set_nice(nice: i32) -> io::Result<()> {
    let thread = libc::id_t::try_from(gettid().as_raw()).map_err(io::Error::other)?;
    // SAFETY: takes three integers by value and touches no memory of ours.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, thread, nice) };
    Errno::result(result)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowers_the_calling_thread_only() {
        let of_thread = std::thread::spawn(|| {
            set_nice(10).unwrap();
            nice_of_this_thread()
        });
        assert_eq!(of_thread.join().unwrap(), 10);
        assert_ne!(nice_of_this_thread(), 10);
    }

    /// Field 19 of the kernel's line about the thread; the name before it may hold spaces.
    fn nice_of_this_thread() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, after_name) = stat.rsplit_once(')').unwrap();
        let field = after_name.split_whitespace().nth(16).unwrap();
        field.parse().unwrap()
    }
}
