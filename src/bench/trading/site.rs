//! The cluster that trading is measured on: real processes of this program. Decides what is declared on it, and that
//! two customers have an account each at the same venue: one that trades, and one whose sessions are many.

use crate::bench::measured::hundredths;
use anyhow::{Context as _, bail};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tradewind_control_client::{ControlClient, KeySource};
use tradewind_domain::{
    control::row::{AccountSpec, CustomerSpec, MarketSpec, Route},
    ids::{AccountId, ClientId, CustomerId, KeyHash, MarketId, VenueId},
};
use tradewind_launcher::{Cluster, DataDirectory, Plan, Whole};
use tradewind_link::rest::{Method, Rest};
use tradewind_protocol::{judge::VenueLedger, session::SessionOpened};

pub(super) const INSTRUMENT: &str = "BTC/USD";
const NODES: u64 = 3;
const WITHIN: Duration = Duration::from_secs(30);
const WHOLE_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A customer with one account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Party {
    pub(super) customer: &'static str,
    pub(super) account: &'static str,
    pub(super) key: &'static str,
}

/// Its orders are measured, or judged.
pub(super) const TRADER: Party = Party { customer: "acme", account: "sim-1", key: "bench-key" };
/// Its sessions are counted by the thousand.
pub(super) const CROWD: Party = Party { customer: "crowd", account: "sim-2", key: "crowd-key" };

pub(super) struct Site {
    pub(super) cluster: Cluster,
    client: ControlClient,
    rest: Rest,
    implementations: usize,
}

impl Site {
    /// A cluster whose accounts are at `venue`; at the sim venue if that is none.
    pub(super) async fn start(
        implementations: usize,
        data: &Path,
        venue: Option<String>,
    ) -> anyhow::Result<Self> {
        let binary = std::env::current_exe().context("this program's own path")?;
        let environment = vec![("TRADEWIND_LOG".to_string(), "warn,openraft=error".to_string())];
        let plan = Plan { binary, nodes: NODES, implementations, port_base: None, environment };
        let mut cluster = Cluster::new(&plan, DataDirectory::open(Some(data.to_owned()))?)?;
        cluster.start_all().await?;
        let rest = Rest::default();
        let client = ControlClient::new(cluster.members(), rest.clone());
        let site = Self { cluster, client, rest, implementations };
        let endpoint = venue.unwrap_or_else(|| site.cluster.venue_address());
        site.declare(&endpoint).await?;
        site.whole().await?;
        Ok(site)
    }

    async fn declare(&self, endpoint: &str) -> anyhow::Result<()> {
        let name = ClientId::new(&format!("bench-{}", std::process::id()))?;
        let keys = KeySource::new(name, Arc::new(crate::clock::now)).following(self.client.time());
        let venue: VenueId = "sim".parse()?;
        for party in [TRADER, CROWD] {
            let customer = CustomerId::new(party.customer)?;
            let spec = CustomerSpec { key_hashes: BTreeSet::from([KeyHash::of(party.key)]) };
            self.client.put_customer(&customer, &spec, &keys.next(), WITHIN).await.accepted()?;
            let spec = AccountSpec {
                venue: venue.clone(),
                adapter: "sim".to_string(),
                endpoint: endpoint.to_string(),
                customers: BTreeSet::from([customer]),
            };
            let account = AccountId::new(party.account)?;
            self.client.put_account(&account, &spec, &keys.next(), WITHIN).await.accepted()?;
        }
        let instrument = INSTRUMENT.parse()?;
        let route = Route { instrument, data_venue: venue.clone(), order_venue: venue };
        let spec = MarketSpec { routes: vec![route] };
        let market = MarketId::new("crypto")?;
        self.client.put_market(&market, &spec, &keys.next(), WITHIN).await.accepted()?;
        Ok(())
    }

    /// Waits until everything that should run runs.
    pub(super) async fn whole(&self) -> anyhow::Result<()> {
        let wanted = Whole {
            members: usize::try_from(NODES)?,
            managers: 3 * self.implementations,
            brokers: 2,
            markets: self.implementations,
        };
        let began = Instant::now();
        while !self.client.status(WITHIN).await.is_ok_and(|status| wanted.is(&status)) {
            if began.elapsed() > WHOLE_WITHIN {
                bail!("the cluster was not whole within {WHOLE_WITHIN:?}");
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// A session of a party: its token, and the MarketManagers to use.
    pub(super) async fn session(&self, party: Party) -> anyhow::Result<SessionOpened> {
        Ok(self.client.open_session(party.key, WITHIN).await?)
    }

    /// The venue's own ledger: the judge.
    pub(super) async fn ledger(&self, party: Party) -> anyhow::Result<VenueLedger> {
        let path = format!("/v1/ledger?account={}", party.account);
        let address = self.cluster.venue_address();
        let asked = self.rest.request(Method::GET, &address, &path, &[], None::<&()>, WITHIN);
        Ok(asked.await.context("the venue's ledger")?.1)
    }

    /// Name of the Manager that listens there.
    pub(super) fn manager_at(&self, address: &str) -> anyhow::Result<String> {
        let names = self.cluster.manager_names();
        let at = |name: &String| {
            self.cluster.manager_process(name).is_some_and(|process| process.address() == address)
        };
        names.into_iter().find(at).with_context(|| format!("no Manager listens at {address}"))
    }
}

/// Milliseconds of microseconds.
pub(super) fn millis(us: u32) -> f64 {
    hundredths(f64::from(us) / 1e3)
}

/// A directory of its own below the bench's data.
pub(super) fn below(data: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = data.join(name);
    std::fs::create_dir_all(&path).with_context(|| format!("{}", path.display()))?;
    Ok(path)
}
