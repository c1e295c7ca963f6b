//! Lists of names, each in one piece of memory.

use std::borrow::Cow;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use smallvec::SmallVec;

use crate::message::{MAX_RECIPIENTS_BYTES, may_be_recipient};

/// Lengths that are allocated for at once when another process says how many come.
const MAX_RESERVED_LENGTHS: usize = 1_024;

/// Bytes of each name of a list. A list of one or two names needs no allocation.
type Lengths = SmallVec<[u32; 2]>;

/// Names in an order, the same one perhaps twice. Holds names of recipients as a sender typed them, or of users.
///
/// The names lie one behind the other, so that a list of thousands is one allocation, and a list that is only passed on
/// is not copied.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameList<'a> {
    #[serde(borrow)]
    packed: Cow<'a, str>,
    #[serde(deserialize_with = "read_lengths")]
    lengths: Lengths,
}

impl<'a> NameList<'a> {
    /// An empty list.
    pub const fn new() -> Self {
        Self {
            packed: Cow::Borrowed(""),
            lengths: SmallVec::new_const(),
        }
    }

    /// A list of one name.
    pub fn one(name: impl Into<Cow<'a, str>>) -> Self {
        let packed = name.into();
        let length = length_of(&packed);
        Self {
            packed,
            lengths: SmallVec::from_slice(&[length]),
        }
    }

    /// An empty list with memory for names of so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            packed: Cow::Owned(String::with_capacity(bytes)),
            lengths: Lengths::new(),
        }
    }

    /// Adds a name behind the others.
    pub fn push(&mut self, name: &str) {
        self.lengths.push(length_of(name));
        self.packed.to_mut().push_str(name);
    }

    /// The names, borrowed.
    pub fn names(&self) -> Names<'_> {
        Names {
            packed: &self.packed,
            lengths: &self.lengths,
        }
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

    /// As [`Names::iter`].
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names().iter()
    }

    /// As [`Names::only`].
    pub fn only(&self) -> Option<&str> {
        self.names().only()
    }

    /// As [`Names::is_well_formed`].
    pub fn is_well_formed(&self) -> bool {
        self.names().is_well_formed()
    }

    /// As [`Names::may_be_recipients`].
    pub fn may_be_recipients(&self) -> bool {
        self.names().may_be_recipients()
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
        self.names().into()
    }
}

impl fmt::Debug for NameList<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.names().fmt(formatter)
    }
}

impl<'n> FromIterator<&'n str> for NameList<'static> {
    fn from_iter<List: IntoIterator<Item = &'n str>>(names: List) -> Self {
        let mut list = Self::default();
        for name in names {
            list.push(name);
        }
        list
    }
}

impl<'a> From<Names<'a>> for NameList<'a> {
    fn from(names: Names<'a>) -> Self {
        Self {
            packed: Cow::Borrowed(names.packed),
            lengths: SmallVec::from_slice(names.lengths),
        }
    }
}

/// A list of names that belongs to somebody else: to a [`NameList`], or to a batch of messages.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Names<'a> {
    packed: &'a str,
    lengths: &'a [u32],
}

impl<'a> Names<'a> {
    /// Names that lie one behind the other, and the bytes of each. See [`Names::is_well_formed`].
    pub fn of(packed: &'a str, lengths: &'a [u32]) -> Self {
        Self { packed, lengths }
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

    /// The names one behind the other.
    pub fn packed(&self) -> &'a str {
        self.packed
    }

    /// Bytes of each name.
    pub fn lengths(&self) -> &'a [u32] {
        self.lengths
    }

    /// The names, in their order. Ends early where the list is not well formed.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut rest = self.packed;
        self.lengths.iter().map_while(move |length| {
            let name;
            (name, rest) = rest.split_at_checked(*length as usize)?;
            Some(name)
        })
    }

    /// The name, if there is one and no more.
    pub fn only(&self) -> Option<&'a str> {
        (self.len() == 1).then_some(self.packed)
    }

    /// Whether lengths and names agree, as in every list that [`NameList::push`] made. In one that another process sent
    /// they may not.
    pub fn is_well_formed(&self) -> bool {
        let sum: u64 = self.lengths.iter().map(|length| u64::from(*length)).sum();
        sum == self.packed.len() as u64 && self.iter().count() == self.len()
    }

    /// Whether a message may be addressed to these names: at least one, none empty, none that breaks a line that names
    /// it, and no more than [`MAX_RECIPIENTS_BYTES`] with one byte between any two.
    pub fn may_be_recipients(&self) -> bool {
        !self.is_empty()
            && self.bytes() + self.len() - 1 <= MAX_RECIPIENTS_BYTES
            && self.is_well_formed()
            && self.iter().all(may_be_recipient)
    }
}

impl fmt::Debug for Names<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

fn length_of(name: &str) -> u32 {
    u32::try_from(name.len()).expect("a name is far shorter than 4 GiB")
}

/// Allocates no more than what really comes, whatever the list says of its own length.
fn read_lengths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Lengths, D::Error> {
    struct ReadLengths;
    impl<'de> Visitor<'de> for ReadLengths {
        type Value = Lengths;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("lengths of names")
        }

        fn visit_seq<Seq: SeqAccess<'de>>(self, mut seq: Seq) -> Result<Lengths, Seq::Error> {
            let announced = seq.size_hint().unwrap_or(0);
            let mut lengths = Lengths::with_capacity(announced.min(MAX_RESERVED_LENGTHS));
            while let Some(length) = seq.next_element()? {
                lengths.push(length);
            }
            Ok(lengths)
        }
    }
    deserializer.deserialize_seq(ReadLengths)
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
            let names = Names::of("aé", lengths);
            assert!(!names.is_well_formed(), "{lengths:?}");
        }
        let empty: NameList<'_> = ["a", ""].into_iter().collect();
        assert!(empty.is_well_formed() && !empty.may_be_recipients());
        assert!(!NameList::default().may_be_recipients());
    }

    #[test]
    fn recipients_have_limit_in_bytes() {
        let most = "x".repeat(MAX_RECIPIENTS_BYTES);
        assert!(NameList::one(&*most).may_be_recipients());
        assert!(!NameList::one(most.clone() + "x").may_be_recipients());
        let many = (0..MAX_RECIPIENTS_BYTES / 2).map(|_| "x");
        let mut many: NameList<'_> = many.collect();
        assert!(many.may_be_recipients());
        many.push("x");
        assert!(!many.may_be_recipients());
    }
}
