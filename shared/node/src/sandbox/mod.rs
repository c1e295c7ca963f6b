//! What a child of a daemon gives up before it serves: its user, its privileges, the files it does not need, the system
//! calls it never makes. Everything is given up for good; the kernel holds a child to it, whoever runs it then.
//!
//! The order is fixed by what each step still needs: user and capabilities first (in [`Sandbox::enter`]), then files,
//! limits, and the system calls last.

mod files;
mod limits;
mod options;
mod ownership;
mod privileges;
mod system_calls;
mod user_namespace;
mod users;

use std::fmt::Display;
use std::io;

use thiserror::Error;

pub use files::{FileAccess, closed_directory};
pub use limits::{Limits, physical_memory_bytes};
pub use options::{SandboxMode, SandboxOptions};
pub use ownership::{
    OwnershipError, give, give_directory, make_passable, share_socket, share_with_group,
};
pub use privileges::{forbid_core_dumps, keep_memory_secret};
pub use system_calls::{Condition, Otherwise, SystemCalls, THREADED_LOOP, WAITING_LOOP};
pub use users::{ChildUser, Identity, Separation, UserError, UserSpec, Users};

/// Why a child must not go on.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// Something cannot be had, and the operator wants it or nothing.
    #[error(
        "sandbox: {what}: {reason} (--sandbox=require, CHAT_SANDBOX; best-effort goes on without it)"
    )]
    Required {
        /// What was to be done.
        what: &'static str,
        /// Why it cannot be.
        reason: String,
    },
    /// The users.
    #[error(transparent)]
    User(#[from] UserError),
    /// Whoever a child has become is not whom it was to become.
    #[error(
        "cannot become user {user}: {reason} (see CHAT_STATE_USER, CHAT_WORKER_USER, CHAT_SANDBOX=off)"
    )]
    NotBecome {
        /// The user.
        user: Identity,
        /// What went wrong.
        reason: String,
    },
}

/// How far this process is in giving up what it does not need.
#[derive(Debug)]
pub struct Sandbox {
    mode: SandboxMode,
    separation: Separation,
    given_up: Vec<String>,
    missing: Vec<String>,
}

impl Sandbox {
    /// Becomes the user of this kind of child, and gives up every privilege. To be called while there is one thread.
    pub fn enter(options: &SandboxOptions, child: ChildUser) -> Result<Self, SandboxError> {
        let separation = options.separation()?;
        let mut sandbox = Self {
            mode: options.sandbox,
            separation,
            given_up: Vec::new(),
            missing: Vec::new(),
        };
        if sandbox.mode == SandboxMode::Off {
            return Ok(sandbox);
        }
        let result = privileges::empty_bounding_set();
        sandbox.note("the bounding set of capabilities cannot be emptied", result)?;
        match sandbox.separation.clone() {
            Separation::Separate(users) => {
                let identity = users.of(child);
                users::become_user(identity)?;
                sandbox.given_up.push(format!("user {identity}"));
            }
            Separation::AsStarted { why, is_gap: true } => {
                sandbox.record_gap("children keep the user of their parent", why)?;
            }
            Separation::AsStarted { why, is_gap: false } => {
                sandbox.given_up.push(format!("user as started ({why})"));
            }
        }
        let result = privileges::give_up();
        if sandbox.note("privileges cannot be given up", result)? {
            sandbox.given_up.push("no capabilities".to_owned());
        }
        Ok(sandbox)
    }

    /// Which users the children run as.
    pub fn separation(&self) -> &Separation {
        &self.separation
    }

    /// Gives up all files but these, for this thread and those that it starts from here on. What is open stays open.
    pub fn restrict_files(&mut self, access: &FileAccess<'_>) -> Result<(), SandboxError> {
        if self.mode == SandboxMode::Off {
            return Ok(());
        }
        let is_strict = self.mode == SandboxMode::Require;
        match files::restrict(access, is_strict) {
            Ok(said) => self.given_up.push(said),
            Err(error) => self.record_gap("files cannot be given up (Landlock)", error)?,
        }
        Ok(())
    }

    /// Sets bounds to what this process may use.
    pub fn limit(&mut self, limits: &Limits) -> Result<(), SandboxError> {
        if self.mode == SandboxMode::Off {
            return Ok(());
        }
        let result = limits.set();
        if self.note("limits cannot be set", result)? {
            self.given_up.push(limits.to_string());
        }
        Ok(())
    }

    /// Gives up all system calls but these, for all threads.
    pub fn restrict_system_calls(&mut self, calls: &SystemCalls) -> Result<(), SandboxError> {
        if self.mode == SandboxMode::Off {
            return Ok(());
        }
        let result = calls.install();
        if self.note("system calls cannot be given up (seccomp)", result)? {
            self.given_up.push(calls.to_string());
        }
        Ok(())
    }

    /// What was given up, and what could not be, in one line.
    pub fn summary(&self) -> String {
        if self.mode == SandboxMode::Off {
            return "off".to_owned();
        }
        let mut text = self.given_up.join(", ");
        if !self.missing.is_empty() {
            text += &format!("; NOT: {}", self.missing.join("; "));
        }
        text
    }

    fn note(&mut self, what: &'static str, result: io::Result<()>) -> Result<bool, SandboxError> {
        match result {
            Ok(()) => Ok(true),
            Err(error) => self.record_gap(what, error).map(|()| false),
        }
    }

    fn record_gap(&mut self, what: &'static str, error: impl Display) -> Result<(), SandboxError> {
        let reason = error.to_string();
        if self.mode == SandboxMode::Require {
            return Err(SandboxError::Required { what, reason });
        }
        log::warn!("sandbox: {what}: {reason}");
        self.missing.push(format!("{what}: {reason}"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox(mode: SandboxMode) -> Sandbox {
        Sandbox {
            mode,
            separation: Separation::AsStarted {
                why: "of the test".to_owned(),
                is_gap: false,
            },
            given_up: vec!["no capabilities".to_owned()],
            missing: Vec::new(),
        }
    }

    fn failure() -> io::Result<()> {
        Err(io::Error::other("the kernel knows no such thing"))
    }

    #[test]
    fn missing_restriction_is_reported_or_refused() {
        let mut lenient = sandbox(SandboxMode::BestEffort);
        assert!(!lenient.note("files cannot be given up", failure()).unwrap());
        assert_eq!(
            lenient.summary(),
            "no capabilities; NOT: files cannot be given up: the kernel knows no such thing"
        );
        let mut strict = sandbox(SandboxMode::Require);
        assert!(strict.note("files cannot be given up", Ok(())).unwrap());
        let error = strict.note("files cannot be given up", failure());
        let error = error.unwrap_err().to_string();
        assert!(
            error.starts_with("sandbox: files cannot be given up: the kernel knows no such thing"),
            "{error}"
        );
    }
}
