//! A password from a file, for scripts: it is on no command line, and in no environment.

use std::path::Path;

use chat_model::Password;
use chat_node::files::text_file::{lines, without_byte_order_mark};

use crate::conversation::MAX_LINE_BYTES;
use crate::secret_file;

/// A byte order mark and a line end.
const BESIDES_BYTES: usize = 5;

/// The first line of the file, which has to be for its owner alone. A byte order mark before it and its line end (LF,
/// CR LF, CR) are no part of it; everything else is, blanks too.
pub(crate) fn read(path: &Path) -> Result<Password<'static>, String> {
    let shown = path.display();
    let whole = secret_file::read(path, MAX_LINE_BYTES + BESIDES_BYTES)
        .map_err(|error| format!("cannot read the password from {shown}: {error}"))?;
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
