//! Many cases, shared out to the machine's cores.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Whether all cases are wanted, not a sample of them.
pub(crate) fn are_all_wanted() -> bool {
    std::env::var_os("CHAT_DISK_FAULTS").is_some()
}

/// Tries every case; fails with those that panic.
pub(crate) fn try_each<T: Debug + Sync>(cases: &[T], try_one: impl Fn(&T) + Sync) {
    let began = Instant::now();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let try_next = || {
        let case = cases.get(next.fetch_add(1, Ordering::Relaxed))?;
        if catch_unwind(AssertUnwindSafe(|| try_one(case))).is_err() {
            eprintln!("^ with {case:?}");
            wrong.lock().unwrap().push(case);
        }
        Some(())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| while try_next().is_some() {});
        }
    });
    eprintln!("{} cases in {:?}", cases.len(), began.elapsed());
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} wrong: {wrong:?}", wrong.len());
}
