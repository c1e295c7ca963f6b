//! Records of checkpoints.

use serde::{Deserialize, Serialize};

use crate::entry::{OnceId, TokenDigest};
use crate::records::encoding::{decode, decode_first, encode_behind};
use crate::state::parts::{self, StateMs};

/// What came of a message that was sent once.
#[derive(Serialize, Deserialize)]
struct RememberedSend<'a> {
    id: [u8; 16],
    at: u64,
    #[serde(borrow)]
    unknown: Vec<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct Token<'a> {
    name: &'a str,
    digest: [u8; 32],
}

/// Writes down the tokens of an account.
pub(crate) fn encode_tokens(bytes: &mut Vec<u8>, tokens: &[parts::Token]) {
    let records = tokens.iter().map(|token| Token {
        name: &token.name,
        digest: token.digest.0,
    });
    encode_behind(bytes, &records.collect::<Vec<_>>());
}

/// Such tokens; nothing if they cannot be read.
pub(crate) fn decode_tokens(bytes: &[u8]) -> Option<Vec<parts::Token>> {
    let records: Vec<Token<'_>> = decode(bytes)?;
    let tokens = records.into_iter().map(|record| parts::Token {
        name: record.name.into(),
        digest: TokenDigest(record.digest),
    });
    Some(tokens.collect())
}

/// Writes down messages that a user sent once.
pub(crate) fn encode_once_page(bytes: &mut Vec<u8>, page: &parts::OncePage) {
    encode_behind(bytes, &(page.len() as u64));
    for send in page {
        let unknown = send.unknown.iter().flat_map(|names| names.iter());
        let record = RememberedSend {
            id: send.id.0,
            at: send.at.0,
            unknown: unknown.collect(),
        };
        encode_behind(bytes, &record);
    }
}

/// Such messages; nothing if they cannot be read.
pub(crate) fn decode_once_page(bytes: &[u8]) -> Option<parts::OncePage> {
    let mut rest = bytes;
    let count: u64 = decode_first(&mut rest)?;
    let mut page = Vec::new();
    for _ in 0..count {
        let record: RememberedSend<'_> = decode_first(&mut rest)?;
        let is_for_all = record.unknown.is_empty();
        page.push(parts::RememberedSend {
            id: OnceId(record.id),
            at: StateMs(record.at),
            unknown: (!is_for_all).then(|| Box::new(record.unknown.into_iter().collect())),
        });
    }
    rest.is_empty().then_some(page)
}
