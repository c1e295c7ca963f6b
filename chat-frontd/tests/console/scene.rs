//! Runs the commands of a chapter.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::boxes::{Chapter, Step};
use crate::free_port::free_port;
use crate::installation::{bin_dir, repository};
use crate::printed::is_as_shown;

/// The installation of the documents.
const HOME: &str = "/srv/chatserv";
const BIN_DIR: &str = "/srv/chatserv/target/release";
/// Ports of the documents, the usual one first.
pub(crate) const PORTS: [&str; 4] = ["4119", "4120", "4121", "4200"];

/// Stands before the exit status of a command, behind its output.
const MARK: char = '\u{1}';

/// Runs all commands. Returns what is wrong.
pub(crate) fn play(chapter: &Chapter) -> Vec<String> {
    let scene = Scene::new();
    let said = scene.run(&chapter.steps);
    let mut pieces = said.split(MARK);
    let mut output = pieces.next().unwrap_or_default();
    let mut complaints = Vec::new();
    for step in &chapter.steps {
        let place = format!("{} ({})", step.place, chapter.name);
        let Some((status, next)) = pieces.next().and_then(|it| it.split_once('\n')) else {
            complaints.push(format!("{place}: {} does not end", step.command));
            break;
        };
        complaints.extend(complaint(step, &place, status, output));
        output = next;
    }
    complaints
}

fn complaint(step: &Step, place: &str, status: &str, output: &str) -> Option<String> {
    let printed: Vec<&str> = output.lines().collect();
    let (is_good, expected) = match &step.shown {
        Some(shown) => (is_as_shown(shown, &printed), shown.join("\n")),
        None => (status == "0", "exit status 0".to_owned()),
    };
    let command = &step.command;
    let printed = printed.join("\n");
    (!is_good).then(|| {
        format!("{place}: $ {command}\nprinted, with status {status}:\n{printed}\nbut not:\n{expected}\n")
    })
}

/// A directory in which the commands are run. What they leave running is stopped when it is dropped.
pub(crate) struct Scene {
    home: tempfile::TempDir,
    /// Texts of the documents, and what stands for them here.
    places: Vec<(String, String)>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path();
        // Children of a server that root starts have to pass it.
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        symlink(repository().join("scripts"), path.join("scripts")).unwrap();
        let mut places = vec![
            (BIN_DIR.to_owned(), bin_dir().display().to_string()),
            (HOME.to_owned(), path.display().to_string()),
        ];
        let ports = PORTS.map(|port| (port.to_owned(), free_port().unwrap().port().to_string()));
        places.extend(ports);
        let scene = Self { home, places };
        fs::create_dir(scene.run_dir()).unwrap();
        let port = &scene.places[2].1;
        let settings = format!("[network]\nlisten = [\"127.0.0.1:{port}\"]\n");
        fs::write(scene.run_dir().join("chatserv.toml"), settings).unwrap();
        scene
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The port that stands here for one of the documents.
    pub(crate) fn port_here(&self, port: &str) -> String {
        self.placed_here(port)
    }

    pub(crate) fn run_dir(&self) -> std::path::PathBuf {
        self.home.path().join("run")
    }

    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap_or_default();
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CHAT_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.home.path())
            .env("PATH", format!("{}:{path}", bin_dir().display()))
            .env("CHAT_RUN_DIR", self.run_dir())
            .env("CHAT_BIN_DIR", bin_dir())
            .env("CHAT_PORT", &self.places[2].1)
            .env("CHAT_WORKERS", "2")
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env_remove("BLOCK_TIME")
            .env_remove("TIME_OUT")
            .stdin(Stdio::null());
        command
    }

    /// Runs the steps in one shell. Returns all that they print, each followed by a mark and its exit status.
    fn run(&self, steps: &[Step]) -> String {
        let mut script = "exec 2>&1\n".to_owned();
        for step in steps {
            let command = self.placed_here(&step.command);
            script += &format!("{command}\nprintf '\\001%s\\n' $?\n");
        }
        let mut shell = self.command(Path::new("timeout"));
        let output = shell.args(["300", "sh", "-c", &script]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let places = self.places.iter();
        places.fold(said, |said, (place, here)| said.replace(here, place))
    }

    fn placed_here(&self, command: &str) -> String {
        let places = self.places.iter();
        places.fold(command.to_owned(), |command, (place, here)| {
            command.replace(place, here)
        })
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let stop = repository().join("scripts/stop");
        // Not every chapter has started something, or has it in the usual run directory.
        for entry in fs::read_dir(self.home.path()).unwrap().flatten() {
            if entry.path().join("user_pass.txt").exists() {
                let mut stop = self.command(&stop);
                let _ = stop.env("CHAT_RUN_DIR", entry.path()).output();
            }
        }
    }
}
