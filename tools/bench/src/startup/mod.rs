//! `chat-bench startup`: how long the server takes to serve again when very many messages wait.

mod filling;
mod reading;
pub mod report;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::builder::RangedU64ValueParser;

pub(crate) use self::filling::Filling;
use self::reading::Reading;
use self::report::{Outcome, Report};
use crate::crowd::{Audience, Crowd};
use crate::footprint::{Footprint, ServerProcesses};
use crate::installation::{Accounts, Daemon, Installation};
use crate::payload::Payload;
use crate::run_options::RunOptions;

/// Clients that queue the messages.
pub(crate) const SENDERS: usize = 8;
/// How long nothing at all may come.
const STALL_PATIENCE: Duration = Duration::from_secs(60);
/// How long the server may take to give disk back once everything is read, and what counts as an end of that.
const SETTLE_PATIENCE: Duration = Duration::from_secs(20);
const STEADY: Duration = Duration::from_secs(1);
const TURN_TIMEOUT: Duration = Duration::from_millis(100);

/// Queues messages for users who are not there, stops and starts the server: how long until it serves?
///
/// Exit status: 0 it served, and each message came once, in order; 1 not.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Messages that wait
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u64).range(1..=40_000_000)
    )]
    pub queued: u64,

    /// Users they wait for
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 1_000,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000)
    )]
    pub users: usize,

    /// Messages of one sender that may be unanswered
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 1_000,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000)
    )]
    pub window: usize,

    /// Fail if the first user is welcome later than that after the start began
    #[arg(long, value_name = "MS")]
    pub within_ms: Option<u64>,

    /// What it shares with other runs.
    #[command(flatten)]
    pub run: RunOptions,
}

impl Options {
    /// So many messages, and for the rest what is the default.
    pub(crate) fn of(queued: u64, programs: Option<PathBuf>, workers: usize) -> Self {
        Self {
            queued,
            users: 1_000,
            window: 1_000,
            within_ms: None,
            run: RunOptions {
                text_bytes: 64,
                programs,
                workers,
                report: None,
            },
        }
    }

    /// Where the `number`th message of a sender goes: the user, and its place among those of this sender to him.
    fn route(&self, sender: usize, number: u64) -> (usize, u32) {
        let users = self.users as u64;
        // Senders begin at different users, and go round.
        let user = (number + (sender * self.users / SENDERS) as u64) % users;
        (user as usize, (number / users) as u32)
    }

    /// How many messages one sender sends to one client; to other senders none.
    fn messages_between(&self, sender: usize, client: usize) -> u64 {
        let users = self.users as u64;
        if client >= self.users {
            return 0;
        }
        let first = sender as u64 * users / SENDERS as u64;
        let turn = (client as u64 + users - first) % users;
        let share = self.share(sender);
        share / users + u64::from(turn < share % users)
    }

    /// How many of all messages are one sender's.
    fn share(&self, sender: usize) -> u64 {
        let senders = SENDERS as u64;
        self.queued / senders + u64::from((sender as u64) < self.queued % senders)
    }
}

/// Queues, stops, starts and reads, and tells how long it took. An error means that a message did not come as it
/// should, or that it could not go on.
pub fn run(options: &Options) -> anyhow::Result<Report> {
    chat_node::limits::descriptor_limit::raise().context("cannot raise the descriptor limit")?;
    let programs = options.run.programs_dir()?;
    let accounts = Accounts {
        prefix: "startup-".into(),
        count: options.users + SENDERS,
    };
    let installation = Installation::create(&programs, options.run.workers, &accounts)?;
    let outcome = measure(options, &installation, &accounts);
    let kept = installation.end(outcome.is_err())?;
    let outcome = outcome.with_context(|| match kept {
        Some(dir) => format!("the measurement broke off; see {}", dir.display()),
        None => "the measurement broke off".to_owned(),
    })?;
    Ok(Report::new(options, outcome))
}

