//! The user's tokens and sessions.

use chat_model::name::may_be_token_name;
use chat_model::{Request, SessionName};

use super::Intent;
use super::word::{split_word, trim};

/// What follows `token`.
pub(super) fn parse_token(rest: &[u8]) -> Option<Intent<'_>> {
    let (word, name) = split_word(rest);
    let name = str::from_utf8(trim(name)).ok();
    let name = name.filter(|name| may_be_token_name(name))?;
    match word {
        b"new" => Some(Intent::NewToken(name)),
        b"drop" => Some(Intent::Request(Request::DropToken { name: name.into() })),
        _ => None,
    }
}

/// What follows `sessions`: nothing, `drop`, or `drop NAME`.
pub(super) fn parse_sessions(rest: &[u8]) -> Option<Intent<'_>> {
    let (word, name) = split_word(rest);
    let request = match (word, trim(name)) {
        (b"", _) => Request::ListSessions,
        (b"drop", b"") => Request::DropSession { name: None },
        (b"drop", name) => {
            let name = std::str::from_utf8(name).ok()?;
            SessionName::parse(name)?;
            let name = Some(name.into());
            Request::DropSession { name }
        }
        _ => return None,
    };
    Some(Intent::Request(request))
}
