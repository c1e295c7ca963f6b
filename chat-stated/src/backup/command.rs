//! What an operator types: `chat-stated backup` and `chat-stated check`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use chat_node::logs::output::{Remarks, complain};
use chat_node::settings::process_options::Role;
use clap::Subcommand;

use super::ask::ask;
use super::check::{Verdict, accept_journal, check_backup, check_installation, describe_backup};
use super::take::{Source, take};
use crate::passwords::thread_priority::set_nice;
use crate::settings::Settings;

/// What is damaged was found.
const DAMAGED: u8 = 1;
/// It could not be looked at.
const UNKNOWN: u8 = 2;

/// As for passwords' threads: gives way to the daemon and everybody else.
const BACKUP_NICE: i32 = 10;

/// What is done with stored state instead of serving it.
#[derive(Subcommand, Clone, Debug)]
pub enum StorageCommand {
    /// Write a backup of the running daemon's state and the account file: exit status 0 done, 1 not
    ///
    /// The daemon goes on meanwhile. To restore a backup, put it as restore.backup into an empty run directory and
    /// start the daemon.
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
    /// Check a stopped daemon's files, or a backup: exit status 0 whole, 1 damaged, 2 could not look
    Check {
        /// The backup; without it, the files in the run directory
        file: Option<PathBuf>,
    },
    /// Go on with a stopped daemon's journal though nothing says any more how far it went: exit status 0 done, 2 not
    ///
    /// For when the start names journal.mark and journal.mark2 as missing or unreadable, and there is no backup.
    /// Messages at the journal's end that were acknowledged may be missing: nobody can tell.
    AcceptJournal,
}

impl StorageCommand {
    /// Does it, and says so on standard output; what goes wrong, on standard error.
    pub fn run(&self, settings: &Settings) -> ExitCode {
        if settings.process.role() != Role::Foreground {
            complain(
                "chat-stated: a command and --detach, --stop, --reload or --status are not for one call",
            );
            return ExitCode::from(UNKNOWN);
        }
        let mut out = Remarks::of("chat-stated");
        let (result, failed) = match self {
            Self::Backup {
                force,
                without_history,
                file,
            } => {
                let result = back_up(settings, file, *force, !without_history, &mut out);
                (result, DAMAGED)
            }
            Self::Check { file: Some(file) } => (check_backup(file, &mut out), UNKNOWN),
            Self::Check { file: None } => (check_installation(settings, &mut out), UNKNOWN),
            Self::AcceptJournal => (accept_journal(settings, &mut out), UNKNOWN),
        };
        match result.and_then(|verdict| tell(verdict, &mut out)) {
            Ok(code) => code,
            Err(error) => {
                complain(format_args!("chat-stated: {error:#}"));
                ExitCode::from(failed)
            }
        }
    }
}

fn tell(verdict: Verdict, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    match verdict {
        Verdict::Whole => {
            writeln!(out, "everything is whole")?;
            Ok(ExitCode::SUCCESS)
        }
        Verdict::Damaged(places) => {
            for place in places {
                complain(format_args!("chat-stated: {place}"));
            }
            Ok(ExitCode::from(DAMAGED))
        }
    }
}

fn back_up(
    settings: &Settings,
    file: &Path,
    may_replace: bool,
    with_history: bool,
    out: &mut impl Write,
) -> anyhow::Result<Verdict> {
    // Whoever chats goes first; if that cannot be had, the backup is still worth it.
    let _ = set_nice(BACKUP_NICE);
    let context = || {
        format!(
            "no backup of {} was made",
            settings.process.run_dir.display()
        )
    };
    let run_dir = settings.process.run_dir_of("chat-stated");
    let reached = ask(&run_dir).with_context(context)?;
    let source = Source {
        state_dir: settings.state_dir(),
        with_history,
        account_file: settings.account_file(),
    };
    let now_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64);
    let taken = take(&source, file, may_replace, reached, now_ms).with_context(context)?;
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    writeln!(
        out,
        "wrote {} ({bytes} bytes) and read it back",
        file.display()
    )?;
    describe_backup(&taken.backup, out)?;
    Ok(match taken.lacks {
        None => Verdict::Whole,
        Some(lacks) => Verdict::Damaged(vec![format!("the backup lacks {lacks}. It has all else")]),
    })
}
