//! Reading single records while the writer works.

use super::store::{find_texts, read_header, read_record};
use crate::database::{Database, StorageError};
use crate::text_page::{DamagedTexts, ReadTexts, TextPlace, Texts};

/// A connection of its own to the checkpoint's file, for one thread.
#[derive(Debug)]
pub struct CheckpointReader {
    database: Database,
}

impl CheckpointReader {
    pub(super) fn new(database: Database) -> Self {
        Self { database }
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// The content of a record in the checkpoint that is current now, if it is in it.
    pub fn read(&self, table: u8, key: u64) -> Result<Option<Vec<u8>>, StorageError> {
        self.in_snapshot(|generation| read_record(&self.database, table, key, generation))
    }

    /// Texts of messages, as they are in the checkpoint that is current now. Those whose page is not in it are left
    /// out. The caller bounds their number.
    pub fn read_texts(&self, places: &[TextPlace]) -> Result<Texts, StorageError> {
        self.in_snapshot(|generation| find_texts(&self.database, generation, places))
    }

    /// The same, but for what is damaged: texts whose page is, are left out, and the pages are named. Damage that
    /// concerns more than pages of texts is an error.
    pub fn read_whole_texts(&self, places: &[TextPlace]) -> Result<ReadTexts, StorageError> {
        match self.read_texts(places) {
            Err(StorageError::Damaged { .. }) => {}
            result => {
                return result.map(|texts| ReadTexts {
                    texts,
                    damaged: Vec::new(),
                });
            }
        }
        let mut places = places.to_vec();
        places.sort_unstable_by_key(|place| (place.page, place.moved_to));
        self.in_snapshot(|generation| {
            let mut read = ReadTexts::default();
            for together in places.chunk_by(TextPlace::lies_with) {
                match find_texts(&self.database, generation, together) {
                    Ok(mut texts) => read.texts.append(&mut texts),
                    Err(error @ StorageError::Damaged { .. }) => read.damaged.push(DamagedTexts {
                        numbers: together.iter().map(|place| place.number).collect(),
                        error: error.to_string(),
                    }),
                    Err(error) => return Err(error),
                }
            }
            Ok(read)
        })
    }

    /// In one transaction, so that no other checkpoint becomes current meanwhile.
    fn in_snapshot<T>(
        &self,
        read: impl FnOnce(u64) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.execute("BEGIN")?;
        let result = read_header(&self.database).and_then(|header| read(header.generation));
        self.execute("COMMIT")?;
        result
    }

    fn execute(&self, sql: &str) -> Result<(), StorageError> {
        self.database
            .connection
            .execute_batch(sql)
            .map_err(StorageError::sqlite("read", self.database.file()))
    }
}
