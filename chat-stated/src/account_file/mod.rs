//! The account file.
