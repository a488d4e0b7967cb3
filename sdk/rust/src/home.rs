//! Where the customer belongs, by the word of MarketManagers: the TraderManager that his own Traders attach at. Decides whose
//! word counts, the newest by the customer's version, whichever MarketManager says it, and when one that hangs elsewhere leaves for
//! there, again and again until it is there; what it does on its way is decided in `attach`.

use crate::dial;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tradewind_protocol::domain::control::desired::ManagerEndpoint;

/// One that has left for home in vain hangs elsewhere for so long before it leaves again; longer each time.
const AGAIN_FIRST: Duration = Duration::from_secs(5);
const AGAIN_MAX: Duration = Duration::from_secs(60);

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

    fn subscribe(&self) -> watch::Receiver<Home> {
        self.0.subscribe()
    }
}

/// A Trader's way there.
pub(crate) struct Way {
    told: watch::Receiver<Home>,
    /// So often in a row it has left without news.
    tries: u32,
    /// Where it belongs by the word of the group, as a member, or a TraderManager that sends it on, has it of the leader. Until a
    /// MarketManager says something new that counts more.
    by_group: Option<String>,
}

impl Way {
    pub(crate) fn of(homes: &Homes) -> Self {
        Self { told: homes.subscribe(), tries: 0, by_group: None }
    }

    pub(crate) fn group_says(&mut self, address: Option<&String>) {
        self.by_group = address.cloned();
    }

    /// Whether the group has named this address last.
    pub(crate) fn is_by_group(&self, address: &str) -> bool {
        self.by_group.as_deref() == Some(address)
    }

    /// Whom to dial while no member answers: home, and by turns with it those that are `known`. That it was dialled does not
    /// mean that it is there: what was said stays news.
    pub(crate) fn next(&self, known: &mut Vec<String>) -> Option<String> {
        let told = self.told.borrow().address.clone();
        if let Some(told) = told.filter(|told| known.last() != Some(told)) {
            known.retain(|address| *address != told);
            known.insert(0, told);
        }
        if !known.is_empty() {
            known.rotate_left(1);
        }
        known.last().cloned()
    }

    /// When one that hangs elsewhere from now on leaves for home though nothing new is said.
    pub(crate) fn again_at(&self) -> Instant {
        let wait = AGAIN_FIRST * 2_u32.saturating_pow(self.tries.min(4));
        Instant::now() + dial::jittered(wait.min(AGAIN_MAX))
    }

    /// Resolves when it has to leave where it is, with where to go: where it is may be cut off from the group, and know of no
    /// other. May be cancelled.
    pub(crate) async fn leaves(&mut self, here: &str, again_at: Instant) -> String {
        loop {
            let elsewhere = self.told.borrow().elsewhere(here);
            if elsewhere.is_none() {
                self.tries = 0;
            }
            let there = elsewhere.filter(|_| !self.is_by_group(here));
            tokio::select! {
                biased;
                Ok(()) = self.told.changed() => {
                    (self.tries, self.by_group) = (0, None);
                    if let Some(there) = self.told.borrow_and_update().elsewhere(here) {
                        return there;
                    }
                }
                () = sleep_until(again_at), if there.is_some() => {
                    self.tries += 1;
                    return there.unwrap_or_default();
                }
                else => std::future::pending().await,
            }
        }
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
            assert_eq!(told.borrow_and_update().address.as_ref().unwrap(), held);
        }
        homes.heard(at("four"), 5);
        assert!(!told.has_changed().unwrap(), "that was known");
        homes.heard(None, 6);
        assert_eq!(told.borrow().elsewhere("four"), None);
    }
    fn told(homes: &Homes, address: &str, version: u64) {
        let manager = "a1.trader-manager".parse().unwrap();
        homes.heard(Some(ManagerEndpoint { manager, address: address.to_owned() }), version);
    }

    #[test]
    fn home_is_dialled_by_turns_with_those_that_are_known() {
        let homes = Homes::default();
        let way = Way::of(&homes);
        let mut known: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        let mut dialled = |times: usize| {
            let next = |_| way.next(&mut known).unwrap();
            (0..times).map(next).collect::<Vec<_>>().concat()
        };
        assert_eq!(dialled(4), "abca");
        // one that is known already
        told(&homes, "c", 4);
        assert_eq!(dialled(6), "cbcacb");
        // and one that is not
        told(&homes, "d", 5);
        let next = dialled(12);
        assert!(next.starts_with('d') && next.matches('d').count() == 6, "{next}");
        for other in ["da", "db", "dc"] {
            assert!(next.contains(other), "{next}");
        }
    }

    #[tokio::test]
    async fn one_that_hangs_elsewhere_leaves_again_and_again_and_ever_more_seldom() {
        let homes = Homes::default();
        let mut way = Way::of(&homes);
        told(&homes, "home", 4);
        let never = Instant::now() + Duration::from_secs(3_600);
        assert_eq!(way.leaves("here", never).await, "home", "news is followed at once");
        for most in [5, 10, 20, 40, 60, 60, 60].map(Duration::from_secs) {
            let since = Instant::now();
            let waits = way.again_at() - since;
            assert!(most / 2 <= waits && waits < most + Duration::from_secs(1), "{waits:?}");
            assert_eq!(way.leaves("here", since).await, "home");
        }
        // once a member says that it belongs here it stays, until there is news
        way.group_says(Some(&"here".to_owned()));
        let stays = async |way: &mut Way, here: &str| {
            let left = way.leaves(here, Instant::now());
            let left = tokio::time::timeout(Duration::from_millis(50), left).await;
            assert!(left.is_err(), "it left {here}");
        };
        stays(&mut way, "here").await;
        told(&homes, "other", 5);
        assert_eq!(way.leaves("here", never).await, "other");
        assert_eq!(way.leaves("here", Instant::now()).await, "other");
        // and it stays where it belongs, which makes the next time a first one
        stays(&mut way, "other").await;
        assert!(way.again_at() < Instant::now() + Duration::from_secs(6));
    }
}
