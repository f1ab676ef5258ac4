//! Recorded changes: JSON lines, plain or gzip, one change each.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A JSON object: a task as the history tells it.
pub type Fields = Map<String, Value>;

/// One line of a history.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Change {
    Insert {
        id: String,
        doc: Fields,
    },
    Patch {
        id: String,
        #[serde(default)]
        set: Fields,
        #[serde(default)]
        unset: Vec<String>,
    },
    Delete {
        id: String,
    },
    /// The history jumps here; later changes may name tasks that it has not told of.
    Gap,
}

/// A line that could not be played: its number, from 1, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Malformed {
    pub line: usize,
    pub reason: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// The lines of a file, unpacked if it is packed.
pub fn lines(path: &Path) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>>> {
    let mut file = BufReader::new(File::open(path)?);
    let is_packed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let text: Box<dyn Read> = if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    Ok(BufReader::new(text).split(b'\n'))
}

/// A whole history.
#[derive(Default)]
pub struct History {
    /// The changes with their line numbers.
    pub changes: Vec<(usize, Change)>,
    /// The lines that are none.
    pub malformed: Vec<Malformed>,
}

/// Reads a history; a line that is no change does not stop it.
pub fn read(path: &Path) -> io::Result<History> {
    let mut history = History::default();
    for (at, text) in lines(path)?.enumerate() {
        let (line, text) = (at + 1, text?);
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match serde_json::from_slice(&text) {
            Ok(change) => history.changes.push((line, change)),
            Err(error) => history.malformed.push(Malformed { line, reason: error.to_string() }),
        }
    }
    Ok(history)
}

/// The end state that a file tells: one task a line.
pub fn read_expected(path: &Path) -> io::Result<Vec<Fields>> {
    let mut expected = Vec::new();
    for (at, text) in lines(path)?.enumerate() {
        let (line, text) = (at + 1, text?);
        if !text.iter().all(u8::is_ascii_whitespace) {
            let task = serde_json::from_slice(&text);
            expected.push(task.map_err(|error| io::Error::other(format!("line {line}: {error}")))?);
        }
    }
    Ok(expected)
}
