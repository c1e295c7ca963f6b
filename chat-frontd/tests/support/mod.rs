//! Replays written dialogues against a real installation.
//! `tests/transcripts/README.md` describes how a dialogue is written.

pub(crate) mod account_file;
pub(crate) mod certificate;
pub(crate) mod connection;
pub(crate) mod dialogue;
pub(crate) mod document;
pub(crate) mod escape;
pub(crate) mod free_port;
pub(crate) mod installation;
pub(crate) mod pattern;
pub(crate) mod processes;
pub(crate) mod replay;
