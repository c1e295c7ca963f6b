//! A bit is wrong in any byte of a small installation: that is named, or it is harmless; never is it served.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use chat_stated::database::StorageError;

use crate::cases::{are_all_wanted, try_each};
use crate::daemon::{Installation, quick_directory, state_at_rest};
use crate::run::{ACCOUNTS, Told, recover_all, run};
use crate::worker::Worker;

/// The files in which something is used; `-shm` files are made anew.
const USED: [&str; 6] = [
    "journal.db",
    "journal.db-wal",
    "journal.mark",
    "journal.mark2",
    "checkpoint.db",
    "checkpoint.db-wal",
];

struct Files(Vec<(&'static str, Vec<u8>)>);

impl Files {
    fn read(state_dir: &Path) -> Self {
        let files = USED.into_iter().filter_map(|name| {
            let content = fs::read(state_dir.join(name)).ok()?;
            (!content.is_empty()).then_some((name, content))
        });
        Self(files.collect())
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|(_, content)| content.len()).sum()
    }

    /// Writes them with one bit wrong; says in which file.
    fn write_flipped(&self, state_dir: &Path, byte: usize) -> &'static str {
        let mut start = 0;
        let mut flipped_file = "";
        for (name, content) in &self.0 {
            let mut content = content.clone();
            if let Some(flipped) = byte.checked_sub(start).and_then(|at| content.get_mut(at)) {
                *flipped ^= 1 << (byte % 8);
                flipped_file = name;
            }
            start += content.len();
            fs::write(state_dir.join(name), content).unwrap();
        }
        flipped_file
    }
}

fn flip_all(files: &Files, told: &Told, step: usize) {
    let named = AtomicUsize::new(0);
    let bytes: Vec<usize> = (0..files.bytes()).step_by(step).collect();
    try_each(&bytes, |byte| {
        let dir = quick_directory();
        let name = files.write_flipped(dir.path(), *byte);
        // With all texts in memory, and with none: then they are read later, as the daemon does.
        for resident_text_bytes in [u64::MAX, 0] {
            match recover_all(dir.path(), resident_text_bytes) {
                Ok((state, texts)) => told.check_state(&state, &texts),
                Err(error) => {
                    expect_named(&error, name);
                    named.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    });
    assert!(named.into_inner() > 0);
}

fn expect_named(error: &anyhow::Error, name: &str) {
    let text = format!("{error:#}");
    let is_verdict = matches!(
        error.downcast_ref(),
        Some(StorageError::Damaged { .. } | StorageError::Version { .. })
    );
    assert!(is_verdict, "{name}: {text}");
    // A wrong mark shows in the journal that it is beside.
    let family = name.split('.').next().unwrap();
    assert!(text.contains(&format!("/{family}.")), "{name}: {text}");
}

/// One byte in so many is flipped, or every one.
fn step(sampled: usize) -> usize {
    if are_all_wanted() { 1 } else { sampled }
}

/// What an installation has on its disk after a run, killed or stopped.
fn installation(rounds: usize, is_killed: bool) -> (Files, Told) {
    let mut installation = Installation::new(&ACCOUNTS);
    installation.flags = vec![
        "--checkpoint-every-entries=12".into(),
        "--resident-text-bytes=0".into(),
        "--disk-reserve=1".into(),
    ];
    let mut daemon = installation.start();
    let supervisor = daemon.id();
    let mut told = Told::default();
    let mut worker = Worker::new(&installation, &mut daemon);
    run(&mut worker, rounds, &mut told, &mut |_| ()).unwrap();
    if is_killed {
        installation.kill_state_process(supervisor);
        drop(daemon);
    } else {
        assert!(daemon.stop());
    }
    let state_dir = installation.run_dir().join("state");
    let _lock = state_at_rest(&state_dir);
    (Files::read(&state_dir), told)
}

#[test]
fn bit_flipped_after_stop_is_named() {
    let (files, told) = installation(8, false);
    flip_all(&files, &told, step(61));
}

#[test]
fn bit_flipped_after_kill_is_named() {
    let (files, told) = installation(8, true);
    flip_all(&files, &told, step(127));
}
