//! The history the demo's algo leaves: what it asked for and what it was told. Decides how its lines are
//! read; what must hold of them is decided in `domain::trading::invariants`.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
};
use tradewind_domain::{
    ids::{ClientOrderId, ExecId},
    time::UnixNanos,
    trading::invariants::AlgoView,
};
use tradewind_protocol::history::{Operation, OperationType};

#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) view: AlgoView,
    /// When each quote came, in order.
    pub(crate) quotes: Vec<UnixNanos>,
    /// When each fill came, in order.
    pub(crate) fill_times: Vec<UnixNanos>,
    /// MarketManagers it connected to, in order.
    pub(crate) connections: Vec<String>,
    /// Times the algo ended all its orders in peace.
    pub(crate) wound_down: usize,
    /// Errors the algo was shown: the promise is that there is none.
    pub(crate) errors: Vec<String>,
    states: BTreeMap<ClientOrderId, String>,
}

impl History {
    /// Reads what was written so far. A last line that is torn counts as not written.
    pub(crate) fn read(path: &Path) -> std::io::Result<Self> {
        let mut history = Self::default();
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(history),
            Err(error) => return Err(error),
        };
        for line in BufReader::new(file).lines() {
            if let Ok(operation) = serde_json::from_str::<Operation>(&line?) {
                history.take(&operation);
            }
        }
        history.forget_rejected();
        Ok(history)
    }

    fn take(&mut self, operation: &Operation) {
        use OperationType as T;
        let at = UnixNanos(operation.time);
        let text = operation.value.as_str().unwrap_or_default();
        let id = || ClientOrderId::new(text).ok();
        match (operation.f.as_str(), operation.kind) {
            ("submit", T::Invoke) => self.view.submitted.extend(id()),
            ("submit", T::Ok) => self.view.acknowledged.extend(id()),
            ("submit", T::Fail) => {
                self.view.refused.extend(id());
                self.errors.extend(operation.error.clone());
            }
            ("submit", T::Info) => self.errors.extend(operation.error.clone()),
            ("fill", T::Ok) => {
                self.view.fills.extend(ExecId::new(text).ok());
                self.fill_times.push(at);
            }
            ("order", T::Ok) => {
                let id = operation.value.get(0).and_then(|id| id.as_str());
                let state = operation.value.get(1).and_then(|state| state.as_str());
                if let (Some(Ok(id)), Some(state)) = (id.map(ClientOrderId::new), state) {
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

    /// Orders whose ledger has said `rejected` are not at the venue, and the algo knows.
    fn forget_rejected(&mut self) {
        let states = &self.states;
        self.view.acknowledged.retain(|id| states.get(id).is_none_or(|state| state != "rejected"));
    }
}

/// The longest time without an event that touches `from..until`; `None` if nothing came after it began.
pub(crate) fn longest_gap(times: &[UnixNanos], from: UnixNanos, until: UnixNanos) -> Option<u128> {
    let mut longest = None;
    for pair in times.windows(2) {
        if pair[1] > from && pair[0] < until {
            let gap = pair[1].since(pair[0]).as_millis();
            longest = longest.max(Some(gap));
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_history_is_read_as_it_was_written_but_for_a_torn_end() {
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
            line("fill", "ok", r#""x""#),
            line("fill", "ok", r#""y"#),
        ];
        std::fs::write(&path, lines.join("\n")).unwrap();
        let history = History::read(&path).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(history.view.acknowledged, [ClientOrderId::new("a").unwrap()]);
        assert_eq!(history.view.fills, [ExecId::new("x").unwrap()]);
    }

    #[test]
    fn the_longest_gap_is_the_one_that_touches_the_window() {
        let times: Vec<_> = [0, 10, 900, 910, 5_000].map(|ms| UnixNanos(ms * 1_000_000)).into();
        let at = |ms: u64| UnixNanos(ms * 1_000_000);
        assert_eq!(longest_gap(&times, at(15), at(905)), Some(890));
        assert_eq!(longest_gap(&times, at(901), at(905)), Some(10));
        assert_eq!(longest_gap(&times, at(6_000), at(7_000)), None);
    }
}
