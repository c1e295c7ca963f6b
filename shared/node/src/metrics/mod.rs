//! What a daemon counts and measures while it runs. A parent adds up the counts of its children.

pub mod histogram;
pub mod refusals;
