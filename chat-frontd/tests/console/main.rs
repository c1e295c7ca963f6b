//! The boxes of documents that are marked `console`: their commands are run, and must print what the boxes show.
//!
//! All boxes of a chapter (`##`) are run in order, in an installation of its own that nothing has started yet. A line
//! `<!-- $ COMMAND -->` is run too, unseen by readers; it must succeed.
//!
//! In the documents the checkout is `/srv/chatserv` and the run directory `run`. The port 4119 and its like stand for
//! free ones. Times, sizes, numbers of processes and the width of columns may differ; `...` stands for anything in a
//! line, and alone in a line for any number of lines.
//!
//! Boxes that are marked `chat NAME` are what people see who talk by `chat-client`: `conversation` plays them.
#![allow(clippy::unwrap_used)]

mod boxes;
mod conversation;
#[path = "../support/free_port.rs"]
mod free_port;
#[allow(dead_code)]
#[path = "../processes/installation.rs"]
mod installation;
mod printed;
mod scene;

use std::fs;
use std::path::PathBuf;
use std::thread;

use boxes::{Chapter, chapters};
use conversation::{chat_boxes, talk};
use installation::repository;

/// Each is some processes.
const CHAPTERS_AT_ONCE: usize = 4;

/// The chapters of all documents that have something to be run.
fn all_chapters() -> Vec<Chapter> {
    let docs = repository().join("docs");
    let entries = fs::read_dir(&docs).unwrap();
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    pages.retain(|path| path.extension().is_some_and(|end| end == "md"));
    pages.sort();
    let mut all = Vec::new();
    for path in pages {
        let name = path.strip_prefix(repository()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        all.extend(chapters(&name.display().to_string(), &text));
    }
    all
}

#[test]
fn commands_print_what_boxes_show() {
    let all = all_chapters();
    assert!(!all.is_empty());
    let mut complaints = Vec::new();
    for some in all.chunks(CHAPTERS_AT_ONCE) {
        thread::scope(|scope| {
            let running = some.iter().map(|it| scope.spawn(|| scene::play(it)));
            let running: Vec<_> = running.collect();
            for chapter in running {
                complaints.extend(chapter.join().unwrap());
            }
        });
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn people_see_what_page_of_rooms_shows() {
    const PAGE: &str = "docs/rooms.md";
    let text = fs::read_to_string(repository().join(PAGE)).unwrap();
    let boxes = chat_boxes(PAGE, &text);
    assert!(!boxes.is_empty());
    let complaints = talk(&boxes);
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
