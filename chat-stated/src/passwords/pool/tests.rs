use std::sync::mpsc::{self, Receiver};

use nix::libc::SCHED_BATCH;

use super::super::preemption::tests::sleeps_of_this_thread;
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
fn right_password_replaces_weak_secret() {
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
fn malformed_secret_is_an_error() {
    let (pool, outcomes) = start(settings());
    pool.submit(HERE.into(), 1, verify("nonsense", "x"))
        .unwrap();
    let result = outcomes.recv_timeout(PATIENCE).unwrap().result;
    assert!(matches!(result, PasswordResult::Failed(_)), "{result:?}");
}

#[test]
fn flood_does_not_delay_other_sources() {
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
fn full_queue_reports_evicted_job() {
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
    // The job that held the thread had the turn of the oldest.
    assert_eq!(tickets(&outcomes, 3), [5, 1, 2]);
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
    let expected = NICE.max(nice_of_this_thread());
    assert_eq!((policy, nice), (SCHED_BATCH, expected));
}

#[test]
fn hash_is_right_although_it_is_preempted() {
    let (sender, receiver) = mpsc::channel();
    let sink = move |outcome: PasswordOutcome| {
        let _ = sender.send((outcome.result, sleeps_of_this_thread()));
    };
    let settings = PoolSettings {
        cost: HashingCost::default(),
        ..settings()
    };
    let pool = PasswordPool::start(settings, Box::new(sink)).unwrap();
    let job = PasswordJob::Hash {
        password: b"passpass".as_slice().into(),
    };
    pool.submit(HERE.into(), 1, job).unwrap();
    let (result, slept_before) = receiver.recv_timeout(PATIENCE).unwrap();
    let PasswordResult::Hashed(secret) = result else {
        panic!("{result:?}");
    };
    pool.submit(HERE.into(), 2, verify(&secret, "passpass"))
        .unwrap();
    let (result, slept) = receiver.recv_timeout(PATIENCE).unwrap();
    let right = PasswordResult::Verified {
        right: true,
        new_secret: None,
    };
    assert_eq!(result, right);
    // Without preemption it sleeps only until there is something to do.
    let slept = slept - slept_before;
    assert!(slept >= 10, "{slept} times");
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
fn drop_ends_threads() {
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
