use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn file_with(content: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("user_pass.txt");
    fs::write(&path, content).unwrap();
    (directory, path)
}

fn content(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn appends_behind_what_is_there() {
    let (_directory, path) = file_with("a,1\n");
    append(&path, b"b,2\nc,3\n").unwrap();
    append(&path, b"d,4\n").unwrap();
    assert_eq!(content(&path), "a,1\nb,2\nc,3\nd,4\n");
}

#[test]
fn empty_file_gets_no_empty_line() {
    let (_directory, path) = file_with("");
    append(&path, b"a,1\n").unwrap();
    assert_eq!(content(&path), "a,1\n");
}

#[test]
fn ends_unfinished_last_line_first() {
    let (_directory, path) = file_with("a,1\nb,2");
    append(&path, b"c,3\n").unwrap();
    assert_eq!(content(&path), "a,1\nb,2\nc,3\n");
}

#[test]
fn missing_file_is_told_and_not_made() {
    let (_directory, path) = file_with("");
    fs::remove_file(&path).unwrap();
    let error = append(&path, b"a,1\n").unwrap_err();
    assert!(matches!(error, AppendError::Missing(_)), "{error}");
    assert!(!path.exists());
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let (directory, path) = file_with("");
    let error = append(directory.path(), b"a,1\n").unwrap_err();
    assert!(matches!(error, AppendError::System { .. }), "{error}");
    let error = append(Path::new("/dev/null"), b"a,1\n").unwrap_err();
    assert!(matches!(error, AppendError::NotAFile(_)), "{error}");
    assert_eq!(content(&path), "");
}

#[test]
fn file_replaced_before_lock_gets_lines() {
    let (directory, path) = file_with("old\n");
    let editor = lock(open(&path).unwrap(), &path, PATIENCE).unwrap();
    thread::scope(|scope| {
        let appending = scope.spawn(|| append_with(&path, b"a,1\n", PATIENCE, |_| ()));
        let new = directory.path().join("new");
        fs::write(&new, "new\n").unwrap();
        fs::rename(&new, &path).unwrap();
        drop(editor);
        appending.join().unwrap().unwrap();
    });
    assert_eq!(content(&path), "new\na,1\n");
}

#[test]
fn file_replaced_during_write_gets_lines() {
    let (directory, path) = file_with("old\n");
    let replace_once = |attempt| {
        if attempt == 0 {
            let new = directory.path().join("new");
            fs::write(&new, "new\n").unwrap();
            fs::rename(&new, &path).unwrap();
        }
    };
    append_with(&path, b"a,1\n", PATIENCE, replace_once).unwrap();
    assert_eq!(content(&path), "new\na,1\n");
}

#[test]
fn endlessly_replaced_file_is_error() {
    let (directory, path) = file_with("old\n");
    let replace = |_| {
        let new = directory.path().join("new");
        fs::write(&new, "new\n").unwrap();
        fs::rename(&new, &path).unwrap();
    };
    let error = append_with(&path, b"a,1\n", PATIENCE, replace).unwrap_err();
    assert!(matches!(error, AppendError::Unsteady(_)), "{error}");
}

#[test]
fn lock_held_forever_is_error() {
    let (_directory, path) = file_with("");
    let _other = lock(open(&path).unwrap(), &path, PATIENCE).unwrap();
    let wait = Duration::from_millis(20);
    let error = append_with(&path, b"a,1\n", wait, |_| ()).unwrap_err();
    assert!(matches!(error, AppendError::Locked { .. }), "{error}");
    assert_eq!(content(&path), "");
}

/// A lock belongs to an open file, and each append opens its own: threads stand for processes here. The
/// editor copies, adds and renames under the lock: every line is there once, whole.
#[test]
fn nothing_is_lost_between_writers_and_editor() {
    const LINES: usize = 50;
    let (directory, path) = file_with("");
    let done = AtomicBool::new(false);
    let edit = |number: usize| {
        let locked = lock(open(&path).unwrap(), &path, PATIENCE).unwrap();
        if !is_at(&locked, &path).unwrap() {
            return number;
        }
        let new = directory.path().join("new");
        fs::write(&new, content(&path) + &format!("editor-{number},x\n")).unwrap();
        fs::rename(&new, &path).unwrap();
        number + 1
    };
    let edit_until_done = || {
        let mut edits = 0;
        while !done.load(Ordering::Relaxed) {
            edits = edit(edits);
            thread::sleep(Duration::from_millis(1));
        }
        edits
    };
    let append_all = |name: &str| {
        for number in 0..LINES {
            let line = format!("{name}-{number},x\n");
            append_with(&path, line.as_bytes(), PATIENCE, |_| ()).unwrap();
            thread::sleep(LOCK_RETRY);
        }
    };
    let edits = thread::scope(|scope| {
        let editor = scope.spawn(edit_until_done);
        let writers = ["one", "two"].map(|name| scope.spawn(move || append_all(name)));
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        editor.join().unwrap()
    });
    let of = |name: &str, count| -> Vec<String> {
        (0..count)
            .map(|number| format!("{name}-{number},x"))
            .collect()
    };
    let mut expected = [of("editor", edits), of("one", LINES), of("two", LINES)].concat();
    expected.sort_unstable();
    let content = content(&path);
    let mut lines: Vec<&str> = content.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, expected);
}

