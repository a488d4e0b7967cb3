//! The history the demo's algo leaves: what it asked for and what it was told. Decides how its lines are
//! read; what must hold of them is decided in `domain::trading::invariants`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufRead as _, BufReader, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};
use tradewind_domain::{
    ids::{ClientOrderId, ExecId},
    time::UnixNanos,
    trading::invariants::AlgoView,
};
use tradewind_protocol::history::{Operation, OperationType};

#[derive(Debug, Default)]
pub(crate) struct History {
    path: PathBuf,
    /// Bytes read so far: whole lines.
    read: u64,
    view: AlgoView,
    /// When each quote came, in order.
    pub(crate) quotes: Vec<UnixNanos>,
    /// When each fill came, in order.
    pub(crate) fill_times: Vec<UnixNanos>,
    /// MarketManagers it connected to, in order.
    pub(crate) connections: Vec<String>,
    /// Times the algo ended all its orders in peace.
    pub(crate) wound_down: usize,
    /// Lives of the algo: its process, and when it was first heard of.
    lives: BTreeMap<String, UnixNanos>,
    /// Errors the algo was shown: the promise is that there is none.
    pub(crate) errors: Vec<String>,
    states: BTreeMap<ClientOrderId, String>,
    /// Orders that were more than accepted at some time: the venue was told of them.
    sent: BTreeSet<ClientOrderId>,
}

impl History {
    /// The history that is or will be written to this file.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, ..Self::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what has been written since the last time. A last line without its end is not written yet.
    pub(crate) fn follow(&mut self) -> std::io::Result<()> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(self.read))?;
        let mut file = BufReader::new(file);
        let mut line = String::new();
        while file.read_line(&mut line)? > 0 && line.ends_with('\n') {
            self.read += line.len() as u64;
            // A line torn by a kill is no operation; the next one begins anew.
            if let Ok(operation) = serde_json::from_str::<Operation>(&line) {
                self.take(&operation);
            }
            line.clear();
        }
        Ok(())
    }

    /// What is checked at the end. Orders whose ledger has said `rejected` are not at the venue, and the
    /// algo knows; so it does of those that it canceled before they were sent.
    pub(crate) fn view(&self) -> AlgoView {
        let absent = |id: &ClientOrderId| {
            self.states.get(id).is_some_and(|state| {
                state == "rejected" || (state == "canceled" && !self.sent.contains(id))
            })
        };
        let mut view = self.view.clone();
        view.acknowledged.retain(|id| !absent(id));
        view
    }

    /// Orders accepted and fills, so far.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.view.acknowledged.len(), self.view.fills.len())
    }

    /// How often the algo was started since then.
    pub(crate) fn starts_since(&self, at: UnixNanos) -> usize {
        self.lives.values().filter(|first| **first >= at).count()
    }

    fn take(&mut self, operation: &Operation) {
        use OperationType as T;
        let at = UnixNanos(operation.time);
        self.lives.entry(operation.process.to_string()).or_insert(at);
        let text = operation.value.as_str().unwrap_or_default();
        let id = || ClientOrderId::new(text).ok();
        match (operation.f.as_str(), operation.kind) {
            // A replace arrives at the venue under its own id, once or not at all.
            ("submit" | "replace", T::Invoke) => self.view.submitted.extend(id()),
            ("submit", T::Ok) => self.view.acknowledged.extend(id()),
            ("submit" | "replace", T::Fail) => {
                self.view.refused.extend(id());
                self.errors.extend(operation.error.clone());
            }
            ("submit" | "replace" | "cancel" | "wind-down", T::Info) => {
                self.errors.extend(operation.error.clone())
            }
            ("fill", T::Ok) => {
                self.view.fills.extend(ExecId::new(text).ok());
                self.fill_times.push(at);
            }
            ("order", T::Ok) => {
                let id = operation.value.get(0).and_then(|id| id.as_str());
                let state = operation.value.get(1).and_then(|state| state.as_str());
                if let (Some(Ok(id)), Some(state)) = (id.map(ClientOrderId::new), state) {
                    if !matches!(state, "accepted" | "rejected" | "canceled") {
                        self.sent.insert(id.clone());
                    }
                    self.states.insert(id, state.to_string());
                }
            }
            ("quote", T::Ok) => self.quotes.push(at),
            ("connect", _) => self.connections.push(text.to_string()),
            ("untold-gap", _) => self.view.untold_gaps += 1,
            ("wind-down", T::Ok) => self.wound_down += 1,
            _ => {}
        }
    }
}

