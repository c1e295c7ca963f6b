//! The program chatctl: looks into a running server over the control sockets of its daemons, and acts on it.
// See `chat_node::logs::output`.
#![warn(clippy::print_stderr)]

mod acts;
mod backup;
mod changes;
mod daemons;
mod exit_status;
mod import;
mod lists;
mod metrics;
mod new_password;
mod pages;
mod rooms;
mod settings;
mod status;
mod table;
mod verdict;
mod who;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use chat_node::control::client::ControlError;
use chat_node::logs::output;
use chat_node::settings::command_line;
use clap::parser::ValueSource;
use clap::{Parser, Subcommand};
use log::LevelFilter;

use daemons::Daemons;
use exit_status::ExitStatus;

/// Looks into a running chat server, and acts on it
///
/// Exit status: 0 done, or healthy; 1 not done, or degraded; 2 down; 3 nothing runs; 4 the server cannot be asked; 5
/// nothing done without --yes; 64 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "chatctl", version = chat_node::VERSION)]
struct Arguments {
    /// Directory of the server's control sockets
    #[arg(
        long,
        value_name = "DIR",
        env = "CHAT_RUN_DIR",
        default_value = "run",
        global = true
    )]
    run_dir: PathBuf,

    /// Settings file [default: DIR/chatserv.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "CHAT_CONFIG", global = true)]
    config: Option<PathBuf>,

    /// Print JSON for machines instead of text for people
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the state of both daemons; ends with healthy, degraded, down or unknown, and the reasons before it
    Status {
        /// Print only the reasons and the last word
        #[arg(long)]
        summary: bool,
    },
    /// Print who is logged in: from where, since when, idle for how long, on which worker, with TLS or without
    Who,
    /// Print for whom something waits, most first, and who holds broadcasts
    Queues {
        /// Print only queues of which a limit is reached
        #[arg(long)]
        full: bool,
    },
    /// Look at the accounts, and change them
    #[command(subcommand)]
    Accounts(AccountsCommand),
    /// Look at the rooms, and act on them; the # before a name may be left out
    #[command(subcommand)]
    Rooms(RoomsCommand),
    /// Look at the blocks that wrong passwords began, and end them
    #[command(subcommand)]
    Blocks(BlocksCommand),
    /// Send a broadcast in the name of a user
    Announce {
        /// The text
        text: String,
        /// The user
        #[arg(long, value_name = "NAME")]
        from: String,
    },
    /// Close the connection of a user; what the user has not confirmed waits
    Kick {
        /// The user
        name: String,
    },
    /// Write what the journal holds into a checkpoint
    Checkpoint,
    /// Make both daemons read their files again: settings file, account file, certificate and key
    ///
    /// Prints what was read, which settings have changed, and which need a restart. If a daemon cannot use a file, it
    /// keeps what it had, and the exit status is 1.
    Reload {
        /// Accept the account file even if it disables most accounts
        #[arg(long)]
        force: bool,
    },
    /// Take no new connections, until the front end is restarted; clients stay until they leave
    Drain {
        /// Disconnect clients that are still connected after this time; what they asked is answered first
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=86_400))]
        within: Option<u64>,
        /// Take connections again instead
        #[arg(long, conflicts_with = "within")]
        off: bool,
    },
    /// Write a backup of the state and the account file, as `chat-stated backup` does
    Backup {
        /// Replace FILE if it is there
        #[arg(long)]
        force: bool,
        /// Leave out the history
        #[arg(long)]
        without_history: bool,
        /// Where the backup goes
        file: PathBuf,
    },
    /// Change the log level of all processes, until each of them ends
    LogLevel {
        /// off, error, warn, info, debug or trace
        level: LevelFilter,
    },
    /// Print what the server counts and measures as OpenMetrics text, for Prometheus
    Metrics {
        /// Serve it over HTTP on this address instead, until SIGTERM
        #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "manual")]
        listen: Option<SocketAddr>,
        /// Print the table of all metrics instead, in Markdown
        #[arg(long)]
        manual: bool,
    },
    /// Print each setting: its value in the running server, its value at a start, and where that comes from
    ///
    /// A value at a start comes from the environment of this command, the settings file or the default.
    Settings {
        /// Print only settings whose value at a start is another one
        #[arg(long, conflicts_with_all = ["example", "manual"])]
        differing: bool,
        /// Print a commented settings file with all defaults instead
        #[arg(long, conflicts_with = "manual")]
        example: bool,
        /// Print the reference of all settings instead, in Markdown
        #[arg(long)]
        manual: bool,
    },
}

