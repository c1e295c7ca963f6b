//! What an account keeps of its password: an argon2id PHC string, or, from older files, SHA-1 in hex.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Version};
use sha1::{Digest, Sha1};
use thiserror::Error;
use zeroize::Zeroize;

use super::cost::{HashingCost, HashingCostError};

/// Longest secret, in bytes. A usual one has about 100.
pub const MAX_SECRET_BYTES: usize = 512;
/// Random bytes in a new secret, so that equal passwords have different secrets.
pub const SALT_BYTES: usize = 16;
/// Bytes of hash in a new secret.
pub const OUTPUT_BYTES: usize = 32;
/// Least bytes of hash in a secret that is accepted: fewer could be guessed right.
pub const MIN_OUTPUT_BYTES: usize = 16;

const SHA1_HEX_DIGITS: usize = 40;

/// Why a string is not a secret. Repeats nothing of it but numbers, since it may be a password in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SecretFormError {
    /// Neither of the two kinds.
    #[error("is neither a PHC string ($argon2id$...) nor 40 hex digits of SHA-1")]
    Unknown,
    /// Over [`MAX_SECRET_BYTES`].
    #[error("has {0} bytes: more than {MAX_SECRET_BYTES}")]
    TooLong(usize),
    /// A PHC string that is not well-formed.
    #[error("is not a well-formed PHC string")]
    Malformed,
    /// A PHC string of another algorithm.
    #[error("is of another algorithm: only argon2id is known")]
    Algorithm,
    /// A version of argon2 other than the one that brought argon2id. No version stands for the first, 16.
    #[error("is of argon2 version {0}: only 19 is known")]
    Version(u32),
    /// m, t or p is missing or no number.
    #[error("lacks a number for the parameter {0}")]
    NoParameter(&'static str),
    /// Another parameter than m, t and p.
    #[error("has another parameter than m, t and p")]
    UnknownParameter,
    /// It would take too long or too much to verify.
    #[error("has a cost out of bounds: {0}")]
    Cost(#[from] HashingCostError),
    /// Its salt or hash is missing.
    #[error("has no salt, or no hash")]
    Incomplete,
    /// Its hash is shorter than [`MIN_OUTPUT_BYTES`].
    #[error("has a hash of {0} bytes: fewer than {MIN_OUTPUT_BYTES}")]
    ShortOutput(usize),
}

/// Why a password could not be hashed. Says nothing about whether it is right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HashingError {
    /// The secret is none; [`check_form`] would have said so.
    #[error("cannot verify a password: the account's secret {0}")]
    Secret(#[from] SecretFormError),
    /// The system has no memory for it.
    #[error("cannot hash a password: no memory for {0} KiB")]
    NoMemory(u32),
    /// The system gave no random numbers.
    #[error("cannot hash a password: no random salt: {0}")]
    NoSalt(String),
    /// The hash function refused its parameters.
    #[error("cannot hash a password: {0}")]
    Argon2(String),
}

/// Memory for argon2, kept from one hash to the next: mapping it anew for each takes half as long again.
#[derive(Default)]
pub struct HashingMemory {
    blocks: Vec<Block>,
}

impl HashingMemory {
    /// How much is held, in KiB.
    pub fn held_kib(&self) -> usize {
        self.blocks.len()
    }

    /// Wipes it and gives it back to the system.
    pub fn release(&mut self) {
        self.blocks.zeroize();
        self.blocks = Vec::new();
    }

    fn blocks(&mut self, memory_kib: u32) -> Result<&mut [Block], HashingError> {
        let wanted = memory_kib as usize;
        if let Some(missing) = wanted.checked_sub(self.blocks.len()) {
            self.blocks
                .try_reserve_exact(missing)
                .map_err(|_| HashingError::NoMemory(memory_kib))?;
            self.blocks.resize(wanted, Block::new());
        }
        Ok(&mut self.blocks[..wanted])
    }
}

impl Drop for HashingMemory {
    fn drop(&mut self) {
        self.release();
    }
}

/// Whether a string is a secret that passwords can be verified against, at a bearable cost.
pub fn check_form(secret: &str) -> Result<(), SecretFormError> {
    Secret::parse(secret).map(|_| ())
}

/// Makes a secret of a password: argon2id with a random salt.
pub fn hash(
    password: &[u8],
    cost: HashingCost,
    memory: &mut HashingMemory,
) -> Result<String, HashingError> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|error| HashingError::NoSalt(error.to_string()))?;
    let secret = Argon2Secret {
        cost,
        salt: Salt::new(&salt).map_err(argon2_refused)?,
        output_bytes: OUTPUT_BYTES,
    };
    let output = secret.output_for(password, memory)?;
    let params = secret.cost.params(OUTPUT_BYTES).map_err(argon2_refused)?;
    let phc = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(argon2_refused)?,
        salt: Some(secret.salt),
        hash: Some(output),
    };
    Ok(phc.to_string())
}

