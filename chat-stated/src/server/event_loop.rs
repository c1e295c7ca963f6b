//! The loop: waits for workers, threads, signals and time; carries what comes to the core, and back.

mod workers;

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chat_model::WorkerSessionId;
use chat_node::control::protocol::Question;
use chat_node::limits::system_limits::SystemLimits;
use chat_node::logs::log_file;
use chat_node::process::identity::has_ended;
use chat_node::process::wake_stream;
use chat_node::supervisor::child_configuration::{Inbox, ParentMessage};
use chat_node::supervisor::child_reports::{
    ChildWarning, Reports, report_ready, report_sandbox, report_warning,
};
use chat_settings::reload::settings_of_parent;
use mio::event::Event;
use mio::net::{UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Token, Waker};
use signal_hook::consts::{SIGHUP, SIGTERM};
use slab::Slab;

use super::completion::{Completion, CompletionQueue};
use super::confinement;
use super::host_clock::HostClock;
use super::io_threads::IoThreads;
use super::metrics::Commits;
use super::peers::AllowedPeers;
use super::recovery::Recovered;
use super::socket::Socket;
use super::{DaemonSetup, Host};
use crate::account_file::append::AppendError;
use crate::account_file::read::ReadError;
use crate::account_file::writer::FileOutcome;
use crate::checkpoint::{CheckpointEvent, TextEvent, damaged_checkpoint};
use crate::core::{Core, CoreSettings};
use crate::database::disk_failure;
use crate::disk_reserve::ReserveOutcome;
use crate::journal::JournalEvent;
use crate::memory_plan::MemoryPlan;
use crate::passwords::remembered::RememberedPasswords;
use crate::settings::{self, Settings};

const WAKER: Token = Token(0);
const LISTENER: Token = Token(1);
const PARENT: Token = Token(2);
const TERMINATE: Token = Token(3);
const RELOAD: Token = Token(4);
/// Tokens from here on are workers' connections.
const FIRST_LINK: usize = 16;

/// How often it is looked whether workers that have not come back still live.
const ORPHAN_CHECK: Duration = Duration::from_millis(20);
/// Accounts whose right password is remembered.
const REMEMBERED_PASSWORDS: usize = 1_000_000;
/// After SIGTERM, what was asked must be answered within this.
const STOP_TIME: Duration = Duration::from_secs(5);

pub(super) struct EventLoop {
    poll: Poll,
    listener: UnixListener,
    peers: AllowedPeers,
    parent: UnixStream,
    from_parent: Inbox,
    terminate: UnixStream,
    reload: UnixStream,
    clock: HostClock,
    plan: MemoryPlan,
    /// The boot time at which this turn began.
    turn_ms: u64,
    core: Core,
    sockets: Slab<Socket>,
    io_threads: IoThreads,
    state_dir: PathBuf,
    completions: Receiver<Completion>,
    is_serving: bool,
    /// Somebody could not be accepted, and the listener will not tell of him again: when that is to be tried.
    accept_at: Option<Instant>,
    stop_by: Option<Instant>,
    reports: Reports,
    commits: Commits,
    /// What is to be warned of for as long as this process lives.
    lasting_warning: ChildWarning,
}