#[derive(Debug, Subcommand)]
enum RoomsCommand {
    /// Print each room: owner, members, who is online, whether it is private, its messages and topic
    ///
    /// UNREAD and BYTES are of messages that some member has not confirmed. HISTORY is the size of the history in
    /// bytes, DAYS how long it is kept, if its owner or an operator has said.
    List,
    /// Print a room, its members and their roles
    Show {
        /// The room
        room: String,
    },
    /// End a room, whoever owns it; its history goes with it, and its members are told
    Drop {
        /// The room
        room: String,
        /// Do it; without this, only print what the room has, and exit with status 5
        #[arg(long)]
        yes: bool,
    },
    /// Set for how many days the history of a room is kept; its members are told
    Retention {
        /// The room
        room: String,
        /// Days
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        days: u32,
    },
}

#[derive(Debug, Subcommand)]
enum AccountsCommand {
    /// Print each account: whether the account file has it, whether it is disabled or online, and how much waits
    List,
    /// Print one account with its sessions, tokens and rooms
    Show {
        /// The user
        name: String,
    },
    /// Let a token stand for the password no longer, as for a client that was lost; its sessions go on
    DropToken {
        /// The user
        name: String,
        /// The name of the token
        token: String,
    },
    /// Make an account; its password is read from the standard input
    Add {
        /// The user
        name: String,
    },
    /// Give an account another password, read from the standard input; enables it, and ends its session
    Passwd {
        /// The user
        name: String,
    },
    /// Add the accounts of another server
    ///
    /// The list has lines of name:hash or name,hash, as Dovecot, htpasswd and LDAP tools write them. Each line that is
    /// left out is named with the reason, and the exit status is 1 then.
    Import {
        /// The list
        file: PathBuf,
        /// Only print what would be added, and what not
        #[arg(long)]
        dry_run: bool,
    },
    /// Let nobody log in, and end the session; no broadcast waits for the user meanwhile
    Disable {
        /// The user
        name: String,
    },
    /// Let the user log in again, with the password of before
    Enable {
        /// The user
        name: String,
    },
    /// Give up what waits for a user, disable the account, and remove its password; the name stays taken until it is
    /// added again
    Forget {
        /// The user
        name: String,
        /// Do it; without this, only print what waits, and exit with status 5
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
enum BlocksCommand {
    /// Print each block that holds: whose, from which address, and for how long
    List,
    /// End blocks before their time
    #[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
    Lift {
        /// Only those of this user
        #[arg(group = "which")]
        name: Option<String>,
        /// Only those of this address
        #[arg(long, value_name = "ADDRESS", group = "which")]
        source: Option<IpAddr>,
        /// All of them
        #[arg(long, group = "which", conflicts_with_all = ["name", "source"])]
        all: bool,
    },
}

fn main() -> ExitCode {
    let (arguments, matches): (Arguments, _) = match command_line::parse_with(|command| command) {
        Ok(parsed) => parsed,
        // Another status means something else here.
        Err(done) if done == ExitCode::from(command_line::WRONG_USAGE) => {
            return ExitStatus::WrongUsage.into();
        }
        Err(done) => return done,
    };
    let daemons = Daemons::of(&arguments.run_dir);
    let is_flag = matches.value_source("run_dir") == Some(ValueSource::CommandLine);
    let (text, status) = match run(&daemons, &arguments, is_flag) {
        Ok(done) => done,
        Err(error) => {
            output::complain(format_args!("chatctl: {error}"));
            return ExitStatus::of(&error).into();
        }
    };
    match output::say(text.as_bytes()) {
        Ok(()) => status.into(),
        Err(error) => {
            output::complain(format_args!(
                "chatctl: cannot write to the standard output: {error}"
            ));
            ExitStatus::NotDone.into()
        }
    }
}

/// Returns the output and the exit status. `is_flag` if the run directory comes from a flag.
fn run(
    daemons: &Daemons,
    arguments: &Arguments,
    is_flag: bool,
) -> Result<(String, ExitStatus), ControlError> {
    let done = |text| (text, ExitStatus::Done);
    let json = arguments.json;
    match &arguments.command {
        Command::Status { summary } => Ok(status::run(daemons, json, *summary)),
        Command::Who => who::run(daemons, json),
        Command::Queues { full } => lists::queues(daemons, json, *full).map(done),
        Command::Accounts(AccountsCommand::List) => lists::accounts(daemons, json).map(done),
        Command::Accounts(AccountsCommand::Show { name }) => {
            lists::account(daemons, json, name).map(done)
        }
        Command::Accounts(AccountsCommand::DropToken { name, token }) => {
            changes::drop_token(daemons, json, name, token).map(done)
        }
        Command::Rooms(RoomsCommand::List) => rooms::list(daemons, json).map(done),
        Command::Rooms(RoomsCommand::Show { room }) => rooms::show(daemons, json, room).map(done),
        Command::Rooms(RoomsCommand::Drop { room, yes }) => {
            rooms::drop_room(daemons, json, room, *yes)
        }
        Command::Rooms(RoomsCommand::Retention { room, days }) => {
            rooms::set_retention(daemons, json, room, *days).map(done)
        }
        Command::Accounts(AccountsCommand::Add { name }) => {
            changes::add_account(daemons, json, name).map(done)
        }
        Command::Accounts(AccountsCommand::Import { file, dry_run }) => {
            import::run(daemons, json, file, *dry_run)
        }
        Command::Accounts(AccountsCommand::Passwd { name }) => {
            changes::set_password(daemons, json, name).map(done)
        }
        Command::Accounts(AccountsCommand::Disable { name }) => {
            changes::disable_account(daemons, json, name).map(done)
        }
        Command::Accounts(AccountsCommand::Enable { name }) => {
            changes::enable_account(daemons, json, name).map(done)
        }
        Command::Accounts(AccountsCommand::Forget { name, yes }) => {
            changes::forget_account(daemons, json, name, *yes)
        }
        Command::Announce { text, from } => changes::announce(daemons, json, from, text).map(done),
        Command::Kick { name } => acts::kick(daemons, name).map(done),
        Command::Checkpoint => acts::checkpoint(daemons).map(done),
        Command::Reload { force } => Ok(acts::reload(daemons, *force)),
        Command::Drain { off: true, .. } => acts::end_drain(daemons).map(done),
        Command::Drain { within, .. } => acts::drain(daemons, *within).map(done),
        Command::Backup {
            force,
            without_history,
            file,
        } => Ok(backup::run(arguments, file, *force, *without_history)),
        Command::LogLevel { level } => acts::log_level(daemons, level.as_str()).map(done),
        Command::Blocks(BlocksCommand::List) => lists::blocks(daemons, json).map(done),
        Command::Blocks(BlocksCommand::Lift { name, source, .. }) => {
            changes::lift_blocks(daemons, json, name.clone(), *source).map(done)
        }
        Command::Metrics { manual: true, .. } => Ok(metrics::reference()),
        Command::Metrics { listen: None, .. } => Ok(metrics::print(daemons)),
        Command::Metrics {
            listen: Some(address),
            ..
        } => Ok(metrics::serve(daemons, *address)),
        Command::Settings { example: true, .. } => Ok(settings::example()),
        Command::Settings { manual: true, .. } => Ok(settings::manual()),
        Command::Settings { differing, .. } => {
            let place = settings::Place {
                config: arguments.config.as_deref(),
                run_dir: &arguments.run_dir,
                is_flag,
            };
            Ok(settings::run(daemons, &place, json, *differing))
        }
    }
}

/// A value as a line of JSON.
fn json(value: &impl serde::Serialize) -> String {
    // Strings, numbers and lists of them: there is nothing that JSON cannot hold.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}
