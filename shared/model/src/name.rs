//! Which names an account may have.

use crate::words::RESERVED;

/// Longest name a new account may have, in bytes.
pub const MAX_NEW_NAME_BYTES: usize = 32;

/// Whether a client may register this name: 1 to 32 ASCII letters, digits, `_`, `.` or `-`, and none of the
/// [`words`](crate::words) of a dialogue, in any case.
pub fn may_be_registered(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NEW_NAME_BYTES
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
        && !RESERVED.iter().any(|word| word.eq_ignore_ascii_case(name))
}

/// How the secret of a token begins.
pub const TOKEN_PREFIX: &str = "token-";

/// Whether a token may have this name: 1 to 16 of `a-z`, `0-9` and `-`, and not `-` alone.
pub fn may_be_token_name(name: &str) -> bool {
    (1..=16).contains(&name.len())
        && name != "-"
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether an account file may hold this name. Wider than [`may_be_registered`], for files of older
/// installations; narrow enough that a name can still be written in every command and answer.
pub fn may_stand_in_account_file(name: &str) -> bool {
    !name.is_empty()
        && !name.chars().any(|character| {
            character.is_whitespace()
                || character.is_control()
                || matches!(
                    character,
                    ',' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>'
                )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_may_be_registered() {
        for name in ["a", "foobar", "csee4119", "A.b-c_d", "0", &"x".repeat(32)] {
            assert!(may_be_registered(name), "{name}");
        }
        for name in [
            "",
            &"x".repeat(33),
            "two words",
            "a,b",
            "é",
            "(a)",
            "done",
            "DONE",
            "Timeout",
            "who",
            "tab\there",
        ] {
            assert!(!may_be_registered(name), "{name}");
        }
    }

    #[test]
    fn older_names_may_stand_in_file() {
        for name in ["José", "done", "a@b", &"x".repeat(100)] {
            assert!(may_stand_in_account_file(name), "{name}");
        }
        for name in ["", "a b", "a,b", "a\u{7f}", "<a", "a)", "a\u{a0}b"] {
            assert!(!may_stand_in_account_file(name), "{name}");
        }
    }
}
