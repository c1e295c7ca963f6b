//! The parent of a daemon's children: starts them, replaces those that die, passes signals on, ends them.
//!
//! [`ChildSet`] decides and this loop acts. A child reports over its [`ChildLink`] that it is ready, and learns from
//! the same socket pair that its parent is gone.

mod backoff;
pub mod child_configuration;
pub mod child_link;
pub mod child_reports;
mod child_set;
mod draining;
mod lasting_directory;
mod operators;
mod options;
mod publication;
mod reloading;
mod reloads;
mod requests;
mod service_manager;
mod shared_sockets;
mod signals;
mod spawn;

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};
use jiff::Timestamp;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::control::reload_result::{ReloadResult, ReloadStatus};
use crate::control::status_file::{Phase, Status};
use crate::limits::system_limits;
use crate::logs::log_file::LogFile;
use crate::logs::wall_clock;
use crate::metrics::refusals::Refusals;
use crate::process::identity::{ProcessIdentity, boot_id, pid_namespace};
use crate::settings::reload::ReloadableSettings;
pub use backoff::LONGEST_WAIT_MS;
use child_configuration::ChildConfiguration;
use child_link::ChildLink;
pub use child_set::{Action, ChildSet, Now};
use draining::BegunDrain;
use lasting_directory::LastingDirectory;
use operators::Operators;
use publication::Publication;
pub use reloading::FileAcceptance;
use reloads::Reloads;
pub use shared_sockets::SharedSockets;
pub use signals::Signals;
pub(crate) use spawn::SETTINGS_OF_PARENT;
pub use spawn::{ChangeOwnership, ChildStarter, Inheritance, own_binary};

/// A parent and its children.
pub struct Supervisor {
    starter: ChildStarter,
    child_set: ChildSet,
    /// By index of the child; none while it has no process.
    links: Vec<Option<ChildLink>>,
    signals: Signals,
    publication: Publication,
    epoch: Instant,
    on_ready: Option<Box<dyn FnOnce()>>,
    child_configuration: Option<Box<dyn ChildConfiguration>>,
    lasting_directory: Option<LastingDirectory>,
    /// Refusals counted by processes that have ended.
    refused_before: Refusals,
    reloads: Reloads,
    /// The last reload result.
    reload_result: Option<ReloadResult>,
    operators: Option<Operators>,
    settings: Option<Box<dyn ReloadableSettings>>,
    file_acceptance: Option<FileAcceptance>,
    log_file: Option<LogFile>,
    /// Its listening sockets are those of clients.
    can_drain: bool,
    drain: Option<BegunDrain>,
    /// Why the last reload could not open the log file anew.
    log_failure: Option<String>,
    /// What the last reload changed of the settings.
    settings_summary: Option<String>,
}

impl Supervisor {
    /// A supervisor of `count` children. The status shows `addresses` as the addresses it listens on. `on_ready` is
    /// called once, when all children have become ready.
    pub fn new(
        starter: ChildStarter,
        count: u32,
        signals: Signals,
        status_path: PathBuf,
        addresses: Vec<String>,
        on_ready: Box<dyn FnOnce()>,
    ) -> Self {
        let epoch = Instant::now();
        let status = Status {
            pid: std::process::id().cast_signed(),
            boot_id: boot_id(),
            pid_namespace: pid_namespace(),
            since: wall_now(),
            addresses,
            ..Status::default()
        };
        Self {
            starter,
            child_set: ChildSet::new(count as usize, now(epoch)),
            links: (0..count).map(|_| None).collect(),
            signals,
            publication: Publication::new(status_path, status),
            epoch,
            on_ready: Some(on_ready),
            child_configuration: None,
            lasting_directory: None,
            refused_before: Refusals::default(),
            reloads: Reloads::default(),
            reload_result: None,
            operators: None,
            settings: None,
            file_acceptance: None,
            log_file: None,
            can_drain: false,
            drain: None,
            log_failure: None,
            settings_summary: None,
        }
    }