/// Whether a password is the one of which a secret was made.
pub fn verify(
    secret: &str,
    password: &[u8],
    memory: &mut HashingMemory,
) -> Result<bool, HashingError> {
    // `Output` compares in constant time.
    match Secret::parse(secret)? {
        Secret::Sha1(expected) => {
            let output = Output::new(&Sha1::digest(password)).map_err(argon2_refused)?;
            Ok(output == expected)
        }
        Secret::Argon2id(parameters, expected) => {
            Ok(parameters.output_for(password, memory)? == expected)
        }
    }
}

/// Whether a secret is worth replacing by one of this cost: it is SHA-1, or filling its memory is less work.
pub fn is_weaker_than(secret: &str, cost: HashingCost) -> bool {
    match Secret::parse(secret) {
        Ok(Secret::Argon2id(parameters, _)) => parameters.cost.filled_kib() < cost.filled_kib(),
        Ok(Secret::Sha1(_)) | Err(_) => true,
    }
}

enum Secret {
    Sha1(Output),
    Argon2id(Argon2Secret, Output),
}

/// All of an argon2id secret but the hash.
struct Argon2Secret {
    cost: HashingCost,
    salt: Salt,
    output_bytes: usize,
}

impl Secret {
    fn parse(secret: &str) -> Result<Self, SecretFormError> {
        if secret.len() > MAX_SECRET_BYTES {
            return Err(SecretFormError::TooLong(secret.len()));
        }
        if secret.starts_with('$') {
            return Self::parse_phc(secret);
        }
        if secret.len() != SHA1_HEX_DIGITS {
            return Err(SecretFormError::Unknown);
        }
        let mut digest = [0; SHA1_HEX_DIGITS / 2];
        for (byte, digits) in digest.iter_mut().zip(secret.as_bytes().chunks_exact(2)) {
            *byte = hex_value(digits[0])? << 4 | hex_value(digits[1])?;
        }
        let output = Output::new(&digest).map_err(|_| SecretFormError::Unknown)?;
        Ok(Self::Sha1(output))
    }

    fn parse_phc(secret: &str) -> Result<Self, SecretFormError> {
        let phc = PasswordHash::new(secret).map_err(|_| SecretFormError::Malformed)?;
        if phc.algorithm != ARGON2ID_IDENT {
            return Err(SecretFormError::Algorithm);
        }
        let version = phc.version.unwrap_or(Version::V0x10.into());
        if version != u32::from(Version::V0x13) {
            return Err(SecretFormError::Version(version));
        }
        let cost = cost_of(&phc.params)?;
        let (Some(salt), Some(output)) = (phc.salt, phc.hash) else {
            return Err(SecretFormError::Incomplete);
        };
        if output.len() < MIN_OUTPUT_BYTES {
            return Err(SecretFormError::ShortOutput(output.len()));
        }
        let parameters = Argon2Secret {
            cost,
            salt,
            output_bytes: output.len(),
        };
        Ok(Self::Argon2id(parameters, output))
    }
}

