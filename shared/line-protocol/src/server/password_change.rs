//! The lines behind `passwd`.

use std::net::IpAddr;

use chat_model::{Password, Request};

/// What has come of the current password, the new one, and that again.
#[derive(Debug, Default)]
pub struct PasswordChange {
    current: Option<Password<'static>>,
    new: Option<Password<'static>>,
}

/// The new passwords differ, or are empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordsDiffer;

impl PasswordChange {
    /// Takes a line. After the third one there is what the state daemon has to be asked, if anything.
    pub fn take_line<'a>(
        &mut self,
        line: &'a [u8],
        address: IpAddr,
    ) -> Option<Result<Request<'a>, PasswordsDiffer>> {
        if self.current.is_none() {
            self.current = Some(line.into());
            return None;
        }
        let Some(new) = self.new.take() else {
            self.new = Some(line.into());
            return None;
        };
        let current = self.current.take()?;
        if line.is_empty() || new.as_bytes() != line {
            return Some(Err(PasswordsDiffer));
        }
        Some(Ok(Request::ChangePassword {
            current,
            new: Password::borrowed(line),
            address,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn take<'a>(lines: [&'a [u8]; 3]) -> Result<Request<'a>, PasswordsDiffer> {
        let mut change = PasswordChange::default();
        for line in &lines[..2] {
            assert_eq!(change.take_line(line, HERE), None);
        }
        change.take_line(lines[2], HERE).expect("the last line")
    }

    #[test]
    fn equal_passwords_are_asked_for() {
        for current in [&b"old"[..], b""] {
            let asked = Request::ChangePassword {
                current: Password::borrowed(current),
                new: Password::borrowed(b"\xff new"),
                address: HERE,
            };
            assert_eq!(take([current, b"\xff new", b"\xff new"]), Ok(asked));
        }
    }

    #[test]
    fn different_or_empty_passwords_are_not() {
        for lines in [
            [&b"old"[..], b"a", b"b"],
            [b"old", b"", b""],
            [b"old", b"a", b""],
            [b"old", b"", b"a"],
        ] {
            assert_eq!(take(lines), Err(PasswordsDiffer));
        }
    }
}
