//! The users that children run as when the daemon was started as root.

use std::fmt;
use std::str::FromStr;

use caps::{CapSet, Capability};
use nix::unistd::{
    Gid, Group, Uid, User, geteuid, getgroups, getresgid, getresuid, setgroups, setresgid,
    setresuid,
};
use thiserror::Error;

use super::{SandboxError, user_namespace};

/// The user nobody. All processes that run as nobody can access each other.
const NOBODY: u32 = 65_534;

/// The capabilities with which a parent can start children as other users.
const NEEDED: [Capability; 4] = [
    Capability::CAP_SETUID,
    Capability::CAP_SETGID,
    Capability::CAP_CHOWN,
    Capability::CAP_KILL,
];

/// Why a user is unsuitable for children.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UserError {
    /// Nothing before or after the colon.
    #[error("write a user as a name or a number, optionally followed by a colon and a group")]
    Form,
    /// The user or group 0.
    #[error("root is not for children: choose a user of their own")]
    Root,
    /// The user or group nobody.
    #[error("other programs run as nobody, too: choose a user of their own")]
    Nobody,
    /// There is no such user.
    #[error("there is no user {0} (create it, or use a number)")]
    NoUser(String),
    /// There is no such group.
    #[error("there is no group {0} (create it, or use a number)")]
    NoGroup(String),
    /// The look-up failed.
    #[error("cannot look up {0}: {1}")]
    LookUp(String, String),
    /// The same user for both kinds of children.
    #[error(
        "state process and workers have the same user {0}: choose two users (CHAT_STATE_USER, CHAT_WORKER_USER)"
    )]
    Same(u32),
}

/// A user in a setting: a name or a number, and optionally a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSpec {
    user: String,
    group: Option<String>,
}

impl FromStr for UserSpec {
    type Err = UserError;

    fn from_str(text: &str) -> Result<Self, UserError> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        for part in [Some(user), group].into_iter().flatten() {
            refuse_special(part)?;
        }
        Ok(Self {
            user: user.to_owned(),
            group: group.map(str::to_owned),
        })
    }
}

fn refuse_special(part: &str) -> Result<(), UserError> {
    match part {
        "" => Err(UserError::Form),
        "root" => Err(UserError::Root),
        "nobody" | "nogroup" => Err(UserError::Nobody),
        _ => part.parse().map_or(Ok(()), refuse_special_number),
    }
}

fn refuse_special_number(number: u32) -> Result<(), UserError> {
    match number {
        0 => Err(UserError::Root),
        NOBODY => Err(UserError::Nobody),
        // In system calls it means "no change".
        u32::MAX => Err(UserError::Form),
        _ => Ok(()),
    }
}

impl UserSpec {
    /// Looks up names. A number needs no entry in the user list; without an entry, its group is the same number.
    pub fn resolve(&self) -> Result<Identity, UserError> {
        let look_up = |error: nix::Error| UserError::LookUp(self.user.clone(), error.to_string());
        let entry = match self.user.parse() {
            Ok(number) => User::from_uid(Uid::from_raw(number)).map_err(look_up)?,
            Err(_) => User::from_name(&self.user).map_err(look_up)?,
        };
        let uid = match (&entry, self.user.parse()) {
            (_, Ok(number)) => number,
            (Some(entry), Err(_)) => entry.uid.as_raw(),
            (None, Err(_)) => return Err(UserError::NoUser(self.user.clone())),
        };
        let gid = match &self.group {
            Some(group) => resolve_group(group)?,
            None => entry.map_or(uid, |entry| entry.gid.as_raw()),
        };
        refuse_special_number(uid)?;
        refuse_special_number(gid)?;
        Ok(Identity { uid, gid })
    }
}

fn resolve_group(group: &str) -> Result<u32, UserError> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    match Group::from_name(group) {
        Ok(Some(entry)) => Ok(entry.gid.as_raw()),
        Ok(None) => Err(UserError::NoGroup(group.to_owned())),
        Err(error) => Err(UserError::LookUp(group.to_owned(), error.to_string())),
    }
}

/// A user and a group, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// The two kinds of children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildUser {
    /// The process that holds the state.
    State,
    /// A process that serves clients.
    Worker,
}

/// The users of both kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Users {
    /// The user of the state process.
    pub state: Identity,
    /// The user of the workers.
    pub worker: Identity,
}

