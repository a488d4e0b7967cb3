//! Where the demo trades. Decides which process stands in the venue's place, how its accounts are declared and where its
//! ledger, which judges, is read.

use crate::cli::venue::{DemoVenue, DemoVenueArgs};
use anyhow::bail;
use tradewind_brokers::venue::kraken::{check, settings::Urls};
use tradewind_domain::ids::{AccountId, VenueId};
use tradewind_launcher::Cluster;

/// The simulator's API key: it opens nothing but a simulator on this machine's loopback.
const KEY: &str = "demo-key";
const SECRET: &str = "ZGVtby1zZWNyZXQ=";
/// Where its Broker finds them.
const KEY_VARIABLE: &str = "DEMO_KRAKEN_KEY";
const SECRET_VARIABLE: &str = "DEMO_KRAKEN_SECRET";

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(DemoVenue);

/// How an account is reached.
#[derive(Clone, Debug)]
pub(crate) struct At {
    pub(crate) venue: VenueId,
    pub(crate) adapter: &'static str,
    pub(crate) endpoint: String,
}

impl Place {
    /// Looks first whether it can be reached at all.
    pub(crate) async fn choose(args: &DemoVenueArgs) -> anyhow::Result<Self> {
        if args.venue == DemoVenue::Kraken {
            let seen = check::public(&Urls::kraken()?, "BTC/USD".parse()?).await;
            if let Some(problem) = seen.problem {
                bail!(
                    "Kraken's live data cannot be had from here: {problem}. `tradewind venue check kraken --public` \
                     looks again; without the network `tradewind demo --venue kraken-sim` speaks the same protocol"
                );
            }
        }
        Ok(Self(args.venue))
    }

    /// What all processes are told.
    pub(crate) fn environment(self) -> Vec<(String, String)> {
        match self.0 {
            DemoVenue::Sim | DemoVenue::Kraken => Vec::new(),
            DemoVenue::KrakenSim => vec![
                (KEY_VARIABLE.to_string(), KEY.to_string()),
                (SECRET_VARIABLE.to_string(), SECRET.to_string()),
            ],
        }
    }

    pub(crate) fn prepare(self, cluster: &mut Cluster) {
        match self.0 {
            DemoVenue::Sim | DemoVenue::Kraken => {}
            // As fast as it was recorded: Kraken's limits leave the algo some four orders a second.
            DemoVenue::KrakenSim => {
                let secret = ["--api-key", KEY, "--api-secret", SECRET, "--speed", "1"];
                cluster.trade_at(&[&["sim", "kraken"][..], &secret].concat());
            }
        }
    }

    pub(crate) fn account(self) -> &'static str {
        match self.0 {
            DemoVenue::Sim | DemoVenue::Kraken => "sim-1",
            DemoVenue::KrakenSim => "kraken-1",
        }
    }

    /// Where orders go.
    pub(crate) fn orders(self, cluster: &Cluster) -> anyhow::Result<At> {
        let address = cluster.venue_address();
        Ok(match self.0 {
            DemoVenue::Sim | DemoVenue::Kraken => {
                At { venue: "sim".parse()?, adapter: "sim", endpoint: address }
            }
            DemoVenue::KrakenSim => At {
                venue: "kraken".parse()?,
                adapter: "kraken",
                endpoint: format!(
                    "url=http://{address} key=env:{KEY_VARIABLE} secret=env:{SECRET_VARIABLE} tier=pro"
                ),
            },
        })
    }

    /// Where quotes come from.
    pub(crate) fn data(self, cluster: &Cluster) -> anyhow::Result<At> {
        match self.0 {
            DemoVenue::Sim | DemoVenue::KrakenSim => self.orders(cluster),
            DemoVenue::Kraken => Ok(At {
                venue: "kraken".parse()?,
                adapter: "kraken",
                endpoint: "data=only".to_string(),
            }),
        }
    }

    /// An account beside the one that is judged. The simulator of Kraken has one API key, which is for one Broker.
    pub(crate) fn beside(self, cluster: &Cluster) -> anyhow::Result<Option<(&'static str, At)>> {
        Ok(match self.0 {
            DemoVenue::Sim => Some(("sim-2", self.orders(cluster)?)),
            DemoVenue::KrakenSim => None,
            DemoVenue::Kraken => Some(("kraken-data", self.data(cluster)?)),
        })
    }

    pub(crate) fn accounts(self) -> usize {
        match self.0 {
            DemoVenue::Sim | DemoVenue::Kraken => 2,
            DemoVenue::KrakenSim => 1,
        }
    }

    /// Whether an algo of somebody else's may trade beside the demo's.
    pub(crate) fn has_guest(self) -> bool {
        matches!(self.0, DemoVenue::Sim)
    }

    pub(crate) fn ledger(self, account: &AccountId) -> String {
        match self.0 {
            DemoVenue::Sim | DemoVenue::Kraken => format!("/v1/ledger?account={account}"),
            DemoVenue::KrakenSim => "/sim/ledger".to_string(),
        }
    }
}
