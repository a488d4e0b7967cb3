//! Where the customer belongs, by the word of MarketManagers: the TraderManager that his own Traders attach at. Decides whose
//! word counts, the newest by the customer's version, whichever MarketManager says it; who goes there is decided in `attach`.

use std::sync::Arc;
use tokio::sync::watch;
use tradewind_protocol::domain::control::desired::ManagerEndpoint;

/// What was said last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Home {
    version: u64,
    address: Option<String>,
}

impl Home {
    /// Where it is, if that is not `here`.
    pub(crate) fn elsewhere(&self, here: &str) -> Option<String> {
        self.address.clone().filter(|address| address != here)
    }

    pub(crate) fn address(&self) -> Option<&String> {
        self.address.as_ref()
    }
}

/// Where it is heard. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Homes(Arc<watch::Sender<Home>>);

impl Default for Homes {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::default()))
    }
}

impl Homes {
    pub(crate) fn heard(&self, trader_manager: Option<ManagerEndpoint>, version: u64) {
        let told = Home { version, address: trader_manager.map(|manager| manager.address) };
        self.0.send_if_modified(|held| {
            // One that was cut off says what was.
            let is_news = told.version >= held.version && told != *held;
            if is_news {
                *held = told;
            }
            is_news
        });
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Home> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_word_of_the_newest_version_counts_whoever_says_it_last() {
        let homes = Homes::default();
        let mut told = homes.subscribe();
        let at = |address: &str| {
            let manager = "a1.trader-manager".parse().unwrap();
            Some(ManagerEndpoint { manager, address: address.to_owned() })
        };
        let cases = [
            (at("one"), 4, "one"),
            (at("two"), 3, "one"),
            // started again, elsewhere
            (at("three"), 4, "three"),
            (at("four"), 5, "four"),
            (at("three"), 4, "four"),
        ];
        for (manager, version, held) in cases {
            homes.heard(manager, version);
            assert_eq!(told.borrow_and_update().address().unwrap(), held);
        }
        homes.heard(at("four"), 5);
        assert!(!told.has_changed().unwrap(), "that was known");
        homes.heard(None, 6);
        assert_eq!(told.borrow().elsewhere("four"), None);
    }
}
