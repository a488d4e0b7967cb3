//! Histories as files: Jepsen's operations, one JSON object a line. Decides how a file is read and written; the
//! shape of an operation is `protocol::history`'s, what the operations mean is decided by the checks.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, BufWriter, Write as _},
    path::Path,
};
pub use tradewind_protocol::history::{Operation, OperationType};

/// Who does the faults, in the place of a process' number.
pub const NEMESIS: &str = "nemesis";

#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("the history {path} cannot be used: {source}")]
    File { path: String, source: io::Error },
    #[error("{path}, line {line}: this is no operation ({source})")]
    Line { path: String, line: usize, source: serde_json::Error },
    #[error("operation {index}: {text}")]
    Order { index: u64, text: String },
}

/// Reads a whole history. A line that is no operation is an error: a verdict on a part would be none.
pub fn read(path: &Path) -> Result<Vec<Operation>, HistoryError> {
    let named = || path.display().to_string();
    let failed = |source| HistoryError::File { path: named(), source };
    let file = BufReader::new(File::open(path).map_err(failed)?);
    let mut operations = Vec::new();
    for (number, line) in file.lines().enumerate() {
        let line = line.map_err(failed)?;
        if line.trim().is_empty() {
            continue;
        }
        let operation = serde_json::from_str(&line).map_err(|source| HistoryError::Line {
            path: named(),
            line: number + 1,
            source,
        })?;
        operations.push(operation);
    }
    Ok(operations)
}

/// Writes a whole history.
pub fn write(path: &Path, operations: &[Operation]) -> Result<(), HistoryError> {
    let written = || -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for operation in operations {
            serde_json::to_writer(&mut file, operation)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    };
    written().map_err(|source| HistoryError::File { path: path.display().to_string(), source })
}

/// Whether an operation is the nemesis'.
#[must_use]
pub fn is_fault(operation: &Operation) -> bool {
    operation.process.as_str() == Some(NEMESIS)
}
