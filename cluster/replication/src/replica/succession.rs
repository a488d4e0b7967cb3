//! A leader whose process is gone. Decides what proves it (its connection here has ended, and its port refuses
//! a new one) and who then campaigns, when: nobody waits for a timer that is there for a leader that may only
//! be slow. What may be decided is Raft's: a campaign begins with a pre-vote, and no voter grants one before its
//! own lease of the old leader is over. A wrong proof costs a pre-vote that is refused.

use crate::{Network, raft::Raft};
use openraft::async_runtime::watch::WatchReceiver;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

/// A process that ends closes its connections and its port one after the other; on a busy machine it may take a
/// while in between. Each pause is twice the one before: a third of a second in all.
const DIALS: u32 = 7;
const DIAL_PAUSE: Duration = Duration::from_millis(5);

/// After the lease of the old leader, as a part of it: the voters have heard of it at slightly different times, and
/// their clocks run at slightly different speeds. A campaign that comes too early for one costs a round.
const MARGIN_OF_LEASE: u32 = 25;

/// Between the campaigns of two voters, and between two of the same: what a round of votes takes, with a sync
/// on each side.
const STEP: Duration = Duration::from_millis(30);

/// A voter campaigns so often, then leaves it to the timers.
const ROUNDS: u32 = 3;

/// Who waits for the end of connections, and what he needs.
pub(super) struct Succession {
    pub(super) raft: Raft,
    pub(super) network: Arc<dyn Network>,
    /// Told whenever a connection from a peer has ended.
    pub(super) lost: Arc<Notify>,
    pub(super) dial: Duration,
    pub(super) lease: Duration,
}

/// The leader, another member, and how many voters campaign before this one.
struct Led {
    leader: u64,
    address: String,
    rank: u32,
}

impl Succession {
    /// May be cancelled.
    pub(super) async fn run(self) {
        loop {
            self.lost.notified().await;
            let Some(led) = self.led() else { continue };
            if self.is_gone(&led.address).await {
                tracing::info!(leader = led.leader, "the leader's process is gone");
                if self.campaign(&led).await.is_err() {
                    return;
                }
            }
        }
    }

    fn led(&self) -> Option<Led> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let leader = metrics.current_leader.filter(|leader| *leader != metrics.id)?;
        let address = membership.get_node(&leader)?.peer_address.clone();
        // Of two candidates of one term the one with the higher id wins: it goes first.
        let mut voters: Vec<u64> = membership.voter_ids().filter(|id| *id != leader).collect();
        voters.sort_unstable_by(|a, b| b.cmp(a));
        let rank = voters.iter().position(|id| *id == metrics.id)?;
        Some(Led { leader, address, rank: u32::try_from(rank).ok()? })
    }

    /// Only a refusal proves it: silence may be the network's.
    async fn is_gone(&self, address: &str) -> bool {
        for dial in 0..DIALS {
            match timeout(self.dial, self.network.dial(address)).await {
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => return true,
                Ok(Ok(_)) => sleep(DIAL_PAUSE * 2_u32.pow(dial)).await,
                Ok(Err(_)) | Err(_) => return false,
            }
        }
        false
    }

    /// An error if the member has stopped.
    async fn campaign(&self, led: &Led) -> Result<(), ()> {
        sleep(self.lease + self.lease / MARGIN_OF_LEASE + STEP * led.rank).await;
        for _ in 0..ROUNDS {
            if self.led().is_none_or(|now| now.leader != led.leader) {
                return Ok(());
            }
            self.raft.trigger().elect(true).await.map_err(drop)?;
            sleep(STEP * 2).await;
        }
        Ok(())
    }
}
