//! The shards of a link's Market. Decides what is handed over when others serve than before, and when a shard that serves no more is
//! let go: once nothing comes over it.

use super::{Acts, Task};
use crate::gateway::trade_link::pipes::{MAIN, Shard};
use std::collections::BTreeSet;
use tokio::sync::watch;
use tradewind_domain::{ids::InstrumentId, trading::shards::shard_of};

/// Between a link's task and whoever decides which shards there are.
pub(super) struct Wish {
    /// Those that are to serve.
    pub(super) serves: watch::Receiver<BTreeSet<Shard>>,
    /// Those over which something may come.
    pub(super) used: watch::Sender<BTreeSet<Shard>>,
}

impl Task {
    /// The shard that an instrument comes over.
    pub(super) fn shard(&self, instrument: &InstrumentId) -> Shard {
        shard_of(instrument, &self.serving)
    }

    /// Others serve from now on: what is another's then is handed over to it.
    pub(super) fn serve(&mut self) -> Acts {
        let mut serving = self.wish.serves.borrow_and_update().clone();
        serving.insert(MAIN);
        if serving == self.serving {
            return Vec::new();
        }
        tracing::info!(market = %self.market, ?serving, "other shards serve");
        serving.iter().for_each(|shard| self.pipes.open(*shard));
        self.serving = serving;
        let carrier = |instrument: &InstrumentId| shard_of(instrument, &self.serving);
        let mut acts = self.quotes.hand_over(carrier, self.pipes.up());
        acts.extend(self.trades.hand_over(carrier, self.pipes.up()));
        self.tell_used();
        acts
    }

    /// Lets go of shards that serve no more and have nothing left.
    pub(super) fn let_go(&mut self) {
        let left: Vec<Shard> = self.pipes.all().difference(&self.serving).copied().collect();
        let unused = |shard: &Shard| {
            !self.quotes.carries(shard)
                && !self.trades.carries(shard)
                && !self.requests.has_any(shard)
        };
        let unused: Vec<Shard> = left.into_iter().filter(unused).collect();
        for shard in unused {
            tracing::info!(market = %self.market, shard, "nothing comes over it any more");
            self.pipes.close(shard);
        }
        self.tell_used();
    }

    fn tell_used(&self) {
        let used = self.pipes.all();
        self.wish.used.send_if_modified(|told| {
            let changed = *told != used;
            *told = used;
            changed
        });
    }
}
