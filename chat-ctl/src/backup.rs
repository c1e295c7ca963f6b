//! `chatctl backup`: the program that knows the formats reads the files beside the running daemon.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use chat_node::logs::output;

use crate::Arguments;
use crate::exit_status::ExitStatus;

const STATED: &str = "chat-stated";

/// Becomes `chat-stated backup`, whose exit statuses are 0 and 1. Returns only if that cannot be started.
pub(crate) fn run(
    arguments: &Arguments,
    file: &Path,
    force: bool,
    without_history: bool,
) -> (String, ExitStatus) {
    // The one beside this program is of the same version.
    let own = std::env::current_exe();
    let program = own.map_or_else(|_| STATED.into(), |own| own.with_file_name(STATED));
    let mut command = Command::new(&program);
    command
        .arg("backup")
        .arg("--run-dir")
        .arg(&arguments.run_dir);
    if let Some(config) = &arguments.config {
        command.arg("--config").arg(config);
    }
    if force {
        command.arg("--force");
    }
    if without_history {
        command.arg("--without-history");
    }
    let error = command.arg("--").arg(file).exec();
    let program = program.display();
    output::complain(format_args!("chatctl: cannot start {program}: {error}"));
    (String::new(), ExitStatus::NotDone)
}
