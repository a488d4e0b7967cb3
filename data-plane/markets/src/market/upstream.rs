//! The pipes of a Market to its Brokers, one an account. Decides which are dialled and where each finds
//! its Broker: its BrokerManager is asked at every dial, since the process changes and the account may
//! move. What the frames mean is `relay`'s decision.

use crate::{hop::line::Line, limits};
use futures_util::FutureExt as _;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tradewind_domain::{
    control::desired::AccountAccess,
    ids::{AccountId, Fence, Incarnation, ServiceId},
    limits::DIAL_WITHIN,
};
use tradewind_link::{
    pipe::{self, Event},
    rest::{Method, Rest, RestError},
};
use tradewind_protocol::{
    link::{Hello, PROTOCOL},
    supervision::ServiceReport,
    trade::{TradeDown, TradeUp},
};

/// Who the Market is to its Brokers.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Unique among all Markets of that name: every MarketManager runs its own.
    pub(crate) from: String,
    pub(crate) incarnation: Incarnation,
}

/// An event on the pipe to an account's Broker. `generation` tells a pipe from an earlier one to the same
/// account.
pub(crate) struct FromBroker {
    pub(crate) account: AccountId,
    pub(crate) generation: u64,
    pub(crate) event: Event<TradeUp>,
}

struct Upstream {
    generation: u64,
    line: Line,
    /// What the dialler looks up at each dial.
    target: Arc<Mutex<Target>>,
    _forwarding: AbortOnDropHandle<()>,
}

#[derive(Clone)]
struct Target {
    broker_manager: String,
    fence: Fence,
}

/// All pipes to Brokers. Dropped, they are closed.
pub(crate) struct Upstreams {
    identity: Identity,
    rest: Rest,
    options: pipe::Options,
    inbox: mpsc::Sender<FromBroker>,
    generations: u64,
    by_account: BTreeMap<AccountId, Upstream>,
}

impl Upstreams {
    /// Pipes whose events arrive at the receiver given back.
    pub(crate) fn new(
        identity: Identity,
        options: pipe::Options,
    ) -> (Self, mpsc::Receiver<FromBroker>) {
        let (inbox, events) = mpsc::channel(limits::INBOX);
        let (rest, by_account) = (Rest::default(), BTreeMap::new());
        (Self { identity, rest, options, inbox, generations: 0, by_account }, events)
    }

    /// Dials the Brokers of these accounts and no others; `fence` is the Market's own. Gives the accounts
    /// whose pipe is given up, among them those that another BrokerManager has now: the Broker of before
    /// may live on for a while, with no right to the account.
    pub(crate) fn reconcile<'a>(
        &mut self,
        wanted: impl Iterator<Item = &'a AccountAccess>,
        fence: Fence,
    ) -> Vec<AccountId> {
        let wanted: BTreeMap<&AccountId, &AccountAccess> =
            wanted.map(|access| (&access.account, access)).collect();
        let over = |(account, upstream): &(&AccountId, &Upstream)| {
            let access = wanted.get(account);
            access.is_none_or(|a| a.broker_manager != read(&upstream.target).broker_manager)
        };
        let gone: Vec<AccountId> =
            self.by_account.iter().filter(over).map(|(account, _)| account.clone()).collect();
        for account in &gone {
            self.by_account.remove(account);
        }
        for (account, access) in wanted {
            let target = Target { broker_manager: access.broker_manager.clone(), fence };
            match self.by_account.get(account) {
                Some(upstream) => {
                    *upstream.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
                }
                None => self.dial(account, target),
            }
        }
        gone
    }

    /// Whether the event is of the pipe that counts.
    pub(crate) fn is_current(&self, from: &FromBroker) -> bool {
        let upstream = self.by_account.get(&from.account);
        upstream.is_some_and(|upstream| upstream.generation == from.generation)
    }

    pub(crate) fn line(&mut self, account: &AccountId) -> Option<&mut Line> {
        self.by_account.get_mut(account).map(|upstream| &mut upstream.line)
    }

    /// Sends what waits on any pipe.
    pub(crate) fn flush(&mut self) {
        for upstream in self.by_account.values_mut() {
            upstream.line.flush();
        }
    }

    /// Whether some pipe has so much waiting that nothing more should be asked of it.
    pub(crate) fn congested(&self) -> bool {
        self.by_account.values().any(|upstream| upstream.line.congested())
    }

    fn dial(&mut self, account: &AccountId, target: Target) {
        self.generations += 1;
        let generation = self.generations;
        let service = ServiceId::Broker { account: account.clone(), shard: 0 };
        let target = Arc::new(Mutex::new(target));
        let resolve = {
            let (rest, service, target) = (self.rest.clone(), service.clone(), target.clone());
            move || {
                let (rest, service) = (rest.clone(), service.clone());
                let manager = read(&target).broker_manager;
                async move { resolve(&rest, &manager, &service).await }.boxed()
            }
        };
        let hello = {
            let (identity, target) = (self.identity.clone(), target.clone());
            move || Hello {
                protocol: PROTOCOL,
                purpose: "trade".to_string(),
                from: identity.from.clone(),
                to: service.to_string(),
                incarnation: identity.incarnation,
                fence: read(&target).fence,
            }
        };
        let (sender, mut events) =
            pipe::dial::<TradeDown, TradeUp>(resolve, hello, self.options.clone());
        let (inbox, forwarded) = (self.inbox.clone(), account.clone());
        // May be cancelled: the pipe ends with it.
        let forwarding = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let account = forwarded.clone();
                if inbox.send(FromBroker { account, generation, event }).await.is_err() {
                    return;
                }
            }
        });
        let forwarding = AbortOnDropHandle::new(forwarding);
        let upstream =
            Upstream { generation, line: Line::new(sender), target, _forwarding: forwarding };
        self.by_account.insert(account.clone(), upstream);
    }
}

fn read(target: &Mutex<Target>) -> Target {
    target.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Where the Broker's process listens at the moment, by its Manager's word: `host:port/path`.
async fn resolve(rest: &Rest, manager: &str, service: &ServiceId) -> Result<String, String> {
    let path = format!("/v1/services/{service}");
    let asked =
        rest.request::<(), ServiceReport>(Method::GET, manager, &path, &[], None, DIAL_WITHIN);
    let (_, report) = asked.await.map_err(|error: RestError| error.to_string())?;
    let address = report.address.ok_or_else(|| format!("{service} has not checked in yet"))?;
    Ok(format!("{address}/v1/trade"))
}