/// A silence of this length at the end is no pause between two events any more.
const SILENT: Duration = Duration::from_secs(3);

/// The longest time without an event that touches `from..until`, also the one that lasts at its end;
/// `None` if nothing came after it began, or nothing any more.
pub(crate) fn longest_gap(times: &[UnixNanos], from: UnixNanos, until: UnixNanos) -> Option<u128> {
    let after = times.iter().position(|at| *at > from)?;
    let last = *times.last()?;
    if until.since(last) >= SILENT {
        return None;
    }
    let first = after.saturating_sub(1);
    let pairs = times[first..].windows(2).take_while(|pair| pair[0] < until);
    let gaps = pairs.map(|pair| pair[1].since(pair[0]));
    gaps.chain([until.since(last)]).max().map(|gap| gap.as_millis())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_history_is_followed_line_by_line_and_a_torn_end_is_read_when_it_is_whole() {
        let directory = std::env::temp_dir().join(format!("history-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("history.jsonl");
        let line = |f: &str, kind: &str, value: &str| {
            format!(
                r#"{{"index":0,"time":5,"process":1,"type":"{kind}","f":"{f}","value":{value}}}"#
            )
        };
        let lines = [
            line("submit", "invoke", r#""a""#),
            line("submit", "ok", r#""a""#),
            line("submit", "ok", r#""b""#),
            line("order", "ok", r#"["b","rejected"]"#),
            line("submit", "ok", r#""c""#),
            line("order", "ok", r#"["c","canceled"]"#),
            line("submit", "ok", r#""d""#),
            line("order", "ok", r#"["d","pending_new"]"#),
            line("order", "ok", r#"["d","canceled"]"#),
            line("fill", "ok", r#""x""#),
            line("fill", "ok", r#""y""#),
        ];
        let whole = lines.join("\n") + "\n";
        let (before, after) = whole.split_at(whole.len() - 30);
        let mut history = History::at(path.clone());
        history.follow().unwrap();
        std::fs::write(&path, before).unwrap();
        history.follow().unwrap();
        assert_eq!(history.counts(), (4, 1));
        std::fs::write(&path, format!("{before}{after}")).unwrap();
        history.follow().unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        // Not the one that was rejected, nor the one that was canceled before it was sent.
        let there = ["a", "d"].map(|id| ClientOrderId::new(id).unwrap());
        assert_eq!(history.view().acknowledged, there);
        assert_eq!(history.view().fills, ["x", "y"].map(|id| ExecId::new(id).unwrap()));
    }

    #[test]
    fn the_longest_gap_is_the_one_that_touches_the_window() {
        let times: Vec<_> = [0, 10, 900, 910, 5_000].map(|ms| UnixNanos(ms * 1_000_000)).into();
        let at = |ms: u64| UnixNanos(ms * 1_000_000);
        assert_eq!(longest_gap(&times, at(15), at(905)), Some(890));
        assert_eq!(longest_gap(&times, at(901), at(905)), Some(10));
        assert_eq!(longest_gap(&times, at(6_000), at(7_000)), None);
        // What stopped soon after the kill and never came back has no end.
        assert_eq!(longest_gap(&times, at(901), at(9_000)), None);
        assert_eq!(longest_gap(&times, at(901), at(6_500)), Some(4_090));
        assert_eq!(longest_gap(&times[..4], at(15), at(2_900)), Some(1_990));
    }
}
