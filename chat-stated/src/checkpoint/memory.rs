//! A checkpoint without a disk, for simulations and tests.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::Change;
use crate::text_page::{self, TEXT_TABLE, TextError, TextPlace, Texts};

/// The records of the current checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryCheckpoint {
    /// By table and key.
    pub records: BTreeMap<(u8, u64), Vec<u8>>,
}

impl MemoryCheckpoint {
    /// Makes the next checkpoint current. Nothing is changed if texts that it needs are not where they must be.
    pub fn write(&mut self, changes: &[Change]) -> Result<(), TextError<Infallible>> {
        let mut contents = Vec::new();
        for change in changes {
            let content = change.value.as_ref();
            let content = content.map(|content| content.encode(|page| self.read_page(page)));
            contents.push(content.transpose()?.map(|content| content.into_owned()));
        }
        for (change, content) in changes.iter().zip(contents) {
            let key = (change.table, change.key);
            match content {
                Some(content) => self.records.insert(key, content),
                None => self.records.remove(&key),
            };
        }
        Ok(())
    }

    /// All records.
    pub fn records(&self) -> impl Iterator<Item = (u8, u64, Vec<u8>)> {
        self.records
            .iter()
            .map(|((table, key), content)| (*table, *key, content.clone()))
    }

    /// As [`super::CheckpointReader::read_texts`].
    pub fn read_texts(&self, places: &[TextPlace]) -> Result<Texts, TextError<Infallible>> {
        text_page::find(places, |page| self.read_page(page))
    }

    fn read_page(&self, page: u64) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.records.get(&(TEXT_TABLE, page)).cloned())
    }
}
