//! The adapter of Kraken (spot). Decides what a Broker needs for it (addresses, an API key by reference, a place for
//! nonces) and what of Kraken is offered; what its messages mean is decided by `tradewind_kraken`, when it is dialled
//! again beyond what `redial` says by `connection`, and what becomes of orders by the ledger.

mod books;
pub mod check;
mod clock;
mod desk;
mod feed;
mod limits;
mod link;
mod names;
mod placing;
mod rates;
mod redial;
mod rest;
mod session;
pub mod settings;
mod socket;
mod sweep;

use super::{
    Capabilities, ConnectError, Connection, Dials, Permission, Purpose, Venue,
    dial::{Address, Dialler, NoTls},
};
use clock::Clock;
use desk::Desk;
use futures_util::{FutureExt as _, future::BoxFuture};
use limits::CONNECT_WITHIN;
use redial::Redial;
use rest::{Key, Rest};
use settings::{KeyReferences, Settings};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::OnceCell, time::sleep};
use tradewind_domain::trading::{OrderType, TimeInForce};
use tradewind_kraken::sign::Secret;
use tradewind_node::reference;
use tradewind_protocol::asks::ConnectsAllowed;

/// Kraken for one account. What its API key is, is found at the first connect.
pub struct Account {
    settings: Settings,
    /// Where the key's nonces are kept.
    directory: PathBuf,
    capabilities: Capabilities,
    /// It outlives connections.
    kraken: OnceCell<Arc<Kraken>>,
}

/// All that connections share.
struct Kraken {
    settings: Settings,
    dialler: Dialler,
    rest: Rest,
    clock: Clock,
    desk: Mutex<Desk>,
    redial: Mutex<Redial>,
}

/// Why there is no way to Kraken at all.
#[derive(Debug, thiserror::Error)]
enum NoWay {
    #[error("{0} is not found: {1}")]
    Key(String, reference::Why),
    #[error(transparent)]
    Secret(#[from] tradewind_kraken::sign::NoSecret),
    #[error(transparent)]
    Nonces(#[from] tradewind_kraken::nonce::NonceError),
    #[error(transparent)]
    Tls(#[from] NoTls),
    #[error("one of its tasks has ended in a panic")]
    Panicked(#[from] tokio::task::JoinError),
}

impl Account {
    /// `directory`: where the numbers of the API key's requests are kept over restarts; made if need be.
    #[must_use]
    pub fn new(settings: Settings, directory: PathBuf) -> Self {
        let takes_orders = settings.key.is_some();
        let order_types = vec![OrderType::Market, OrderType::Limit];
        let capabilities = Capabilities {
            order_types: if takes_orders { order_types } else { Vec::new() },
            times_in_force: vec![TimeInForce::Gtc, TimeInForce::Ioc],
            // It has them, and others; this adapter does not ask for them yet.
            post_only: false,
            reduce_only: false,
            instruments: None,
            order_deadline: true,
            query_by_our_id: false,
            // Its amend keeps the id, which is another protocol than giving the place to a new one: not offered yet.
            replace: false,
            // The one there is opens as many public feeds as its books need, and dials each again by itself.
            data_connections: false,
        };
        Self { settings, directory, capabilities, kraken: OnceCell::new() }
    }

    async fn set_up(&self) -> Result<Arc<Kraken>, NoWay> {
        let settings = self.settings.clone();
        let key = match &settings.key {
            None => None,
            Some(KeyReferences { key, secret }) => {
                let name = find(key).await?.trim().to_owned();
                Some((name, Secret::from_base64(&find(secret).await?)?))
            }
        };
        let directory = self.directory.clone();
        // Both read files.
        let set_up = tokio::task::spawn_blocking(move || {
            let urls = &settings.urls;
            let dialler = Dialler::to([&urls.rest, &urls.public, &urls.private])?;
            let key = key.map(|(name, secret)| Key::open(name, secret, &directory)).transpose()?;
            Ok::<_, NoWay>((settings, dialler, key))
        });
        let (settings, dialler, key) = set_up.await??;
        let clock = Clock::start();
        let (address, tier) = (settings.urls.rest.clone(), settings.tier);
        Ok(Arc::new(Kraken {
            rest: Rest::new(address, dialler.clone(), key, tier, clock),
            settings,
            dialler,
            clock,
            desk: Mutex::new(Desk::new(tier, clock.now())),
            redial: Mutex::default(),
        }))
    }
}

async fn find(reference: &str) -> Result<String, NoWay> {
    let found = reference::follow(reference, std::env::vars_os().collect()).await;
    found.map_err(|why| NoWay::Key(reference.to_owned(), why))
}

impl Venue for Account {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn connect(&self, may: Arc<dyn Permission>) -> BoxFuture<'_, Result<Connection, ConnectError>> {
        async {
            let kraken = self.kraken.get_or_try_init(|| self.set_up()).await;
            let kraken = kraken.map_err(|no_way| ConnectError(format!("Kraken: {no_way}")))?;
            kraken.pause().await;
            session::connect(kraken, may).await
        }
        .boxed()
    }
}

impl Kraken {
    /// Never held over a wait.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn redial(&self) -> MutexGuard<'_, Redial> {
        self.redial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before an attempt to connect.
    async fn pause(&self) {
        // Without chance nobody waits longer than planned.
        let chance = getrandom::u64().unwrap_or_default();
        let wait = self.redial().wait(self.clock.now(), chance);
        sleep(wait).await;
    }

    /// Before WebSockets are opened there, so many. REST is not asked for: Kraken counts its calls, by key, and no
    /// connects.
    async fn may_connect(
        &self,
        may: &dyn Permission,
        to: &Address,
        (dials, purpose): (u32, Purpose),
    ) {
        let allowed = self.settings.connects;
        // One that was granted is opened, or given up, within this time.
        let dial_ms = u64::try_from(CONNECT_WITHIN.as_millis()).unwrap_or(u64::MAX);
        let within_ms = allowed.within_ms.saturating_add(dial_ms);
        let allowed = ConnectsAllowed { within_ms, ..allowed };
        may.granted(Dials { at: to.site(), allowed, dials, purpose }).await;
    }
}
