//! A password on its way from a person to its hash.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// The bytes a client typed, as they are. Wiped when dropped, if they are its own; never printed.
#[derive(Clone)]
pub struct Password<'a>(Bytes<'a>);

#[derive(Clone)]
enum Bytes<'a> {
    /// In a buffer whose owner wipes it.
    Borrowed(&'a [u8]),
    Owned(Zeroizing<Vec<u8>>),
}

impl<'a> Password<'a> {
    /// The bytes themselves.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Borrowed(bytes) => bytes,
            Bytes::Owned(bytes) => bytes,
        }
    }

    /// A password in a buffer that its owner wipes.
    pub fn borrowed(bytes: &'a [u8]) -> Self {
        Self(Bytes::Borrowed(bytes))
    }

    /// The same with bytes of its own.
    pub fn into_owned(self) -> Password<'static> {
        match self.0 {
            Bytes::Borrowed(bytes) => bytes.into(),
            Bytes::Owned(bytes) => Password(Bytes::Owned(bytes)),
        }
    }
}

impl std::ops::Deref for Password<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Password<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Password<'_> {}

impl From<Vec<u8>> for Password<'static> {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Bytes::Owned(Zeroizing::new(bytes)))
    }
}

impl From<&[u8]> for Password<'static> {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl fmt::Debug for Password<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(..)")
    }
}

impl Serialize for Password<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.as_bytes())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Password<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'de [u8]>::deserialize(deserializer).map(Self::borrowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_never_printed() {
        let password = Password::from(b"seemsez".as_slice());
        assert_eq!(format!("{password:?}"), "Password(..)");
    }
}