    /// Runs until it is told to end and all children have ended. Fails if the children never become ready.
    pub fn run(mut self) -> anyhow::Result<()> {
        while !self.child_set.is_finished() {
            let now = now(self.epoch);
            self.child_set.at(now);
            while let Some(action) = self.child_set.next_action() {
                self.perform(action);
            }
            self.publish();
            self.update_configuration(now);
            if !self.child_set.is_finished() {
                self.wait().context("cannot wait for the children")?;
                self.take_signals();
                self.read_links();
                self.reap();
                self.serve_operators();
                self.starter.listeners.open_again();
            }
        }
        match self.child_set.failure() {
            Some(reason) => bail!("{} does not start: {reason}", self.starter.role),
            None => Ok(()),
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Start(index) => self.start(index),
            Action::Terminate(process) => signal(process, Signal::SIGTERM),
            Action::Reload(process) => signal(process, Signal::SIGHUP),
            Action::Kill(process) => {
                let pid = process.pid;
                log::warn!("process {pid} has not ended in time; killing it");
                signal(process, Signal::SIGKILL);
            }
            Action::AnnounceSilence(index) => {
                let name = self.starter.child_name(child_number(index));
                log::error!(
                    "{name}: gives no sign of life; it is stopped (continue it with kill -CONT), or it hangs \
                     (replace it with kill -KILL)"
                );
            }
            Action::AnnounceReady => {
                let addresses = &self.publication.status().addresses;
                log::info!("ready, listening on {}", addresses.join(", "));
                // A process that waits for this may read the status next.
                self.publish();
                if let Some(on_ready) = self.on_ready.take() {
                    on_ready();
                }
            }
        }
    }

    fn start(&mut self, index: usize) {
        let number = child_number(index);
        if let Some(Err(reason)) = self.lasting_directory.as_ref().map(LastingDirectory::check) {
            return self.ended(index, reason);
        }
        if let Err(error) = self.starter.change_ownership() {
            return self.ended(index, error.to_string());
        }
        match self.starter.start(number) {
            Ok((process, mut link)) => {
                if let Some(child_configuration) = &self.child_configuration {
                    link.push_configuration(&child_configuration.current());
                }
                if let Some(drain) = &self.drain {
                    link.push_drain(drain.for_child(now(self.epoch)));
                }
                link.flush();
                let name = self.starter.child_name(number);
                log::info!("{name}: started as process {}", process.pid);
                self.links[index] = Some(link);
                self.child_set.started(index, process, now(self.epoch));
            }
            Err(error) => {
                let error = anyhow::Error::from(error);
                let advice = system_limits::advice(&error).map(|advice| format!(": {advice}"));
                let advice = advice.unwrap_or_default();
                let reason = format!("cannot start a process: {error}{advice}");
                self.ended(index, reason);
            }
        }
    }

    fn ended(&mut self, index: usize, reason: String) {
        let name = self.starter.child_name(child_number(index));
        match self.child_set.phase() {
            Phase::Stopping => log::info!("{name}: {reason}"),
            _ => log::warn!("{name}: {reason}"),
        }
        self.child_set.ended(index, reason, now(self.epoch));
        if self.child_configuration.is_none() && self.reloads.child_died() {
            self.child_set.reload();
        }
    }