fn cost_of(params: &ParamsString) -> Result<HashingCost, SecretFormError> {
    let (mut memory_kib, mut iterations, mut lanes) = (None, None, None);
    for (name, value) in params.iter() {
        let parameter = match name.as_str() {
            "m" => &mut memory_kib,
            "t" => &mut iterations,
            "p" => &mut lanes,
            _ => return Err(SecretFormError::UnknownParameter),
        };
        *parameter = value.decimal().ok();
    }
    Ok(HashingCost::new(
        memory_kib.ok_or(SecretFormError::NoParameter("m"))?,
        iterations.ok_or(SecretFormError::NoParameter("t"))?,
        lanes.ok_or(SecretFormError::NoParameter("p"))?,
    )?)
}

fn hex_value(digit: u8) -> Result<u8, SecretFormError> {
    let value = char::from(digit).to_digit(16);
    value
        .and_then(|value| u8::try_from(value).ok())
        .ok_or(SecretFormError::Unknown)
}

impl Argon2Secret {
    fn output_for(
        &self,
        password: &[u8],
        memory: &mut HashingMemory,
    ) -> Result<Output, HashingError> {
        let params = self
            .cost
            .params(self.output_bytes)
            .map_err(argon2_refused)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut bytes = [0; Output::MAX_LENGTH];
        let output = &mut bytes[..self.output_bytes];
        let blocks = memory.blocks(self.cost.memory_kib())?;
        argon2
            .hash_password_into_with_memory(password, &self.salt, output, blocks)
            .map_err(argon2_refused)?;
        Output::new(output).map_err(argon2_refused)
    }
}

