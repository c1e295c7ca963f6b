//! What the shim wrote down, and the disk that a power cut would leave of it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

/// Bytes that a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;
const HEAD_BYTES: usize = 21;

/// Code of a mark; the shim has those before it.
const MARK: u8 = 9;

/// One thing that took effect.
#[derive(Debug)]
pub(crate) enum Event {
    Write {
        path: String,
        offset: usize,
        data: Vec<u8>,
    },
    Truncate {
        path: String,
        length: usize,
    },
    Sync {
        path: String,
    },
    /// Failed: what it was to write will never be written.
    LostSync {
        path: String,
    },
    Create {
        path: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Unlink {
        path: String,
    },
    Link {
        from: String,
        to: String,
    },
    /// The test told this at that moment.
    Mark(usize),
}

/// Writes a mark behind what has happened so far.
pub(crate) fn mark(trace: &Path, number: usize) {
    let mut bytes = vec![MARK, 0, 0, 0, 0];
    bytes.extend((number as u64).to_ne_bytes());
    bytes.extend(0_u64.to_ne_bytes());
    OpenOptions::new()
        .append(true)
        .open(trace)
        .unwrap()
        .write_all(&bytes)
        .unwrap();
}

pub(crate) fn read(trace: &Path) -> Vec<Event> {
    let bytes = fs::read(trace).unwrap();
    let mut rest = &bytes[..];
    let mut events = Vec::new();
    while let Some((head, behind)) = rest.split_at_checked(HEAD_BYTES) {
        let path_length = u32::from_ne_bytes(head[1..5].try_into().unwrap()) as usize;
        let number = |at: usize| u64::from_ne_bytes(head[at..at + 8].try_into().unwrap()) as usize;
        let (offset, length) = (number(5), number(13));
        let (path, behind) = behind.split_at(path_length);
        let path = String::from_utf8(path.to_vec()).unwrap();
        let has_data = matches!(head[0], 1 | 6 | 8);
        let (data, behind) = behind.split_at(if has_data { length } else { 0 });
        rest = behind;
        let to = || String::from_utf8(data.to_vec()).unwrap();
        events.push(match head[0] {
            1 => Event::Write {
                path,
                offset,
                data: data.to_vec(),
            },
            2 => Event::Truncate {
                path,
                length: offset,
            },
            3 => Event::Sync { path },
            4 => Event::LostSync { path },
            5 => Event::Create { path },
            6 => Event::Rename {
                from: path,
                to: to(),
            },
            7 => Event::Unlink { path },
            8 => Event::Link {
                from: path,
                to: to(),
            },
            MARK => Event::Mark(offset),
            other => panic!("record {other}"),
        });
    }
    assert!(rest.is_empty());
    events
}

/// What a power cut does to that which was not synced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    Keeps,
    Drops,
    /// Drops what belongs to the history, and keeps all else.
    DropsHistory,
    /// Keeps what belongs to the history, and drops all else.
    KeepsHistory,
    /// Keeps, drops and tears as this seed says.
    Mixes(u64),
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Clone, Debug)]
enum Naming {
    Set(String, usize),
    Remove(String),
}

#[derive(Debug, Default)]
struct Content {
    on_disk: Vec<u8>,
    unsynced: Vec<Change>,
}

/// A disk, and what the system holds of it in memory.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    contents: Vec<Content>,
    /// As programs see them.
    names: BTreeMap<String, usize>,
    names_on_disk: BTreeMap<String, usize>,
    /// Each a step that happens as a whole.
    unsynced_names: Vec<Vec<Naming>>,
}

impl Disk {
    /// With these files, all of them durable.
    pub(crate) fn with(files: &[(&str, &[u8])]) -> Self {
        let mut disk = Self::default();
        for (name, content) in files {
            disk.names.insert((*name).to_owned(), disk.contents.len());
            disk.contents.push(Content {
                on_disk: content.to_vec(),
                unsynced: Vec::new(),
            });
        }
        disk.names_on_disk = disk.names.clone();
        disk
    }

