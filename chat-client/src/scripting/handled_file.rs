//! The list of handled messages on disk, so that a new process goes on where a killed one was.
//!
//! A line of 32 hexadecimal digits is a message that was given; `-N` says that the N oldest are confirmed. Lines are
//! appended, and the file is emptied when everything is confirmed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::handled::{Handled, MessageId};
use crate::private_file;

/// How long a killed `listen` may still seem to run. A command that it was just starting holds the lock until it runs,
/// which takes milliseconds, or more on a busy machine.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The file, which one process may use at a time.
pub(crate) struct HandledFile {
    path: PathBuf,
    file: File,
}

impl HandledFile {
    /// Opens or makes the file, and reads what it holds.
    pub(crate) fn open(path: &Path) -> Result<(Self, Handled), String> {
        let shown = path.display();
        let failed = |error: io::Error| format!("cannot use {shown}: {error}");
        let mut file = open(path).map_err(failed)?;
        if !lock(&file) {
            return Err(format!(
                "another `listen` has this session ({shown}): give each its own --session"
            ));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        let ids = read(&text);
        let path = path.to_owned();
        let mut opened = Self { path, file };
        if ids.is_empty() {
            opened.empty()?;
        } else if let Some(whole) = text.rfind('\n') {
            // A line that was cut off is about a message that comes again.
            let end = opened.file.set_len(whole as u64 + 1);
            end.map_err(|error| opened.failed(&error))?;
        }
        Ok((opened, Handled::of(ids)))
    }

    /// A message was given. This is on disk when it returns.
    pub(crate) fn add(&mut self, id: MessageId) -> Result<(), String> {
        self.append(&format!("{id:032x}\n"))
    }

    /// So many of the oldest messages are confirmed.
    pub(crate) fn remove(&mut self, count: usize, is_last: bool) -> Result<(), String> {
        match (count, is_last) {
            (0, _) => Ok(()),
            (_, true) => self.empty(),
            _ => self.append(&format!("-{count}\n")),
        }
    }

    fn append(&mut self, line: &str) -> Result<(), String> {
        let written = self.file.seek(SeekFrom::End(0));
        let written = written.and_then(|_| self.file.write_all(line.as_bytes()));
        let written = written.and_then(|()| self.file.sync_data());
        written.map_err(|error| self.failed(&error))
    }

    fn empty(&mut self) -> Result<(), String> {
        let emptied = self.file.set_len(0);
        emptied.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> String {
        format!("cannot write {}: {error}", self.path.display())
    }
}

/// Whether no other process has the file, now or soon.
fn lock(file: &File) -> bool {
    let deadline = Instant::now() + LOCK_PATIENCE;
    while file.try_lock().is_err() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(LOCK_PAUSE);
    }
    true
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = private_file::open(path, &mut options)?;
    if let Some(directory) = path.parent() {
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(file)
}

/// The messages that may not be confirmed.
fn read(text: &str) -> Vec<MessageId> {
    let mut ids = Vec::new();
    for line in text.split_inclusive('\n') {
        let Some(line) = line.strip_suffix('\n') else {
            break;
        };
        match line.strip_prefix('-') {
            Some(count) => {
                let count: usize = count.parse().unwrap_or(0);
                ids.drain(..count.min(ids.len()));
            }
            None => ids.extend(MessageId::from_str_radix(line, 16).ok()),
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn lock_of_starting_command_is_waited_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("list");
        let (file, _) = HandledFile::open(&path).expect("a file");
        // A process that a killed `listen` had started has its open file for a moment.
        let held = file.file.try_clone().expect("a descriptor");
        let starting = Command::new("sleep").arg("0.2").stdin(held).spawn();
        let mut starting = starting.expect("a process");
        drop(file);
        assert!(HandledFile::open(&path).is_ok());
        starting.wait().expect("an end");
    }

    #[test]
    fn list_outlives_its_process() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("new/list");
        let (mut file, handled) = HandledFile::open(&path).expect("a file");
        assert!(handled.is_empty());
        for id in [1, 2, 3] {
            file.add(id).expect("a line");
        }
        file.remove(2, false).expect("a line");
        assert!(HandledFile::open(&path).is_err(), "one process at a time");
        drop(file);
        fs::write(&path, fs::read_to_string(&path).expect("a text") + "00").expect("a file");
        let (mut file, mut handled) = HandledFile::open(&path).expect("a file");
        assert!(handled.is_repeat(3) && !handled.is_repeat(2));
        file.add(4).expect("a line");
        drop(file);
        let (mut file, mut handled) = HandledFile::open(&path).expect("a file");
        assert!(handled.is_repeat(3) && handled.is_repeat(4));
        file.remove(2, true).expect("a line");
        assert_eq!(fs::read_to_string(&path).expect("a text"), "");
    }
}
