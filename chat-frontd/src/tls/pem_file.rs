//! The blocks of a PEM file, with any line ends, and with other text between the blocks. A malformed block is an error,
//! and is never skipped.

use chat_node::files::text_file::{TextFileError, lines, without_byte_order_mark};
use rustls::pki_types::pem::PemObject;
use thiserror::Error;
use zeroize::Zeroizing;

/// Words in the first line of a block, even if it is damaged.
const MARKERS: [&str; 3] = ["-----BEGIN", "BEGIN CERTIFICATE", "PRIVATE KEY"];

/// Why a file is malformed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PemFileError {
    /// The file is no UTF-8 text.
    #[error("{0}")]
    Text(#[from] TextFileError),
    /// A line has too few dashes, or other text beside them.
    #[error("line {0} is neither -----BEGIN ...----- nor -----END ...----- alone on its line")]
    Edge(usize),
    /// A block has no end: the file is truncated, or has lost a line.
    #[error("the block {label} that begins in line {line} has no end")]
    Endless {
        /// The label of the block.
        label: String,
        /// The line where it begins, from 1.
        line: usize,
    },
    /// A block has no beginning.
    #[error("line {0} ends a block that has not begun")]
    EndAlone(usize),
    /// The content is no base64.
    #[error("the block {label} that begins in line {line} is damaged")]
    Damaged {
        /// The label of the block.
        label: String,
        /// The line where it begins, from 1.
        line: usize,
    },
}

/// A block including its first and last line, with LF as line end.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// The label of the block.
    pub label: String,
    /// The line where it begins, from 1.
    pub line: usize,
    text: Zeroizing<Vec<u8>>,
}

impl Block {
    /// Decodes the content.
    pub fn decode<T: PemObject>(&self) -> Result<T, PemFileError> {
        T::from_pem_slice(&self.text).map_err(|_| PemFileError::Damaged {
            label: self.label.clone(),
            line: self.line,
        })
    }

    /// Whether it is encrypted in the format before PKCS #8.
    pub fn is_encrypted(&self) -> bool {
        let header = b"Proc-Type: 4,ENCRYPTED";
        self.text.windows(header.len()).any(|bytes| bytes == header)
    }

    fn push(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
    }
}

/// Returns all blocks of a file.
pub fn blocks(bytes: &[u8]) -> Result<Vec<Block>, PemFileError> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(lines(without_byte_order_mark(bytes)?)) {
        let line = line.trim_ascii();
        match (edge(line), &mut open) {
            (Some(Edge::Begin(label)), None) => {
                let mut block = Block {
                    label: label.to_owned(),
                    line: number,
                    // Allocated at full size: a growing buffer would leave copies that are not wiped.
                    text: Zeroizing::new(Vec::with_capacity(bytes.len() + 1)),
                };
                block.push(line);
                open = Some(block);
            }
            (Some(Edge::Begin(_)), Some(block)) => return Err(endless(block)),
            (Some(Edge::End(label)), Some(block)) if label == block.label => {
                block.push(line);
                blocks.extend(open.take());
            }
            (Some(Edge::End(_)), Some(block)) => return Err(endless(block)),
            (Some(Edge::End(_)), None) => return Err(PemFileError::EndAlone(number)),
            (None, _) if looks_like_an_edge(line) => return Err(PemFileError::Edge(number)),
            (None, Some(block)) => block.push(line),
            (None, None) => {}
        }
    }
    match open {
        Some(block) => Err(endless(&block)),
        None => Ok(blocks),
    }
}

enum Edge<'a> {
    Begin(&'a str),
    End(&'a str),
}

fn edge(line: &[u8]) -> Option<Edge<'_>> {
    let line = std::str::from_utf8(line).ok()?;
    let words = line.strip_prefix("-----")?.strip_suffix("-----")?;
    if words.contains("--") {
        return None;
    }
    let begin = words.strip_prefix("BEGIN ").map(Edge::Begin);
    begin.or_else(|| words.strip_prefix("END ").map(Edge::End))
}

fn looks_like_an_edge(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    line.contains("-----END") || MARKERS.iter().any(|marker| line.contains(marker))
}

fn endless(block: &Block) -> PemFileError {
    PemFileError::Endless {
        label: block.label.clone(),
        line: block.line,
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;

    use super::*;

    const TWO: &str = "\
subject=/CN=a
-----BEGIN CERTIFICATE-----
AAAA
-----END CERTIFICATE-----

issuer: b
-----BEGIN CERTIFICATE-----
AAEC
-----END CERTIFICATE-----
";

    fn certificates(file: &[u8]) -> Result<Vec<Vec<u8>>, PemFileError> {
        let decode = |block: &Block| Ok(block.decode::<CertificateDer<'_>>()?.to_vec());
        blocks(file)?.iter().map(decode).collect()
    }

    fn error(file: &str) -> String {
        certificates(file.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn blocks_do_not_depend_on_line_ends() {
        for (end, before) in [
            ("\n", ""),
            ("\r\n", "\u{feff}"),
            ("\r", "\u{feff}"),
            ("  \t\n", " "),
        ] {
            let file = before.to_owned() + &TWO.replace('\n', end);
            let read = certificates(file.as_bytes()).unwrap();
            assert_eq!(read, [vec![0, 0, 0], vec![0, 1, 2]], "{end:?}");
            // A mark may stand right before the first block.
            let file = file
                .replace("subject=/CN=a", "")
                .trim_start_matches(['\r', '\n'])
                .to_owned();
            assert_eq!(certificates(file.as_bytes()).unwrap().len(), 2);
        }
        assert_eq!(certificates(b"").unwrap().len(), 0);
    }

    #[test]
    fn no_block_is_passed_over() {
        let utf16: Vec<u8> = TWO.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf16 = certificates(&utf16).unwrap_err().to_string();
        assert!(utf16.contains("UTF-16"), "{utf16}");
        let first = "-----BEGIN CERTIFICATE-----\nAAAA";
        let cases = [
            (
                TWO.replacen("-----BEGIN", "----BEGIN", 1),
                "line 2 is neither",
            ),
            (
                TWO.replacen("-----BEGIN", "\u{2014}-BEGIN", 1),
                "line 2 is neither",
            ),
            (
                TWO.replacen("-----BEGIN", "x -----BEGIN", 1),
                "line 2 is neither",
            ),
            (TWO.replacen(first, "AAAA", 1), "line 3 ends a block"),
            (
                TWO.replacen("-----END CERTIFICATE-----", "", 1),
                "in line 2 has no end",
            ),
            (TWO.replacen("END CERT", "END X", 1), "in line 2 has no end"),
            (
                TWO.trim_end()
                    .trim_end_matches("CERTIFICATE-----")
                    .to_owned(),
                "line 9 is neither",
            ),
            (TWO.replace("AAEC", "AAEC=x!"), "in line 7 is damaged"),
        ];
        for (file, expected) in cases {
            let error = error(&file);
            assert!(error.contains(expected), "{error}, not {expected}");
        }
    }
}
