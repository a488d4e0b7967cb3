//! The history as it happens. Decides order and time: one place writes all lines, by a clock that never goes back.
//! The one file of this crate that reads the calendar's time.

use crate::history::{NEMESIS, Operation, OperationType};
use anyhow::Context as _;
use serde_json::Value;
use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use tradewind_domain::time::UnixNanos;

pub(crate) fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// How something that was asked for ended.
pub(crate) enum Ended {
    Ok(Value),
    /// It surely did not happen.
    Fail(String),
    /// It may have happened.
    Info(String),
}

pub(crate) struct Recorder {
    began: Instant,
    began_at: UnixNanos,
    next_process: AtomicU64,
    written: Mutex<Written>,
}

struct Written {
    file: BufWriter<File>,
    operations: Vec<Operation>,
    failed: Option<std::io::Error>,
}

impl Recorder {
    pub(crate) fn create(path: &Path) -> anyhow::Result<Arc<Self>> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        let file = BufWriter::new(file);
        let written = Written { file, operations: Vec::new(), failed: None };
        Ok(Arc::new(Self {
            began: Instant::now(),
            began_at: now(),
            next_process: AtomicU64::new(0),
            written: Mutex::new(written),
        }))
    }

    pub(crate) fn write(
        &self,
        process: Value,
        kind: OperationType,
        f: &str,
        value: Value,
        error: Option<String>,
    ) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken under the lock: lines stand in the order of their times.
        let passed = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let (index, time) = (written.operations.len() as u64, self.began_at.0 + passed);
        let f = f.to_string();
        let operation = Operation { index, time, process, kind, f, value, error };
        let line = serde_json::to_string(&operation).unwrap_or_default();
        if let Err(error) = writeln!(written.file, "{line}") {
            written.failed.get_or_insert(error);
        }
        written.operations.push(operation);
    }

    /// What a nemesis did, or why not.
    pub(crate) fn nemesis(&self, f: &str, value: Value) {
        self.write(NEMESIS.into(), OperationType::Info, f, value, None);
    }

    pub(crate) fn process(self: &Arc<Self>) -> Process {
        Process {
            number: self.next_process.fetch_add(1, Ordering::Relaxed),
            recorder: self.clone(),
        }
    }

    /// All that was written, once it is on disk.
    pub(crate) fn finish(&self) -> anyhow::Result<Vec<Operation>> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = written.failed.take() {
            return Err(error).context("the history could not be written");
        }
        written.file.flush().context("the history could not be written")?;
        Ok(written.operations.clone())
    }
}

/// Who asks, one thing at a time.
pub(crate) struct Process {
    number: u64,
    recorder: Arc<Recorder>,
}

impl Process {
    /// Asks, and notes what came of it. After an end that is not known it goes on under a new number.
    pub(crate) async fn call(
        &mut self,
        f: &str,
        asked: Value,
        done: impl Future<Output = Ended>,
    ) -> bool {
        let write = |kind, value, error| {
            self.recorder.write(self.number.into(), kind, f, value, error);
        };
        write(OperationType::Invoke, asked.clone(), None);
        match done.await {
            Ended::Ok(value) => {
                write(OperationType::Ok, value, None);
                true
            }
            Ended::Fail(error) => {
                write(OperationType::Fail, asked, Some(error));
                false
            }
            Ended::Info(error) => {
                write(OperationType::Info, asked, Some(error));
                self.number = self.recorder.next_process.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    /// The same, for what is told while something is asked.
    pub(crate) fn teller(&self) -> Self {
        Self { number: self.number, recorder: self.recorder.clone() }
    }

    /// Something that was told without having been asked for.
    pub(crate) fn told(&self, kind: OperationType, f: &str, value: Value) {
        self.recorder.write(self.number.into(), kind, f, value, None);
    }
}
