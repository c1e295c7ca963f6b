//! The settings file as a file: where it is, whether it can be trusted, and the keys in it with their lines.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use thiserror::Error;
use toml::de::{DeTable, DeValue};

use crate::files::regular_file;

/// The name of the settings file in the run directory.
pub const FILE_NAME: &str = "chatserv.toml";
/// Longest settings file, in bytes. Children receive it in a variable, which cannot be much longer.
const MAX_FILE_BYTES: u64 = 64 * 1024;
/// Mode bits that let others write.
const OTHERS_WRITE: u32 = 0o022;

/// Why a settings file is not used. Each problem is a line for people that names the file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}", .0.join("\n"))]
pub struct SettingsFileError(pub Vec<String>);

/// A settings file that was read. Its keys are not checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsFile {
    path: PathBuf,
    text: String,
    mode: u32,
    entries: Vec<Entry>,
}

/// A key of the file and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Section and name: `messages.queue_messages`.
    pub key: String,
    /// The line, from 1.
    pub line: usize,
    /// The value.
    pub value: FileValue,
}

/// A value as TOML has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileValue {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number, in decimal digits.
    Integer(String),
    /// A string.
    Text(String),
    /// A list of strings.
    List(Vec<String>),
    /// A value that no setting has: a fraction, a time, a list of other values.
    Other(&'static str),
}

impl SettingsFile {
    /// Reads the file at `path`; `Ok(None)` if there is none. A file that is not root's or this user's is refused,
    /// because it decides what the server does.
    pub fn read(path: &Path) -> Result<Option<Self>, SettingsFileError> {
        let failed = |error: io::Error| problem(path, &format!("cannot read it: {error}"));
        let link = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // Something else is there instead of the run directory. Whoever uses that says so.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
            link => link.map_err(failed)?,
        };
        if path.to_string_lossy().contains('\n') {
            return Err(problem(path, "its path has a line break"));
        }
        refuse_foreign(path, &link)?;
        let file = regular_file::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        refuse_foreign(path, &found)?;
        let text = read_text(&file).map_err(failed)?;
        if text.len() as u64 > MAX_FILE_BYTES {
            let long = format!("it has more than {MAX_FILE_BYTES} bytes");
            return Err(problem(path, &long));
        }
        let mode = found.permissions().mode() & 0o7777;
        Self::new(path.to_owned(), text, mode).map(Some)
    }

    /// Reads the file that was named, which must be there, or the one in the run directory, if there is one.
    pub fn find(config: Option<&Path>, run_dir: &Path) -> Result<Option<Self>, SettingsFileError> {
        let Some(path) = config else {
            return Self::read(&run_dir.join(FILE_NAME));
        };
        match Self::read(path)? {
            None => Err(problem(path, "there is none (--config, CHAT_CONFIG)")),
            file => Ok(file),
        }
    }

    /// A file with this text, as if it had been read from `path`.
    pub fn of_text(path: PathBuf, text: String) -> Result<Self, SettingsFileError> {
        Self::new(path, text, 0)
    }

    fn new(path: PathBuf, text: String, mode: u32) -> Result<Self, SettingsFileError> {
        let entries = parse(&text).map_err(|(line, message)| {
            SettingsFileError(vec![format!("{}:{line}: {message}", path.display())])
        })?;
        Ok(Self {
            path,
            text,
            mode,
            entries,
        })
    }

    /// The file that [`Self::for_child`] wrote.
    pub(crate) fn of_parent(written: &str) -> Result<Self, SettingsFileError> {
        let (path, text) = written.split_once('\n').unwrap_or(("", written));
        Self::of_text(path.into(), text.to_owned())
    }

    /// The file in one text, for [`Self::of_parent`].
    pub(crate) fn for_child(&self) -> String {
        format!("{}\n{}", self.path.display(), self.text)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The keys, in the order of their lines.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Makes the path absolute, so that it keeps its meaning in another working directory.
    pub fn make_absolute(&mut self) -> Result<(), SettingsFileError> {
        let absolute = std::path::absolute(&self.path);
        self.path = absolute.map_err(|error| {
            let reason = format!("cannot find the working directory: {error}");
            problem(&self.path, &reason)
        })?;
        Ok(())
    }

    /// The mode of the file if others can write to it.
    pub(crate) fn mode_if_exposed(&self) -> Option<u32> {
        (self.mode & OTHERS_WRITE != 0).then_some(self.mode)
    }

    /// Takes the right to write from others.
    pub(crate) fn close_to_others(&self) -> io::Result<()> {
        let file = regular_file::open(&self.path)?;
        file.set_permissions(Permissions::from_mode(self.mode & !OTHERS_WRITE))
    }
}

/// A problem of the whole file.
pub(crate) fn problem(path: &Path, text: &str) -> SettingsFileError {
    SettingsFileError(vec![format!("settings file {}: {text}", path.display())])
}

fn refuse_foreign(path: &Path, found: &Metadata) -> Result<(), SettingsFileError> {
    match found.uid() {
        owner if owner == 0 || owner == geteuid().as_raw() => Ok(()),
        owner => Err(problem(
            path,
            &format!(
                "it belongs to user {owner}, so it is not believed: chown it to the user that runs the server, or to \
                 root"
            ),
        )),
    }
}

