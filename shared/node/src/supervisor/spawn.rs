//! Starts this program again from its own open binary, so that an upgrade on disk never mixes versions. The new process
//! inherits only the descriptors that are listed here.

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
use crate::process::inherited_fd::{CHILDREN_LOCK_FD, FIRST_LISTENER_FD, LINK_FD};
use crate::sandbox::OwnershipError;
use crate::supervisor::child_link::ChildLink;

/// Returns a command that runs this program's own binary under the name `arg0`. `flags` come before this process's own
/// arguments. `descriptors` are passed under the numbers beside them.
pub fn own_binary(
    arg0: &str,
    flags: &[OsString],
    descriptors: Vec<(OwnedFd, RawFd)>,
) -> io::Result<Command> {
    const OWN_BINARY: &str = "/proc/self/exe";
    if !Path::new(OWN_BINARY).exists() {
        return Err(io::Error::other(format!(
            "there is no {OWN_BINARY}, from which a daemon starts its processes: mount /proc (mount -t proc proc /proc)"
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
        // Only the process that a service manager has started reports to it.
        .env_remove("NOTIFY_SOCKET")
        .env_remove("WATCHDOG_USEC")
        .env_remove("WATCHDOG_PID")
        .fd_mappings(mappings.collect())
        .map_err(io::Error::other)?;
    Ok(command)
}

/// The variable in which a parent gives its children the settings file, as
/// [`SettingsFile::for_child`](crate::settings::settings_file::SettingsFile::for_child) writes it.
pub(crate) const SETTINGS_OF_PARENT: &str = "CHATSERV_SETTINGS_OF_PARENT";

/// Gives the children's user the files it needs. Repeated, because others may have replaced the files.
pub type ChangeOwnership = Box<dyn Fn() -> Result<(), OwnershipError>>;

/// Starts the children of a supervisor.
pub struct ChildStarter {
    /// The name of the daemon.
    pub program: &'static str,
    /// The name of a child in logs and in the status.
    pub role: &'static str,
    /// Whether there may be several children, so that the name includes the number.
    pub is_numbered: bool,
    /// A lock that each child holds while it runs.
    pub children_lock: File,
    /// The listening sockets, shared by all children.
    pub listeners: SharedSockets,
    /// The base of relative paths among this process's arguments, if it is not the working directory.
    pub started_in: Option<PathBuf>,
    /// The settings file for the children, if there is one. They must not read it themselves: it may have changed.
    pub settings_file: Option<String>,
    /// Called before each start and reload; nothing if children run as the user of their parent.
    pub change_ownership: Option<ChangeOwnership>,
}

impl ChildStarter {
    /// The name of the child of this number.
    pub fn child_name(&self, number: u32) -> String {
        match self.is_numbered {
            true => format!("{} {number}", self.role),
            false => self.role.to_owned(),
        }
    }

    /// Call this before a child starts, and before it re-reads its files.
    pub fn change_ownership(&self) -> Result<(), OwnershipError> {
        self.change_ownership
            .as_ref()
            .map_or(Ok(()), |change_ownership| change_ownership())
    }

    /// Starts the child of this number with its parent's flags and standard error.
    pub fn start(&self, number: u32) -> io::Result<(ProcessIdentity, ChildLink)> {
        let (link, child_end) = ChildLink::pair()?;
        let mut descriptors = vec![
            (OwnedFd::from(child_end), LINK_FD),
            (
                OwnedFd::from(self.children_lock.try_clone()?),
                CHILDREN_LOCK_FD,
            ),
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
        let mut command = own_binary(&title, &flags, descriptors)?;
        match &self.settings_file {
            Some(text) => command.env(SETTINGS_OF_PARENT, text),
            None => command.env_remove(SETTINGS_OF_PARENT),
        };
        let child = command
            // In a process group of its own: Ctrl-C in the foreground only reaches the parent, which then stops the
            // children in order.
            .process_group(0)
            .spawn()?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        // If it has ended already, it still has to be waited for under its number.
        let process = ProcessIdentity::of(pid).unwrap_or(ProcessIdentity {
            pid,
            start_ticks: 0,
        });
        Ok((process, link))
    }
}

/// The descriptors that a child inherits.
#[derive(Debug)]
pub struct Inheritance {
    /// Its end of the link to its parent. End of stream means that the parent is gone.
    pub parent: UnixStream,
    /// The listening sockets, in the order in which the parent opened them.
    pub listeners: Vec<OwnedFd>,
    /// Must be held while the process runs.
    pub children_lock: OwnedFd,
}

impl Inheritance {
    /// Takes the descriptors that [`ChildStarter::start`] passed on.
    pub fn take(listeners: u32) -> io::Result<Self> {
        let listener_fds = (FIRST_LISTENER_FD..).take(listeners as usize);
        Ok(Self {
            parent: crate::process::inherited_fd::take(LINK_FD)?.into(),
            children_lock: crate::process::inherited_fd::take(CHILDREN_LOCK_FD)?,
            listeners: listener_fds
                .map(crate::process::inherited_fd::take)
                .collect::<io::Result<_>>()?,
        })
    }
}
