//! What a supervisor can be given besides its children.

use std::path::PathBuf;

use super::Supervisor;
use super::child_configuration::ChildConfiguration;
use super::lasting_directory::LastingDirectory;
use super::operators::Operators;
use super::reloading::FileAcceptance;
use crate::control::socket::ControlSocket;
use crate::logs::log_file::LogFile;
use crate::settings::reload::ReloadableSettings;

impl Supervisor {
    /// Adds the settings, so that a reload reads them again.
    pub fn with_settings(self, settings: Box<dyn ReloadableSettings>) -> Self {
        Self {
            settings: Some(settings),
            ..self
        }
    }

    /// Adds the log file, so that a reload opens it anew.
    pub fn with_log_file(self, log_file: Option<LogFile>) -> Self {
        Self { log_file, ..self }
    }

    /// Says whether an operator can let it take no new connections.
    pub fn with_draining(self, can_drain: bool) -> Self {
        Self { can_drain, ..self }
    }

    /// Adds what a forced reload does first.
    pub fn with_file_acceptance(self, file_acceptance: Option<FileAcceptance>) -> Self {
        Self {
            file_acceptance,
            ..self
        }
    }

    /// Adds the control socket.
    pub fn with_control_socket(self, socket: ControlSocket) -> Self {
        Self {
            operators: Some(Operators::new(socket)),
            ..self
        }
    }

    /// Adds configuration and secrets that are pushed to each child.
    pub fn with_child_configuration(
        self,
        child_configuration: Option<Box<dyn ChildConfiguration>>,
    ) -> Self {
        Self {
            reload_result: child_configuration
                .as_ref()
                .map(|h| h.reload_result().clone()),
            child_configuration,
            ..self
        }
    }

    /// Adds a directory that must stay the same for all later processes once a child has served.
    pub fn with_lasting_directory(self, path: Option<PathBuf>) -> Self {
        Self {
            lasting_directory: path.map(LastingDirectory::new),
            ..self
        }
    }
}
