//! The files that the user of the state process owns, if the daemon was started as root.

use chat_node::sandbox::{OwnershipError, Users, give, give_directory, share_with_group};

use crate::account_file::accepted;
use crate::account_file::create::new_path;
use crate::backup::restore::{RESTORING, TO_RESTORE};
use crate::settings::Settings;

/// Changes the owner of the state, the account file and a backup to restore, and lets that user create files beside
/// them. The run directory keeps its owner. It is sticky, so files of others in it are safe from that user.
pub fn give_files(settings: &Settings, users: Users) -> Result<(), OwnershipError> {
    let run_dir = &settings.process.run_dir;
    share_with_group(run_dir, users.state)?;
    give_directory(&settings.state_dir(), users.state)?;
    let accounts = settings.account_file();
    if let Ok(new) = new_path(&accounts) {
        give(&new, users.state)?;
    }
    give(&accounts, users.state)?;
    give(&accepted::path_beside(&accounts), users.state)?;
    for backup in [TO_RESTORE, RESTORING] {
        give(&run_dir.join(backup), users.state)?;
    }
    Ok(())
}
