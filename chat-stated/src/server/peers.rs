//! Who may connect to the daemon's socket, as the kernel names him.

use chat_node::sandbox::Users;
use nix::unistd::geteuid;

/// The users that may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AllowedPeers {
    users: Vec<u32>,
}

impl AllowedPeers {
    /// Root, this process's own user, and the workers' if that is another.
    pub(super) fn new(users: Option<Users>) -> Self {
        let mut allowed = vec![0, geteuid().as_raw()];
        allowed.extend(users.map(|users| users.worker.uid));
        Self { users: allowed }
    }

    /// Whether this user may.
    pub(super) fn allows(&self, user: u32) -> bool {
        self.users.contains(&user)
    }
}

#[cfg(test)]
mod tests {
    use chat_node::sandbox::Identity;

    use super::*;

    #[test]
    fn workers_operators_and_nobody_else() {
        let identity = |number| Identity {
            uid: number,
            gid: number,
        };
        let own = geteuid().as_raw();
        let users = Users {
            state: identity(own),
            worker: identity(own + 1),
        };
        let together = AllowedPeers::new(None);
        let apart = AllowedPeers::new(Some(users));
        for (user, is_together, is_apart) in [
            (own, true, true),
            (0, true, true),
            (own + 1, false, true),
            (own + 2, false, false),
            (65_534, false, false),
        ] {
            assert_eq!(together.allows(user), is_together, "{user}");
            assert_eq!(apart.allows(user), is_apart, "{user}");
        }
    }
}
