//! What tests with real processes share, in one piece: each such test is a program of its own, and uses another part of
//! it.
#![allow(dead_code)]

pub(crate) mod certificate;
pub(crate) mod connection;
#[path = "../processes/installation.rs"]
pub(crate) mod installation;
pub(crate) mod processes;
