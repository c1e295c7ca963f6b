//! The settings of this process: flags win over environment variables, these over the settings file, and that over
//! defaults.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::Daemon;
use crate::logs::output;
use crate::settings::command_line;
use crate::settings::process_options::{ProcessOptions, Role};
use crate::settings::settings_file::{FILE_NAME, SettingsFile, SettingsFileError, problem};
use crate::settings::tree::{Assignments, Tree};
use crate::supervisor::SETTINGS_OF_PARENT;

/// The exit status for invalid settings, as for invalid flags.
const INVALID: u8 = 2;
/// The id of the flag that names the run directory.
const RUN_DIR: &str = "run_dir";

/// A daemon with all its settings.
pub(super) struct Loaded<D> {
    pub(super) daemon: D,
    /// The settings file, if there is one.
    pub(super) file: Option<SettingsFile>,
}

/// Reads the settings of this process. Errors and help texts are printed here; the returned exit status tells them
/// apart.
pub(super) fn load<D: Daemon>() -> Result<Loaded<D>, ExitCode> {
    let (daemon, matches) = command_line::parse_with::<D>(|command| command)?;
    match add_file(&daemon) {
        Ok(None) => Ok(Loaded { daemon, file: None }),
        Ok(Some((file, assignments))) => {
            let (daemon, _) = command_line::parse_with::<D>(|command| assignments.apply(command))?;
            match guard(&file, &daemon) {
                Ok(()) => {
                    let file = Some(file);
                    Ok(Loaded { daemon, file })
                }
                Err(error) => Err(refuse::<D>(&error)),
            }
        }
        Err(error) if is_needless(&daemon, &matches) => {
            for line in error.0 {
                output::complain(format_args!("{}: warning: {line}", D::NAME));
            }
            Ok(Loaded { daemon, file: None })
        }
        Err(error) => Err(refuse::<D>(&error)),
    }
}

fn refuse<D: Daemon>(error: &SettingsFileError) -> ExitCode {
    for line in &error.0 {
        output::complain(format_args!("{}: {line}", D::NAME));
    }
    ExitCode::from(INVALID)
}

/// The settings file and what it says, if there is one.
fn add_file<D: Daemon>(
    daemon: &D,
) -> Result<Option<(SettingsFile, Assignments)>, SettingsFileError> {
    let process = daemon.process();
    let file = match process.role() {
        Role::Child => std::env::var(SETTINGS_OF_PARENT)
            .ok()
            .map(|written| SettingsFile::of_parent(&written))
            .transpose()?,
        _ => read(process)?,
    };
    let Some(file) = file else {
        return Ok(None);
    };
    let assignments = Tree::of(D::programs()).check(&file)?;
    if let Some(assignment) = assignments.by_id.get(RUN_DIR)
        && process.config.is_none()
    {
        let (path, line) = (file.path().display(), assignment.line);
        return Err(SettingsFileError(vec![format!(
            "{path}:{line}: process.run_dir: a file in the run directory cannot name another run directory; name the \
             file by --config, CHAT_CONFIG"
        )]));
    }
    Ok(Some((file, assignments)))
}

/// Reads the file that a flag or the environment names, or the one in the run directory.
fn read(process: &ProcessOptions) -> Result<Option<SettingsFile>, SettingsFileError> {
    let path: PathBuf = match &process.config {
        Some(path) => path.clone(),
        None => process.run_dir.join(FILE_NAME),
    };
    let mut file = match SettingsFile::read(&path)? {
        None if process.config.is_some() => {
            return Err(problem(&path, "there is none (--config, CHAT_CONFIG)"));
        }
        None => return Ok(None),
        Some(file) => file,
    };
    file.make_absolute().map_err(|error| {
        problem(
            &path,
            &format!("cannot find the working directory: {error}"),
        )
    })?;
    Ok(Some(file))
}

/// Whether the command can do without the file: a daemon can be stopped and looked at whatever its settings are. But if
/// only the file may say where the daemon runs, nothing else can.
fn is_needless<D: Daemon>(daemon: &D, matches: &ArgMatches) -> bool {
    let process = daemon.process();
    let is_command =
        matches.subcommand_name().is_some() || matches!(process.role(), Role::Stop | Role::Status);
    let is_place_known = process.config.is_none()
        || matches.value_source(RUN_DIR) != Some(ValueSource::DefaultValue);
    is_command && is_place_known
}

/// Takes the right to write to the file from others, or refuses it with `--strict-permissions`.
fn guard<D: Daemon>(file: &SettingsFile, daemon: &D) -> Result<(), SettingsFileError> {
    let Some(mode) = file.mode_if_exposed() else {
        return Ok(());
    };
    let process = daemon.process();
    let path = file.path();
    if process.strict_permissions {
        return Err(problem(
            path,
            &format!(
                "others can write to it (mode {mode:04o}): chmod go-w it, or leave --strict-permissions \
                 (CHAT_STRICT_PERMISSIONS) out"
            ),
        ));
    }
    let starts = matches!(
        process.role(),
        Role::Launch | Role::Foreground | Role::Detached
    );
    let (name, path) = (D::NAME, path.display());
    match starts.then(|| file.close_to_others()) {
        Some(Ok(())) => output::complain(format_args!(
            "{name}: warning: others could write to {path} (mode {mode:04o}) until now; check what it says"
        )),
        Some(Err(_)) | None => output::complain(format_args!(
            "{name}: warning: others can write to {path} (mode {mode:04o}): chmod go-w it"
        )),
    }
    Ok(())
}
