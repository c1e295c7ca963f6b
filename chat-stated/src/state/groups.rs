//! Lists of readers: each stored once, however many messages go to it.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::quality::RandomState;

use chat_model::AccountId;

/// More than one reader, in the order in which they were named, each once. Programs that could not show that order
/// stored them by rising number.
pub(crate) type Group = Arc<[AccountId]>;

/// Lists that are allocated for before the table shrinks with what is in it.
const FEW: usize = 64;

/// All lists of readers of messages that wait, and how many messages go to each.
#[derive(Debug, Default)]
pub(super) struct Groups(HashMap<Group, u32, RandomState>);

impl Groups {
    /// The list for one more message.
    pub(super) fn take(&mut self, readers: &[AccountId]) -> Group {
        if let Some((group, _)) = self.0.get_key_value(readers) {
            let group = group.clone();
            if let Some(messages) = self.0.get_mut(readers) {
                *messages += 1;
            }
            return group;
        }
        let group = Group::from(readers);
        self.0.insert(group.clone(), 1);
        group
    }

    /// A message to this list is gone.
    pub(super) fn give_back(&mut self, group: &Group) {
        let Some(messages) = self.0.get_mut(group) else {
            return;
        };
        *messages -= 1;
        if *messages == 0 {
            self.0.remove(group);
            if self.0.capacity() > FEW && self.0.len() < self.0.capacity() / 8 {
                self.0.shrink_to(2 * self.0.len());
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
