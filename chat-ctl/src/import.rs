//! `chatctl accounts import`: accounts from the lists of other servers, as Dovecot, htpasswd and LDAP tools write them.
//! Each account is added by a change of its own. The result names each line that is left out, and why.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use base64ct::{Base64, Encoding};
use chat_model::name::may_be_registered;
use chat_node::control::change::{Change, TypedPassword};
use chat_node::control::client::{ControlClient, ControlError};
use chat_node::control::protocol::Question;
use chat_node::files::regular_file;
use chat_node::files::text_file::{lines, without_byte_order_mark};
use chat_node::logs::output;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::daemons::Daemons;
use crate::exit_status::ExitStatus;
use crate::pages::{self, STATE};

/// Largest list, in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Longest password or hash, in bytes. The server's own limits are not higher.
const MAX_SECRET_BYTES: usize = 1_024;
/// How much of a name that is none is repeated.
const MAX_REPEATED_CHARS: usize = 64;
const SHA1_BYTES: usize = 20;
const SHA1_HEX_DIGITS: usize = 40;

/// How a user logs in, as a line says it.
#[derive(Debug, PartialEq, Eq)]
enum Login {
    /// A hash in the form of the account file.
    Hash(String),
    Password(TypedPassword),
}

/// An account of a list, or why the line is none.
type Parsed<'a> = Result<(&'a str, Login), String>;

/// What became of the lines.
#[derive(Default, Serialize)]
struct Summary {
    added: u64,
    left_out: Vec<LeftOut>,
}

#[derive(Serialize)]
struct LeftOut {
    line: u64,
    reason: String,
}

impl Summary {
    fn text(&self, is_dry: bool) -> String {
        let mut text = String::new();
        for LeftOut { line, reason } in &self.left_out {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "line {line}: {reason}");
        }
        let (added, left_out) = (self.added, self.left_out.len());
        let _ = match is_dry {
            true => writeln!(
                text,
                "accounts to add: {added}, lines to leave out: {left_out}"
            ),
            false => writeln!(text, "accounts added: {added}, lines left out: {left_out}"),
        };
        text
    }
}

/// Adds the accounts of a list; `is_dry` only says what would be done. If the server stops answering, the result is of
/// the lines before.
pub(crate) fn run(
    daemons: &Daemons,
    json: bool,
    path: &Path,
    is_dry: bool,
) -> Result<(String, ExitStatus), ControlError> {
    let program = daemons.state.program();
    let bytes = read(path).map_err(|reason| ControlError::Refused {
        program,
        reason: format!("{}: {reason}", path.display()),
    })?;
    let mut client = ControlClient::connect(&daemons.state)?;
    let known = pages::accounts(&mut client)?.into_iter();
    let mut taken: HashSet<String> = known.map(|account| account.name).collect();
    let mut summary = Summary::default();
    let mut status = ExitStatus::Done;
    for (line, text) in (1..).zip(lines(&bytes)) {
        let Some(parsed) = parse(text) else {
            continue;
        };
        match take(&mut client, parsed, &mut taken, is_dry) {
            Ok(Ok(())) => summary.added += 1,
            Ok(Err(reason)) => {
                status = ExitStatus::NotDone;
                summary.left_out.push(LeftOut { line, reason });
            }
            Err(error) => {
                output::complain(format_args!(
                    "chatctl: stopped at line {line}, whose account may have been added: {error}"
                ));
                status = ExitStatus::of(&error);
                break;
            }
        }
    }
    let text = match json {
        true => crate::json(&summary),
        false => summary.text(is_dry),
    };
    Ok((text, status))
}

/// Adds the account of a line, or says why it is left out. An error of the server's ends the import.
fn take(
    client: &mut ControlClient,
    parsed: Parsed<'_>,
    taken: &mut HashSet<String>,
    is_dry: bool,
) -> Result<Result<(), String>, ControlError> {
    let (name, login) = match parsed {
        Ok(account) => account,
        Err(reason) => return Ok(Err(reason)),
    };
    if !taken.insert(name.to_owned()) {
        let reason = format!("{name}: there is such an account already, or an earlier line");
        return Ok(Err(reason));
    }
    if is_dry {
        return Ok(Ok(()));
    }
    match add(client, name, login) {
        Ok(()) => Ok(Ok(())),
        Err(ControlError::Refused { reason, .. }) => Ok(Err(format!("{name}: {reason}"))),
        Err(error) => Err(error),
    }
}

