//! The front end: a master, and workers that speak the line protocol to TCP clients.

pub mod master;
mod session;
pub mod settings;
pub mod worker;
