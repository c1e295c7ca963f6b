//! The storm itself: clients, kills, and mending, in one loop.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use chat_node::process::identity::ProcessIdentity;
use nix::sys::signal::Signal;

use super::Options;
use super::cast::Cast;
use super::counts::Counts;
use super::kills::{Kill, Schedule, Victim};
use super::measured::Measured;
use super::mender::Mender;
use super::people::{People, Phase};

use super::reader_process::Launcher;
use super::visit::{can, history, join, newest_number};
use crate::crowd::Crowd;
use crate::installation::{Accounts, Daemon, Installation};
use crate::random::Random;

/// How long nothing may go forward.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the loop waits for something to happen.
const TURN: Duration = Duration::from_millis(1);
const SHOW_INTERVAL: Duration = Duration::from_secs(1);

/// What came of a storm.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The fate of the messages.
    pub counts: Counts,
    /// Waits and connections.
    pub measured: Measured,
    /// Numbers that the server gave out during the storm, if nobody else was there.
    pub numbers: Option<u64>,
    /// The time from the first message to the last kill.
    pub took: Duration,
    /// What was wrong, in words.
    pub findings: Vec<String>,
}

/// A storm over one installation.
pub(super) struct Storm<'a> {
    options: &'a Options,
    installation: &'a Installation,
    people: People,
    crowd: Crowd,
    mender: Mender,
    random: Random,
    /// Set by SIGINT and SIGTERM.
    is_cancelled: Arc<AtomicBool>,
    shown_at: Instant,
}

impl<'a> Storm<'a> {
    pub(super) fn new(
        options: &'a Options,
        launcher: Launcher,
        installation: &'a Installation,
        accounts: &Accounts,
        is_cancelled: Arc<AtomicBool>,
    ) -> anyhow::Result<Self> {
        let now = Instant::now();
        let mut random = Random::new(launcher.seed);
        let mut people_random = Random::new(random.number());
        let has_tls = launcher.tls.is_some();
        let cast = Cast::new(options, accounts, has_tls, &mut people_random, now);
        let crowd = Crowd::new(installation.address(), cast.persons.len())?;
        let people = People::new(cast, options.window, launcher, people_random, now);
        Ok(Self {
            options,
            installation,
            people,
            crowd,
            mender: Mender::default(),
            random,
            is_cancelled,
            shown_at: now,
        })
    }

    /// From the first login to the last message read. `prober` is an account that no client uses.
    pub(super) fn run(mut self, prober: &str) -> anyhow::Result<Outcome> {
        let server = self.installation.address();
        let rooms = self.people.rooms();
        for (room, members) in &rooms {
            for member in members {
                join(server, member, room)?;
            }
        }
        self.turn_until("all clients to be logged in", |storm| {
            storm.people.is_everybody_idle()
        })?;
        let first = newest_number(server, prober)?;
        let took = self.rage()?;
        self.people.phase = Phase::Quiet;
        self.turn_until("the last messages to be answered", |storm| {
            storm.mender.is_done() && storm.people.has_everybody_settled()
        })?;
        self.people.begin_to_drain();
        self.turn_until("the queues to be emptied", |storm| {
            storm.people.has_everybody_drained()
        })?;
        let numbers = newest_number(server, prober)?.checked_sub(first + 1);
        if !rooms.is_empty() && can(server, prober, "history")? {
            for (room, (name, members)) in rooms.iter().enumerate() {
                let member = members.first().map_or(prober, String::as_str);
                self.people
                    .read_history(room, history(server, member, name, first)?);
            }
        }
        let (counts, measured, findings) = self.people.close();
        Ok(Outcome {
            counts,
            measured,
            numbers: numbers.filter(|_| self.installation.is_own()),
            took,
            findings,
        })
    }