impl Users {
    /// The user of a kind of child.
    pub fn of(&self, child: ChildUser) -> Identity {
        match child {
            ChildUser::State => self.state,
            ChildUser::Worker => self.worker,
        }
    }
}

/// The users that children run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Separation {
    /// Users of their own.
    Separate(Users),
    /// The user that started the daemon.
    AsStarted {
        /// The reason.
        why: String,
        /// Whether the host lacks something for separate users.
        is_gap: bool,
    },
}

impl Separation {
    /// Decides what this process can do.
    pub(super) fn plan(state: &UserSpec, worker: &UserSpec) -> Result<Self, UserError> {
        if !geteuid().is_root() {
            return Ok(Self::AsStarted {
                why: "not started as root".to_owned(),
                is_gap: false,
            });
        }
        let lacking = NEEDED
            .iter()
            .find(|need| !caps::has_cap(None, CapSet::Effective, **need).unwrap_or(false));
        if let Some(lacking) = lacking {
            return Ok(Self::AsStarted {
                why: format!("started as root without {lacking}"),
                is_gap: true,
            });
        }
        let users = Users {
            state: state.resolve()?,
            worker: worker.resolve()?,
        };
        if users.state.uid == users.worker.uid {
            return Err(UserError::Same(users.state.uid));
        }
        if let Some(why) = user_namespace::what_is_missing(users) {
            return Ok(Self::AsStarted { why, is_gap: true });
        }
        Ok(Self::Separate(users))
    }

    /// The users, if there are any.
    pub fn users(&self) -> Option<Users> {
        match self {
            Self::Separate(users) => Some(*users),
            Self::AsStarted { .. } => None,
        }
    }
}

/// Changes to a user permanently, and verifies that.
pub(super) fn become_user(identity: Identity) -> Result<(), SandboxError> {
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    let refused = |reason: String| SandboxError::NotBecome {
        user: identity,
        reason,
    };
    let system = |error: nix::Error| refused(error.to_string());
    setgroups(&[]).map_err(system)?;
    setresgid(gid, gid, gid).map_err(system)?;
    setresuid(uid, uid, uid).map_err(system)?;
    let (users, groups) = (getresuid().map_err(system)?, getresgid().map_err(system)?);
    let is_become = [users.real, users.effective, users.saved] == [uid; 3]
        && [groups.real, groups.effective, groups.saved] == [gid; 3]
        && getgroups().map_err(system)?.is_empty();
    if !is_become || setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_ok() {
        return Err(refused(
            "privileges of the previous user are left".to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<UserSpec, UserError> {
        text.parse()
    }

    #[test]
    fn numeric_user_needs_no_entry() {
        let identity = parse("64190").unwrap().resolve().unwrap();
        assert_eq!(
            identity,
            Identity {
                uid: 64190,
                gid: 64190
            }
        );
        let identity = parse("64190:64200").unwrap().resolve().unwrap();
        assert_eq!(identity.to_string(), "64190:64200");
    }

    #[test]
    fn nobody_and_root_are_refused() {
        for text in ["nobody", "65534", "chat:nogroup", "7:65534"] {
            assert_eq!(parse(text), Err(UserError::Nobody), "{text}");
        }
        for text in ["root", "0", "chat:0", "7:root"] {
            assert_eq!(parse(text), Err(UserError::Root), "{text}");
        }
        for text in ["", ":", "7:", ":7", "4294967295"] {
            assert_eq!(parse(text), Err(UserError::Form), "{text}");
        }
    }

    #[test]
    fn names_are_looked_up() {
        let error = parse("no-such-user-here").unwrap().resolve().unwrap_err();
        assert_eq!(error, UserError::NoUser("no-such-user-here".to_owned()));
        let error = parse("7:no-such-group-here").unwrap().resolve();
        assert_eq!(error, Err(UserError::NoGroup("no-such-group-here".into())));
    }

    #[test]
    fn children_need_different_users() {
        let one = parse("64190").unwrap();
        let planned = Separation::plan(&one, &parse("64190:7").unwrap());
        match geteuid().is_root() {
            true => assert_eq!(planned, Err(UserError::Same(64190))),
            false => assert_eq!(planned.unwrap().users(), None),
        }
    }
}
