//! The MarketManagers an algo may use, and the one it uses now. Decides which is next; whether one
//! works is found out by those who dial.

use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(crate) struct Edges {
    list: Mutex<List>,
}

#[derive(Debug)]
struct List {
    addresses: Vec<String>,
    current: usize,
}

impl Edges {
    /// `addresses` in the order of preference; not empty.
    pub(crate) fn new(addresses: Vec<String>) -> Self {
        Self { list: Mutex::new(List { addresses, current: 0 }) }
    }

    // A panic while the lock is held leaves a list that is still whole.
    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn current(&self) -> String {
        let list = self.lock();
        list.addresses.get(list.current).cloned().unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().addresses.len()
    }

    /// `failed` did not work: the next one is tried, unless somebody has moved on already.
    pub(crate) fn leave(&self, failed: &str) {
        let mut list = self.lock();
        if list.addresses.get(list.current).is_some_and(|address| address == failed) {
            list.current = (list.current + 1) % list.addresses.len().max(1);
        }
    }

    /// Uses this one from now on, and learns it if it is not known yet.
    pub(crate) fn go_to(&self, address: &str) {
        let mut list = self.lock();
        let known = list.addresses.iter().position(|known| known == address);
        list.current = known.unwrap_or(list.addresses.len());
        if known.is_none() {
            list.addresses.push(address.to_string());
        }
    }

    /// Takes a list learnt anew; the current one stays if it is still in it.
    pub(crate) fn replace(&self, addresses: Vec<String>) {
        if addresses.is_empty() {
            return;
        }
        let mut list = self.lock();
        let current = list.addresses.get(list.current).cloned().unwrap_or_default();
        list.current = addresses.iter().position(|address| *address == current).unwrap_or(0);
        list.addresses = addresses;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges() -> Edges {
        Edges::new(vec!["a".to_string(), "b".to_string()])
    }

    #[test]
    fn a_failed_edge_is_left_once_however_many_report_it() {
        let edges = edges();
        edges.leave("a");
        edges.leave("a");
        assert_eq!(edges.current(), "b");
        edges.leave("b");
        assert_eq!(edges.current(), "a");
    }

    #[test]
    fn an_edge_gone_to_is_learnt_and_a_new_list_keeps_the_current_one() {
        let edges = edges();
        edges.go_to("c");
        assert_eq!((edges.current().as_str(), edges.len()), ("c", 3));
        edges.replace(vec!["b".to_string(), "c".to_string()]);
        assert_eq!(edges.current(), "c");
        edges.replace(vec![]);
        assert_eq!(edges.len(), 2);
    }
}
