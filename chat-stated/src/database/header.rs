//! The header of a SQLite database file: what of it must be as it was made. Pure.
//!
//! SQLite has no checksum over it, and reads many a wrong byte of it as another kind of file, or as none.

/// Bytes of the header.
pub(crate) const HEADER_BYTES: usize = 100;

/// What a header has to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WantedHeader {
    /// Bytes of a page; under 65,536.
    pub(crate) page_bytes: u16,
    /// SQLite's `application_id`.
    pub(crate) application_id: i32,
}

/// A field that never changes has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} (from byte {offset}) is wrong")]
pub(crate) struct WrongField {
    /// What the field says.
    field: &'static str,
    /// Where it begins.
    offset: usize,
}

impl WantedHeader {
    /// Compares a header with what it has to say.
    pub(crate) fn check(&self, header: &[u8; HEADER_BYTES]) -> Result<(), WrongField> {
        let application_id = self.application_id.to_be_bytes();
        let page_bytes = self.page_bytes.to_be_bytes();
        let fields: [(usize, &[u8], &str); 8] = [
            (0, b"SQLite format 3\0", "the name of the file format"),
            (16, &page_bytes, "the page size"),
            // Log for writing and reading, nothing reserved, fixed shares of a page.
            (18, &[2, 2, 0, 64, 32, 32], "the page format"),
            (44, &[0, 0, 0, 4], "the schema format"),
            (56, &[0, 0, 0, 1], "the text encoding"),
            (64, &[0, 0, 0, 1], "the vacuum mode"),
            (68, &application_id, "the application number"),
            (72, &[0; 20], "the space for later versions"),
        ];
        for (offset, wanted, field) in fields {
            if header[offset..offset + wanted.len()] != *wanted {
                return Err(WrongField { field, offset });
            }
        }
        Ok(())
    }
}

/// What a header says of SQLite's `user_version`.
pub(crate) fn version(header: &[u8; HEADER_BYTES]) -> i32 {
    i32::from_be_bytes([header[60], header[61], header[62], header[63]])
}