    /// Sends and kills until both were done often enough.
    fn rage(&mut self) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        let mean = Duration::from_millis(self.options.kill_interval_ms);
        let mut schedule = Schedule::new(
            self.random.number(),
            self.options.kill,
            mean,
            Instant::now(),
        );
        self.people.phase = Phase::Sending;
        self.people.progress_at = begin;
        let rate = self.options.messages_per_second();
        while !self.is_enough() {
            let now = Instant::now();
            self.people.budget = (rate * (now - begin).as_secs_f64()) as u64;
            self.people.tend(&mut self.crowd, now)?;
            self.crowd.write(&mut self.people);
            let has_just_sent = self.people.take_has_just_sent();
            if let Some(kill) = schedule.due(now, has_just_sent) {
                self.kill(kill)?;
            }
            self.turn("messages to be sent")?;
        }
        Ok(begin.elapsed())
    }

    fn is_enough(&self) -> bool {
        self.people.acknowledged >= self.options.messages
            && self.people.measured.total_kills() >= self.options.kills
    }

    fn turn_until(&mut self, what: &str, is_reached: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        self.people.progress_at = Instant::now();
        while !is_reached(self) {
            self.people.tend(&mut self.crowd, Instant::now())?;
            self.turn(what)?;
        }
        Ok(())
    }

    fn turn(&mut self, what: &str) -> anyhow::Result<()> {
        let now = Instant::now();
        self.mender.tend(self.installation, now)?;
        if self.mender.is_done() {
            self.people.is_excusing = false;
        }
        self.crowd.turn(TURN, &mut self.people)?;
        self.show(now);
        if self.is_cancelled.load(Ordering::Relaxed) {
            bail!("cancelled");
        }
        if now.saturating_duration_since(self.people.progress_at) > PATIENCE {
            let missing = self.people.incomplete_audiences();
            bail!(
                "waited {} s in vain for {what}; readers of {missing} audiences miss acknowledged messages",
                PATIENCE.as_secs()
            );
        }
        Ok(())
    }

    fn kill(&mut self, kill: Kill) -> anyhow::Result<()> {
        if kill.victim == Victim::Reader {
            return self.kill_reader(kill.pause);
        }
        let victims = self.find_victims(kill.victim);
        if victims.is_empty() {
            return Ok(());
        }
        if matches!(kill.victim, Victim::Master | Victim::All) {
            self.people.excuse_everybody();
        }
        std::thread::sleep(kill.pause);
        for victim in &victims {
            // That it has ended by itself meanwhile is as good.
            let _ = victim.signal(Signal::SIGKILL);
        }
        let now = Instant::now();
        let is_in_traffic = self.people.unanswered() > 0;
        self.people.measured.killed(kill.victim, is_in_traffic, now);
        if matches!(kill.victim, Victim::Supervisor | Victim::All) {
            self.mender.add(Daemon::State, now);
        }
        if matches!(kill.victim, Victim::Master | Victim::All) {
            self.mender.add(Daemon::Front, now);
        }
        Ok(())
    }

    fn kill_reader(&mut self, pause: Duration) -> anyhow::Result<()> {
        let Some(reader) = self.people.choose_reader() else {
            return Ok(());
        };
        // Whether its worker dies before its end is noticed decides what may come again.
        let workers = self.installation.processes(Daemon::Front).children;
        self.learn_workers(&workers);
        std::thread::sleep(pause);
        if self.people.kill_reader(reader)? {
            let is_in_traffic = self.people.unanswered() > 0;
            let now = Instant::now();
            self.people
                .measured
                .killed(Victim::Reader, is_in_traffic, now);
        }
        Ok(())
    }

    /// Those that are to die; none if there is nothing of the kind, or if a parent is being replaced already.
    fn find_victims(&mut self, victim: Victim) -> Vec<ProcessIdentity> {
        let (state, front) = (
            self.installation.processes(Daemon::State),
            self.installation.processes(Daemon::Front),
        );
        let may_kill_parents = self.mender.is_done();
        match victim {
            Victim::Worker if front.children.is_empty() => Vec::new(),
            Victim::Worker => {
                let worker = front.children[self.random.index(front.children.len())];
                self.excuse_clients_of(worker, &front.children);
                vec![worker]
            }
            Victim::State => state.children,
            Victim::Supervisor if may_kill_parents => state.parent.into_iter().collect(),
            Victim::Master if may_kill_parents => front.parent.into_iter().collect(),
            Victim::All if may_kill_parents && state.parent.is_some() && front.parent.is_some() => {
                let parents = state.parent.into_iter().chain(front.parent);
                parents
                    .chain(state.children)
                    .chain(front.children)
                    .collect()
            }
            Victim::Supervisor | Victim::Master | Victim::All | Victim::Reader => Vec::new(),
        }
    }

    fn excuse_clients_of(&mut self, worker: ProcessIdentity, workers: &[ProcessIdentity]) {
        self.learn_workers(workers);
        self.people.excuse_worker(worker.pid);
    }

    fn learn_workers(&mut self, workers: &[ProcessIdentity]) {
        if self.people.has_unknown_workers() {
            let pids: Vec<i32> = workers.iter().map(|worker| worker.pid).collect();
            self.people.learn_workers(&self.crowd, &pids);
        }
    }

    /// On a terminal, how far it is.
    fn show(&mut self, now: Instant) {
        let mut error = std::io::stderr();
        if now < self.shown_at + SHOW_INTERVAL || !error.is_terminal() {
            return;
        }
        self.shown_at = now;
        let (acknowledged, kills) = (self.people.acknowledged, self.people.measured.total_kills());
        // Nobody is harmed if this is not seen.
        let _ = write!(
            error,
            "\r{acknowledged} of {} messages, {kills} of {} kills \r",
            self.options.messages, self.options.kills
        );
    }
}
