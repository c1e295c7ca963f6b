//! The disk fails, fills up, loses its power, or flips bits: nothing that was acknowledged is lost, and nothing that
//! is damaged is served. `scripts/disk-faults` runs what is only sampled here.

#![allow(clippy::unwrap_used)]

mod cases;
mod control;
mod daemon;
mod each_operation;
mod flipped_bits;
mod full_disk;
mod history;
mod power_cut;
mod run;
mod system_limits;
mod trace;
mod worker;

#[path = "../support/mod.rs"]
mod support;
