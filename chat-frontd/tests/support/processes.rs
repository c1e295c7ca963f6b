//! What the kernel tells about processes, read from `/proc`.

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Looks again and again until there is something, or patience ends.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, String> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() > end {
            return Err(format!(
                "waited {} s in vain for: {what}",
                PATIENCE.as_secs()
            ));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The process ids there are.
pub(crate) fn all() -> Vec<i32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// State letter and parent of a process; `None` if it is gone.
fn status(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name stands in parentheses and may hold anything, a parenthesis too.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

/// Whether the process runs: it is neither gone nor waiting for its parent to notice.
pub(crate) fn lives(pid: i32) -> bool {
    status(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// The living children of a process.
pub(crate) fn children(parent: i32) -> Vec<i32> {
    all()
        .into_iter()
        .filter(|pid| status(*pid).is_some_and(|(state, of)| of == parent && state != 'Z'))
        .collect()
}

/// Those living processes that have this text in their environment or command line.
pub(crate) fn mentioning(text: &str) -> Vec<i32> {
    let mentions = |path: String| {
        fs::read(path).is_ok_and(|bytes| {
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        })
    };
    let this = std::process::id().cast_signed();
    all()
        .into_iter()
        .filter(|pid| {
            *pid != this
                && (mentions(format!("/proc/{pid}/environ"))
                    || mentions(format!("/proc/{pid}/cmdline")))
                && lives(*pid)
        })
        .collect()
}

/// What a process is called, for messages.
pub(crate) fn command_line(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = bytes
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy)
        .collect();
    format!("{pid} {}", words.join(" ").trim_end())
}

/// Sends a signal; that the process is gone already is as good.
pub(crate) fn signal(pid: i32, signal: Signal) {
    // The only other errors are a wrong signal or somebody else's process, and both show as a wait in vain.
    let _ = kill(Pid::from_raw(pid), signal);
}

/// kill -9, and waits until it has happened.
pub(crate) fn kill_hard(pids: &[i32]) -> Result<(), String> {
    for pid in pids {
        signal(*pid, Signal::SIGKILL);
    }
    wait_gone(pids)
}

/// Waits until none of the processes runs.
pub(crate) fn wait_gone(pids: &[i32]) -> Result<(), String> {
    wait_for(&format!("the end of processes {pids:?}"), || {
        pids.iter().all(|pid| !lives(*pid)).then_some(())
    })
}

/// Which of some processes holds the server's end of a TCP connection over IPv4.
pub(crate) fn holder(candidates: &[i32], server: SocketAddr, client: SocketAddr) -> Option<i32> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let inode = table.lines().find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let is_meant = fields.get(1)?.ends_with(&format!(":{:04X}", server.port()))
            && fields.get(2)?.ends_with(&format!(":{:04X}", client.port()));
        is_meant.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    })?;
    let target = format!("socket:[{inode}]");
    candidates
        .iter()
        .copied()
        .find(|pid| descriptors(*pid).contains(&target))
}

fn descriptors(pid: i32) -> HashSet<String> {
    fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .map(|target| target.to_string_lossy().into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;

    #[test]
    fn child_is_seen_and_killed() {
        let this = std::process::id().cast_signed();
        let mut child = Command::new("sleep")
            .arg("1000")
            .env("MARK", format!("mark-{this}-x"))
            .spawn()
            .unwrap();
        let pid = child.id().cast_signed();
        assert!(children(this).contains(&pid));
        wait_for("its environment", || {
            (mentioning(&format!("mark-{this}-x")) == [pid]).then_some(())
        })
        .unwrap();
        kill_hard(&[pid]).unwrap();
        assert!(!lives(pid));
        assert!(mentioning(&format!("mark-{this}-x")).is_empty());
        child.wait().unwrap();
    }

    #[test]
    fn holder_of_connection_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let client = TcpStream::connect(server).unwrap();
        let _accepted = listener.accept().unwrap();
        let this = std::process::id().cast_signed();
        let client = client.local_addr().unwrap();
        assert_eq!(holder(&[1, this], server, client), Some(this));
        assert_eq!(holder(&[], server, client), None);
    }
}