impl EventLoop {
    pub(super) fn new(
        mut setup: DaemonSetup,
        host: Host,
        recovered: Recovered,
    ) -> anyhow::Result<Self> {
        let poll = Poll::new().context("cannot make an event queue")?;
        let waker = Waker::new(poll.registry(), WAKER).context("cannot make a waker")?;
        let (completion_queue, completions) = CompletionQueue::new(waker);
        let clock = host.clock;
        let settings = CoreSettings {
            limits: settings::limits(&setup.settings, host.plan),
            waiting_limits: settings::waiting_limits(&setup.settings, host.plan),
            session_limits: settings::session_limits(&setup.settings),
            room_limits: settings::room_limits(&setup.settings),
            history_rules: settings::history_rules(&setup.settings),
            history_limits: settings::history_limits(&setup.settings),
            sources: settings::source_limits(&setup.settings),
            checkpoint_every_entries: setup.settings.checkpoint_every_entries,
            resident_text_bytes: settings::resident_text_bytes(&setup.settings, host.plan),
            ..CoreSettings::default()
        };
        let remembered =
            RememberedPasswords::new(REMEMBERED_PASSWORDS).context("cannot draw a random key")?;
        let (bytes, entries) = (recovered.replayed_bytes, recovered.replayed_entries);
        let of_disk = warning_of_disk(recovered.has_disk_failed);
        let (io_threads, state, position, history) = IoThreads::start(
            recovered,
            &setup.settings,
            host.hashing_threads,
            &completion_queue,
        )?;
        let now = clock.timestamp();
        let mut core = Core::new(settings, state, position, remembered, now);
        core.count_replayed(bytes, entries);
        core.history_opened(history);
        setup.listener.set_nonblocking(true)?;
        setup.parent.set_nonblocking(true)?;
        let peers = AllowedPeers::new(setup.sandbox.separation().users());
        let supervisor = setup.parent.try_clone()?;
        let mut parent = UnixStream::from_std(setup.parent);
        let mut terminate = UnixStream::from_std(wake_stream::for_signal(SIGTERM)?);
        let mut reload = UnixStream::from_std(wake_stream::for_signal(SIGHUP)?);
        for (source, token) in [
            (&mut parent, PARENT),
            (&mut terminate, TERMINATE),
            (&mut reload, RELOAD),
        ] {
            poll.registry()
                .register(source, token, Interest::READABLE)?;
        }
        // All files are open, all threads are there, and nobody is served yet.
        confinement::restrict_the_rest(&mut setup.sandbox)?;
        let said = setup.sandbox.summary();
        log::info!("sandbox: {said}");
        report_sandbox(&supervisor, &said).context("cannot tell the supervisor of the sandbox")?;
        Ok(Self {
            poll,
            listener: UnixListener::from_std(setup.listener),
            peers,
            parent,
            from_parent: Inbox::default(),
            terminate,
            reload,
            clock,
            plan: host.plan,
            turn_ms: now.boot_ms,
            core,
            sockets: Slab::new(),
            io_threads,
            state_dir: setup.settings.state_dir(),
            completions,
            is_serving: false,
            accept_at: None,
            stop_by: None,
            reports: Reports::default(),
            commits: Commits::default(),
            lasting_warning: warning_of_limits(&setup.limits).and(of_disk),
        })
    }

    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1_024);
        loop {
            self.turn()?;
            if self.is_done() {
                log::info!("stopped");
                return Ok(());
            }
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    return Err(error).context("cannot wait for events");
                }
                _ => {}
            }
            let now = self.clock.timestamp();
            self.turn_ms = now.boot_ms;
            self.core.begin_turn(now);
            for event in &events {
                self.take_event(event)?;
            }
        }
    }

    /// Everything that can be done without waiting.
    fn turn(&mut self) -> anyhow::Result<()> {
        self.reap_dead_workers();
        if self.accept_at.is_some_and(|at| at <= Instant::now()) {
            self.accept();
        }
        self.read_workers();
        while let Ok(completion) = self.completions.try_recv() {
            self.take_completion(completion)?;
        }
        for action in self.core.end_turn() {
            if let Some(link) = self.io_threads.perform(action, &mut self.core)
                && let Some(socket) = self.sockets.get_mut(link)
            {
                socket.closing_since = Some(Instant::now());
            }
        }
        self.write_workers();
        self.report();
        self.serve_when_ready()
    }

    fn report(&mut self) {
        if let Some(report) = self.core.take_reload_report() {
            self.reports.report_reload(&report);
        }
        for (ticket, answer) in self.core.take_answers() {
            self.reports.answer(ticket, answer);
        }
        self.reports.warn_of(self.warning());
        self.reports
            .report_if_due(&mut self.parent, self.core.refusals(), self.turn_ms);
    }

    fn warning(&self) -> ChildWarning {
        let of_space = self.core.space_warning().map(|text| ChildWarning {
            text: text.to_owned(),
            is_refusing: true,
        });
        let of_state = self.core.warnings();
        let warning = self.lasting_warning.clone();
        of_state.fold(warning.and(of_space.unwrap_or_default()), |all, text| {
            all.and(ChildWarning::of(text.into_owned()))
        })
    }

    fn serve_when_ready(&mut self) -> anyhow::Result<()> {
        if self.is_serving || !self.core.is_ready() {
            return Ok(());
        }
        self.is_serving = true;
        self.core.serving_began();
        self.poll
            .registry()
            .register(&mut self.listener, LISTENER, Interest::READABLE)
            .context("cannot wait for workers")?;
        self.accept();
        let accounts = self.core.state().records();
        let disabled = accounts.filter(|(_, record)| record.disabled).count();
        let serving = self.core.state().account_count() - disabled;
        log::info!("serving {serving} accounts, {disabled} others are disabled");
        let parent =
            std::os::unix::net::UnixStream::from(self.parent.as_fd().try_clone_to_owned()?);
        // Whoever waits for this may look at the status next.
        report_warning(&parent, &self.warning())
            .context("cannot tell the supervisor of a warning")?;
        report_ready(&parent).context("cannot tell the supervisor that the state is ready")
    }

    fn take_event(&mut self, event: &Event) -> anyhow::Result<()> {
        match event.token() {
            WAKER => {}
            LISTENER => self.accept(),
            PARENT => self.read_parent()?,
            TERMINATE => {
                wake_stream::drain(&mut self.terminate);
                log::info!("stopping");
                // From then on they are not read.
                self.read_workers_a_last_time();
                self.stop_by = Some(Instant::now() + STOP_TIME);
            }
            RELOAD => {
                wake_stream::drain(&mut self.reload);
                log::info!("reading the account file again");
                self.core.reload_account_file();
            }
            Token(token) => {
                let link = token - FIRST_LINK;
                let output = self.core.output(link);
                let is_written = output.is_none_or(|output| output.pending_bytes() == 0);
                if let Some(socket) = self.sockets.get_mut(link) {
                    socket.take_event(event, is_written, self.poll.registry());
                }
            }
        }
        Ok(())
    }

    fn read_parent(&mut self) -> anyhow::Result<()> {
        self.from_parent.read(&self.parent)?;
        while let Some(message) = self.from_parent.next_message()? {
            match message {
                ParentMessage::Configuration(_) => bail!("the supervisor sends a configuration"),
                ParentMessage::Drain(_) => bail!("the supervisor drains the workers' socket"),
                ParentMessage::Settings(written) => self.take_settings(&written),
                ParentMessage::LogFile(file) => log_file::take_over(file),
                ParentMessage::Question {
                    ticket,
                    question: Question::Metrics,
                } => {
                    let mut samples = self.core.samples();
                    self.commits.add_to(&mut samples);
                    self.reports.answer(ticket, Ok(samples.into_answer()));
                }
                ParentMessage::Question { ticket, question } => {
                    self.core.take_question(ticket, &question);
                }
            }
        }
        Ok(())
    }

    /// Takes over the settings that need no restart.
    fn take_settings(&mut self, written: &str) {
        let new: Settings = match settings_of_parent(written) {
            Ok(new) => new,
            Err(error) => {
                return log::error!("the supervisor sends settings that cannot be used: {error}");
            }
        };
        log::set_max_level(new.process.log_level);
        self.core.change_limits(
            settings::limits(&new, self.plan),
            settings::waiting_limits(&new, self.plan),
            settings::session_limits(&new),
            settings::room_limits(&new),
            settings::source_limits(&new),
        );
        self.core.limit_history(settings::history_limits(&new));
    }

    fn take_completion(&mut self, completion: Completion) -> anyhow::Result<()> {
        match completion {
            Completion::Journal(JournalEvent::Committed {
                position,
                batch,
                own,
                bytes,
                took,
            }) => {
                self.commits.add(took, batch.entries.len(), bytes);
                if !own {
                    self.core.committed_elsewhere(position, batch, bytes);
                    return Ok(());
                }
                if let Some(next) = self.core.next_batch(&batch) {
                    self.io_threads.submit(next);
                }
                self.core.committed(position, batch, bytes);
            }
            Completion::Journal(JournalEvent::NoRoom { batch, cause }) => {
                self.core.no_room(batch, cause);
            }
            Completion::Journal(JournalEvent::Failed { error }) => bail!("{error}"),
            Completion::Checkpoint(CheckpointEvent::Written { position }) => {
                self.core.checkpoint_written(position);
            }
            Completion::Checkpoint(CheckpointEvent::NoRoom { checkpoint, cause }) => {
                self.core.checkpoint_no_room(checkpoint.changes, cause);
            }
            Completion::Checkpoint(CheckpointEvent::DamagedTexts { page, checkpoint }) => {
                self.core.checkpoint_met_damage(page, checkpoint.changes);
            }
            Completion::Checkpoint(CheckpointEvent::Failed { error }) => bail!("{error}"),
            Completion::Texts(TextEvent::Read { ticket, texts }) => {
                if let Err(error) = self.core.texts_read(ticket, &texts) {
                    log::error!("{}", damaged_checkpoint(&self.state_dir, error));
                }
            }
            Completion::Texts(TextEvent::Failed { error }) => bail!("{error}"),
            Completion::History(event) => self.core.take_history(event),
            Completion::Password(outcome) => {
                self.core.password_done(outcome.ticket, outcome.result);
            }
            Completion::AccountFile(outcome) => self.take_file_outcome(outcome)?,
            Completion::Reserve(ReserveOutcome::GivenUp) => self.core.reserve_given_up(),
            Completion::Reserve(ReserveOutcome::Taken(result)) => self.core.reserve_taken(result),
        }
        Ok(())
    }

    fn take_file_outcome(&mut self, outcome: FileOutcome) -> anyhow::Result<()> {
        match outcome {
            FileOutcome::Appended { tickets } => self.core.lines_appended(&tickets),
            FileOutcome::Missing { tickets } => self.core.account_file_missing(tickets),
            FileOutcome::Failed { tickets, error } => {
                if error.is_disk_failure() {
                    disk_failure::note(&self.state_dir);
                }
                self.core.lines_not_appended(&tickets, &error);
            }
            FileOutcome::Disabled { ticket, result } => {
                if result.as_ref().is_err_and(AppendError::is_disk_failure) {
                    disk_failure::note(&self.state_dir);
                }
                self.core.lines_removed(ticket, result);
            }
            FileOutcome::Looked { ticket, result } => self.core.name_looked_for(ticket, result),
            FileOutcome::Created { result, .. } => self.core.account_file_created(result),
            FileOutcome::Read {
                result: Err(error @ ReadError::Sync { .. }),
                ..
            } => {
                disk_failure::note(&self.state_dir);
                bail!("{error}");
            }
            FileOutcome::Read { ticket, result } => self.core.account_file_read(ticket, result),
        }
        Ok(())
    }

    /// Workers that died with or after the daemon before us need not be waited for.
    fn reap_dead_workers(&mut self) {
        for (worker_session, pid) in self.core.dead_worker_sessions() {
            if is_dead(pid) {
                self.core.dead_worker_reaped(worker_session);
            }
        }
    }

    fn is_done(&self) -> bool {
        self.stop_by
            .is_some_and(|stop_by| self.core.is_idle() || Instant::now() >= stop_by)
    }

    fn timeout(&self) -> Option<Duration> {
        let has_more_to_read = self.stop_by.is_none()
            && !self.core.is_full()
            && self
                .sockets
                .iter()
                .any(|(link, socket)| socket.is_readable && !self.core.is_behind(link));
        if has_more_to_read {
            return Some(Duration::ZERO);
        }
        let now_ms = self.turn_ms;
        let deadline = self
            .core
            .next_deadline_ms()
            .map(|deadline_ms| Duration::from_millis(deadline_ms.saturating_sub(now_ms)));
        let stop = self
            .stop_by
            .map(|stop_by| stop_by.saturating_duration_since(Instant::now()));
        let accept = self
            .accept_at
            .map(|at| at.saturating_duration_since(Instant::now()));
        let has_dead_workers: Vec<(WorkerSessionId, u32)> = self.core.dead_worker_sessions();
        let dead_worker_sessions = (!has_dead_workers.is_empty()).then_some(ORPHAN_CHECK);
        let closing = self
            .sockets
            .iter()
            .any(|(_, socket)| socket.closing_since.is_some())
            .then_some(ORPHAN_CHECK);
        let report_ms = self.reports.next_due_ms(self.core.refusals());
        let report = Duration::from_millis(report_ms.saturating_sub(now_ms));
        [
            deadline,
            stop,
            accept,
            dead_worker_sessions,
            closing,
            Some(report),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

fn warning_of_limits(limits: &SystemLimits) -> ChildWarning {
    let file_size = limits.file_bytes.map_or_else(String::new, |bytes| {
        format!(
            "the system allows no file of more than {} KiB (ulimit -f, LimitFSIZE=): messages are refused when the \
             state's files come near that",
            bytes / 1024
        )
    });
    ChildWarning::of(limits.warning()).and(ChildWarning::of(file_size))
}

fn warning_of_disk(has_failed: bool) -> ChildWarning {
    let text = match has_failed {
        true => {
            "the disk failed, and all files were written anew: look after it (dmesg, smartctl), then scripts/restart"
        }
        false => "",
    };
    ChildWarning::of(text.to_owned())
}

fn is_dead(pid: u32) -> bool {
    i32::try_from(pid).is_ok_and(has_ended)
}
