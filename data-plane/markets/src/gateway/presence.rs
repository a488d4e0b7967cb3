//! Who is connected, told to the Brokers: each turn all sessions, each with how long ago it was last heard of. Decides which
//! Broker hears of whom (that of each account its customer may use), and who is asked for a sign: those of whom a Broker
//! says that orders depend on it, also while its answer is late. Of who is connected nothing is remembered, so that a Broker that has
//! moved, a Market that has died and a session that came from elsewhere are all right with the next turn.

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

/// Of whom each account's Broker has said last that orders depend on them.
type Watched = BTreeMap<Place, Vec<SessionKey>>;

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
        let mut watched = Watched::new();
        loop {
            turn.tick().await;
            let Ok(directory) = self.known() else { continue };
            let places = match &mut places {
                Some(places) if Arc::ptr_eq(&places.directory, &directory) => places,
                stale => stale.insert(Places { directory, of: HashMap::new() }),
            };
            self.tell_who_is_here(places, &mut watched).await;
        }
    }

    async fn tell_who_is_here(&self, places: &mut Places, watched: &mut Watched) {
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
        watched.retain(|place, _| present.contains_key(place));
        let sign = |of: &[SessionKey]| {
            of.iter().filter_map(|it| ports.get(it)).flatten().for_each(|port| port.want_sign());
        };
        // A Broker that answers late has heard all the same, and goes on counting.
        watched.values().for_each(|sessions| sign(sessions));
        let mut told = FuturesUnordered::new();
        for (place, sessions) in present {
            let Ok(link) = self.link(&place.0) else { continue };
            told.push(async move {
                let mut theirs = Some(Vec::new());
                for some in sessions.chunks(PRESENT_AT_ONCE) {
                    let said = link.present(place.1.clone(), some.to_vec()).await;
                    theirs = theirs.zip(said).map(|(mut all, more)| {
                        all.extend(more);
                        all
                    });
                }
                (place, theirs)
            });
        }
        // One that takes longer is told anew, and the others do not wait for it.
        let all = async {
            while let Some((place, theirs)) = told.next().await {
                let Some(theirs) = theirs else { continue };
                sign(&theirs);
                watched.insert(place, theirs);
            }
        };
        if timeout(PRESENCE_EVERY, all).await.is_err() {
            tracing::debug!("not all Brokers have heard in time who is connected");
        }
    }
}
