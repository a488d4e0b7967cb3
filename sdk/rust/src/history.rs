//! The history of what an algo did and saw, written as it happens, if `TRADEWIND_HISTORY` names a file:
//! the algo's side of every check that nothing was lost or doubled. Decides nothing.

use crate::clock;
use serde_json::Value;
use std::{
    fs::File,
    io::Write as _,
    path::Path,
    sync::{Mutex, PoisonError},
};
use tradewind_protocol::history::{Operation, OperationType};

#[derive(Debug)]
pub(crate) struct History {
    file: Mutex<(File, u64)>,
}

impl History {
    /// Opens the file at its end: a Trader that is started anew goes on with it.
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::options().append(true).create(true).open(path)?;
        Ok(Self { file: Mutex::new((file, 0)) })
    }

    pub(crate) fn write(&self, kind: OperationType, f: &str, value: Value, error: Option<String>) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let operation = Operation {
            index: file.1,
            time: clock::now().0,
            process: std::process::id().into(),
            kind,
            f: f.to_string(),
            value,
            error,
        };
        file.1 += 1;
        // One write a line: a kill leaves at most the last one torn.
        let line = serde_json::to_string(&operation).map(|text| text + "\n").unwrap_or_default();
        if let Err(error) = file.0.write_all(line.as_bytes()) {
            tracing::error!(%error, "the history could not be written");
        }
    }
}

/// A history, or none: most algos keep none.
#[derive(Debug, Default)]
pub(crate) struct Recorder(pub(crate) Option<History>);

impl Recorder {
    pub(crate) fn write(&self, kind: OperationType, f: &str, value: impl Into<Value>) {
        if let Some(history) = &self.0 {
            history.write(kind, f, value.into(), None);
        }
    }

    pub(crate) fn write_error(
        &self,
        kind: OperationType,
        f: &str,
        value: impl Into<Value>,
        error: String,
    ) {
        if let Some(history) = &self.0 {
            history.write(kind, f, value.into(), Some(error));
        }
    }
}