fn read_text(file: &File) -> io::Result<String> {
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// The keys of a text, in the order of their lines; or the line of the first mistake, and what is wrong with it.
fn parse(text: &str) -> Result<Vec<Entry>, (usize, String)> {
    let line_of = |offset: usize| {
        let before = text.get(..offset).unwrap_or(text);
        before.matches('\n').count() + 1
    };
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(span.start));
        (line, error.message().to_owned())
    })?;
    let mut entries = Vec::new();
    collect(table.get_ref(), "", &line_of, &mut entries);
    entries.sort_by_key(|entry| entry.line);
    Ok(entries)
}

fn collect(
    table: &DeTable<'_>,
    section: &str,
    line_of: &impl Fn(usize) -> usize,
    entries: &mut Vec<Entry>,
) {
    for (name, value) in table {
        let key = format!("{section}{}", name.get_ref());
        let value = match value.get_ref() {
            DeValue::Table(table) => {
                collect(table, &format!("{key}."), line_of, entries);
                continue;
            }
            value => FileValue::of(value),
        };
        let line = line_of(name.span().start);
        entries.push(Entry { key, line, value });
    }
}

impl FileValue {
    fn of(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::Boolean(value) => Self::Bool(*value),
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) => {
                match i128::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Self::Integer(number.to_string()),
                    Err(_) => Self::Other("a number that is too large"),
                }
            }
            DeValue::Array(values) => {
                let texts = values.iter().map(|value| match value.get_ref() {
                    DeValue::String(text) => Some(text.to_string()),
                    _ => None,
                });
                let texts: Option<Vec<String>> = texts.collect();
                texts.map_or(
                    Self::Other("a list of other values than strings"),
                    Self::List,
                )
            }
            DeValue::Float(_) => Self::Other("a fraction"),
            DeValue::Datetime(_) => Self::Other("a time"),
            DeValue::Table(_) => Self::Other("a section"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{lchown, symlink};

    use super::*;

    fn of_text(text: &str) -> Result<SettingsFile, SettingsFileError> {
        SettingsFile::of_text("chatserv.toml".into(), text.to_owned())
    }

    #[test]
    fn keys_have_sections_values_and_lines() {
        let first = "# words\n[a]\none = 1_000\ntwo = true\n\n[b]\n";
        let text = format!("{first}three = [\n  'x',\n  'y',\n]\nfour = 'z'\nfive = 1.5\n");
        let text = &text;
        let file = of_text(text).unwrap();
        let seen: Vec<(&str, usize, &FileValue)> = file
            .entries()
            .iter()
            .map(|entry| (&*entry.key, entry.line, &entry.value))
            .collect();
        let list = FileValue::List(vec!["x".to_owned(), "y".to_owned()]);
        assert_eq!(
            seen,
            [
                ("a.one", 3, &FileValue::Integer("1000".to_owned())),
                ("a.two", 4, &FileValue::Bool(true)),
                ("b.three", 7, &list),
                ("b.four", 11, &FileValue::Text("z".to_owned())),
                ("b.five", 12, &FileValue::Other("a fraction")),
            ]
        );
    }

    #[test]
    fn mistake_in_syntax_names_its_line() {
        let error = of_text("[a]\none = 1\n\ntwo 2\n").unwrap_err().to_string();
        assert!(error.starts_with("chatserv.toml:4: "), "{error}");
        let error = of_text("[a]\none = 1\none = 2\n").unwrap_err().to_string();
        assert!(error.starts_with("chatserv.toml:3: "), "{error}");
    }

    #[test]
    fn child_reads_what_parent_has() {
        let file = of_text("[a]\none = 1\n").unwrap();
        let child = SettingsFile::of_parent(&file.for_child()).unwrap();
        assert_eq!(child.entries(), file.entries());
        assert_eq!(child.path(), file.path());
    }

    #[test]
    fn only_own_regular_file_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        assert_eq!(SettingsFile::read(&path), Ok(None));
        fs::write(&path, "[a]\n").unwrap();
        assert!(SettingsFile::read(&path).unwrap().is_some());
        fs::write(&path, vec![b'#'; MAX_FILE_BYTES as usize + 1]).unwrap();
        let error = SettingsFile::read(&path).unwrap_err().to_string();
        assert!(error.ends_with("it has more than 65536 bytes"), "{error}");
        fs::write(&path, [0xff]).unwrap();
        assert!(SettingsFile::read(&path).is_err());
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let error = SettingsFile::read(&path).unwrap_err().to_string();
        assert!(error.contains("it is not a regular file"), "{error}");
        if geteuid().is_root() {
            let link = directory.path().join("link");
            let target = directory.path().join("target");
            fs::write(&target, "").unwrap();
            symlink(&target, &link).unwrap();
            SettingsFile::read(&link).unwrap();
            for changed in [&link, &target] {
                lchown(changed, Some(64_190), None).unwrap();
                let error = SettingsFile::read(&link).unwrap_err().to_string();
                assert!(error.contains("it belongs to user 64190"), "{error}");
                lchown(changed, Some(0), None).unwrap();
            }
        }
    }

    #[test]
    fn others_lose_right_to_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let file = SettingsFile::read(&path).unwrap().unwrap();
        assert_eq!(file.mode_if_exposed(), Some(0o666));
        file.close_to_others().unwrap();
        let file = SettingsFile::read(&path).unwrap().unwrap();
        assert_eq!(file.mode_if_exposed(), None);
    }
}
