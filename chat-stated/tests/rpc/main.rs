//! What a worker of the front end can say to a running `chat-stated` over its socket, and what it is told.

#![allow(clippy::unwrap_used)]

mod account_file;
mod account_file_mistakes;
mod bad_frames;
mod daemon;
mod damaged_texts;
mod dead_worker_sessions;
mod greeting;
mod hashing;
mod hostile_worker;
mod logins;
mod lost_files;
mod pages;
mod password_changes;
mod pipelining;
mod process_ends;
mod push;
mod queues;
mod races;
mod read_meanwhile;
mod resuming;
mod sending;
mod texts_on_disk;
mod tokens;
mod waiting;

#[path = "../support/mod.rs"]
mod support;

use support::worker;
