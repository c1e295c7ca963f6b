//! A new password from the standard input: typed twice on a terminal that does not show it, or the first line of a
//! pipe.

use std::io::{self, IsTerminal, Read};

use chat_node::control::change::TypedPassword;
use chat_node::files::text_file::{lines, without_byte_order_mark};
use chat_node::logs::output;
use nix::sys::termios::{
    LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

/// Longest password, in bytes.
const MAX_BYTES: usize = 1_024;
/// A byte order mark, and a line end.
const BESIDES_BYTES: usize = 5;
/// What Ctrl-C and Ctrl-D are as characters.
const INTERRUPT: u8 = 3;
const END: u8 = 4;

/// The error is for people.
pub(crate) fn read() -> Result<TypedPassword, String> {
    match io::stdin().is_terminal() {
        true => read_twice(),
        false => first_line(&read_some()?),
    }
}

fn read_some() -> Result<Zeroizing<Vec<u8>>, String> {
    let cannot = |error: io::Error| format!("cannot read the password: {error}");
    let limit = MAX_BYTES + BESIDES_BYTES + 1;
    // Room for all that is read, so that growing leaves no copy.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit));
    let stdin = io::stdin().lock();
    stdin
        .take(limit as u64)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    Ok(bytes)
}

fn first_line(bytes: &[u8]) -> Result<TypedPassword, String> {
    let text = without_byte_order_mark(bytes)
        .map_err(|error| format!("cannot take a password from the standard input: {error}"))?;
    let line = lines(text).next().unwrap_or(&[]);
    match line.len() {
        0 => Err("there is no password on the standard input".to_owned()),
        1..=MAX_BYTES => Ok(TypedPassword::of(line)),
        _ => Err(format!("a password has at most {MAX_BYTES} bytes")),
    }
}

fn read_twice() -> Result<TypedPassword, String> {
    let cannot = |error: nix::Error| format!("cannot use the terminal: {error}");
    let hidden = HiddenInput::begin().map_err(cannot)?;
    let first = hidden.ask("Password: ")?;
    let second = hidden.ask("Repeat the password: ")?;
    match first == second {
        true => first_line(&first),
        false => Err("the two passwords differ".to_owned()),
    }
}

/// A terminal that shows nothing of what is typed. Shows it again when dropped.
struct HiddenInput {
    found: Termios,
}

impl HiddenInput {
    fn begin() -> nix::Result<Self> {
        let found = tcgetattr(io::stdin())?;
        let mut mode = found.clone();
        // An interrupt ends the line: it must not end this program before the terminal is as it was.
        mode.local_flags &= !(LocalFlags::ECHO | LocalFlags::ISIG);
        mode.control_chars[SpecialCharacterIndices::VEOL as usize] = INTERRUPT;
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &mode)?;
        Ok(Self { found })
    }

    fn ask(&self, prompt: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        output::prompt(prompt);
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_BYTES + BESIDES_BYTES));
        let mut byte = [0];
        loop {
            let count = io::stdin().lock().read(&mut byte);
            let count = count.map_err(|error| format!("cannot read the password: {error}"))?;
            match byte[0] {
                _ if count == 0 => break,
                b'\n' => break,
                INTERRUPT | END => {
                    output::prompt("\n");
                    return Err("interrupted: nothing is changed".to_owned());
                }
                byte if line.len() < line.capacity() => line.push(byte),
                _ => {}
            }
        }
        output::prompt("\n");
        Ok(line)
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_is_first_line() {
        for input in [
            "tulip field\nmore\n",
            "tulip field",
            "\u{feff}tulip field\r\n",
        ] {
            let password = first_line(input.as_bytes()).unwrap();
            assert_eq!(password.bytes().unwrap().as_slice(), b"tulip field");
        }
        for input in ["", "\n", "\nsecond\n"] {
            assert!(first_line(input.as_bytes()).is_err(), "{input:?}");
        }
        assert!(first_line(&[b'x'; MAX_BYTES + 1]).is_err());
    }
}
