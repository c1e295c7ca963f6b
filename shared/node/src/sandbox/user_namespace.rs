//! In a user namespace, as in a rootless container, only users exist that are mapped to users outside.

use std::fs;

use super::users::Users;

/// Why children cannot run as these users here, if they cannot.
pub(super) fn what_is_missing(users: Users) -> Option<String> {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).ok();
    what_is_missing_in(
        users,
        read("uid_map").as_deref(),
        read("gid_map").as_deref(),
        read("setgroups").as_deref(),
    )
}

/// Like [`what_is_missing`], with the content of these files of `/proc/self`. A missing file proves nothing.
fn what_is_missing_in(
    users: Users,
    uid_map: Option<&str>,
    gid_map: Option<&str>,
    setgroups: Option<&str>,
) -> Option<String> {
    let both = [users.state, users.worker];
    let is_unmapped = |map: Option<&str>, id: u32| map.is_some_and(|map| !is_mapped(map, id));
    let missing_user = both.iter().find(|it| is_unmapped(uid_map, it.uid));
    let missing_group = both.iter().find(|it| is_unmapped(gid_map, it.gid));
    let missing = match (missing_user, missing_group) {
        (Some(user), _) => format!("user {}", user.uid),
        (None, Some(user)) => format!("group {}", user.gid),
        (None, None) if setgroups.is_some_and(|may| may.trim() == "deny") => {
            return Some("this user namespace forbids to drop groups".to_owned());
        }
        (None, None) => return None,
    };
    Some(format!(
        "this user namespace has no {missing} (docs/containers.md says how to map it)"
    ))
}

/// Whether one of the lines, each with a first number inside, one outside, and a count, has this number.
fn is_mapped(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            return false;
        };
        (first..first.saturating_add(count)).contains(&u64::from(id))
    })
}

#[cfg(test)]
mod tests {
    use super::super::users::Identity;
    use super::*;

    const ALL: &str = "         0          0 4294967295\n";

    fn users() -> Users {
        let identity = |number| Identity {
            uid: number,
            gid: number,
        };
        Users {
            state: identity(64_190),
            worker: identity(64_191),
        }
    }

    fn missing(uid_map: &str, gid_map: &str, setgroups: &str) -> Option<String> {
        what_is_missing_in(users(), Some(uid_map), Some(gid_map), Some(setgroups))
    }

    #[test]
    fn users_that_are_not_mapped_are_named() {
        assert_eq!(missing(ALL, ALL, "allow\n"), None);
        let rootless = "0 1000 1\n1 100000 65536\n";
        assert_eq!(missing(rootless, rootless, "allow\n"), None);
        let alone = "0 1234 1\n";
        let said = missing(alone, alone, "deny\n").unwrap();
        assert!(said.contains("no user 64190"), "{said}");
        let said = missing("0 1000 64191\n", ALL, "allow\n").unwrap();
        assert!(said.contains("no user 64191"), "{said}");
        let said = missing(ALL, alone, "deny\n").unwrap();
        assert!(said.contains("no group 64190"), "{said}");
        let said = missing(ALL, ALL, "deny\n").unwrap();
        assert!(said.contains("forbids"), "{said}");
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        assert_eq!(what_is_missing_in(users(), None, None, None), None);
    }
}