/// A file on a disk that takes a few bytes at a time and fails at one step, and perhaps ever after.
struct FailingFile {
    content: Vec<u8>,
    steps_before_failure: usize,
    recovers: bool,
}

impl FailingFile {
    fn step(&mut self) -> io::Result<()> {
        if let Some(left) = self.steps_before_failure.checked_sub(1) {
            self.steps_before_failure = left;
            return Ok(());
        }
        if self.recovers {
            self.steps_before_failure = usize::MAX;
        }
        Err(Errno::ENOSPC.into())
    }
}

impl AppendTarget for FailingFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content.len() as u64)
    }

    fn byte_at(&self, offset: u64) -> io::Result<u8> {
        Ok(self.content[usize::try_from(offset).unwrap()])
    }

    fn append_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.step()?;
        let count = bytes.len().min(3);
        self.content.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.step()?;
        self.content.truncate(usize::try_from(len).unwrap());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.step()
    }
}

const BEFORE: &str = "ann,1\n";
const NEW: &str = "bob,2\ncay,3\n";

fn failing_at(step: usize, recovers: bool) -> (FailingFile, bool) {
    let mut file = FailingFile {
        content: BEFORE.into(),
        steps_before_failure: step,
        recovers,
    };
    let failed = append_whole(&mut file, NEW.as_bytes()).is_err();
    (file, failed)
}

#[test]
fn failed_append_leaves_nothing_behind() {
    let mut failures = 0;
    for step in 0.. {
        let (file, failed) = failing_at(step, true);
        if !failed {
            assert_eq!(file.content, [BEFORE, NEW].concat().as_bytes());
            break;
        }
        failures += 1;
        assert_eq!(file.content, BEFORE.as_bytes(), "step {step}");
    }
    assert_eq!(failures, 5, "four writes and a sync");
}

#[test]
fn failed_undo_harms_no_other_line() {
    for step in 0..5 {
        let (mut file, failed) = failing_at(step, false);
        assert!(failed);
        file.steps_before_failure = usize::MAX;
        append_whole(&mut file, b"dan,4\n").unwrap();
        let content = String::from_utf8(file.content).unwrap();
        let torn = content
            .strip_prefix(BEFORE)
            .unwrap()
            .strip_suffix("dan,4\n")
            .unwrap();
        let torn_lines: Vec<&str> = torn.lines().collect();
        assert!(NEW.starts_with(&torn_lines.join("\n")), "{content}");
    }
}

#[test]
fn later_lines_of_others_are_kept() {
    let mut file = FailingFile {
        content: [BEFORE, "bob,2\n", "eve,5\n"].concat().into(),
        steps_before_failure: usize::MAX,
        recovers: true,
    };
    take_back(&mut file, BEFORE.len() as u64, "bob,2\n".len()).unwrap_err();
    assert!(file.content.ends_with(b"eve,5\n"));
}
