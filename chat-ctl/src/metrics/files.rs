//! The sizes of the server's files, and the room on the disk of its state.

use std::fs;
use std::path::Path;

use chat_node::limits::disk::DiskSpace;
use chat_node::metrics::catalogue::{DISK_FREE, DISK_SIZE, FILE_BYTES};
use chat_node::metrics::samples::Samples;

const STATE_DIR: &str = "state";

/// Adds what can be seen of this run directory: that of a server in a container may be somewhere else.
pub(super) fn add(samples: &mut Samples, run_dir: &Path) {
    let state_dir = run_dir.join(STATE_DIR);
    add_files(samples, run_dir, "");
    add_files(samples, &state_dir, "state/");
    if let Ok(space) = DiskSpace::of(&state_dir) {
        samples.add(&DISK_SIZE, &[], space.size_bytes);
        samples.add(&DISK_FREE, &[], space.free_bytes);
    }
}

fn add_files(samples: &mut Samples, dir: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        // Of a link, it is that of the link: what it leads to is somebody else's.
        let Ok(found) = entry.metadata() else {
            continue;
        };
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Others come and go.
        let is_lasting = KINDS.iter().any(|kind| name.ends_with(kind));
        if found.is_file() && is_lasting {
            samples.add(&FILE_BYTES, &[&format!("{prefix}{name}")], found.len());
        }
    }
}

/// How the names of the server's files end.
const KINDS: [&str; 5] = [".db", ".db-wal", "reserve", ".txt", ".log"];
