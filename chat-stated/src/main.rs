//! The program chat-stated: a supervisor, and its one child that holds the state.
// See `chat_node::logs::output`.
#![warn(clippy::print_stderr)]

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use chat_node::control::operator::{Health, report_sizes};
use chat_node::control::status_file::Status;
use chat_node::daemon::{self, ChildInheritance, Daemon, Listening};
use chat_node::files::socket_file;
use chat_node::sandbox::{ChildUser, Users};
use chat_node::settings::process_options::ProcessOptions;
use chat_node::supervisor::{ChangeOwnership, FileAcceptance};
use chat_stated::backup::command::StorageCommand;
use chat_stated::server::{self, DaemonSetup};
use chat_stated::settings::Settings;
use chat_stated::{account_file, ownership};
use clap::Parser;

#[derive(Parser)]
#[command(name = "chat-stated", version = chat_node::VERSION)]
struct StateDaemon {
    #[command(subcommand)]
    storage: Option<StorageCommand>,

    #[command(flatten)]
    settings: Settings,
}

fn main() -> ExitCode {
    daemon::main::<StateDaemon>()
}

/// Tells the state process that the account file is meant as it is now.
fn accept_account_file(path: &Path) -> anyhow::Result<()> {
    let file = account_file::read::read(path, account_file::read::MAX_FILE_BYTES)?;
    account_file::accepted::accept(path, &file.bytes)
        .with_context(|| format!("cannot write beside {}", path.display()))
}

impl Daemon for StateDaemon {
    const NAME: &'static str = "chat-stated";
    const CHILD_ROLE: &'static str = "state";
    const CHILD_USER: ChildUser = ChildUser::State;
    const LEAST_MEMORY_BYTES: u64 = 192 * 1024 * 1024;

    fn run_subcommand(&self) -> Option<ExitCode> {
        let command = self.storage.as_ref()?;
        Some(command.run(&self.settings))
    }

    fn programs() -> Vec<clap::Command> {
        chat_settings::programs()
    }

    fn is_reloaded(id: &str) -> bool {
        chat_settings::reload::is_reloaded(id)
    }

    fn process(&self) -> &ProcessOptions {
        &self.settings.process
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        self.settings.process.paths().collect()
    }

    fn child_count(&self) -> u32 {
        1
    }

    fn listen(&self, users: Option<Users>) -> anyhow::Result<Listening> {
        let path = self.settings.socket_path();
        let listener = socket_file::listen(&path, users.map(|users| users.worker.gid))?;
        Ok(Listening {
            child_configuration: None,
            sockets: vec![OwnedFd::from(listener)],
            addresses: vec![path.display().to_string()],
            files: vec![path],
        })
    }

    fn change_ownership(&self, users: Users) -> Option<ChangeOwnership> {
        let settings = self.settings.clone();
        Some(Box::new(move || ownership::give_files(&settings, users)))
    }

    fn is_forced(&self) -> bool {
        self.settings.force
    }

    fn file_acceptance(&self) -> Option<FileAcceptance> {
        let path = self.settings.account_file();
        Some(Box::new(move || accept_account_file(&path)))
    }

    fn lasting_directory(&self) -> Option<PathBuf> {
        Some(self.settings.state_dir())
    }

    fn run_child(self, inheritance: ChildInheritance) -> anyhow::Result<()> {
        let mut sockets = inheritance.sockets.into_iter();
        let listener = sockets.next().context("the parent handed on no socket")?;
        server::run(DaemonSetup {
            listener: UnixListener::from(listener),
            parent: inheritance.parent,
            limits: inheritance.limits,
            settings: self.settings,
            sandbox: inheritance.sandbox,
        })
    }

    fn inspect(&self, status: &Status, out: &mut impl Write) -> anyhow::Result<Health> {
        for address in &status.addresses {
            writeln!(out, "  listens on {address}")?;
        }
        let (state, accounts) = (self.settings.state_dir(), self.settings.account_file());
        let log = self.settings.process.run_dir_of(Self::NAME).log_file();
        report_sizes(&[&state, &accounts, &log], out)?;
        Ok(Health::Healthy)
    }
}
