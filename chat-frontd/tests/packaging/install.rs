//! `scripts/install` and `scripts/uninstall`, below a directory of their own (`DESTDIR`).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::installation::{bin_dir, repository};
use crate::{has_tool, run};

struct Destination(TempDir);

impl Destination {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn call(&self, script: &str, options: &[&str]) -> (i32, String) {
        let mut command = Command::new(repository().join("scripts").join(script));
        command
            .current_dir("/")
            .env("CHAT_BIN_DIR", bin_dir())
            .env("DESTDIR", self.0.path());
        run(command.args(options))
    }

    #[track_caller]
    fn expect(&self, script: &str, options: &[&str]) {
        assert_eq!(self.call(script, options), (0, String::new()));
    }

    /// The modes of all files, by path.
    fn modes(&self) -> BTreeMap<String, u32> {
        let mut modes = BTreeMap::new();
        collect(self.0.path(), "", &mut modes);
        modes
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join(&path[1..])).unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.0.path().join(&path[1..]), text).unwrap();
    }
}

fn collect(directory: &Path, prefix: &str, modes: &mut BTreeMap<String, u32>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &path, modes);
        } else {
            modes.insert(path, entry.metadata().unwrap().permissions().mode() & 0o777);
        }
    }
}

const SETTINGS: &str = "/etc/chatserv/chatserv.toml";

#[test]
fn second_installation_changes_nothing() {
    let destination = Destination::new();
    destination.expect("install", &[]);
    let first = destination.modes();
    assert_eq!(first["/usr/local/bin/chat-stated"], 0o755);
    assert_eq!(
        first["/usr/local/lib/systemd/system/chat-frontd.service"],
        0o644
    );
    assert_eq!(first[SETTINGS], 0o644);
    let unit = destination.read("/usr/local/lib/systemd/system/chat-frontd.service");
    assert!(
        unit.contains("\nExecStart=/usr/local/bin/chat-frontd\n"),
        "{unit}"
    );
    assert!(!unit.contains("/usr/bin"), "{unit}");

    destination.write(SETTINGS, "[process]\nworkers = 3\n");
    destination.expect("install", &["--prefix", "/usr/local/"]);
    assert_eq!(destination.modes(), first);
    assert_eq!(destination.read(SETTINGS), "[process]\nworkers = 3\n");
}

#[test]
fn file_of_earlier_version_is_removed() {
    let destination = Destination::new();
    destination.expect("install", &[]);
    let first = destination.modes();
    let list = "/usr/local/share/chatserv/installed-files";
    let old = "/usr/local/share/chatserv/old";
    destination.write(old, "");
    destination.write(list, &format!("{}{old}\n", destination.read(list)));
    destination.expect("install", &[]);
    assert_eq!(destination.modes(), first);
}

#[test]
fn paths_and_user_can_be_chosen() {
    let destination = Destination::new();
    let options = [
        "--prefix=/opt/chat",
        "--user=talk",
        "--run-dir=/srv/talk/run",
        "--backup-dir=/srv/talk/backups",
        "--config-dir=/etc/talk",
    ];
    destination.expect("install", &options);
    let mut text = String::new();
    for (path, _) in destination.modes() {
        if !path.starts_with("/opt/chat/bin/") {
            text += &destination.read(&path);
        }
    }
    for line in [
        "ExecStart=/opt/chat/bin/chat-stated",
        "User=talk",
        "Group=talk",
        "Environment=CHAT_RUN_DIR=/srv/talk/run",
        "ReadWritePaths=/srv/talk/run",
        "ReadWritePaths=/srv/talk/backups",
        "Environment=CHAT_CONFIG=/etc/talk/chatserv.toml",
        "EnvironmentFile=-/etc/talk/chatserv.env",
        "u talk - \"chatserv\" /srv/talk/run /usr/sbin/nologin",
        "d /srv/talk/run 0700 talk talk -",
        "    su talk talk",
        "/srv/talk/run/*.log {",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "no line {line}");
    }
    for left in [
        "/var/lib/chatserv",
        "/var/backups/chatserv",
        "/etc/chatserv",
        "/usr/bin",
    ] {
        assert!(!text.contains(left), "{left}");
    }
    let below_var_lib = Destination::new();
    below_var_lib.expect("install", &["--run-dir=/var/lib/talk/run"]);
    let unit = below_var_lib.read("/usr/local/lib/systemd/system/chat-stated.service");
    assert!(unit.contains("\nStateDirectory=talk/run\n"), "{unit}");
}

#[test]
fn systemd_accepts_installed_units() {
    if !has_tool("systemd-analyze", "systemd") {
        return;
    }
    let destination = Destination::new();
    destination.expect("install", &["--user=root", "--run-dir=/srv/talk/run"]);
    let directory = destination.0.path().join("usr/local/lib/systemd/system");
    let mut command = Command::new("systemd-analyze");
    let root = format!("--root={}", destination.0.path().display());
    command.args(["verify", "--man=no", "--recursive-errors=no", &root]);
    for name in [
        "chat-stated.service",
        "chat-frontd.service",
        "chatserv.target",
    ] {
        assert!(directory.join(name).exists());
        command.arg(name);
    }
    let (status, said) = run(&mut command);
    assert_eq!((status, &*said), (0, ""));
}

#[test]
fn uninstall_keeps_settings_until_purged() {
    let destination = Destination::new();
    destination.expect("install", &[]);
    let state = destination.0.path().join("var/lib/chatserv");
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("user_pass.txt"), "").unwrap();
    destination.expect("uninstall", &[]);
    let kept: Vec<String> = destination.modes().into_keys().collect();
    assert_eq!(kept, [SETTINGS, "/var/lib/chatserv/user_pass.txt"]);
    let (status, said) = destination.call("uninstall", &[]);
    assert_eq!(status, 0);
    assert!(
        said.contains("nothing is installed below /usr/local"),
        "{said}"
    );
    let (status, _) = destination.call("uninstall", &["--purge"]);
    assert_eq!(status, 0);
    assert!(destination.modes().is_empty());
}

#[test]
fn strange_paths_are_refused() {
    let destination = Destination::new();
    for options in [
        &["--prefix"][..],
        &["--prefix", "usr"],
        &["--prefix=/"],
        &["--run-dir=/srv"],
        &["--run-dir=/srv/a b"],
        &["--run-dir=/srv/../etc"],
        &["--user=Talk"],
        &["--user=-talk"],
        &["--purge-all"],
        &["now"],
    ] {
        for script in ["install", "uninstall"] {
            let (status, said) = destination.call(script, options);
            assert_eq!(status, 2, "{options:?}: {said}");
        }
    }
    assert!(destination.modes().is_empty());
    let (status, said) = destination.call("install", &["--help"]);
    assert_eq!(status, 0);
    assert!(said.starts_with("Usage: scripts/install "), "{said}");
}
