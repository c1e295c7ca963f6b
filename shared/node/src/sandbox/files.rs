//! Restricts file access with Landlock.

use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus,
    PathBeneath, PathFd, PathFdError, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, make_bitflags,
};
use thiserror::Error;

/// The version that `require` needs: all rights to files, including truncation, and TCP. Newer kernels restrict more.
const REQUIRED: ABI = ABI::V4;
/// The newest version whose restrictions are known here.
const NEWEST: ABI = ABI::V9;

/// The files a process needs after its start.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileAccess<'a> {
    /// Directories in which it reads, writes, creates and removes files.
    pub directories: &'a [&'a Path],
    /// Directories in which it connects to sockets.
    pub sockets: &'a [&'a Path],
}

/// Why files were not restricted.
#[derive(Debug, Error)]
pub(super) enum FilesError {
    /// A directory cannot be opened.
    #[error(transparent)]
    Directory(#[from] PathFdError),
    /// The kernel refuses or does not know the restriction.
    #[error(transparent)]
    Ruleset(#[from] RulesetError),
    /// The kernel has no Landlock, or it is not enabled.
    #[error("the kernel has no Landlock, or has it disabled (lsm= on its command line)")]
    Absent,
}

/// Restricts this thread and threads it starts. Returns a summary for people.
pub(super) fn restrict(access: &FileAccess<'_>, is_strict: bool) -> Result<String, FilesError> {
    let needed = match is_strict {
        true => CompatLevel::HardRequirement,
        false => CompatLevel::BestEffort,
    };
    let mut ruleset = Ruleset::default()
        .set_compatibility(needed)
        .handle_access(AccessFs::from_all(REQUIRED))?
        .handle_access(AccessNet::from_all(REQUIRED))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    for directory in access.directories {
        ruleset = ruleset.add_rule(PathBeneath::new(PathFd::new(directory)?, kept_rights()))?;
    }
    for directory in access.sockets {
        let right = AccessFs::ResolveUnix;
        ruleset = ruleset.add_rule(PathBeneath::new(PathFd::new(directory)?, right))?;
    }
    describe(access, &ruleset.restrict_self()?)
}

/// The rights in the directories of a process. It needs only regular files there.
fn kept_rights() -> BitFlags<AccessFs> {
    make_bitflags!(AccessFs::{
        ReadFile | WriteFile | ReadDir | MakeReg | RemoveFile | Truncate
    })
}

fn describe(access: &FileAccess<'_>, status: &RestrictionStatus) -> Result<String, FilesError> {
    let (RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced) = status.ruleset else {
        return Err(FilesError::Absent);
    };
    let version = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => format!("{effective_abi:?}"),
        _ => return Err(FilesError::Absent),
    };
    let directories: Vec<String> = access
        .directories
        .iter()
        .map(|directory| directory.display().to_string())
        .collect();
    let files = match directories.is_empty() {
        true => "no files".to_owned(),
        false => format!("files in {} only", directories.join(" and ")),
    };
    Ok(format!(
        "{files}, no TCP connections made (Landlock {version})"
    ))
}

/// The first directory of `path` that this process cannot enter, if there is one.
pub fn closed_directory(path: &Path) -> Option<PathBuf> {
    let is_closed = |directory: &Path| {
        let inside = directory.join(".");
        matches!(inside.metadata(), Err(error) if error.kind() == io::ErrorKind::PermissionDenied)
    };
    if !is_closed(path) {
        return None;
    }
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut ancestors: Vec<&Path> = whole.ancestors().collect();
    ancestors.reverse();
    let closed = ancestors.into_iter().find(|directory| is_closed(directory));
    Some(closed.unwrap_or(&whole).to_owned())
}
