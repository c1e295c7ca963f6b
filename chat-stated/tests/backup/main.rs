//! Backup, restore and check with the real program, and the formats that must stay readable.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod checking;
mod formats;
mod history;
mod installation;
mod read_meanwhile;
mod restoring;
mod taking;

#[path = "../support/mod.rs"]
mod support;

use support::worker;
