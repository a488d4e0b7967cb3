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
    Capabilities, ConnectError, Connection, Venue,
    dial::{Dialler, NoTls},
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
use tokio::{
    sync::OnceCell,
    time::{sleep, timeout},
};
use tradewind_domain::trading::{OrderType, TimeInForce};
use tradewind_kraken::{
    limits::{CONNECT_WINDOW, CONNECTS},
    sign::Secret,
};
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

    /// Two WebSockets a time, one for the public channels and one for the private ones.
    fn connects_allowed(&self) -> BoxFuture<'_, ConnectsAllowed> {
        let connects = u32::try_from(CONNECTS / 2).unwrap_or(u32::MAX);
        let within_ms = u64::try_from(CONNECT_WINDOW.as_millis()).unwrap_or(u64::MAX);
        async move { ConnectsAllowed { connects, within_ms } }.boxed()
    }

    fn connect(&self) -> BoxFuture<'_, Result<Connection, ConnectError>> {
        async {
            let kraken = self.kraken.get_or_try_init(|| self.set_up()).await;
            let kraken = kraken.map_err(|no_way| ConnectError(format!("Kraken: {no_way}")))?;
            kraken.pause().await;
            let late = || ConnectError(format!("Kraken: not connected within {CONNECT_WITHIN:?}"));
            timeout(CONNECT_WITHIN, session::connect(kraken)).await.unwrap_or_else(|_| Err(late()))
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

    /// Before each WebSocket.
    async fn room_to_connect(&self) {
        loop {
            let opened = self.redial().open(self.clock.now());
            match opened {
                Ok(()) => return,
                Err(wait) => {
                    tracing::warn!(?wait, "Kraken bans addresses that connect too often: waiting");
                    sleep(wait).await;
                }
            }
        }
    }
}
