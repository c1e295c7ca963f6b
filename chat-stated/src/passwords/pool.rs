//! Threads that hash passwords, so that the loop never does.
//!
//! They have a low priority and are fewer than the cores, so that everything else goes on at its pace
//! beside a storm of logins.

use std::io;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use chat_shared::password::Password;

use super::cost::HashingCost;
use super::queue::FairQueue;
use super::secret::{self, HashingError, HashingMemory};
use super::thread_priority::set_batch;

/// A thread without work for so long gives its memory back.
const IDLE_BEFORE_RELEASE: Duration = Duration::from_secs(10);

/// Nice value of the threads.
const NICE: i32 = 10;
/// The most that the kernel takes for a slice. Whoever has a shorter one need not wait for its end.
const SLICE: Duration = Duration::from_millis(100);

/// How a pool works.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// Threads; each holds the memory of one hash while it works.
    pub threads: NonZeroUsize,
    /// Cost of new secrets. Weaker secrets are replaced when their password is right.
    pub cost: HashingCost,
    /// Jobs that may wait, those under way not counted.
    pub max_waiting: usize,
    /// Jobs of one source that may wait. At the default cost and one thread, 1,024 wait 12 to 36 s: who
    /// comes then is better told to come again.
    pub max_waiting_per_source: usize,
}

impl Default for PoolSettings {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            threads: NonZeroUsize::new(cores - 1).unwrap_or(NonZeroUsize::MIN),
            cost: HashingCost::default(),
            max_waiting: 4_096,
            max_waiting_per_source: 1_024,
        }
    }
}

/// What a pool can do.
#[derive(Debug)]
pub enum PasswordJob {
    /// Make a secret of a password.
    Hash {
        /// As typed.
        password: Password,
    },
    /// See whether a password is right.
    Verify {
        /// The account's secret.
        secret: String,
        /// As typed.
        password: Password,
    },
}

/// What came of a job.
#[derive(Debug, PartialEq, Eq)]
pub struct PasswordOutcome {
    /// As submitted.
    pub ticket: u64,
    /// What came of it.
    pub result: PasswordResult,
}

/// What came of a job.
#[derive(Debug, PartialEq, Eq)]
pub enum PasswordResult {
    /// The secret that was made.
    Hashed(String),
    /// The password was compared.
    Verified {
        /// Whether it is the right one.
        right: bool,
        /// Where it is right and its secret weaker than the configured cost: the secret to replace it.
        new_secret: Option<String>,
    },
    /// The job could not be done; nothing is known about the password.
    Failed(HashingError),
}

/// As many wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords wait to be hashed")]
pub struct PoolFull;

/// Takes outcomes. Called from the pool's threads; must not block.
pub type OutcomeSink = Box<dyn Fn(PasswordOutcome) + Send + Sync>;

/// A bounded pool of threads, fair by source. Dropped, it ends its threads once each has done the hash it is
/// at; what waits then has no outcome.
pub struct PasswordPool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    cost: HashingCost,
    sink: OutcomeSink,
}

struct Queue {
    jobs: FairQueue<PasswordJob>,
    stopping: bool,
}

