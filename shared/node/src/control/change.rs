//! What an operator's tool can change in the state. Each change stands in the journal before it is answered.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::protocol::one_word;

/// A change of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// Ends blocks that wrong passwords began: all, or those of an account, of an address, or of both.
    LiftBlocks {
        /// The account.
        name: Option<String>,
        /// The address.
        address: Option<IpAddr>,
    },
    /// Makes an account.
    AddAccount {
        /// Its name.
        name: String,
        /// Its password.
        password: TypedPassword,
    },
    /// Makes an account with the password that its user has elsewhere.
    ImportAccount {
        /// Its name.
        name: String,
        /// What a line of the account file has behind the name.
        hash: TypedPassword,
    },
    /// Gives an account another password, enables it, and ends its session.
    SetPassword {
        /// The account.
        name: String,
        /// Its new password.
        password: TypedPassword,
    },
    /// Lets nobody log in, and ends the session of the account.
    DisableAccount {
        /// The account.
        name: String,
    },
    /// Disables an account, gives up what waits for it, and removes its password. The name stays taken.
    ForgetAccount {
        /// The account.
        name: String,
    },
    /// Sends a broadcast in the name of an account.
    Announce {
        /// The account.
        sender: String,
        /// The text.
        text: String,
    },
    /// Lets the user of a disabled account log in again, with the password of before.
    EnableAccount {
        /// The account.
        name: String,
    },
    /// Ends a room, whoever owns it. Its members are told.
    DropRoom {
        /// Its name, with its mark.
        room: String,
    },
    /// Sets for how many days the history of a room is kept. Its members are told.
    SetRoomRetention {
        /// Its name, with its mark.
        room: String,
        /// At least 1.
        days: u32,
    },
    /// Lets a token stand for the password of an account no longer. Its sessions go on.
    DropToken {
        /// The account.
        name: String,
        /// The name of the token.
        token: String,
    },
}

/// A password on its way to where it is hashed, or a hash: hex digits, which need no escapes that would leave copies.
/// Wiped when dropped; never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TypedPassword(String);

impl TypedPassword {
    /// Of the bytes that were typed.
    pub fn of(bytes: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            hex.push(char::from(DIGITS[usize::from(byte >> 4)]));
            hex.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        Self(hex)
    }

    /// The bytes that were typed; nothing if it is no password.
    pub fn bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.0.len() / 2));
        for digits in self.0.as_bytes().chunks(2) {
            let [high, low] = *digits else {
                return None;
            };
            let value = |digit: u8| char::from(digit).to_digit(16);
            bytes.push(u8::try_from(value(high)? << 4 | value(low)?).ok()?);
        }
        Some(bytes)
    }
}

impl Drop for TypedPassword {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for TypedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedPassword(..)")
    }
}

impl Change {
    /// What stands in the security log.
    pub(super) fn act(&self) -> String {
        match self {
            Self::LiftBlocks { name, address } => {
                let mut act = "event=blocks-lift".to_owned();
                if let Some(name) = name {
                    act += &format!(" user={}", one_word(name));
                }
                if let Some(address) = address {
                    act += &format!(" source={address}");
                }
                act
            }
            Self::AddAccount { name, .. } => of_user("account-add", name),
            Self::ImportAccount { name, .. } => of_user("account-import", name),
            Self::SetPassword { name, .. } => of_user("account-passwd", name),
            Self::DisableAccount { name } => of_user("account-disable", name),
            Self::EnableAccount { name } => of_user("account-enable", name),
            Self::ForgetAccount { name } => of_user("account-forget", name),
            Self::Announce { sender, .. } => of_user("announce", sender),
            Self::DropRoom { room } => format!("event=room-drop room={}", one_word(room)),
            Self::SetRoomRetention { room, days } => {
                format!("event=room-retention room={} days={days}", one_word(room))
            }
            Self::DropToken { name, token } => {
                of_user("token-drop", name) + &format!(" token={}", one_word(token))
            }
        }
    }
}

fn of_user(event: &str, name: &str) -> String {
    format!("event={event} user={}", one_word(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_arrives_and_is_not_printed() {
        let password = TypedPassword::of(b"tu\"lip\xff\0");
        let change = Change::AddAccount {
            name: "ann".to_owned(),
            password,
        };
        let line = serde_json::to_vec(&change).unwrap();
        let arrived: Change = serde_json::from_slice(&line).unwrap();
        assert_eq!(arrived, change);
        let printed = format!("{arrived:?} {}", arrived.act());
        assert!(
            !printed.contains("tu") && !printed.contains("7475"),
            "{printed}"
        );
        let Change::AddAccount { password, .. } = arrived else {
            panic!("another change");
        };
        assert_eq!(password.bytes().unwrap().as_slice(), b"tu\"lip\xff\0");
        for broken in ["\"7\"", "\"7g\""] {
            let broken: TypedPassword = serde_json::from_str(broken).unwrap();
            assert_eq!(broken.bytes(), None);
        }
    }
}
