//! Logins that are kept between runs: a token for each server and user, in a file that only its owner may use.

use std::fs;
use std::io;
use std::path::PathBuf;

use chat_model::Password;
use jiff::Timestamp;

use crate::conversation::KeptLogin;
use crate::private_file;
use crate::secret_file;
use crate::state_directory::{self, NO_DIRECTORY, file_name};

/// Most bytes of such a file.
const MAX_FILE_BYTES: usize = 4096;
/// Most characters of the name of the host in the name of a token.
const MAX_HOST_CHARACTERS: usize = 9;
/// How many digits distinguish tokens of one host.
const TOKEN_DIGITS: u32 = 6;

/// The logins at one server.
pub(crate) struct KeptLogins {
    /// The directory, if the environment says where the state of programs is.
    directory: Option<PathBuf>,
}

impl KeptLogins {
    /// Those at this server. What was kept over TLS is never sent without it.
    pub(crate) fn at(host: &str, port: u16, tls: bool) -> Self {
        Self {
            directory: state_directory::of_server("logins", host, port, tls),
        }
    }

    /// The login of this account, if one is kept.
    pub(crate) fn find(&self, account: &str) -> Result<Option<KeptLogin>, String> {
        let path = self.path(account)?;
        let bytes = match secret_file::read(&path, MAX_FILE_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(format!(
                    "cannot read the kept login {}: {error}",
                    path.display()
                ));
            }
        };
        let login = parse(&bytes).ok_or_else(|| {
            format!(
                "the kept login {} is damaged: remove the file, and log in with the password",
                path.display()
            )
        })?;
        Ok(Some(login))
    }

    /// Keeps a login, instead of what was kept for this account. It is on disk when this returns.
    pub(crate) fn store(&self, account: &str, login: &KeptLogin) -> Result<(), String> {
        let path = self.path(account)?;
        let parts = [login.token_name.as_bytes(), b"\n", &login.secret, b"\n"];
        private_file::replace(&path, &parts)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    /// Keeps no login of this account.
    pub(crate) fn remove(&self, account: &str) -> Result<(), String> {
        let path = self.path(account)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(format!("cannot remove {}: {error}", path.display()))
            }
            _ => Ok(()),
        }
    }

    fn path(&self, account: &str) -> Result<PathBuf, String> {
        let directory = self.directory.as_ref();
        let directory = directory.ok_or(NO_DIRECTORY)?;
        Ok(directory.join(file_name(account)))
    }
}

/// The name of the token in the first line, its secret in the second.
fn parse(bytes: &[u8]) -> Option<KeptLogin> {
    let text = bytes.strip_suffix(b"\n")?;
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let (name, secret) = (&text[..end], &text[end + 1..]);
    let name = str::from_utf8(name).ok()?;
    if name.is_empty() || secret.is_empty() || secret.contains(&b'\n') {
        return None;
    }
    Some(KeptLogin {
        token_name: name.to_owned(),
        secret: Password::from(secret),
    })
}

/// A name for a new token, by which its user knows this host, and which the account does not have yet.
pub(crate) fn new_token_name() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    token_name(&host, Timestamp::now().as_millisecond())
}

fn token_name(host: &str, time_ms: i64) -> String {
    let host = host.split(['.', '\n']).next().unwrap_or_default();
    let host = host.to_ascii_lowercase();
    let mut name: String = host
        .chars()
        .filter(|character| character.is_ascii_alphanumeric() || *character == '-')
        .take(MAX_HOST_CHARACTERS)
        .collect();
    name.push('-');
    let mut rest = time_ms.unsigned_abs();
    for _ in 0..TOKEN_DIGITS {
        let digit = u32::try_from(rest % 36).unwrap_or(0);
        name.extend(char::from_digit(digit, 36));
        rest /= 36;
    }
    name
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn login(secret: &str) -> KeptLogin {
        KeptLogin {
            token_name: "laptop-1".into(),
            secret: secret.as_bytes().into(),
        }
    }

    #[test]
    fn logins_are_found_until_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let logins = KeptLogins {
            directory: Some(directory.path().join("new/server")),
        };
        assert_eq!(logins.find("ann"), Ok(None));
        for secret in ["one", "two"] {
            logins.store("ann", &login(secret)).expect("a file");
            assert_eq!(logins.find("ann"), Ok(Some(login(secret))));
        }
        assert_eq!(logins.find("../ann"), Ok(None));
        let file = directory.path().join("new/server/ann");
        let mode = fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let files = fs::read_dir(directory.path().join("new/server")).expect("a directory");
        assert_eq!(files.count(), 1);
        for _ in 0..2 {
            logins.remove("ann").expect("no file");
            assert_eq!(logins.find("ann"), Ok(None));
        }
    }

    #[test]
    fn file_that_is_no_login_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let logins = KeptLogins {
            directory: Some(directory.path().to_owned()),
        };
        logins.store("ann", &login("one")).expect("a file");
        let file = directory.path().join("ann");
        fs::write(&file, "laptop-1\n").expect("a file");
        let error = logins.find("ann").expect_err("an error");
        assert!(error.contains("damaged: remove the file"), "{error}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("a mode");
        let error = logins.find("ann").expect_err("an error");
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn token_names_tell_the_host() {
        let name = token_name("Ann_s-Laptop.local\n", 1_700_000_000_123);
        assert!(name.starts_with("anns-lapt-") && name.len() == 16, "{name}");
        assert_ne!(name, token_name("Ann_s-Laptop.local\n", 1_700_000_000_124));
        assert_eq!(token_name("", 0), "-000000");
    }
}