    /// Waits for a signal, for bytes from a child, or until something is due.
    fn wait(&self) -> nix::Result<()> {
        let configuration_due_ms = self
            .child_configuration
            .as_ref()
            .and_then(|h| h.next_due_ms());
        let due_ms = self.child_set.next_due_ms().into_iter();
        let due_ms = due_ms.chain(configuration_due_ms);
        let due_ms = due_ms.chain(self.publication.next_due_ms());
        let due_ms = due_ms.chain(self.operators.as_ref().and_then(Operators::next_due_ms));
        let timeout = match due_ms.min() {
            Some(due_ms) => {
                let wait_ms = due_ms.saturating_sub(now(self.epoch).clock_ms);
                PollTimeout::try_from(wait_ms.min(60_000)).unwrap_or(PollTimeout::MAX)
            }
            None => PollTimeout::NONE,
        };
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        let open_links = self.links.iter().flatten().filter(|l| !l.has_ended());
        fds.extend(open_links.map(|link| PollFd::new(link.as_fd(), poll_flags(link))));
        fds.extend(self.starter.listeners.poll_fds());
        fds.extend(self.operators.iter().flat_map(|it| it.socket.poll_fds()));
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn take_signals(&mut self) {
        self.signals.drain();
        if self.signals.take_stop() {
            log::info!("stopping");
            self.child_set.stop(now(self.epoch));
        }
        if self.signals.take_reload() {
            self.request_reload();
        }
    }

    fn update_configuration(&mut self, now: Now) {
        let child_configuration = self.child_configuration.as_mut();
        if child_configuration
            .is_some_and(|child_configuration| child_configuration.at(now.clock_ms))
        {
            self.push_configuration();
        }
    }

    /// Pushes the current configuration to every child.
    fn push_configuration(&mut self) {
        let Some(child_configuration) = &self.child_configuration else {
            return;
        };
        let configuration = child_configuration.current();
        for link in self.links.iter_mut().flatten() {
            link.push_configuration(&configuration);
            link.flush();
        }
    }

    fn read_links(&mut self) {
        for index in 0..self.links.len() {
            self.read_link(index);
        }
        for link in self.links.iter_mut().flatten() {
            if link.has_unsent() {
                link.flush();
            }
        }
    }

    fn read_link(&mut self, index: usize) {
        let Some(link) = &mut self.links[index] else {
            return;
        };
        if let Err(error) = link.read_available() {
            log::debug!("reading from child {}: {error}", index + 1);
        }
        let reload_reports = link.take_reload_reports();
        for (ticket, answer) in link.take_answers() {
            if let Some(operators) = &mut self.operators {
                operators.answered(ticket, answer, now(self.epoch).clock_ms);
            }
        }
        if !link.sandbox().is_empty() {
            let sandbox = link.sandbox().to_owned();
            self.child_set.sandbox_reported(index, sandbox);
        }
        let is_heard = link.take_heard();
        if let Some(warning) = link.warning() {
            self.child_set.warned(index, warning.clone());
        }
        if link.is_ready() {
            self.child_set.ready(index, now(self.epoch));
            if let Some(directory) = &mut self.lasting_directory {
                directory.has_served();
            }
        }
        if is_heard && self.child_set.heard(index, now(self.epoch)) {
            let name = self.starter.child_name(child_number(index));
            log::info!("{name}: gives signs of life again");
        }
        // Children that receive a configuration read no files themselves.
        if self.child_configuration.is_none() {
            self.take_reload_reports(reload_reports);
        }
    }

    /// Reaps every process that has ended.
    fn reap(&mut self) {
        loop {
            match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, status)) => {
                    self.reaped(pid, format!("exited with status {status}"));
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    self.reaped(pid, describe_signal(signal));
                }
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => {
                    log::error!("cannot wait for ended processes: {error}");
                    return;
                }
            }
        }
    }

    fn reaped(&mut self, pid: Pid, how: String) {
        let Some(index) = self.child_set.index_of(pid.as_raw()) else {
            return;
        };
        // It may have reported readiness or a failure just before it ended.
        if let Some(Err(error)) = self.links[index].as_mut().map(ChildLink::read_remaining) {
            log::debug!("reading from child {}: {error}", index + 1);
        }
        self.read_link(index);
        let link = self.links[index].take();
        if let Some(link) = &link {
            self.refused_before.add(link.refusals());
        }
        let failure = link.and_then(|link| link.failure());
        if let Some(operators) = &mut self.operators {
            operators.child_ended(index, now(self.epoch).clock_ms);
        }
        self.ended(index, failure.unwrap_or(how));
    }

    /// Writes the status if it has changed or could not be written before.
    fn publish(&mut self) {
        let mut refused = self.refused_before.clone();
        for link in self.links.iter().flatten() {
            refused.add(link.refusals());
        }
        let failure = self.reload_result.as_ref().and_then(|it| it.as_ref().err());
        let configuration = self.child_configuration.as_ref();
        let warning = configuration.and_then(|it| it.warning(wall_now()));
        let status = Status {
            refused,
            warning: failure.cloned().or(warning).unwrap_or_default(),
            certificate_end: configuration.and_then(|it| it.certificate_end()),
            reload: ReloadStatus {
                requested: self.reloads.requested(),
                answered: self.reloads.answered(),
                result: self.reload_result.clone(),
            },
            phase: self.child_set.phase(),
            draining: self.drain.map(|drain| drain.status),
            children: self.child_set.children().cloned().collect(),
            ..self.publication.status().clone()
        };
        let now = now(self.epoch);
        self.publication.publish(status, now.clock_ms);
    }
}

/// The events to poll for at a child's link.
fn poll_flags(link: &ChildLink) -> PollFlags {
    match link.has_unsent() {
        true => PollFlags::POLLIN | PollFlags::POLLOUT,
        false => PollFlags::POLLIN,
    }
}

fn describe_signal(signal: Signal) -> String {
    let number = signal as i32;
    let meaning = match signal {
        Signal::SIGSYS => ": it made a system call that the sandbox does not allow",
        Signal::SIGXCPU => ": its limit of processor time is used up (ulimit -t, LimitCPU=)",
        _ => "",
    };
    format!("killed by signal {number} ({signal}){meaning}")
}

fn signal(process: ProcessIdentity, signal: Signal) {
    // It has not been waited for, so its number is still its own.
    if let Err(error) = nix::sys::signal::kill(Pid::from_raw(process.pid), signal) {
        log::warn!("cannot send {signal} to process {}: {error}", process.pid);
    }
}

/// The number of a child for people, from 1.
fn child_number(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

fn now(epoch: Instant) -> Now {
    Now {
        clock_ms: u64::try_from(epoch.elapsed().as_millis()).unwrap_or(u64::MAX),
        wall: wall_now(),
    }
}

/// Rounded to milliseconds, which is precise enough for a status.
fn wall_now() -> Timestamp {
    let now = wall_clock::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
