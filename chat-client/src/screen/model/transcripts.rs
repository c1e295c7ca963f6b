//! All conversations, and which one is shown.

use super::preferences::Preferences;
use super::target::Target;
use super::transcript::{History, Transcript};

/// The conversations in the order in which they were opened, which gives them their numbers.
pub(crate) struct Transcripts {
    all: Vec<Transcript>,
    current: usize,
    before: usize,
    pub(crate) preferences: Preferences,
}

impl Default for Transcripts {
    fn default() -> Self {
        let fixed = [Target::Server, Target::Everyone];
        Self {
            all: fixed.into_iter().map(Transcript::new).collect(),
            current: 0,
            before: 0,
            preferences: Preferences::default(),
        }
    }
}

impl Transcripts {
    /// The one that is shown.
    pub(crate) fn current(&self) -> &Transcript {
        &self.all[self.current]
    }

    pub(crate) fn current_mut(&mut self) -> &mut Transcript {
        &mut self.all[self.current]
    }

    /// All, in the order of their numbers.
    pub(crate) fn all(&self) -> &[Transcript] {
        &self.all
    }

    /// Mutes what the preferences mute.
    pub(crate) fn apply_preferences(&mut self) {
        for transcript in &mut self.all {
            transcript.is_muted = self.preferences.is_muted(&transcript.target.key());
        }
    }

    /// Nothing that was asked will be answered.
    pub(crate) fn forget_questions(&mut self) {
        for transcript in &mut self.all {
            if transcript.history == History::Asked {
                transcript.history = match transcript.oldest_number() {
                    Some(_) => History::MayHaveMore,
                    None => History::Unasked,
                };
            }
        }
    }

    /// The index of the one that is shown.
    pub(crate) fn current_index(&self) -> usize {
        self.current
    }

    /// The one with this target, which is made if there is none.
    pub(crate) fn with(&mut self, target: &Target) -> &mut Transcript {
        let index = self.index_with(target);
        &mut self.all[index]
    }

    /// The one with this target, if there is one.
    pub(crate) fn find(&mut self, target: &Target) -> Option<&mut Transcript> {
        let mut all = self.all.iter_mut();
        all.find(|transcript| transcript.target == *target)
    }

    /// The index of the one with this target, which is made if there is none.
    pub(crate) fn index_with(&mut self, target: &Target) -> usize {
        let known = self.all.iter().position(|known| known.target == *target);
        known.unwrap_or_else(|| {
            let mut new = Transcript::new(target.clone());
            new.is_muted = self.preferences.is_muted(&target.key());
            self.all.push(new);
            self.all.len() - 1
        })
    }

    /// Shows another one.
    pub(crate) fn show(&mut self, index: usize) {
        if index >= self.all.len() || index == self.current {
            return;
        }
        self.current_mut().left();
        self.before = self.current;
        self.current = index;
        self.current_mut().read();
    }

    /// The index of the one that was shown before.
    pub(crate) fn index_before(&self) -> usize {
        self.before.min(self.all.len() - 1)
    }

    /// Removes the one that is shown, unless it is one of those that are always there.
    pub(crate) fn close_current(&mut self) -> bool {
        if matches!(self.current().target, Target::Server | Target::Everyone) {
            return false;
        }
        let before = match self.before {
            before if before > self.current => before - 1,
            before if before < self.current => before,
            // Not to everyone: what is typed next would go there.
            _ => 0,
        };
        self.all.remove(self.current);
        self.current = before;
        self.before = 0;
        self.current_mut().read();
        true
    }

    /// The indices as the list shows them: urgent ones first, then unread ones, then all others.
    pub(crate) fn in_order(&self) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..self.all.len()).collect();
        indices.sort_by_key(|index| rank(&self.all[*index]));
        indices
    }

    /// The next one with something new, the most urgent first.
    pub(crate) fn next_unread(&self) -> Option<usize> {
        let unread = self.in_order().into_iter();
        unread.into_iter().find(|index| self.all[*index].unread > 0)
    }

    /// Those whose name has this part, those first whose name begins with it.
    pub(crate) fn matching(&self, part: &str) -> Vec<usize> {
        let part = part.to_lowercase();
        let name = |index: &usize| self.all[*index].target.name().to_lowercase();
        let mut found: Vec<usize> = self.in_order();
        found.retain(|index| name(index).contains(&part));
        found.sort_by_key(|index| !name(index).trim_start_matches('#').starts_with(&part));
        found
    }
}

/// Muted ones are not preferred.
fn rank(transcript: &Transcript) -> u8 {
    match transcript {
        transcript if transcript.is_muted => 2,
        transcript if transcript.urgent > 0 => 0,
        transcript if transcript.unread > 0 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::model::transcript::Entry;

    fn room(name: &str) -> Target {
        Target::Room(name.to_owned())
    }

    fn add(transcripts: &mut Transcripts, name: &str, is_urgent: bool) {
        let entry = Entry::of_client(jiff::Timestamp::UNIX_EPOCH, "x");
        transcripts.with(&room(name)).add(entry, true, is_urgent);
    }

    #[test]
    fn unread_conversations_come_first() {
        let mut transcripts = Transcripts::default();
        for name in ["#a", "#b", "#c"] {
            transcripts.with(&room(name));
        }
        assert_eq!(transcripts.in_order(), [0, 1, 2, 3, 4]);
        add(&mut transcripts, "#b", false);
        add(&mut transcripts, "#c", true);
        assert_eq!(transcripts.in_order(), [4, 3, 0, 1, 2]);
        assert_eq!(transcripts.next_unread(), Some(4));
        transcripts.show(4);
        assert_eq!(transcripts.next_unread(), Some(3));
        transcripts.with(&room("#b")).is_muted = true;
        assert_eq!(transcripts.in_order(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn part_of_name_finds_conversation() {
        let mut transcripts = Transcripts::default();
        for name in ["#tops", "#ops", "#tea"] {
            transcripts.with(&room(name));
        }
        assert_eq!(transcripts.matching("op"), [3, 2]);
        assert_eq!(transcripts.matching("EVERY"), [1]);
        assert!(transcripts.matching("x").is_empty());
    }

    #[test]
    fn closing_goes_back() {
        let mut transcripts = Transcripts::default();
        let first = transcripts.index_with(&room("#a"));
        let second = transcripts.index_with(&room("#b"));
        transcripts.show(first);
        transcripts.show(second);
        assert!(transcripts.close_current());
        assert_eq!(transcripts.current().target, room("#a"));
        let second = transcripts.index_with(&room("#b"));
        transcripts.show(second);
        transcripts.show(first);
        assert!(transcripts.close_current());
        assert_eq!(transcripts.current().target, room("#b"));
        assert!(transcripts.close_current());
        assert_eq!(transcripts.current().target, Target::Server);
        assert!(!transcripts.close_current());
    }
}