fn measure(
    options: &Options,
    installation: &Installation,
    accounts: &Accounts,
) -> anyhow::Result<Outcome> {
    let state_dir = installation.run_dir().join("state");
    let footprint = || Footprint::measure(&ServerProcesses::of(installation), &state_dir);
    let payload = Payload::new(0, options.run.text_bytes);

    let began_at = Instant::now();
    let mut crowd = Crowd::new(installation.address(), accounts.count)?;
    let mut filling = Filling::new(options, accounts, payload);
    filling.run(&mut crowd)?;
    let queueing_took = began_at.elapsed();
    let queued = footprint();

    let began_at = Instant::now();
    installation.stop()?;
    let stop_took = began_at.elapsed();

    let began_at = Instant::now();
    installation.start(Daemon::State)?;
    let state_ready = began_at.elapsed();
    installation.start(Daemon::Front)?;
    let front_ready = began_at.elapsed();
    let reading = |users| Reading::new(options, accounts, payload, users);
    // A sender, for whom nothing waits.
    let mut idle = reading(options.users..options.users + 1);
    idle.run(&mut crowd)?;
    let mut first = reading(0..1);
    first.run(&mut crowd)?;
    let started = footprint();

    let reading_began_at = Instant::now();
    let mut rest = reading(1..options.users);
    rest.run(&mut crowd)?;
    let came = first.received + rest.received;
    ensure!(came == options.queued, "{came} messages came of all");
    let reading_took = reading_began_at.elapsed();
    Ok(Outcome {
        queueing_took,
        queued,
        stop_took,
        state_ready,
        front_ready,
        first_welcome: idle.caught_up_at - began_at,
        first_caught_up: first.caught_up_at - began_at,
        first_messages: first.received,
        started,
        reading_took,
        read: once_steady(footprint),
    })
}

/// The footprint once the state directory has not changed for a while: space is given back when there is nothing else
/// to do.
fn once_steady(footprint: impl Fn() -> Footprint) -> Footprint {
    let deadline = Instant::now() + SETTLE_PATIENCE;
    let (mut last, mut changed_at) = (footprint(), Instant::now());
    while changed_at.elapsed() < STEADY && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
        let now = footprint();
        if now.state_dir_bytes != last.state_dir_bytes {
            changed_at = Instant::now();
        }
        last = now;
    }
    last
}

/// Something that is done with a crowd, bit by bit.
pub(crate) trait Work: Audience {
    /// How much is done; more with every bit.
    fn progress(&self) -> u64;
    fn is_done(&self) -> bool;
    /// Has clients begin what can be begun.
    fn begin_more(&mut self, crowd: &mut Crowd) -> anyhow::Result<()>;
    /// What went wrong, if something did.
    fn check(&mut self) -> anyhow::Result<()>;

    fn run(&mut self, crowd: &mut Crowd) -> anyhow::Result<()>
    where
        Self: Sized,
    {
        let (mut progress, mut progress_at) = (0, Instant::now());
        while !self.is_done() {
            self.begin_more(crowd)?;
            crowd.turn(TURN_TIMEOUT, self)?;
            self.check()?;
            if self.progress() > progress {
                (progress, progress_at) = (self.progress(), Instant::now());
            }
            ensure!(
                progress_at.elapsed() < STALL_PATIENCE,
                "nothing happened for {} s",
                STALL_PATIENCE.as_secs()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn expected_messages_match_sent_ones() {
        for flags in [
            "--queued=1000 --users=7",
            "--queued=5 --users=100",
            "--queued=64 --users=1",
        ] {
            let flags = ["startup"].into_iter().chain(flags.split(' '));
            let options = Arguments::parse_from(flags).options;
            let mut sent = vec![[0_u32; SENDERS]; options.users];
            let sends = (0..SENDERS)
                .flat_map(|sender| (0..options.share(sender)).map(move |number| (sender, number)));
            for (sender, number) in sends {
                let (user, sequence) = options.route(sender, number);
                assert_eq!(sequence, sent[user][sender]);
                sent[user][sender] += 1;
            }
            assert_eq!(
                sent.iter()
                    .flatten()
                    .map(|sent| u64::from(*sent))
                    .sum::<u64>(),
                options.queued
            );
            for (user, sent) in sent.iter().enumerate() {
                for (sender, sent) in sent.iter().enumerate() {
                    assert_eq!(options.messages_between(sender, user), u64::from(*sent));
                }
            }
        }
    }
}
