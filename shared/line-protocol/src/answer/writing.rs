//! Answers as the server writes them.

use chat_model::{Message, NameList, Outcome};

use super::asked::ServerLimits;
use crate::server::{MessageLines, append_line};
use crate::words;

/// What works, in the words of `features`.
const FEATURES: &str = "push ids to sessions tokens rooms history search once passwd";

/// Writes what came of a changed password. Returns false if it cannot have this outcome.
pub(super) fn answer_password_change(outcome: &Outcome<'_>, output: &mut Vec<u8>) -> bool {
    match outcome {
        Outcome::Stored { .. } => append_named(words::PASSWD, b"", output),
        Outcome::PasswordNeeded => append_line(words::PASSWD_WRONG, output),
        Outcome::Locked { seconds_left } => append_line(&seconds_left.to_string(), output),
        Outcome::DiskFull => append_refusal(words::FULL, words::PASSWD, output),
        other => {
            append_refusal(words::BUSY, words::PASSWD, output);
            return *other == Outcome::Busy;
        }
    }
    true
}

pub(super) fn append_features(limits: ServerLimits, output: &mut Vec<u8>) {
    let ServerLimits {
        time_out_s,
        max_line_bytes,
    } = limits;
    let word = words::FEATURES;
    let line = format!("{word}:time_out={time_out_s} line={max_line_bytes} {FEATURES}");
    append_line(&line, output);
}

/// Writes `WORD:` and what follows it, with an end if it has none.
pub(super) fn append_named(word: &str, rest: &[u8], output: &mut Vec<u8>) {
    output.extend_from_slice(word.as_bytes());
    output.push(b':');
    output.extend_from_slice(rest.strip_suffix(b"\n").unwrap_or(rest));
    output.push(b'\n');
}

/// Names with commas between, which no account has.
pub(super) fn append_unknown(unknown: &NameList<'_>, output: &mut Vec<u8>) {
    output.extend_from_slice(words::SEND.as_bytes());
    for (index, name) in unknown.iter().enumerate() {
        output.push(if index == 0 { b':' } else { b',' });
        output.extend_from_slice(name.as_bytes());
    }
    output.push(b'\n');
}

/// Writes the sessions of a user: a star stands before those that are online.
pub(super) fn append_sessions(online: &NameList<'_>, offline: &NameList<'_>, output: &mut Vec<u8>) {
    output.extend_from_slice(words::SESSIONS.as_bytes());
    output.push(b':');
    let online = online.iter().map(|name| ("*", name));
    let sessions = online.chain(offline.iter().map(|name| ("", name)));
    for (index, (star, name)) in sessions.enumerate() {
        for part in [if index > 0 { " " } else { "" }, star, name] {
            output.extend_from_slice(part.as_bytes());
        }
    }
    output.push(b'\n');
}

/// Writes `error:KIND:WORD`.
pub fn append_refusal(kind: &str, word: &str, output: &mut Vec<u8>) {
    for part in [words::ERROR, ":", kind, ":", word, "\n"] {
        output.extend_from_slice(part.as_bytes());
    }
}

/// The line of names of users that answers `who` and `last`, with its end.
pub fn users_line(names: &NameList<'_>) -> Vec<u8> {
    let mut line = Vec::with_capacity(names.bytes() + names.len().max(1));
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            line.push(b' ');
        }
        line.extend_from_slice(name.as_bytes());
    }
    line.push(b'\n');
    line
}

/// The lines that answer `history` or `search`, with their ends: how many there are, and the messages.
pub fn kept_lines(messages: &[Message<'_>], is_search: bool, has_more: bool) -> Vec<u8> {
    let word = match is_search {
        true => words::SEARCH,
        false => words::HISTORY,
    };
    let more = if is_search && has_more { "+" } else { "" };
    let mut lines = format!("{word}:{}{more}\n", messages.len()).into_bytes();
    let mut writer = MessageLines::default();
    for message in messages {
        writer.append_kept(&mut lines, message);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_stand_on_one_line() {
        assert_eq!(users_line(&["a", "b"].into_iter().collect()), b"a b\n");
        assert_eq!(users_line(&NameList::default()), b"\n");
    }
}
