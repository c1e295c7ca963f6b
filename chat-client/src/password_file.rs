//! A password from a file, for scripts: it is on no command line, and in no environment.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chat_model::Password;
use chat_node::files::text_file::{lines, without_byte_order_mark};

use crate::conversation::MAX_LINE_BYTES;

const OTHERS: u32 = 0o077;
/// A byte order mark and a line end.
const BESIDES_BYTES: usize = 5;

/// The first line of the file, which has to be for its owner alone. A byte order mark before it and its line end (LF,
/// CR LF, CR) are no part of it; everything else is, blanks too.
pub(crate) fn read(path: &Path) -> Result<Password<'static>, String> {
    let shown = path.display();
    let cannot = |error: std::io::Error| format!("cannot read the password from {shown}: {error}");
    let file = File::open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    let mode = metadata.permissions().mode() & 0o7777;
    // A pipe or a terminal is whose it is.
    if metadata.is_file() && mode & OTHERS != 0 {
        return Err(format!(
            "others can get at the password file {shown} (mode {mode:04o}): chmod 600 it"
        ));
    }
    // Room for all that is read, so that growing leaves no copy.
    let limit = MAX_LINE_BYTES + BESIDES_BYTES;
    let mut bytes = Vec::with_capacity(limit);
    file.take(limit as u64)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    let whole = Password::from(bytes);
    let text = without_byte_order_mark(&whole)
        .map_err(|error| format!("cannot take a password from {shown}: {error}"))?;
    let line = lines(text).next().unwrap_or(&[]);
    match line.len() {
        0 => Err(format!("the first line of {shown} is empty: no password")),
        length if length > MAX_LINE_BYTES => Err(format!(
            "the first line of {shown} is too long for a password"
        )),
        _ => Ok(line.into()),
    }
}
