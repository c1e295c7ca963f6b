//! The manual pages and shell completions of a program, from the definition of its command line. `scripts/install` and
//! `scripts/package` ask each program for them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Command;
use clap_complete::{Generator, Shell, generate};
use clap_mangen::Man;

use crate::logs::output;

/// The first argument. A directory like `/usr/share` and a section of the manual follow. No operator needs it, so no
/// help shows it.
const FLAG: &str = "--write-pages";

/// Directories below `/usr/share` where shells look for completions.
const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions"),
    (Shell::Fish, "fish/vendor_completions.d"),
    (Shell::Zsh, "zsh/site-functions"),
];

/// Writes the pages if the arguments ask for them. Returns the exit status in that case.
pub(super) fn write_if_asked(command: Command, arguments: &[OsString]) -> Option<ExitCode> {
    let [_, flag, directory, section] = arguments else {
        return None;
    };
    if flag != FLAG {
        return None;
    }
    let name = command.get_name().to_owned();
    let directory = Path::new(directory);
    match write(command, directory, &section.to_string_lossy()) {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(error) => {
            let place = directory.display();
            output::complain(format_args!(
                "{name}: cannot write pages below {place}: {error}"
            ));
            Some(ExitCode::FAILURE)
        }
    }
}

fn write(command: Command, directory: &Path, section: &str) -> io::Result<()> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let name = command.get_name().to_owned();
    for (shell, below) in COMPLETIONS {
        let directory = directory.join(below);
        fs::create_dir_all(&directory)?;
        // bash loads a file that has the name of the program.
        let file_name = match shell {
            Shell::Bash => name.clone(),
            _ => shell.file_name(&name),
        };
        let mut file = File::create(directory.join(file_name))?;
        generate(shell, &mut command, &name, &mut file);
    }
    let manual = directory.join(format!("man/man{section}"));
    fs::create_dir_all(&manual)?;
    write_manual(&command, &manual, section)
}

/// Each subcommand has a page of its own.
fn write_manual(command: &Command, directory: &Path, section: &str) -> io::Result<()> {
    for subcommand in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        write_manual(subcommand, directory, section)?;
    }
    let page = Man::new(command.clone())
        .section(section)
        .manual("chatserv");
    page.generate_to(directory).map(drop)
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    fn program() -> Command {
        let flag = Arg::new("count").long("count").help("How many");
        let hidden = Arg::new("secret").long("secret").hide(true);
        let backup = Command::new("backup").about("Writes a backup");
        let internal = Command::new("internal").hide(true);
        Command::new("prog")
            .about("Does things")
            .args([flag, hidden])
            .subcommands([backup, internal])
    }

    fn call(flag: &str, directory: &Path) -> Option<ExitCode> {
        let words = ["prog", flag, directory.to_str().unwrap(), "8"];
        write_if_asked(program(), &words.map(OsString::from))
    }

    #[test]
    fn pages_are_written_on_demand() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert_eq!(call("--count", path), None);
        assert_eq!(fs::read_dir(path).unwrap().count(), 0);
        assert_eq!(call(FLAG, path), Some(ExitCode::SUCCESS));
        for file in [
            "man/man8/prog-backup.8",
            "bash-completion/completions/prog",
            "fish/vendor_completions.d/prog.fish",
            "zsh/site-functions/_prog",
        ] {
            assert!(path.join(file).exists(), "{file}");
        }
        assert!(!path.join("man/man8/prog-internal.8").exists());
        let page = fs::read_to_string(path.join("man/man8/prog.8")).unwrap();
        assert!(page.contains(r"\-\-count"), "{page}");
        assert!(!page.contains("secret"), "{page}");
    }

    #[test]
    fn missing_directory_is_an_error() {
        let status = call(FLAG, Path::new("/proc/nowhere"));
        assert_eq!(status, Some(ExitCode::FAILURE));
    }
}
