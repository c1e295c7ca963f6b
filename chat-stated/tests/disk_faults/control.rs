//! The shim below the daemon: built once, told what is to fail through a file that all lives of the daemon share.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const SHIM_SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/disk_faults/shim.c");

/// Places of the words in the control file; those of `enum word` in the shim.
const KINDS: u64 = 0;
const SEEN: u64 = 4;
const FAILED: u64 = 5;
const HAS_BUDGET: u64 = 6;
const BUDGET: u64 = 7;

const EIO: i64 = 5;
const ENOSPC: i64 = 28;
const EFBIG: i64 = 27;
const EROFS: i64 = 30;
const EDQUOT: i64 = 122;

/// Operations that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Writing into a file, allocating space for it.
    Write,
    /// Making a file or the names in a directory durable.
    Sync,
    /// Making, renaming, linking, removing and truncating.
    Name,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Write, Self::Sync, Self::Name];
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Io,
    NoSpace,
    Quota,
    FileSize,
    ReadOnly,
    /// Half of it is done, and says so.
    Short,
}

/// An operation that is to fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// Which of its kind, from 1.
    pub(crate) at: i64,
    pub(crate) failure: Failure,
    /// And all of its kind after it.
    pub(crate) for_ever: bool,
}

/// What the daemons of one directory are told.
pub(crate) struct Control {
    file: File,
    path: PathBuf,
}

impl Control {
    pub(crate) fn create(path: &Path) -> Self {
        fs::write(path, [0; 4096]).unwrap();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .unwrap();
        Self {
            file,
            path: path.to_owned(),
        }
    }

    /// Has a daemon run above the shim.
    pub(crate) fn preload(&self, command: &mut Command, root: &Path, trace: Option<&Path>) {
        command
            .env("LD_PRELOAD", shim())
            .env("FAULTS_CONTROL", &self.path)
            .env("FAULTS_ROOT", root);
        if let Some(trace) = trace {
            command.env("FAULTS_TRACE", trace);
        }
    }

    /// Counts all operations of a kind, and has none fail.
    pub(crate) fn count(&self, kind: Kind) {
        self.set(KINDS, [mask(kind), 0, 0, 0, 0, 0]);
    }

    pub(crate) fn fail(&self, fault: Fault) {
        let error = match fault.failure {
            Failure::Io => EIO,
            Failure::NoSpace => ENOSPC,
            Failure::Quota => EDQUOT,
            Failure::FileSize => EFBIG,
            Failure::ReadOnly => EROFS,
            Failure::Short => -1,
        };
        let for_ever = i64::from(fault.for_ever);
        self.set(KINDS, [mask(fault.kind), fault.at, error, for_ever, 0, 0]);
    }

    pub(crate) fn end_faults(&self) {
        self.set(KINDS, [0; 4]);
        self.set(HAS_BUDGET, [0, 0]);
    }

    /// Files may grow by so many bytes together.
    pub(crate) fn set_budget(&self, bytes: i64) {
        self.set(BUDGET, [bytes]);
        self.set(HAS_BUDGET, [1]);
    }

    pub(crate) fn seen(&self) -> i64 {
        self.get(SEEN)
    }

    pub(crate) fn failed(&self) -> i64 {
        self.get(FAILED)
    }

    fn set<const N: usize>(&self, first: u64, words: [i64; N]) {
        let bytes = words.map(i64::to_ne_bytes);
        self.file
            .write_all_at(bytes.as_flattened(), first * 8)
            .unwrap();
    }

    fn get(&self, word: u64) -> i64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, word * 8).unwrap();
        i64::from_ne_bytes(bytes)
    }
}

fn mask(kind: Kind) -> i64 {
    match kind {
        Kind::Write => 1,
        Kind::Sync => 2,
        Kind::Name => 4,
    }
}

fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let passing = dir.join(format!("disk_faults.{}.so", std::process::id()));
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let status = Command::new(compiler)
            .args([
                "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o",
            ])
            .arg(&passing)
            .arg(SHIM_SOURCE)
            .status()
            .unwrap();
        assert!(status.success(), "the shim does not compile");
        // Another process of the same tests may be using the one before.
        let shim = dir.join("disk_faults.so");
        fs::rename(passing, &shim).unwrap();
        shim
    })
}
