//! The BrokerManager. Decides that each Broker that is wanted is one service, and has all of them ask before they connect
//! to a venue; supervising them, and saying where each is (`GET /v1/services/{service}`, which Markets ask at every
//! dial), is what all Managers share.

use crate::connects::desk::Desk;
use futures_util::{FutureExt as _, future::BoxFuture};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::{
        Desired,
        desired::{BrokerWanted, Work as Wish},
    },
    ids::ServiceId,
};
use tradewind_node::manager::{self, Options, Wanted, Work};
use tradewind_protocol::{
    asks::{ServiceAnswer, ServiceAsk},
    supervision::Configuration,
};

/// What a BrokerManager does beside what all Managers do.
#[derive(Default)]
pub struct Brokers {
    desk: Desk,
}

impl Work for Brokers {
    fn wanted(&self, desired: &Desired) -> Vec<Wanted> {
        match &desired.work {
            Wish::Brokers { brokers } => brokers.iter().cloned().map(service).collect(),
            // Only a leader that takes this Manager for another sends these.
            Wish::Markets { .. } | Wish::Traders { .. } => {
                tracing::error!("told to run services of another kind");
                Vec::new()
            }
        }
    }

    fn asked(&self, service: &ServiceId, ask: ServiceAsk) -> ServiceAnswer {
        match ask {
            ServiceAsk::Connect { venue, endpoint, allowed } => {
                self.desk.ask(service, venue, endpoint, allowed)
            }
        }
    }
}

fn service(wanted: BrokerWanted) -> Wanted {
    let service = ServiceId::Broker { account: wanted.account.clone(), shard: wanted.shard };
    Wanted::from((service, Configuration::Broker { wanted }))
}

/// Runs a BrokerManager until `shutdown`.
pub fn broker_manager(
    options: Options,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Result<(), manager::Error>> {
    // Boxed here: a future's code is made where it is awaited, which would be the binary's crate.
    manager::run(options, Arc::new(Brokers::default()), shutdown).boxed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_domain::ids::{AccountId, Fence, Revision, VenueId};

    #[test]
    fn each_broker_wanted_is_one_service_named_after_account_and_shard() {
        // given
        let wanted = |account: &str, shard| BrokerWanted {
            account: AccountId::new(account).unwrap(),
            shard,
            fence: Fence::default(),
            venue: VenueId::new("sim").unwrap(),
            adapter: "sim".to_string(),
            endpoint: "127.0.0.1:1".to_string(),
            customers: Default::default(),
            fences: Vec::new(),
            controls: Default::default(),
        };
        let brokers = vec![wanted("a", 0), wanted("a", 1), wanted("b", 0)];
        let desired = Desired {
            revision: Revision(1),
            fence: Fence::default(),
            work: Wish::Brokers { brokers: brokers.clone() },
            market_managers: Vec::new(),
            cordons: Default::default(),
            empties: false,
        };
        // when
        let services = Brokers::default().wanted(&desired);
        // then
        let names: Vec<_> = services.iter().map(|wanted| wanted.service.to_string()).collect();
        assert_eq!(names, ["broker.a.0", "broker.a.1", "broker.b.0"]);
        let told = services.into_iter().map(|wanted| wanted.configuration.unwrap());
        assert!(told.eq(brokers.into_iter().map(|wanted| Configuration::Broker { wanted })));
    }
}
