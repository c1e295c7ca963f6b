//! A list of names, in one piece of memory.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::message::may_be_recipient;

/// Names in an order, the same one perhaps twice. Holds names of recipients as a sender typed them, or of users.
///
/// The names lie one behind the other, so that a list of thousands is one allocation, and a list that is only passed on
/// is not copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameList<'a> {
    #[serde(borrow)]
    packed: Cow<'a, str>,
    /// Bytes of each name.
    lengths: SmallVec<[u32; 2]>,
}

impl<'a> NameList<'a> {
    /// A list of one name.
    pub fn one(name: impl Into<Cow<'a, str>>) -> Self {
        let packed = name.into();
        let length = length_of(&packed);
        Self {
            packed,
            lengths: SmallVec::from_slice(&[length]),
        }
    }

    /// Adds a name behind the others.
    pub fn push(&mut self, name: &str) {
        self.lengths.push(length_of(name));
        self.packed.to_mut().push_str(name);
    }

    /// How many names.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Bytes of all names together.
    pub fn bytes(&self) -> usize {
        self.packed.len()
    }

    /// The names, in their order. Ends early where the list is not well formed.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut rest: &str = &self.packed;
        self.lengths.iter().map_while(move |length| {
            let name;
            (name, rest) = rest.split_at_checked(*length as usize)?;
            Some(name)
        })
    }

    /// The name, if there is one and no more.
    pub fn only(&self) -> Option<&str> {
        (self.len() == 1).then_some(&self.packed)
    }

    /// Whether lengths and names agree, as in every list that [`NameList::push`] made. One that another process sent
    /// may not.
    pub fn is_well_formed(&self) -> bool {
        let sum: u64 = self.lengths.iter().map(|length| u64::from(*length)).sum();
        sum == self.packed.len() as u64 && self.iter().count() == self.len()
    }

    /// Whether a message may be addressed to these names: at least one, none empty, and none that breaks a line that
    /// names it.
    pub fn may_be_recipients(&self) -> bool {
        !self.is_empty() && self.is_well_formed() && self.iter().all(may_be_recipient)
    }

    /// The same without what it borrows.
    pub fn into_owned(self) -> NameList<'static> {
        NameList {
            packed: Cow::Owned(self.packed.into_owned()),
            lengths: self.lengths,
        }
    }

    /// The same, borrowed from this one.
    pub fn borrowed(&self) -> NameList<'_> {
        NameList {
            packed: Cow::Borrowed(&self.packed),
            lengths: self.lengths.clone(),
        }
    }
}

impl<'n> FromIterator<&'n str> for NameList<'static> {
    fn from_iter<Names: IntoIterator<Item = &'n str>>(names: Names) -> Self {
        let mut list = Self::default();
        for name in names {
            list.push(name);
        }
        list
    }
}

fn length_of(name: &str) -> u32 {
    u32::try_from(name.len()).expect("a name is far shorter than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_out_as_they_went_in() {
        let list: NameList<'_> = ["ann", "José", "ann"].into_iter().collect();
        assert_eq!(list.iter().collect::<Vec<_>>(), ["ann", "José", "ann"]);
        assert_eq!((list.len(), list.bytes(), list.only()), (3, 11, None));
        assert!(list.is_well_formed() && list.may_be_recipients());
        assert_eq!(NameList::one("bob").only(), Some("bob"));
        assert_eq!(list.borrowed(), list);
    }

    #[test]
    fn lengths_that_do_not_fit_are_noticed() {
        for lengths in [&[4][..], &[2, 2], &[1, 1], &[5], &[u32::MAX, 4]] {
            let list = NameList {
                packed: "aé".into(),
                lengths: SmallVec::from_slice(lengths),
            };
            assert!(!list.is_well_formed(), "{lengths:?}");
        }
        let empty: NameList<'_> = ["a", ""].into_iter().collect();
        assert!(empty.is_well_formed() && !empty.may_be_recipients());
        assert!(!NameList::default().may_be_recipients());
    }
}
