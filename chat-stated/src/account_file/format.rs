//! The text of an account file: `name,secret` lines, of which the last of a name wins.

use std::collections::HashMap;

use chat_model::name::may_stand_in_account_file;
use chat_node::files::text_file::lines;
use thiserror::Error;

use crate::passwords::secret::{self, SecretFormError};

/// Longest line, in bytes without its end.
pub const MAX_LINE_BYTES: usize = 4096;
/// So many unreadable lines are kept for the log; the rest are only counted.
pub const MAX_UNREADABLE_KEPT: usize = 1000;

/// A line that cannot be read may still begin with a name of at most so many bytes.
const MAX_DOUBTFUL_NAME_BYTES: usize = 256;
/// So many of its beginnings are taken for possible names.
const MAX_BEGINNINGS: usize = 8;

/// UTF-8's.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What an account file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedAccounts {
    /// Names with their secrets, each name once, in the order in which the names first appear.
    pub accounts: Vec<(String, String)>,
    /// The first [`MAX_UNREADABLE_KEPT`] lines that could not be read.
    pub unreadable: Vec<UnreadableLine>,
    /// How many lines could not be read.
    pub unreadable_total: usize,
    /// Names that a kept unreadable line may begin with, and that line's number. No readable line of the name comes
    /// later.
    pub doubtful: HashMap<String, usize>,
}

/// A line that is neither account, comment nor blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableLine {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: LineError,
}

/// What is wrong with a line. Repeats nothing of the line, since there may be a password in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LineError {
    /// Over [`MAX_LINE_BYTES`].
    #[error("is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("is not UTF-8")]
    NotUtf8,
    /// No comma.
    #[error("has no comma between name and secret")]
    NoComma,
    /// A name that could not be written in every command.
    #[error("has an empty name, or one with white space, control characters or any of ()[]{{}}<>")]
    Name,
    /// A secret that no password could be verified against.
    #[error("has a secret that {0}")]
    Secret(#[from] SecretFormError),
}

/// Reads a whole file.
pub fn parse(bytes: &[u8]) -> ParsedAccounts {
    let mut parsed = ParsedAccounts::default();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (line, text) in (1..).zip(lines(bytes)) {
        match parse_line(text) {
            Ok(Some((name, secret))) => {
                parsed.doubtful.remove(name);
                let place = *places.entry(name).or_insert(parsed.accounts.len());
                match parsed.accounts.get_mut(place) {
                    Some(account) => account.1 = secret.to_owned(),
                    None => parsed.accounts.push((name.to_owned(), secret.to_owned())),
                }
            }
            Ok(None) => {}
            Err(reason) => {
                parsed.unreadable_total += 1;
                if parsed.unreadable.len() < MAX_UNREADABLE_KEPT {
                    parsed.unreadable.push(UnreadableLine { line, reason });
                    let names = possible_names(text);
                    parsed.doubtful.extend(names.map(|name| (name, line)));
                }
            }
        }
    }
    parsed
}

/// The line of an account, with its end.
pub fn line(name: &str, secret: &str) -> String {
    format!("{name},{secret}\n")
}

/// Name and secret; nothing for a comment or a blank line.
pub(super) fn parse_line(bytes: &[u8]) -> Result<Option<(&str, &str)>, LineError> {
    let mut bytes = bytes.trim_ascii();
    // Some editors put one before the first line; files that were joined have them in the middle.
    while let Some(rest) = bytes.strip_prefix(BYTE_ORDER_MARK) {
        bytes = rest.trim_ascii_start();
    }
    if bytes.is_empty() || bytes.starts_with(b"#") {
        return Ok(None);
    }
    if bytes.len() > MAX_LINE_BYTES {
        return Err(LineError::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| LineError::NotUtf8)?;
    let (name, secret) = text.split_once(',').ok_or(LineError::NoComma)?;
    if !may_stand_in_account_file(name) {
        return Err(LineError::Name);
    }
    secret::check_form(secret)?;
    Ok(Some((name, secret)))
}

/// Whose an unreadable line may be: what it begins with, up to anything that people put between name and secret. Bytes
/// that are no UTF-8 are taken for Latin-1, and zero bytes are passed over, as UTF-16 has them.
fn possible_names(line: &[u8]) -> impl Iterator<Item = String> {
    let line: Vec<u8> = line.iter().copied().filter(|byte| *byte != 0).collect();
    let line = line.trim_ascii();
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    let line = line.trim_ascii_start();
    let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'');
    let quotes = line.iter().take_while(|byte| is_quote(byte)).count();
    let line = &line[quotes..];
    let longest = line.len().min(MAX_DOUBTFUL_NAME_BYTES + 1);
    let is_separator = |byte: &u8| is_quote(byte) || b",:;=| \t".contains(byte);
    let mut ends: Vec<usize> = (1..longest).filter(|at| is_separator(&line[*at])).collect();
    if line.len() <= MAX_DOUBTFUL_NAME_BYTES {
        ends.push(line.len());
    }
    ends.truncate(MAX_BEGINNINGS);
    let names: Vec<String> = ends.iter().map(|end| as_text(&line[..*end])).collect();
    names.into_iter()
}