fn argon2_refused(error: impl std::fmt::Display) -> HashingError {
    HashingError::Argon2(error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Accounts of an older installation, with their passwords.
    const OLDER: [(&str, &str); 6] = [
        ("53649f6e45138ef119c955d04bf042562f6e2946", "passpass"),
        ("3cbf2c628de96e8e46ab4e44d4ddf2c4d1eccddb", "withglass"),
        (
            "d0b0239a6bc06da6b514a3ad1dc8eedd902d3b54",
            "lotsofassignments",
        ),
        ("61503cfe0803f3a3b964b46a405f7828fd72b1f7", "116bway"),
        ("6c3dedbb6dc77384f20e1acd7ce4f9b5681c2a77", "donation"),
        ("292c828c25ad7abce3fb1a128692eba5ce47e8d7", "seemsez"),
    ];
    /// Made by the reference implementation, of `password`.
    const REFERENCE: &str =
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";

    fn tiny() -> HashingCost {
        HashingCost::new(8, 1, 1).unwrap()
    }

    fn is_right(secret: &str, password: &[u8]) -> bool {
        verify(secret, password, &mut HashingMemory::default()).unwrap()
    }

    #[test]
    fn accounts_of_older_installations_verify() {
        for (secret, password) in OLDER {
            assert_eq!(check_form(secret), Ok(()));
            assert!(is_right(secret, password.as_bytes()), "{password}");
            assert!(is_right(&secret.to_uppercase(), password.as_bytes()));
            assert!(!is_right(secret, b"passpas"));
            assert!(!is_right(secret, b""));
            assert!(is_weaker_than(secret, tiny()));
        }
    }

    #[test]
    fn secrets_of_other_implementations_verify() {
        assert_eq!(check_form(REFERENCE), Ok(()));
        assert!(is_right(REFERENCE, b"password"));
        assert!(!is_right(REFERENCE, b"passwore"));
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let with = |parameters: &str| REFERENCE.replace("m=256,t=2,p=2", parameters);
        let other = |name: &str| REFERENCE.replace("argon2id", name);
        let no_hash = REFERENCE.rsplit_once('$').unwrap().0;
        let short_hash = format!("{no_hash}$bQk8UB/VmZZF4Oo79iDX");
        for (secret, reason) in [
            (String::new(), "neither"),
            ("53649f6e45138ef119c955d04bf042562f6e294".into(), "neither"),
            (
                "53649f6e45138ef119c955d04bf042562f6e2946a".into(),
                "neither",
            ),
            ("53649f6e45138ef119c955d04bf042562f6e294g".into(), "neither"),
            ("+3649f6e45138ef119c955d04bf042562f6e2946".into(), "neither"),
            ("é".repeat(20), "neither"),
            ("$".into(), "well-formed"),
            ("$argon2id$v=19$\0".into(), "well-formed"),
            (other("argon2i"), "another algorithm"),
            (other("argon2d"), "another algorithm"),
            (other("scrypt"), "another algorithm"),
            (REFERENCE.replace("v=19", "v=18"), "version 18"),
            (REFERENCE.replace("$v=19", ""), "version 16"),
            (with("m=256,t=2"), "for the parameter p"),
            (with("m=256,t=x,p=1"), "for the parameter t"),
            (with("m=256,t=2,p=1,keyid=Zm9v"), "another parameter"),
            (with("m=1048577,t=1,p=1"), "memory of 1048577"),
            (with("m=4294967295,t=1,p=1"), "memory"),
            (with("m=256,t=101,p=1"), "101 iterations"),
            (with("m=256,t=1,p=17"), "17 lanes"),
            (with("m=1048576,t=100,p=1"), "memory times iterations"),
            (no_hash.into(), "no hash"),
            (short_hash, "15 bytes"),
            (format!("{REFERENCE}{}", "A".repeat(500)), "more than 512"),
        ] {
            let error = check_form(&secret).unwrap_err().to_string();
            assert!(error.contains(reason), "{secret}: {error}");
        }
    }

    #[test]
    fn new_secret_is_salted() {
        let memory = &mut HashingMemory::default();
        let first = hash(b"same", HashingCost::default(), memory).unwrap();
        let second = hash(b"same", tiny(), memory).unwrap();
        let third = hash(b"same", tiny(), memory).unwrap();
        assert!(
            first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{first}"
        );
        assert!(
            second.starts_with("$argon2id$v=19$m=8,t=1,p=1$"),
            "{second}"
        );
        assert_ne!(second, third);
        for secret in [first, second, third] {
            assert_eq!(check_form(&secret), Ok(()));
            assert!(verify(&secret, b"same", memory).unwrap());
            assert!(!verify(&secret, b"other", memory).unwrap());
        }
    }

    #[test]
    fn less_memory_is_weaker() {
        let cost = |memory_kib, iterations| HashingCost::new(memory_kib, iterations, 1).unwrap();
        assert!(!is_weaker_than(REFERENCE, cost(256, 2)));
        assert!(!is_weaker_than(REFERENCE, cost(128, 2)));
        assert!(!is_weaker_than(REFERENCE, cost(512, 1)));
        assert!(is_weaker_than(REFERENCE, cost(256, 3)));
        assert!(is_weaker_than(REFERENCE, cost(257, 2)));
    }

    #[test]
    fn memory_is_given_back() {
        let mut memory = HashingMemory::default();
        hash(b"x", tiny(), &mut memory).unwrap();
        assert_eq!(memory.held_kib(), 8);
        memory.release();
        assert_eq!(memory.held_kib(), 0);
    }

    /// What one bit of damage makes of a secret is refused, or is another secret of a bearable cost.
    #[test]
    fn damaged_secret_lets_nobody_in() {
        let memory = &mut HashingMemory::default();
        for (at, bit) in (0..REFERENCE.len()).flat_map(|at| (0..7).map(move |bit| (at, bit))) {
            let mut bytes = REFERENCE.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let damaged = String::from_utf8(bytes).unwrap();
            if check_form(&damaged).is_ok() {
                assert_eq!(
                    verify(&damaged, b"password", memory),
                    Ok(false),
                    "{damaged}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_password(
            password in proptest::collection::vec(any::<u8>(), 0..200),
            other in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let memory = &mut HashingMemory::default();
            let secret = hash(&password, tiny(), memory).unwrap();
            prop_assert!(verify(&secret, &password, memory).unwrap());
            prop_assert_eq!(verify(&secret, &other, memory).unwrap(), password == other);
        }
    }
}