    pub(crate) fn take(&mut self, event: &Event) {
        match event {
            Event::Write { path, offset, data } => {
                self.change(path, Change::Write(*offset, data.clone()));
            }
            Event::Truncate { path, length } => self.change(path, Change::Truncate(*length)),
            Event::Sync { path } if path == "." || path == "state" => self.sync_names(path),
            Event::LostSync { path } if path == "." || path == "state" => {}
            Event::Sync { path } => {
                let content = &mut self.contents[self.names[path]];
                for change in std::mem::take(&mut content.unsynced) {
                    apply(&mut content.on_disk, &change);
                }
            }
            Event::LostSync { path } => self.contents[self.names[path]].unsynced.clear(),
            Event::Create { path } => {
                self.contents.push(Content::default());
                self.name(vec![Naming::Set(path.clone(), self.contents.len() - 1)]);
            }
            Event::Rename { from, to } => {
                let content = self.names[from];
                self.name(vec![
                    Naming::Remove(from.clone()),
                    Naming::Set(to.clone(), content),
                ]);
            }
            Event::Unlink { path } => self.name(vec![Naming::Remove(path.clone())]),
            Event::Link { from, to } => {
                self.name(vec![Naming::Set(to.clone(), self.names[from])]);
            }
            Event::Mark(_) => {}
        }
    }

    fn change(&mut self, path: &str, change: Change) {
        self.contents[self.names[path]].unsynced.push(change);
    }

    fn name(&mut self, step: Vec<Naming>) {
        rename(&mut self.names, &step);
        self.unsynced_names.push(step);
    }

    fn sync_names(&mut self, dir: &str) {
        let (synced, others) = std::mem::take(&mut self.unsynced_names)
            .into_iter()
            .partition(|step: &Vec<Naming>| is_in(dir, &step[0]));
        self.unsynced_names = others;
        for step in synced {
            rename(&mut self.names_on_disk, &step);
        }
    }

    /// Writes into a directory what the power cut leaves.
    pub(crate) fn write(&self, cut: Cut, dir: &Path) {
        let mut random = Random(match cut {
            Cut::Mixes(seed) => seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            _ => 1,
        });
        let mut chance = |name: &str| match cut {
            Cut::Keeps => true,
            Cut::Drops => false,
            Cut::DropsHistory => !is_of_history(name),
            Cut::KeepsHistory => is_of_history(name),
            Cut::Mixes(_) => random.below(2) == 0,
        };
        let mut names = self.names_on_disk.clone();
        for step in &self.unsynced_names {
            if chance(step[0].name()) {
                rename(&mut names, step);
            }
        }
        fs::create_dir_all(dir.join("state")).unwrap();
        for (name, content) in names {
            // Made anew by whoever comes first.
            if name.ends_with("-shm") || name == "state/reserve" {
                continue;
            }
            let content = &self.contents[content];
            let mut bytes = content.on_disk.clone();
            for change in &content.unsynced {
                match change {
                    Change::Write(offset, data) if !chance(&name) => {
                        if chance(&name) {
                            tear(&mut bytes, *offset, data, || chance(&name));
                        }
                    }
                    Change::Truncate(_) if !chance(&name) => {}
                    change => apply(&mut bytes, change),
                }
            }
            fs::write(dir.join(name), bytes).unwrap();
        }
    }
}

impl Naming {
    fn name(&self) -> &str {
        let (Self::Set(name, _) | Self::Remove(name)) = self;
        name
    }
}

fn is_in(dir: &str, naming: &Naming) -> bool {
    naming.name().starts_with("state/") == (dir == "state")
}

fn is_of_history(name: &str) -> bool {
    name.starts_with("state/history")
}

fn rename(names: &mut BTreeMap<String, usize>, step: &[Naming]) {
    for naming in step {
        match naming {
            Naming::Set(name, content) => names.insert(name.clone(), *content),
            Naming::Remove(name) => names.remove(name),
        };
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Truncate(length) => bytes.resize(*length, 0),
        Change::Write(offset, data) => {
            let end = offset + data.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[*offset..end].copy_from_slice(data);
        }
    }
}

/// Writes some of the sectors.
fn tear(bytes: &mut Vec<u8>, offset: usize, data: &[u8], mut is_written: impl FnMut() -> bool) {
    let mut from = 0;
    while from < data.len() {
        let to_end_of_sector = SECTOR_BYTES - (offset + from) % SECTOR_BYTES;
        let to = data.len().min(from + to_end_of_sector);
        if is_written() {
            apply(
                bytes,
                &Change::Write(offset + from, data[from..to].to_vec()),
            );
        }
        from = to;
    }
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}
