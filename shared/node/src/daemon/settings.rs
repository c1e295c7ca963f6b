//! The settings of this process: flags win over environment variables, these over the settings file, and that over
//! defaults.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::Daemon;
use crate::control::protocol::SettingsReport;
use crate::logs::output;
use crate::settings::command_line;
use crate::settings::process_options::{ProcessOptions, Role};
use crate::settings::reload::{ReloadableSettings, ReloadedSettings, RunningValues};
use crate::settings::settings_file::{SettingsFile, SettingsFileError, problem};
use crate::settings::sources::{EffectiveSetting, effective};
use crate::settings::tree::{Assignments, Tree};
use crate::supervisor::SETTINGS_OF_PARENT;

/// The exit status for invalid settings, as for invalid flags.
const INVALID: u8 = 2;
/// The id of the flag that names the run directory.
const RUN_DIR: &str = "run_dir";
/// The setting that an operator can change without a reload.
const LOG_LEVEL: &str = "process.log_level";

/// A daemon with all its settings.
pub(super) struct Loaded<D> {
    pub(super) daemon: D,
    /// The settings file, if there is one.
    pub(super) file: Option<SettingsFile>,
    /// The values, for later comparison.
    pub(super) values: RunningValues,
}

/// Reads the settings of this process. Errors and help texts are printed here; the returned exit status tells them
/// apart.
pub(super) fn load<D: Daemon>() -> Result<Loaded<D>, ExitCode> {
    let (daemon, matches) = command_line::parse_with::<D>(|command| command)?;
    let tree = Tree::of(D::programs());
    let values_of = |matches: &ArgMatches, assignments: Option<&Assignments>| {
        RunningValues::new(&effective(&tree, D::NAME, matches, assignments))
    };
    match add_file(&daemon, &tree, None) {
        Ok(None) => Ok(Loaded {
            daemon,
            file: None,
            values: values_of(&matches, None),
        }),
        Ok(Some((file, assignments))) => {
            let (daemon, matches) =
                command_line::parse_with::<D>(|command| assignments.apply(command))?;
            guard(&file, &daemon).map_err(|error| refuse::<D>(&error))?;
            Ok(Loaded {
                daemon,
                file: Some(file),
                values: values_of(&matches, Some(&assignments)),
            })
        }
        Err(error) if is_needless(&daemon, &matches) => {
            for line in error.0 {
                output::complain(format_args!("{}: warning: {line}", D::NAME));
            }
            Ok(Loaded {
                daemon,
                file: None,
                values: values_of(&matches, None),
            })
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
///
/// `started_in` is the base of relative paths, if it is no longer the working directory.
fn add_file<D: Daemon>(
    daemon: &D,
    tree: &Tree,
    started_in: Option<&Path>,
) -> Result<Option<(SettingsFile, Assignments)>, SettingsFileError> {
    let process = daemon.process();
    let file = match process.role() {
        Role::Child => std::env::var(SETTINGS_OF_PARENT)
            .ok()
            .map(|written| SettingsFile::of_parent(&written))
            .transpose()?,
        _ => read(process, started_in)?,
    };
    let Some(file) = file else {
        return Ok(None);
    };
    let assignments = tree.check(&file)?;
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
fn read(
    process: &ProcessOptions,
    started_in: Option<&Path>,
) -> Result<Option<SettingsFile>, SettingsFileError> {
    let based = |path: &PathBuf| started_in.map_or_else(|| path.clone(), |base| base.join(path));
    let config = process.config.as_ref().map(based);
    let Some(mut file) = SettingsFile::find(config.as_deref(), &based(&process.run_dir))? else {
        return Ok(None);
    };
    file.make_absolute()?;
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

/// The settings of a running parent.
pub(super) struct RunningSettings<D> {
    values: RunningValues,
    started_in: Option<PathBuf>,
    daemon: PhantomData<D>,
}

impl<D> RunningSettings<D> {
    /// `started_in` is the base of relative paths, if it is no longer the working directory.
    pub(super) fn new(values: RunningValues, started_in: Option<PathBuf>) -> Self {
        Self {
            values,
            started_in,
            daemon: PhantomData,
        }
    }
}

/// The settings as the file, the flags and the variables have them by now.
struct ReadAgain<D> {
    daemon: D,
    file: Option<SettingsFile>,
    settings: Vec<EffectiveSetting>,
}

impl<D: Daemon> RunningSettings<D> {
    /// Reads the settings file. Changes nothing.
    fn read_again(&self) -> Result<ReadAgain<D>, String> {
        let refused = |error: clap::Error| in_one_line(&error);
        let tree = Tree::of(D::programs());
        let (daemon, _) = command_line::parse_again::<D>(|command| command).map_err(refused)?;
        let found = add_file(&daemon, &tree, self.started_in.as_deref());
        let (file, assignments) = found.map_err(|error| in_one_line(&error))?.unzip();
        let (daemon, matches) = command_line::parse_again::<D>(|command| match &assignments {
            Some(assignments) => assignments.apply(command),
            None => command,
        })
        .map_err(refused)?;
        let settings = effective(&tree, D::NAME, &matches, assignments.as_ref());
        Ok(ReadAgain {
            daemon,
            file,
            settings,
        })
    }
}

fn in_one_line(error: &impl std::fmt::Display) -> String {
    error.to_string().trim_end().replace('\n', "; ")
}

impl<D: Daemon> ReloadableSettings for RunningSettings<D> {
    fn reload(&mut self) -> Result<ReloadedSettings, String> {
        let ReadAgain {
            daemon,
            file,
            settings,
        } = self.read_again()?;
        if let Some(file) = &file {
            guard(file, &daemon).map_err(|error| in_one_line(&error))?;
        }
        log::set_max_level(daemon.process().log_level);
        Ok(ReloadedSettings {
            for_children: file.as_ref().map(SettingsFile::for_child),
            summary: self.values.update(&settings, D::is_reloaded),
        })
    }

    fn inspect(&self) -> SettingsReport {
        let read = self.read_again();
        SettingsReport {
            running: self.values.values().clone(),
            pending: read.map(|it| self.values.pending(&it.settings, D::is_reloaded)),
        }
    }

    fn log_level_set(&mut self, level: &str) {
        self.values.set(LOG_LEVEL, &level.to_ascii_lowercase());
    }
}
