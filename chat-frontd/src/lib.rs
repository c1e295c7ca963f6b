//! The front end.

pub mod master;
pub mod settings;
pub mod worker;