impl PasswordPool {
    /// Starts the threads. Fails where the system gives none.
    pub fn start(settings: PoolSettings, sink: OutcomeSink) -> io::Result<Self> {
        let jobs = FairQueue::new(settings.max_waiting, settings.max_waiting_per_source);
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                jobs,
                stopping: false,
            }),
            work: Condvar::new(),
            cost: settings.cost,
            sink,
        });
        let mut pool = Self {
            shared,
            threads: Vec::new(),
        };
        for number in 0..settings.threads.get() {
            let shared = Arc::clone(&pool.shared);
            let builder = thread::Builder::new().name(format!("password-{number}"));
            pool.threads.push(builder.spawn(move || shared.run())?);
        }
        Ok(pool)
    }

    /// Queues a job under a ticket that no other job in the pool has. Its outcome bears the ticket.
    ///
    /// In a full pool, a source with little waiting takes the place of the last job of the source with most: the
    /// ticket of that one is returned, and it has no outcome.
    pub fn submit(
        &self,
        source: IpAddr,
        ticket: u64,
        job: PasswordJob,
    ) -> Result<Option<u64>, PoolFull> {
        let displaced = self
            .shared
            .lock()
            .jobs
            .push(source.into(), ticket, job)
            .map_err(|_| PoolFull)?;
        self.shared.work.notify_one();
        Ok(displaced)
    }

    /// Takes a job back. `true`: it waited, and has no outcome. `false`: it is being done or was, and its
    /// outcome comes or came.
    pub fn cancel(&self, ticket: u64) -> bool {
        self.shared.lock().jobs.remove(ticket)
    }

    /// Jobs that wait, those under way not counted.
    pub fn waiting(&self) -> usize {
        self.shared.lock().jobs.len()
    }
}

impl Drop for PasswordPool {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                log::error!("a thread that hashes passwords had panicked");
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue
            .lock()
            .expect("nothing panics while it holds the queue of passwords")
    }

    fn run(&self) {
        if let Err(error) = set_batch(NICE, SLICE) {
            log::warn!("cannot lower the priority of a thread that hashes passwords: {error}");
        }
        let mut memory = HashingMemory::default();
        while let Some((ticket, job)) = self.next(&mut memory) {
            let result = do_job(&job, self.cost, &mut memory);
            // A secret of an unusual cost leaves more memory than the next one needs.
            if memory.held_kib() > self.cost.memory_kib() as usize {
                memory.release();
            }
            (self.sink)(PasswordOutcome { ticket, result });
        }
    }

    /// Waits for a job; `None` when the pool ends.
    fn next(&self, memory: &mut HashingMemory) -> Option<(u64, PasswordJob)> {
        let mut queue = self.lock();
        loop {
            if queue.stopping {
                return None;
            }
            if let Some(job) = queue.jobs.pop() {
                return Some(job);
            }
            let waited = self.work.wait_timeout(queue, IDLE_BEFORE_RELEASE);
            let timeout;
            (queue, timeout) = waited.expect("nothing panics while it holds the queue");
            if timeout.timed_out() && memory.held_kib() > 0 {
                drop(queue);
                memory.release();
                queue = self.lock();
            }
        }
    }
}

fn do_job(job: &PasswordJob, cost: HashingCost, memory: &mut HashingMemory) -> PasswordResult {
    let done = match job {
        PasswordJob::Hash { password } => {
            secret::hash(password.as_bytes(), cost, memory).map(PasswordResult::Hashed)
        }
        PasswordJob::Verify { secret, password } => {
            secret::verify(secret, password.as_bytes(), memory).map(|right| {
                PasswordResult::Verified {
                    right,
                    new_secret: right
                        .then(|| stronger_secret(secret, password, cost, memory))
                        .flatten(),
                }
            })
        }
    };
    done.unwrap_or_else(PasswordResult::Failed)
}