fn add(client: &mut ControlClient, name: &str, login: Login) -> Result<(), ControlError> {
    let name = name.to_owned();
    let change = match login {
        Login::Hash(hash) => Change::ImportAccount {
            name,
            hash: TypedPassword::of(hash.as_bytes()),
        },
        Login::Password(password) => Change::AddAccount { name, password },
    };
    let question = Question::Change { change };
    client.ask_child(STATE, question).map(drop)
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let cannot = |error: std::io::Error| format!("cannot read the list: {error}");
    let file = regular_file::open(path).map_err(cannot)?;
    let length = file.metadata().map_err(cannot)?.len();
    if length > MAX_FILE_BYTES {
        return Err(format!("the list has more than {MAX_FILE_BYTES} bytes"));
    }
    // Room for all of it, so that growing leaves no copy of a password.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
    let mut file = file.take(MAX_FILE_BYTES + 1);
    file.read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > length {
        return Err("cannot read the list: it grows".to_owned());
    }
    let text = without_byte_order_mark(&bytes);
    let text = text.map_err(|error| format!("cannot read the list: {error}"))?;
    Ok(Zeroizing::new(text.to_vec()))
}

/// Name and login of a line; nothing for a comment or a blank one. An error repeats no password.
fn parse(line: &[u8]) -> Option<Parsed<'_>> {
    let visible = line.trim_ascii_start();
    if visible.is_empty() || visible.starts_with(b"#") {
        return None;
    }
    let Ok(line) = std::str::from_utf8(line) else {
        return Some(Err("it is not UTF-8".to_owned()));
    };
    let Some(end) = line.find([':', ',']) else {
        return Some(Err("it has no colon or comma behind a name".to_owned()));
    };
    let (name, rest) = (&line[..end], &line[end + 1..]);
    // Behind a colon there may be more fields, as in passwd.
    let secret = match line.as_bytes()[end] {
        b':' => rest.split(':').next().unwrap_or(rest),
        _ => rest,
    };
    if !may_be_registered(name) {
        let name: String = name.escape_debug().take(MAX_REPEATED_CHARS).collect();
        return Some(Err(format!("{name} cannot be the name of an account")));
    }
    let login = login(secret).map_err(|reason| format!("{name}: {reason}"));
    Some(login.map(|login| (name, login)))
}

fn login(secret: &str) -> Result<Login, String> {
    if secret.len() > MAX_SECRET_BYTES {
        return Err(format!(
            "its password or hash has more than {MAX_SECRET_BYTES} bytes"
        ));
    }
    let (scheme, value) = match secret.strip_prefix('{').and_then(|it| it.split_once('}')) {
        Some((scheme, value)) => (scheme.to_ascii_uppercase(), value),
        None => (scheme_of(secret)?.to_owned(), secret),
    };
    // A password may end with blanks.
    let hash = value.trim_ascii_end();
    match &*scheme {
        "SHA" | "SHA1" | "SHA.B64" | "SHA1.B64" => sha1_of_base64(hash).map(Login::Hash),
        "SHA.HEX" | "SHA1.HEX" if is_sha1_hex(hash) => Ok(Login::Hash(hash.to_owned())),
        "SHA.HEX" | "SHA1.HEX" => Err("its SHA-1 does not have 40 hex digits".to_owned()),
        "ARGON2ID" => Ok(Login::Hash(hash.to_owned())),
        "PLAIN" | "CLEAR" | "CLEARTEXT" if value.is_empty() => {
            Err("its password is empty".to_owned())
        }
        "PLAIN" | "CLEAR" | "CLEARTEXT" => Ok(Login::Password(TypedPassword::of(value.as_bytes()))),
        scheme if is_scheme_name(scheme) => Err(format!("hashes of {scheme} cannot be taken")),
        _ => Err("its hash is of no known form".to_owned()),
    }
}

