//! A running server with ann and bob, and a directory in which scripts of bob's run.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::installation::{Installation, bin_dir};

pub(crate) struct Place {
    installation: Installation,
    directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let installation = Installation::of_ann_and_bob();
        installation.script("start").expect_status(0);
        let directory = tempfile::tempdir().unwrap();
        let place = Self {
            installation,
            directory,
        };
        place.write("password", "password\n", 0o600);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    /// What a file holds; nothing, if it is not there.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A program in the environment that the recipes expect.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, user: &str) -> Command {
        let address = self.installation.address();
        let (host, port) = address.rsplit_once(':').unwrap();
        let search = std::env::var_os("PATH").unwrap_or_default();
        let mut path = bin_dir().as_os_str().to_owned();
        path.push(":");
        path.push(search);
        let mut command = Command::new(program);
        command
            .current_dir(self.directory.path())
            .env("PATH", path)
            .env("CHAT_HOST", host)
            .env("CHAT_PORT", port)
            .env("CHAT_USER", user)
            .env("CHAT_PASSWORD_FILE", self.path("password"))
            .env("XDG_STATE_HOME", self.path(&format!("state-of-{user}")))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env_remove("CHAT_TLS")
            .env_remove("CHAT_CA")
            .stdin(Stdio::null());
        command
    }

    /// Runs the client as this user to its end.
    pub(crate) fn client(&self, user: &str, arguments: &[&str]) -> String {
        let mut command = self.command(bin_dir().join("chat-client"), user);
        expect_success(command.args(arguments).output().unwrap())
    }

    /// Runs a script of the directory as bob, with this input.
    pub(crate) fn script(&self, name: &str, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(self.path(name), "bob");
        let child = command.args(arguments).stdin(Stdio::piped());
        let child = child.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }
}

/// What was printed.
#[track_caller]
pub(crate) fn expect_success(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
