//! The sections of the settings file, in their order, and what belongs to each.

use chat_node::settings::tree::{Setting, Tree};

/// Names and contents of the sections.
pub const SECTIONS: [(&str, &str); 11] = [
    ("process", "How the daemons run on the host."),
    ("network", "Addresses to listen on, and whom to trust."),
    ("tls", "Certificate, key and handshakes."),
    ("accounts", "Accounts and the hashes of their passwords."),
    ("logins", "Logins and wrong passwords."),
    (
        "connections",
        "How many connections there may be, and how fast new ones may come.",
    ),
    (
        "clients",
        "What a connected client may do, and how long it may be silent.",
    ),
    ("messages", "What may wait for its readers."),
    ("rooms", "What rooms may grow to."),
    ("history", "What is kept after its readers have it."),
    ("storage", "Memory and disk of the state."),
];

/// The settings of a section.
pub(crate) fn settings_of<'a>(tree: &'a Tree, section: &str) -> Vec<&'a Setting> {
    let all = tree.settings().iter();
    all.filter(|setting| setting.section() == section).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    #[test]
    fn every_setting_is_in_known_section() {
        let tree = tree();
        let known = |section: &str| SECTIONS.iter().any(|(name, _)| *name == section);
        let lost = tree.settings().iter().filter(|it| !known(it.section()));
        assert_eq!(lost.map(Setting::key).collect::<Vec<_>>(), [""; 0]);
        for (section, _) in SECTIONS {
            assert!(!settings_of(&tree, section).is_empty(), "{section}");
        }
    }
}
