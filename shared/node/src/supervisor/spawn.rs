//! Starting this program again, by its own open binary: an upgrade on disk never mixes versions, and the new process
//! has only the descriptors that it is handed.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};

use super::shared_sockets::SharedSockets;
use crate::process::identity::ProcessIdentity;
use crate::process::inherited_fd::{FIRST_LISTENER_FD, LIFE_LOCK_FD, LINK_FD};
use crate::sandbox::HandOverError;
use crate::supervisor::child_link::ChildLink;

/// A command that runs this program's own binary under the name `arg0`, with `flags` before this process's own
/// arguments, and `descriptors` as the numbers beside them.
pub fn own_binary(
    arg0: &str,
    flags: &[OsString],
    descriptors: Vec<(OwnedFd, RawFd)>,
) -> io::Result<Command> {
    const OWN_BINARY: &str = "/proc/self/exe";
    if !Path::new(OWN_BINARY).exists() {
        return Err(io::Error::other(format!(
            "there is no {OWN_BINARY}, by which a daemon starts its processes: mount /proc (mount -t proc proc /proc)"
        )));
    }
    let mut command = Command::new(OWN_BINARY);
    let own_arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mappings = descriptors
        .into_iter()
        .map(|(parent_fd, child_fd)| FdMapping {
            parent_fd,
            child_fd,
        });
    command
        .arg0(arg0)
        .args(flags)
        .args(own_arguments)
        .stdin(Stdio::null())
        .fd_mappings(mappings.collect())
        .map_err(io::Error::other)?;
    Ok(command)
}

/// Gives the children's user what it needs, again and again: others may have put something in its place.
pub type HandOver = Box<dyn Fn() -> Result<(), HandOverError>>;

/// How the children of this supervisor are started.
pub struct ChildStarter {
    /// The daemon.
    pub program: &'static str,
    /// What a child is called.
    pub role: &'static str,
    /// Whether there may be more than one, so that each needs its number in its name.
    pub is_numbered: bool,
    /// Held by each for as long as it lives.
    pub life_lock: File,
    /// Shared by all.
    pub listeners: SharedSockets,
    /// The directory to which paths among this process's arguments are relative, if it has left that.
    pub started_in: Option<PathBuf>,
    /// Called before each life; nothing if children have their parent's user.
    pub hand_over: Option<HandOver>,
}

impl ChildStarter {
    /// What the child of this number is called.
    pub fn child_name(&self, number: u32) -> String {
        match self.is_numbered {
            true => format!("{} {number}", self.role),
            false => self.role.to_owned(),
        }
    }

    /// To be called before a life begins, and before a child reads its files again.
    pub fn hand_over(&self) -> Result<(), HandOverError> {
        self.hand_over
            .as_ref()
            .map_or(Ok(()), |hand_over| hand_over())
    }

    /// Starts the child of this number; it has its parent's flags and standard error.
    pub fn start(&self, number: u32) -> io::Result<(ProcessIdentity, ChildLink)> {
        let (link, child_end) = ChildLink::pair()?;
        let mut descriptors = vec![
            (OwnedFd::from(child_end), LINK_FD),
            (OwnedFd::from(self.life_lock.try_clone()?), LIFE_LOCK_FD),
        ];
        for (listener, fd) in self.listeners.sockets().zip(FIRST_LISTENER_FD..) {
            descriptors.push((listener.try_clone()?, fd));
        }
        let title = format!("{}: {}", self.program, self.child_name(number));
        let mut flags: Vec<OsString> = vec![
            format!("--child-number={number}").into(),
            format!("--child-listeners={}", self.listeners.sockets().len()).into(),
        ];
        if let Some(directory) = &self.started_in {
            let mut flag = OsString::from("--started-in=");
            flag.push(directory);
            flags.push(flag);
        }
        let child = own_binary(&title, &flags, descriptors)?
            // A group of its own: Ctrl-C in the foreground reaches the parent only, which then ends its children in order.
            .process_group(0)
            .spawn()?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        // If it is gone already, it is still to be waited for under its number.
        let process = ProcessIdentity::of(pid).unwrap_or(ProcessIdentity {
            pid,
            start_ticks: 0,
        });
        Ok((process, link))
    }
}

/// What a child finds when it starts.
#[derive(Debug)]
pub struct Inheritance {
    /// Its end of the pair to its parent. Its end of stream tells that the parent is gone.
    pub parent: UnixStream,
    /// The listening sockets, in the order in which the parent opened them.
    pub listeners: Vec<OwnedFd>,
    /// To be held for as long as the process lives.
    pub life_lock: OwnedFd,
}

impl Inheritance {
    /// Takes what [`ChildStarter::start`] handed on.
    pub fn take(listeners: u32) -> io::Result<Self> {
        let listener_fds = (FIRST_LISTENER_FD..).take(listeners as usize);
        Ok(Self {
            parent: crate::process::inherited_fd::take(LINK_FD)?.into(),
            life_lock: crate::process::inherited_fd::take(LIFE_LOCK_FD)?,
            listeners: listener_fds
                .map(crate::process::inherited_fd::take)
                .collect::<io::Result<_>>()?,
        })
    }
}
