//! What a process has in its memory, as root sees it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use chat_node::process::identity::ProcessIdentity;
use memchr::memmem;

/// Where in what a process can write to these bytes stand.
pub(crate) fn places_in_memory(process: &ProcessIdentity, bytes: &[u8]) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", process.pid)).unwrap();
    let memory = File::open(format!("/proc/{}/mem", process.pid)).unwrap();
    let mut places = Vec::new();
    for map in maps.lines().filter(|map| map.contains(" rw")) {
        let (range, _) = map.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let start = u64::from_str_radix(start, 16).unwrap();
        let end = u64::from_str_radix(end, 16).unwrap();
        let mut content = vec![0; usize::try_from(end - start).unwrap()];
        // Some of it is the kernel's own and cannot be read.
        if memory.read_exact_at(&mut content, start).is_err() {
            continue;
        }
        let found = memmem::find(&content, bytes);
        places.extend(found.map(|at| format!("{map} at {at}")));
    }
    places
}
