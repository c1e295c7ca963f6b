//! The one tree of settings: what both daemons can be told by flags, environment variables and the settings file, with
//! types, bounds, defaults and help texts. Every program knows the whole tree. What the daemons do with a value is
//! theirs.

pub mod example;
pub mod front_end;
pub mod listen_address;
pub mod manual;
pub mod reload;
mod sections;
pub mod state;

use chat_node::settings::tree::Tree;
use clap::{Command, CommandFactory};

use front_end::FrontEndSettings;
pub use sections::SECTIONS;
use state::StateSettings;

/// The programs that have settings. The settings file holds those of all of them.
pub fn programs() -> Vec<Command> {
    vec![StateSettings::command(), FrontEndSettings::command()]
}

/// All settings.
pub fn tree() -> Tree {
    Tree::of(programs())
}
