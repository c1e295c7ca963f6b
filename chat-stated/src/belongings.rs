//! What belongs to the user of the process that holds the state, when the daemon was started as root.

use chat_node::sandbox::{OwnershipError, Users, give, give_directory, share_with_group};

use crate::account_file::accepted;
use crate::account_file::create::new_path;
use crate::backup::restore::{RESTORING, TO_RESTORE};
use crate::settings::Settings;

/// Gives him the state, the account file and a backup that is to be restored, and lets him make files beside them. The
/// run directory stays its owner's, and what is others' in it stays out of his reach: it is sticky.
pub fn hand_over(settings: &Settings, users: Users) -> Result<(), OwnershipError> {
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
