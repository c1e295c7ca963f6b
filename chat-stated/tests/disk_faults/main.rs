//! The disk fails, fills up, loses its power, or flips bits: nothing that was acknowledged is lost, and nothing that
//! is damaged is served. `scripts/disk-faults` runs what is only sampled here.

mod control;
mod daemon;
mod each_operation;
mod run;
mod worker;
