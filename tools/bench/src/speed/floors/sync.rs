//! Appending to a file and waiting until it is on the disk.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// The file begins anew when it has grown to this.
const MAX_FILE_BYTES: usize = 1024 * 1024 * 1024;

pub(super) fn measure(
    dir: &Path,
    batch_bytes: usize,
    span: Duration,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let batch = vec![b'x'; batch_bytes];
    let mut file = File::create(dir.join("appended"))?;
    let (mut syncs, mut file_bytes) = (0_u64, 0);
    let began_at = Instant::now();
    while began_at.elapsed() < span {
        if file_bytes >= MAX_FILE_BYTES {
            file = File::create(dir.join("appended"))?;
            file_bytes = 0;
        }
        file.write_all(&batch)?;
        file.sync_data()?;
        file_bytes += batch_bytes;
        syncs += 1;
    }
    let took_s = began_at.elapsed().as_secs_f64();
    Ok(vec![
        ("syncs/s", syncs as f64 / took_s),
        ("bytes/s", (syncs * batch_bytes as u64) as f64 / took_s),
    ])
}