/// A login with the right password goes through even where no stronger secret can be made.
fn stronger_secret(
    secret: &str,
    password: &Password,
    cost: HashingCost,
    memory: &mut HashingMemory,
) -> Option<String> {
    if !secret::is_weaker_than(secret, cost) {
        return None;
    }
    secret::hash(password.as_bytes(), cost, memory)
        .inspect_err(|error| log::warn!("a weak secret stays as it is: {error}"))
        .ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver};

    use nix::libc::SCHED_BATCH;

    use super::super::thread_priority::tests::{nice_of_this_thread, policy_of_this_thread};
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);
    const FOOBAR: &str = "53649f6e45138ef119c955d04bf042562f6e2946";
    const HERE: [u8; 4] = [127, 0, 0, 1];
    const THERE: [u8; 4] = [192, 0, 2, 1];

    fn settings() -> PoolSettings {
        PoolSettings {
            threads: NonZeroUsize::MIN,
            cost: HashingCost::new(8, 1, 1).unwrap(),
            ..PoolSettings::default()
        }
    }

    fn verify(secret: &str, password: &str) -> PasswordJob {
        PasswordJob::Verify {
            secret: secret.to_owned(),
            password: password.as_bytes().into(),
        }
    }

    fn start(settings: PoolSettings) -> (PasswordPool, Receiver<PasswordOutcome>) {
        let (sender, outcomes) = mpsc::channel();
        let sink = Box::new(move |outcome| sender.send(outcome).unwrap_or_default());
        (PasswordPool::start(settings, sink).unwrap(), outcomes)
    }

    /// A pool of one thread that is held fast in the outcome of ticket 0 until the sender is dropped.
    fn start_held(
        settings: PoolSettings,
    ) -> (PasswordPool, Receiver<PasswordOutcome>, mpsc::Sender<()>) {
        let (release, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let (sender, outcomes) = mpsc::channel();
        let sink = move |outcome: PasswordOutcome| {
            let first = outcome.ticket == 0;
            sender.send(outcome).unwrap_or_default();
            if first {
                assert!(held.lock().unwrap().recv().is_err());
            }
        };
        let pool = PasswordPool::start(settings, Box::new(sink)).unwrap();
        pool.submit(HERE.into(), 0, verify(FOOBAR, "")).unwrap();
        let outcome = outcomes.recv_timeout(PATIENCE).unwrap();
        assert_eq!(outcome.ticket, 0);
        (pool, outcomes, release)
    }

    fn tickets(outcomes: &Receiver<PasswordOutcome>, count: usize) -> Vec<u64> {
        let next = |_| outcomes.recv_timeout(PATIENCE).unwrap().ticket;
        (0..count).map(next).collect()
    }

    #[test]
    fn hashes_what_it_then_verifies() {
        let (pool, outcomes) = start(settings());
        let password = b"any \xff bytes".as_slice();
        let job = PasswordJob::Hash {
            password: password.into(),
        };
        pool.submit(HERE.into(), 7, job).unwrap();
        let outcome = outcomes.recv_timeout(PATIENCE).unwrap();
        let PasswordOutcome {
            ticket: 7,
            result: PasswordResult::Hashed(secret),
        } = outcome
        else {
            panic!("{outcome:?}");
        };
        for (password, expected) in [(password, true), (b"other".as_slice(), false)] {
            let job = PasswordJob::Verify {
                secret: secret.clone(),
                password: password.into(),
            };
            pool.submit(HERE.into(), 8, job).unwrap();
            let expected = PasswordResult::Verified {
                right: expected,
                new_secret: None,
            };
            assert_eq!(outcomes.recv_timeout(PATIENCE).unwrap().result, expected);
        }
    }

    #[test]
    fn a_right_password_replaces_a_weak_secret() {
        let (pool, outcomes) = start(settings());
        pool.submit(HERE.into(), 1, verify(FOOBAR, "passpass"))
            .unwrap();
        let result = outcomes.recv_timeout(PATIENCE).unwrap().result;
        let PasswordResult::Verified {
            right: true,
            new_secret: Some(new_secret),
        } = result
        else {
            panic!("{result:?}");
        };
        assert!(new_secret.starts_with("$argon2id$"));
        pool.submit(HERE.into(), 2, verify(&new_secret, "passpass"))
            .unwrap();
        let again = PasswordResult::Verified {
            right: true,
            new_secret: None,
        };
        assert_eq!(outcomes.recv_timeout(PATIENCE).unwrap().result, again);

        pool.submit(HERE.into(), 3, verify(FOOBAR, "wrong"))
            .unwrap();
        let wrong = PasswordResult::Verified {
            right: false,
            new_secret: None,
        };
        assert_eq!(outcomes.recv_timeout(PATIENCE).unwrap().result, wrong);
    }

    #[test]
    fn a_secret_that_is_none_is_an_error_and_not_a_wrong_password() {
        let (pool, outcomes) = start(settings());
        pool.submit(HERE.into(), 1, verify("nonsense", "x"))
            .unwrap();
        let result = outcomes.recv_timeout(PATIENCE).unwrap().result;
        assert!(matches!(result, PasswordResult::Failed(_)), "{result:?}");
    }

    #[test]
    fn a_flood_from_one_source_does_not_delay_another() {
        let (pool, outcomes, release) = start_held(settings());
        for ticket in 1..=200 {
            pool.submit(HERE.into(), ticket, verify(FOOBAR, ""))
                .unwrap();
        }
        pool.submit(THERE.into(), 1_000, verify(FOOBAR, ""))
            .unwrap();
        drop(release);
        let order = tickets(&outcomes, 201);
        let place = order.iter().position(|ticket| *ticket == 1_000).unwrap();
        assert!(place <= 2, "after {place} others");
    }

    #[test]
    fn is_bounded_and_says_who_had_to_go() {
        let (pool, outcomes, release) = start_held(PoolSettings {
            max_waiting: 3,
            max_waiting_per_source: 3,
            ..settings()
        });
        for ticket in 1..=3 {
            assert_eq!(
                pool.submit(HERE.into(), ticket, verify(FOOBAR, "")),
                Ok(None)
            );
        }
        assert_eq!(
            pool.submit(HERE.into(), 4, verify(FOOBAR, "")),
            Err(PoolFull)
        );
        assert_eq!(
            pool.submit(THERE.into(), 5, verify(FOOBAR, "")),
            Ok(Some(3))
        );
        assert_eq!(pool.waiting(), 3);
        drop(release);
        assert_eq!(tickets(&outcomes, 3), [1, 5, 2]);
    }

    #[test]
    fn its_threads_give_way_to_all_others() {
        let (sender, receiver) = mpsc::channel();
        let sink = move |_| {
            let _ = sender.send((policy_of_this_thread(), nice_of_this_thread()));
        };
        let pool = PasswordPool::start(settings(), Box::new(sink)).unwrap();
        pool.submit(HERE.into(), 1, verify(FOOBAR, "passpass"))
            .unwrap();
        let (policy, nice) = receiver.recv_timeout(PATIENCE).unwrap();
        assert_eq!((policy, nice), (SCHED_BATCH, NICE));
    }

    #[test]
    fn who_left_is_not_hashed() {
        let (pool, outcomes, release) = start_held(settings());
        for ticket in 1..=3 {
            pool.submit(HERE.into(), ticket, verify(FOOBAR, ""))
                .unwrap();
        }
        assert!(pool.cancel(2));
        assert!(!pool.cancel(2));
        assert!(!pool.cancel(0));
        drop(release);
        assert_eq!(tickets(&outcomes, 2), [1, 3]);
        drop(pool);
        assert!(outcomes.recv_timeout(PATIENCE).is_err());
    }

    #[test]
    fn dropped_it_ends_its_threads_and_leaves_what_waits() {
        let (pool, outcomes, release) = start_held(settings());
        for ticket in 1..=100 {
            pool.submit(HERE.into(), ticket, verify(FOOBAR, ""))
                .unwrap();
        }
        let dropping = thread::spawn(move || drop(pool));
        drop(release);
        dropping.join().unwrap();
        // The sink went with the last thread.
        while outcomes.recv_timeout(PATIENCE).is_ok() {}
        assert_eq!(outcomes.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }

    #[test]
    fn several_threads_do_every_job_once() {
        let (pool, outcomes) = start(PoolSettings {
            threads: NonZeroUsize::new(4).unwrap(),
            ..settings()
        });
        for ticket in 0..300 {
            let source = [192, 0, 2, u8::try_from(ticket % 7).unwrap()];
            pool.submit(source.into(), ticket, verify(FOOBAR, "passpass"))
                .unwrap();
        }
        let mut done = tickets(&outcomes, 300);
        done.sort_unstable();
        assert_eq!(done, (0..300).collect::<Vec<_>>());
    }
}
