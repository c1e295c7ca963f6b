//! Tokens of users: what stands for a password at their logins.

use chat_model::{AccountId, NameList, Outcome};

use super::State;
use super::effects::Effects;
use super::quota::{ExceededQuota, QuotaLimit};
use super::token::{TOKEN_BYTES, Token};
use crate::entry::TokenDigest;

/// Tokens of one account.
const MOST_TOKENS: usize = 16;

/// The change is on disk.
const DONE: Outcome<'static> = Outcome::Stored {
    unknown: NameList::new(),
};

impl State {
    /// Whether a token with this digest stands for the password of an account.
    pub fn has_token(&self, account: AccountId, digest: &TokenDigest) -> bool {
        let tokens = self.tokens.get(account).into_iter().flatten();
        tokens.into_iter().any(|token| token.digest == *digest)
    }

    /// Names of an account's tokens, sorted.
    pub fn token_names(&self, account: AccountId) -> NameList<'static> {
        let tokens = self.tokens.get(account).into_iter().flatten();
        tokens.map(|token| &*token.name).collect()
    }

    /// How many tokens an account has.
    pub(super) fn token_count(&self, account: AccountId) -> usize {
        self.tokens.get(account).map_or(0, Vec::len)
    }

    pub(super) fn new_token(
        &mut self,
        account: AccountId,
        name: &str,
        digest: TokenDigest,
        effects: &mut Effects,
    ) -> Outcome<'static> {
        let tokens = self.tokens.get(account).map_or(&[][..], |tokens| tokens);
        let place = match tokens.binary_search_by(|token| (*token.name).cmp(name)) {
            Ok(_) => return Outcome::NameUnavailable,
            Err(_) if tokens.len() >= MOST_TOKENS => {
                effects.exceeded = Some(ExceededQuota {
                    limit: QuotaLimit::Tokens,
                    queue: None,
                });
                return Outcome::QueueFull;
            }
            Err(place) => place,
        };
        let waiting = &self.messages.waiting_bytes;
        if let Some(refusal) = waiting.refusal(account, TOKEN_BYTES, 0, &self.waiting_limits) {
            effects.exceeded = refusal.exceeded();
            return refusal.outcome();
        }
        self.messages.waiting_bytes.add(account, TOKEN_BYTES);
        let name = name.into();
        let token = Token { name, digest };
        self.tokens.change(account).insert(place, token);
        DONE
    }

    pub(super) fn drop_token(&mut self, account: AccountId, name: &str) -> Outcome<'static> {
        let tokens = self.tokens.get(account).map_or(&[][..], |tokens| tokens);
        let Ok(place) = tokens.binary_search_by(|token| (*token.name).cmp(name)) else {
            return Outcome::NameUnavailable;
        };
        if tokens.len() == 1 {
            self.drop_tokens_of(account);
            return DONE;
        }
        self.tokens.change(account).remove(place);
        self.messages.waiting_bytes.remove(account, TOKEN_BYTES);
        DONE
    }

    /// No token stands for the password of an account any more.
    pub(super) fn drop_tokens_of(&mut self, account: AccountId) {
        let tokens = self.tokens.remove(account).unwrap_or_default();
        let bytes = tokens.len() as u64 * TOKEN_BYTES;
        if bytes > 0 {
            self.messages.waiting_bytes.remove(account, bytes);
        }
    }
}