fn as_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SHA1: &str = "53649f6e45138ef119c955d04bf042562f6e2946";
    const OTHER_SHA1: &str = "3cbf2c628de96e8e46ab4e44d4ddf2c4d1eccddb";
    const ARGON2: &str =
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";

    fn accounts(text: &str) -> Vec<(String, String)> {
        let parsed = parse(text.as_bytes());
        assert_eq!(parsed.unreadable, []);
        parsed.accounts
    }

    fn account(name: &str, secret: &str) -> (String, String) {
        (name.to_owned(), secret.to_owned())
    }

    #[test]
    fn file_of_every_kind_of_line() {
        let text = format!(
            "# comment, with a comma\r\n\nfoobar,{SHA1}\r\n  \t\nJosé@old,{ARGON2}\n  # indented\ndone,{}",
            SHA1.to_uppercase()
        );
        assert_eq!(
            accounts(&text),
            [
                account("foobar", SHA1),
                account("José@old", ARGON2),
                account("done", &SHA1.to_uppercase())
            ]
        );
        assert_eq!(accounts(""), []);
        assert_eq!(
            accounts(&format!("\u{feff}a,{SHA1} \n")),
            [account("a", SHA1)]
        );
    }

    /// Found by fuzzing: such a mark was a part of the name, until the account stood first in a file made new.
    #[test]
    fn byte_order_mark_is_not_in_names() {
        let text =
            format!("a,{SHA1}\n\u{feff}a,{OTHER_SHA1}\n \u{feff}\u{feff}b,{SHA1}\n\u{feff}# c\n");
        assert_eq!(
            accounts(&text),
            [account("a", OTHER_SHA1), account("b", SHA1)]
        );
    }

    #[test]
    fn last_line_of_name_wins() {
        let text = format!("a,{SHA1}\nb,{SHA1}\na,{OTHER_SHA1}\nA,{SHA1}\na,{ARGON2}\n");
        assert_eq!(
            accounts(&text),
            [account("a", ARGON2), account("b", SHA1), account("A", SHA1)]
        );
    }

    #[test]
    fn unreadable_lines_are_named_and_skipped() {
        let long_name = "x".repeat(MAX_LINE_BYTES);
        let mut text =
            format!("a,{SHA1}\nno comma\nb,{SHA1} # trailing\n,{SHA1}\na b,{SHA1}\nb,\n");
        text += &format!("{long_name},{SHA1}\nb, {SHA1}\na,secret\n");
        let mut bytes = text.into_bytes();
        bytes.extend(b"\xff,53649f6e45138ef119c955d04bf042562f6e2946\nz,");
        bytes.extend(SHA1.as_bytes());
        let parsed = parse(&bytes);
        assert_eq!(parsed.accounts, [account("a", SHA1), account("z", SHA1)]);
        assert_eq!(parsed.unreadable_total, 9);
        let unknown = LineError::Secret(SecretFormError::Unknown);
        let expected = [
            (2, LineError::NoComma),
            (3, unknown.clone()),
            (4, LineError::Name),
            (5, LineError::Name),
            (6, unknown.clone()),
            (7, LineError::TooLong),
            (8, unknown.clone()),
            (9, unknown),
            (10, LineError::NotUtf8),
        ];
        let expected = expected.map(|(line, reason)| UnreadableLine { line, reason });
        assert_eq!(parsed.unreadable, expected);
    }

    #[test]
    fn each_kind_of_line_end_is_one() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("\u{feff}a,{SHA1}{end}b,{SHA1} \t{end}{end}nothing{end}c,{SHA1}");
            let parsed = parse(text.as_bytes());
            let names: Vec<&str> = parsed.accounts.iter().map(|(name, _)| &**name).collect();
            assert_eq!(names, ["a", "b", "c"], "{end:?}");
            let lines: Vec<usize> = parsed.unreadable.iter().map(|it| it.line).collect();
            assert_eq!(lines, [4], "{end:?}");
        }
    }

    #[test]
    fn unreadable_lines_name_whose_they_may_be() {
        let doubtful = |text: &[u8]| parse(text).doubtful;
        for text in [
            format!("bob:{SHA1}"),
            format!("bob {SHA1}"),
            format!("\"bob\",\"{SHA1}\""),
            "bob,hunter2".to_owned(),
            "bob".to_owned(),
            format!("\u{feff}bob;{SHA1}"),
            format!("a,{SHA1}\rbob:{SHA1}"),
        ] {
            assert!(doubtful(text.as_bytes()).contains_key("bob"), "{text}");
        }
        let latin = [b"Jos\xe9,", SHA1.as_bytes()].concat();
        assert_eq!(doubtful(&latin).get("José"), Some(&1));
        let utf16: Vec<u8> = format!("a,{SHA1}\n").into_bytes();
        let utf16 = [utf16, b"b\0o\0b\0,\0x\0".to_vec()].concat();
        assert_eq!(doubtful(&utf16).get("bob"), Some(&2));
        // A later line that can be read tells.
        let text = format!("bob:{SHA1}\nbob,{SHA1}\n# carol:{SHA1}\n");
        let left = doubtful(text.as_bytes());
        assert!(!left.contains_key("bob") && !left.contains_key("carol"));
    }

    #[test]
    fn file_full_of_rubbish_takes_no_memory() {
        let parsed = parse("rubbish\n".repeat(5 * MAX_UNREADABLE_KEPT).as_bytes());
        assert_eq!(parsed.unreadable.len(), MAX_UNREADABLE_KEPT);
        assert_eq!(parsed.unreadable_total, 5 * MAX_UNREADABLE_KEPT);
        assert_eq!(parsed.accounts, []);
    }

    #[test]
    fn error_repeats_nothing_of_its_line() {
        for text in ["bob,hunter2", "bob hunter2", "hunter2 x,y", "bob,$hunter2"] {
            let parsed = parse(text.as_bytes());
            let reason = &parsed.unreadable[0].reason;
            let said = format!("{reason} {reason:?}");
            assert!(!said.contains("hunter2") && !said.contains("bob"), "{said}");
        }
    }

    fn secret() -> impl Strategy<Value = String> {
        prop_oneof!["[0-9a-fA-F]{40}", Just(ARGON2.to_owned())]
    }

    fn name() -> impl Strategy<Value = String> {
        "[^#\\PC \u{feff},()\\[\\]{}<>]\\PC{0,6}"
            .prop_filter("allowed", |name| may_stand_in_account_file(name))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(written in proptest::collection::vec((name(), secret()), 0..40)) {
            let text: String = written.iter().map(|(name, secret)| line(name, secret)).collect();
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(parsed.unreadable_total, 0);
            let read: BTreeMap<_, _> = parsed.accounts.iter().cloned().collect();
            prop_assert_eq!(read.len(), parsed.accounts.len());
            prop_assert_eq!(read, written.into_iter().collect::<BTreeMap<_, _>>());
        }

        /// Whatever the bytes: each line is an account, a comment, blank, or counted as unreadable.
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(
            prop_oneof![Just(b'\n'), Just(b','), Just(b'#'), any::<u8>()],
            0..400,
        )) {
            let parsed = parse(&bytes);
            let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).count();
            prop_assert!(parsed.accounts.len() + parsed.unreadable_total <= lines);
            prop_assert!(parsed.unreadable.iter().all(|unreadable| (1..=lines).contains(&unreadable.line)));
        }
    }
}
