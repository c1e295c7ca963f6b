//! The commands of `chat-client` for scripts, with real processes: `listen` is killed, and the recipes of
//! docs/recipes.md are run.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../processes/installation.rs"]
mod installation;
mod kills;
mod place;
mod recipes;
