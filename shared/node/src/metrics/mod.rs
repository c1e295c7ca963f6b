//! What a daemon counts and measures while it runs.
//!
//! The [catalogue] names every metric that machines are shown. A child answers with its [samples] when it is asked; in
//! between it counts in its own memory.

pub mod catalogue;
pub mod fixed_histogram;
pub mod histogram;
pub mod refusals;
pub mod samples;
