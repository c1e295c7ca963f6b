//! Named points in the code at which a test kills a process. Without the feature `crash-points`, which only tests
//! enable, the functions do nothing.
//!
//! The environment variable `CHAT_CRASH_FILE` names a file. While it holds a line `POINT VICTIM MARK`, the first
//! process to reach POINT removes it, writes the victim's process id to `<file>.reached`, and kills the victim
//! with SIGKILL: `self`, or its `parent`. Only [`cut`] uses MARK.

/// Marks that the point with this name is reached.
#[inline]
pub fn reach(point: &str) {
    #[cfg(feature = "crash-points")]
    armed::reach(point);
    #[cfg(not(feature = "crash-points"))]
    let _ = point;
}

/// Whether the point with this name is armed.
#[inline]
pub fn is_armed(point: &str) -> bool {
    #[cfg(feature = "crash-points")]
    return armed::is_armed(point);
    #[cfg(not(feature = "crash-points"))]
    {
        let _ = point;
        false
    }
}

/// Returns the part of `bytes` to write now: half of them, if this point is armed and they contain its mark. The point
/// is then reached in [`cut_written`].
#[inline]
pub fn cut<'a>(point: &'static str, bytes: &'a [u8]) -> &'a [u8] {
    #[cfg(feature = "crash-points")]
    return armed::cut(point, bytes);
    #[cfg(not(feature = "crash-points"))]
    {
        let _ = point;
        bytes
    }
}

/// Marks that the bytes from [`cut`] are written.
#[inline]
pub fn cut_written() {
    #[cfg(feature = "crash-points")]
    armed::cut_written();
}

#[cfg(feature = "crash-points")]
mod armed {
    use std::cell::Cell;
    use std::ffi::OsString;
    use std::fs;
    use std::path::PathBuf;
    use std::thread;
    use std::time::Duration;

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::{Pid, getpid, getppid};

    thread_local! {
        static CUT: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    fn file(suffix: &str) -> Option<PathBuf> {
        let mut name: OsString = std::env::var_os("CHAT_CRASH_FILE")?;
        name.push(suffix);
        Some(name.into())
    }

    /// Victim and mark, if this point is armed.
    fn order(point: &str) -> Option<(String, String)> {
        let text = fs::read_to_string(file("")?).ok()?;
        let mut words = text.split_ascii_whitespace();
        (words.next() == Some(point))
            .then(|| Some((words.next()?.to_owned(), words.next()?.to_owned())))?
    }

    pub(super) fn is_armed(point: &str) -> bool {
        order(point).is_some()
    }

    pub(super) fn reach(point: &str) {
        if let Some((victim, _)) = order(point)
            && take().is_some()
        {
            die(&victim);
        }
    }

    pub(super) fn cut<'a>(point: &'static str, bytes: &'a [u8]) -> &'a [u8] {
        let Some((_, mark)) = order(point) else {
            return bytes;
        };
        let has_mark = bytes
            .windows(mark.len())
            .any(|part| part == mark.as_bytes());
        if !has_mark {
            return bytes;
        }
        CUT.set(Some(point));
        &bytes[..bytes.len() / 2]
    }

    pub(super) fn cut_written() {
        if let Some(point) = CUT.take() {
            reach(point);
        }
    }

    /// Disarms; nothing if another process was quicker.
    fn take() -> Option<()> {
        fs::remove_file(file("")?).ok()
    }

    fn die(victim: &str) {
        let is_parent = victim == "parent";
        let pid = if is_parent { getppid() } else { getpid() };
        tell(pid);
        // A victim that cannot be killed shows in the test, which looks whether it is dead.
        let _ = kill(pid, Signal::SIGKILL);
        // Nothing goes on before it is dead; this process does then only if it is not the victim.
        while !is_parent || getppid() == pid {
            thread::sleep(Duration::from_micros(100));
        }
    }

    fn tell(pid: Pid) {
        let (Some(passing), Some(reached)) = (file(".new"), file(".reached")) else {
            return;
        };
        // A file that is not there fails the test.
        let _ = fs::write(&passing, pid.to_string()).and_then(|()| fs::rename(passing, reached));
    }
}
