//! Tokens: secrets that stand for passwords. Only their digests go further than this.

use blake2::{Blake2s256, Digest};
use chat_model::name::{TOKEN_PREFIX, may_be_token_name};

use crate::entry::{Action as Attempt, TokenDigest};

/// Longest secret of a token, in bytes.
const MAX_SECRET_BYTES: usize = 256;

/// Of a password that may be the secret of a token. Such secrets are long and random, so one round is enough.
pub(super) fn digest_of(password: &[u8]) -> Option<TokenDigest> {
    let is_token =
        password.starts_with(TOKEN_PREFIX.as_bytes()) && password.len() <= MAX_SECRET_BYTES;
    is_token.then(|| TokenDigest(Blake2s256::digest(password).into()))
}

/// A new token; `None` if no worker without a fault can have asked for it.
pub(super) fn new_token_action(name: &str, secret: &[u8]) -> Option<Attempt> {
    let digest = digest_of(secret).filter(|_| may_be_token_name(name))?;
    let name = name.to_owned();
    Some(Attempt::NewToken { name, digest })
}

/// No token of this name any more; `None` as above.
pub(super) fn drop_token_action(name: &str) -> Option<Attempt> {
    may_be_token_name(name).then(|| Attempt::DropToken {
        name: name.to_owned(),
    })
}