/// The scheme of a hash that does not name it in braces.
fn scheme_of(hash: &str) -> Result<&'static str, String> {
    let begins = [
        ("$argon2id$", "ARGON2ID"),
        ("$2", "bcrypt"),
        ("$6$", "SHA512-CRYPT"),
        ("$5$", "SHA256-CRYPT"),
        ("$apr1$", "apr1"),
    ];
    let found = begins.iter().find(|(begin, _)| hash.starts_with(begin));
    match found {
        Some((_, scheme)) => Ok(scheme),
        None if is_sha1_hex(hash.trim_ascii_end()) => Ok("SHA1.HEX"),
        None => Err("its hash is of no known form".to_owned()),
    }
}

/// Whether it looks like the name of a scheme. A password in braces has to stay unprinted.
fn is_scheme_name(text: &str) -> bool {
    let may_hold = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    text.len() <= 32 && text.bytes().all(may_hold)
}

fn is_sha1_hex(text: &str) -> bool {
    text.len() == SHA1_HEX_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn sha1_of_base64(value: &str) -> Result<String, String> {
    let mut digest = [0; SHA1_BYTES];
    match Base64::decode(value, &mut digest) {
        Ok(decoded) if decoded.len() == SHA1_BYTES => {
            Ok(decoded.iter().map(|byte| format!("{byte:02x}")).collect())
        }
        _ => Err("its SHA-1 is not 20 bytes in base64".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8";
    const ARGON2: &str = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB";

    fn parsed(line: &str) -> Parsed<'_> {
        parse(line.as_bytes()).expect("neither blank nor a comment")
    }

    #[test]
    fn forms_of_other_servers_are_taken() {
        for line in [
            format!("ann,{HEX}"),
            format!("ann:{HEX}"),
            "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g= ".to_owned(),
            "ann:{sha}W6ph5Mm5Pz8GgiULbPgzG37mj9g=:1000:1000::/home/ann".to_owned(),
            format!("ann,{{SHA1.HEX}}{HEX}"),
        ] {
            let expected = ("ann", Login::Hash(HEX.to_owned()));
            assert_eq!(parsed(&line), Ok(expected), "{line}");
        }
        for line in [format!("ann:{ARGON2}"), format!("ann,{{ARGON2ID}}{ARGON2}")] {
            let expected = ("ann", Login::Hash(ARGON2.to_owned()));
            assert_eq!(parsed(&line), Ok(expected), "{line}");
        }
        for (line, password) in [
            ("ann:{PLAIN}tulip:1000", "tulip"),
            ("ann,{plain}tulip: a, b ", "tulip: a, b "),
        ] {
            let expected = Login::Password(TypedPassword::of(password.as_bytes()));
            assert_eq!(parsed(line), Ok(("ann", expected)), "{line}");
        }
        for line in ["", "  ", "# ann:x", " #ann:x"] {
            assert_eq!(parse(line.as_bytes()), None);
        }
    }

    #[test]
    fn other_hashes_are_named() {
        for (line, expected) in [
            ("bob:$2y$05$abc", "bob: hashes of bcrypt cannot be taken"),
            (
                "bob:$6$salt$abc",
                "bob: hashes of SHA512-CRYPT cannot be taken",
            ),
            ("bob:{SSHA}abc=", "bob: hashes of SSHA cannot be taken"),
            ("bob:{SHA}abc=", "bob: its SHA-1 is not 20 bytes in base64"),
            ("bob:{PLAIN}", "bob: its password is empty"),
            ("bob", "it has no colon or comma behind a name"),
            ("send:{PLAIN}x", "send cannot be the name of an account"),
            (
                " bob\u{1b}:x",
                " bob\\u{1b} cannot be the name of an account",
            ),
        ] {
            assert_eq!(parsed(line), Err(expected.to_owned()));
        }
        for line in ["bob:hunter2", "bob:{hunter2!}x"] {
            let error = parsed(line).unwrap_err();
            assert!(error.ends_with("its hash is of no known form"), "{error}");
        }
        let long = format!("bob,{{PLAIN}}{}", "x".repeat(MAX_SECRET_BYTES));
        assert!(parsed(&long).unwrap_err().ends_with("more than 1024 bytes"));
    }
}
