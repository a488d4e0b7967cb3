//! Who is connected, told to the Brokers: each turn all sessions, each with how long ago it was last heard of. Decides which
//! Broker hears of whom (that of each account its customer may use), and who is asked for a sign: those of whom a Broker
//! says that orders depend on it. Nothing is remembered of it, so that a Broker that has moved, a Market that has died and a
//! session that came from elsewhere are all right with the next turn.

use super::{Gateway, directory::Directory, port::Port};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tradewind_domain::{
    ids::{AccountId, CustomerId, MarketId},
    limits::{PRESENCE_EVERY, PRESENT_AT_ONCE},
    trading::presence::SessionKey,
};
use tradewind_protocol::trade::Seen;

type Place = (MarketId, AccountId);

/// Which accounts a customer may use, and behind which Markets they are. Looked up once, since most ask again.
struct Places {
    directory: Arc<Directory>,
    of: HashMap<CustomerId, Vec<Place>>,
}

impl Places {
    fn of(&mut self, customer: &CustomerId) -> &[Place] {
        let Self { directory, of } = self;
        of.entry(customer.clone()).or_insert_with(|| {
            let accounts = directory.accounts(customer).into_iter();
            let behind = |account| {
                let market = directory.market_for(customer, &account).ok()?.clone();
                Some((market, account))
            };
            accounts.filter_map(behind).collect()
        })
    }
}

impl Gateway {
    /// Tells turn by turn, for as long as it is polled. May be cancelled at any await.
    pub(crate) async fn tell_presence(&self) -> Infallible {
        let mut turn = interval(PRESENCE_EVERY);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut places: Option<Places> = None;
        loop {
            turn.tick().await;
            let Ok(directory) = self.known() else { continue };
            let places = match &mut places {
                Some(places) if Arc::ptr_eq(&places.directory, &directory) => places,
                stale => stale.insert(Places { directory, of: HashMap::new() }),
            };
            self.tell_who_is_here(places).await;
        }
    }

    async fn tell_who_is_here(&self, places: &mut Places) {
        let mut ports = HashMap::<SessionKey, Vec<Arc<Port>>>::new();
        for here in self.0.sessions.here() {
            ports.entry(here.session).or_default().push(here.port);
        }
        let mut present = BTreeMap::<Place, Vec<Seen>>::new();
        for (session, ports) in &ports {
            let silent = ports.iter().map(|port| port.silent()).min().unwrap_or(Duration::MAX);
            let silent_ms = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
            for place in places.of(&session.customer) {
                let seen = Seen { session: session.clone(), silent_ms };
                match present.get_mut(place) {
                    Some(sessions) => sessions.push(seen),
                    None => drop(present.insert(place.clone(), vec![seen])),
                }
            }
        }
        let mut told = FuturesUnordered::new();
        for ((market, account), sessions) in present {
            let Ok(link) = self.link(&market) else { continue };
            told.push(async move {
                let mut watched = Vec::new();
                for some in sessions.chunks(PRESENT_AT_ONCE) {
                    watched.extend(link.present(account.clone(), some.to_vec()).await);
                }
                watched
            });
        }
        // One that takes longer is told anew, and the others do not wait for it.
        let all = async {
            while let Some(watched) = told.next().await {
                for port in watched.iter().filter_map(|session| ports.get(session)).flatten() {
                    port.want_sign();
                }
            }
        };
        if timeout(PRESENCE_EVERY, all).await.is_err() {
            tracing::debug!("not all Brokers have heard in time who is connected");
        }
    }
}
