//! Password hashing in the simulation.

use xxhash_rust::xxh3::xxh3_128;

/// A secret that looks like an old one, 40 hex digits; quick, and salted so that a stronger one differs.
pub(crate) fn secret(salt: u32, password: &[u8]) -> String {
    let salted = [&salt.to_le_bytes(), password].concat();
    format!("{salt:08x}{:032x}", xxh3_128(&salted))
}

pub(crate) fn is_right(stored: &str, password: &[u8]) -> bool {
    u32::from_str_radix(&stored[..8], 16).is_ok_and(|salt| secret(salt, password) == stored)
}
