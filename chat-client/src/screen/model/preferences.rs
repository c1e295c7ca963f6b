//! What the user has decided of conversations and people: what is muted, who is ignored, how to tell of new messages.
//!
//! Decisions of the settings file hold until a command says otherwise. What commands say is kept as lines:
//! `mute #tea`, `unmute #tea`, `ignore eve`, `unignore eve`, `notify #tea off`.

use std::collections::BTreeMap;

use super::notice::Notifying;

/// Most decisions that are kept.
const MAX_DECISIONS: usize = 1_000;

/// The user's decisions. Conversations and people go by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preferences {
    muted: Decisions,
    ignored: Decisions,
    notifying: Notifying,
    notifying_of: BTreeMap<String, Notifying>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Decisions {
    settings: Vec<String>,
    decided: BTreeMap<String, bool>,
}

impl Decisions {
    fn has(&self, name: &str) -> bool {
        let decided = self.decided.get(name).copied();
        decided.unwrap_or_else(|| self.settings.iter().any(|known| known == name))
    }
}

impl Default for Preferences {
    fn default() -> Self {
        Self::new(Notifying::Bell, Vec::new(), Vec::new())
    }
}

impl Preferences {
    /// Those of the settings file.
    pub(crate) fn new(notifying: Notifying, muted: Vec<String>, ignored: Vec<String>) -> Self {
        let of_settings = |settings| Decisions {
            settings,
            ..Decisions::default()
        };
        Self {
            muted: of_settings(muted),
            ignored: of_settings(ignored),
            notifying,
            notifying_of: BTreeMap::new(),
        }
    }

    pub(crate) fn is_muted(&self, conversation: &str) -> bool {
        self.muted.has(conversation)
    }

    /// Mutes a conversation or ends that; gives which.
    pub(crate) fn toggle_mute(&mut self, conversation: &str) -> bool {
        toggle(&mut self.muted, conversation)
    }

    pub(crate) fn ignores(&self, user: &str) -> bool {
        self.ignored.has(user)
    }

    /// Ignores a user or ends that; gives which.
    pub(crate) fn toggle_ignore(&mut self, user: &str) -> bool {
        toggle(&mut self.ignored, user)
    }

    /// Those whom commands or the settings ignore.
    pub(crate) fn ignored(&self) -> Vec<&str> {
        let settings = self.ignored.settings.iter().map(String::as_str);
        let decided = self.ignored.decided.keys().map(String::as_str);
        let mut names: Vec<&str> = settings.chain(decided).collect();
        names.retain(|name| self.ignores(name));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// How to tell of new messages in this conversation.
    pub(crate) fn notifying(&self, conversation: &str) -> Notifying {
        let decided = self.notifying_of.get(conversation);
        decided.copied().unwrap_or(self.notifying)
    }

    pub(crate) fn notify(&mut self, conversation: &str, how: Notifying) {
        self.notifying_of.insert(conversation.to_owned(), how);
    }

    /// What commands have decided, a line each.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        for (decisions, yes, no) in [
            (&self.muted, "mute", "unmute"),
            (&self.ignored, "ignore", "unignore"),
        ] {
            for (name, is_so) in &decisions.decided {
                let word = if *is_so { yes } else { no };
                text.push_str(&format!("{word} {name}\n"));
            }
        }
        for (name, how) in &self.notifying_of {
            text.push_str(&format!("notify {name} {}\n", how.name()));
        }
        text
    }

    /// Takes over what commands of an earlier run have decided. Lines of later versions are passed over.
    pub(crate) fn read(&mut self, text: &str) {
        for line in text.lines().take(MAX_DECISIONS) {
            let Some((word, rest)) = line.split_once(' ') else {
                continue;
            };
            let name = rest.to_owned();
            match word {
                "mute" | "unmute" => {
                    self.muted.decided.insert(name, word == "mute");
                }
                "ignore" | "unignore" => {
                    self.ignored.decided.insert(name, word == "ignore");
                }
                "notify" => {
                    if let Some((name, how)) = rest.rsplit_once(' ')
                        && let Some(how) = Notifying::named(how)
                    {
                        self.notifying_of.insert(name.to_owned(), how);
                    }
                }
                _ => {}
            }
        }
    }
}

fn toggle(decisions: &mut Decisions, name: &str) -> bool {
    let is_so = !decisions.has(name);
    let in_settings = decisions.settings.iter().any(|known| known == name);
    match is_so == in_settings {
        // As the settings have it.
        true => decisions.decided.remove(name),
        false => decisions.decided.insert(name.to_owned(), is_so),
    };
    is_so
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_count_more_than_settings() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let of_settings = || Preferences::new(Notifying::Osc9, names(&["#noise"]), names(&["eve"]));
        let mut preferences = of_settings();
        assert!(preferences.is_muted("#noise") && preferences.ignores("eve"));
        assert!(!preferences.toggle_mute("#noise") && preferences.toggle_mute("#tea"));
        assert!(preferences.toggle_ignore("mallory"));
        preferences.notify("#tea", Notifying::Off);
        let text = preferences.to_text();
        assert_eq!(
            text,
            "unmute #noise\nmute #tea\nignore mallory\nnotify #tea off\n"
        );
        let mut later = of_settings();
        later.read(&text);
        assert_eq!(later, preferences);
        assert_eq!(later.ignored(), ["eve", "mallory"]);
        let told = [later.notifying("#tea"), later.notifying("bob")];
        assert_eq!(told, [Notifying::Off, Notifying::Osc9]);
        assert!(later.toggle_mute("#noise") && !later.to_text().contains("#noise"));
    }

    #[test]
    fn unknown_lines_are_passed_over() {
        let mut preferences = Preferences::default();
        preferences.read("\nmute\nfold #a\nnotify #a loud\nnotify #a\nmute #b\n");
        assert_eq!(preferences.to_text(), "mute #b\n");
    }
}
