//! The sandbox of a child: before it serves, it drops its user, its privileges, access to files it does not need, and
//! system calls it never makes. The kernel enforces this for the rest of the process, even if it is compromised.
//!
//! The order is fixed by the needs of each step: user and capabilities first (in [`Sandbox::enter`]), then files,
//! limits, and system calls last.

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

/// Why a child must not continue.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// A restriction is impossible, and the operator requires it.
    #[error(
        "sandbox: {what}: {reason} (--sandbox=require, CHAT_SANDBOX; best-effort continues without it)"
    )]
    Required {
        /// The restriction.
        what: &'static str,
        /// Why it is impossible.
        reason: String,
    },
    /// The users are unsuitable.
    #[error(transparent)]
    User(#[from] UserError),
    /// The child could not change to its user.
    #[error(
        "cannot become user {user}: {reason} (see CHAT_STATE_USER, CHAT_WORKER_USER, CHAT_SANDBOX=off)"
    )]
    NotBecome {
        /// The user.
        user: Identity,
        /// The reason.
        reason: String,
    },
}

/// The sandbox of this process, with what it has dropped so far.
#[derive(Debug)]
pub struct Sandbox {
    mode: SandboxMode,
    separation: Separation,
    given_up: Vec<String>,
    missing: Vec<String>,
}

impl Sandbox {
    /// Changes to the user of this kind of child, and drops all privileges. Call this while there is only one thread.
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
        sandbox.record("the bounding set of capabilities cannot be emptied", result)?;
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
        if sandbox.record("privileges cannot be dropped", result)? {
            sandbox.given_up.push("no capabilities".to_owned());
        }
        Ok(sandbox)
    }

    /// The users that the children run as.
    pub fn separation(&self) -> &Separation {
        &self.separation
    }

    /// Restricts file access of this thread and of threads started later. Open files stay open.
    pub fn restrict_files(&mut self, access: &FileAccess<'_>) -> Result<(), SandboxError> {
        if self.mode == SandboxMode::Off {
            return Ok(());
        }
        let is_strict = self.mode == SandboxMode::Require;
        match files::restrict(access, is_strict) {
            Ok(summary) => self.given_up.push(summary),
            Err(error) => self.record_gap("files cannot be restricted (Landlock)", error)?,
        }
        Ok(())
    }

    /// Limits the resources of this process.
    pub fn limit(&mut self, limits: &Limits) -> Result<(), SandboxError> {
        if self.mode == SandboxMode::Off {
            return Ok(());
        }
        let result = limits.set();
        if self.record("limits cannot be set", result)? {
            self.given_up.push(limits.to_string());
        }
        Ok(())
    }

    /// Allows only these system calls, for all threads.
    pub fn restrict_system_calls(&mut self, calls: &SystemCalls) -> Result<(), SandboxError> {
        if self.mode == SandboxMode::Off {
            return Ok(());
        }
        let result = calls.install();
        if self.record("system calls cannot be restricted (seccomp)", result)? {
            self.given_up.push(calls.to_string());
        }
        Ok(())
    }

    /// A summary in one line: what was dropped, and what could not be.
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

    fn record(&mut self, what: &'static str, result: io::Result<()>) -> Result<bool, SandboxError> {
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
        assert!(
            !lenient
                .record("files cannot be restricted", failure())
                .unwrap()
        );
        assert_eq!(
            lenient.summary(),
            "no capabilities; NOT: files cannot be restricted: the kernel knows no such thing"
        );
        let mut strict = sandbox(SandboxMode::Require);
        assert!(strict.record("files cannot be restricted", Ok(())).unwrap());
        let error = strict.record("files cannot be restricted", failure());
        let error = error.unwrap_err().to_string();
        assert!(
            error
                .starts_with("sandbox: files cannot be restricted: the kernel knows no such thing"),
            "{error}"
        );
    }
}
