//! Threads that hash passwords, so that the loop never does.
//!
//! They have a low priority, are preempted often, and are fewer than the cores. So a storm of logins does not slow down
//! the rest.

use std::io;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use chat_model::Password;

use super::cost::HashingCost;
use super::preemption::PreemptionTimer;
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
        password: Password<'static>,
    },
    /// See whether a password is right.
    Verify {
        /// The account's secret.
        secret: String,
        /// As typed.
        password: Password<'static>,
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
        let mut preemption = PreemptionTimer::of_this_thread();
        let mut memory = HashingMemory::default();
        while let Some((ticket, job)) = self.next(&mut memory) {
            let result = preemption.during(|| {
                let result = do_job(&job, self.cost, &mut memory);
                // A secret of an unusual cost leaves more memory than the next one needs.
                if memory.held_kib() > self.cost.memory_kib() as usize {
                    memory.release();
                }
                result
            });
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
    password: &Password<'static>,
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
mod tests;
