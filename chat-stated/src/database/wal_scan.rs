//! Looks through a SQLite write-ahead log before SQLite does. Pure: bytes in, a verdict out.
//!
//! SQLite treats the first frame with a wrong checksum as the end of the log. After a power cut that is
//! right: the last transaction may be torn. In the middle of the log it is damage, and SQLite would silently
//! drop everything behind it. Every transaction here is synced before the next is begun
//! (synchronous=FULL), so frames that were written after a commit behind the bad frame prove damage.
//!
//! A log is used again from its start under new salts, so frames of an older generation behind those of the
//! current one are normal. Salts are random: a frame that bears those of the header was written after it.

use std::io::{self, Read};

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
const MAGIC_LITTLE_ENDIAN: u32 = 0x377f_0682;
const MAGIC_BIG_ENDIAN: u32 = 0x377f_0683;

/// What a log holds that is not damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WalContent {
    /// Valid frames up to and including the last valid commit: what SQLite will take over.
    pub(crate) committed_frames: u64,
}

/// Where and how a log is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WalDamage {
    /// The header is wrong, and there are frames it should lead to.
    #[error("its header (bytes 0 to 31) is wrong, and frames follow it")]
    Header,
    /// A frame is wrong, and transactions that were begun after it was synced follow it.
    #[error("frame {frame} (from byte {offset}) is wrong, and later transactions follow it")]
    Frame {
        /// Counted from 0.
        frame: u64,
        /// Where the frame begins.
        offset: u64,
    },
}

/// Reads a log to its end, one frame at a time.
pub(crate) fn scan(mut wal: impl Read) -> io::Result<Result<WalContent, WalDamage>> {
    let mut bytes = [0; HEADER_BYTES];
    if !read_whole(&mut wal, &mut bytes)? {
        return Ok(Ok(WalContent::default()));
    }
    let Some(header) = Header::read(&bytes) else {
        // A log whose header was never written is empty; anything more had a header once.
        let has_content = bytes != [0; HEADER_BYTES] || read_whole(&mut wal, &mut [0])?;
        return Ok(if has_content {
            Err(WalDamage::Header)
        } else {
            Ok(WalContent::default())
        });
    };
    let mut frame = vec![0; FRAME_HEADER_BYTES + header.page_bytes];
    let mut scanner = Scanner::new(&header);
    while read_whole(&mut wal, &mut frame)? {
        if let Err(damage) = scanner.add(&header, &frame) {
            return Ok(Err(damage));
        }
    }
    Ok(Ok(scanner.content))
}

/// Fills the buffer, or says that the log ends before that.
fn read_whole(wal: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match wal.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

struct Header {
    big_endian: bool,
    page_bytes: usize,
    salts: [u8; 8],
    checksum: Checksum,
}

impl Header {
    fn read(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let big_endian = match be_u32(bytes, 0) {
            MAGIC_LITTLE_ENDIAN => false,
            MAGIC_BIG_ENDIAN => true,
            _ => return None,
        };
        let page_bytes = be_u32(bytes, 8) as usize;
        let checksum = Checksum::default().extend(&bytes[..24], big_endian);
        let is_valid = checksum == Checksum::stated(&bytes[24..32])
            && page_bytes.is_power_of_two()
            && (512..=65_536).contains(&page_bytes);
        is_valid.then(|| Self {
            big_endian,
            page_bytes,
            salts: copy_of(&bytes[16..24]),
            checksum,
        })
    }
}

struct Scanner {
    content: WalContent,
    frames: u64,
    /// Over all frames that are right.
    checksum: Checksum,
    /// The first frame of this generation that is wrong.
    bad: Option<u64>,
    /// Whether a commit of this generation stands at or behind the bad frame.
    commit_after_bad: bool,
}

impl Scanner {
    fn new(header: &Header) -> Self {
        Self {
            content: WalContent::default(),
            frames: 0,
            checksum: header.checksum,
            bad: None,
            commit_after_bad: false,
        }
    }

    fn add(&mut self, header: &Header, frame: &[u8]) -> Result<(), WalDamage> {
        let index = self.frames;
        self.frames += 1;
        let bears_salts = frame[8..16] == header.salts;
        let is_commit = be_u32(frame, 4) != 0;
        if self.bad.is_none() {
            let checksum = self
                .checksum
                .extend(&frame[..8], header.big_endian)
                .extend(&frame[FRAME_HEADER_BYTES..], header.big_endian);
            let is_right = checksum == Checksum::stated(&frame[16..24]);
            self.checksum = checksum;
            if is_right && bears_salts {
                if is_commit {
                    self.content.committed_frames = self.frames;
                }
                return Ok(());
            }
            self.bad = Some(index);
            if is_right {
                // Salts are not under the checksum: they alone are wrong.
                return Err(damage_at(index, frame.len()));
            }
        }
        if !bears_salts {
            return Ok(());
        }
        if self.commit_after_bad {
            return Err(damage_at(self.bad.unwrap_or(index), frame.len()));
        }
        self.commit_after_bad = is_commit;
        Ok(())
    }
}

fn damage_at(frame: u64, frame_bytes: usize) -> WalDamage {
    WalDamage::Frame {
        frame,
        offset: HEADER_BYTES as u64 + frame * frame_bytes as u64,
    }
}

/// SQLite's running checksum of a log: two words, over eight bytes at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Checksum(u32, u32);

impl Checksum {
    fn stated(bytes: &[u8]) -> Self {
        Self(be_u32(bytes, 0), be_u32(bytes, 4))
    }

    fn extend(self, bytes: &[u8], big_endian: bool) -> Self {
        let word = |bytes: [u8; 4]| {
            if big_endian {
                u32::from_be_bytes(bytes)
            } else {
                u32::from_le_bytes(bytes)
            }
        };
        let Self(mut first, mut second) = self;
        for pair in bytes.chunks_exact(8) {
            first = first
                .wrapping_add(word(copy_of(&pair[..4])))
                .wrapping_add(second);
            second = second
                .wrapping_add(word(copy_of(&pair[4..])))
                .wrapping_add(first);
        }
        Self(first, second)
    }
}

fn be_u32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes(copy_of(&bytes[offset..offset + 4]))
}

fn copy_of<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut copy = [0; N];
    copy.copy_from_slice(bytes);
    copy
}

#[cfg(test)]
#[path = "wal_scan_tests.rs"]
mod tests;
