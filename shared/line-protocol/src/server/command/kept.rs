//! Questions about the history.

use std::borrow::Cow;

use chat_model::room::{is_of_room, may_be_room};
use chat_model::{HistorySpan, MessageNumber, Request, text};

use super::Intent;
use super::word::{is_white, number, split_word, trim};

/// Messages that `history` gives if no number is named, and at most.
const USUAL_COUNT: u16 = 50;
const MAX_COUNT: u16 = 1_000;

/// A user, or a room of a name that a room may have.
fn kept_of(word: &[u8]) -> Option<Cow<'_, str>> {
    let of = text::clean(word);
    (!is_of_room(&of) || may_be_room(&of)).then_some(of)
}

/// `#ROOM|USER [N] [before NUMBER|after NUMBER]`.
pub(super) fn parse_history(rest: &[u8]) -> Option<Intent<'_>> {
    let mut words = rest
        .split(|byte| is_white(*byte))
        .filter(|word| !word.is_empty());
    let of = kept_of(words.next()?)?;
    let mut next = words.next();
    let mut count = USUAL_COUNT;
    if let Some(asked) = next.and_then(number) {
        count = u16::try_from(asked).unwrap_or(MAX_COUNT).min(MAX_COUNT);
        next = words.next();
    }
    let span = match next {
        None => HistorySpan::Newest,
        Some(b"before") => HistorySpan::Before(MessageNumber(number(words.next()?)?)),
        Some(b"after") => HistorySpan::After(MessageNumber(number(words.next()?)?)),
        Some(_) => return None,
    };
    let is_right = count > 0 && words.next().is_none();
    is_right.then_some(Intent::Request(Request::History { of, span, count }))
}

/// `#ROOM|USER|* WORDS`.
pub(super) fn parse_search(rest: &[u8]) -> Option<Intent<'_>> {
    let (of, words) = split_word(rest);
    let words = trim(words);
    if words.is_empty() {
        return None;
    }
    let of = match of {
        b"*" => None,
        of => Some(kept_of(of)?),
    };
    let words = text::clean(words);
    Some(Intent::Request(Request::Search { of, words }))
}
