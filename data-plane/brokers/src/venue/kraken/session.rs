//! One connection to Kraken: two private WebSockets (what happens to orders; orders themselves), a task that lists, one
//! that renews the token, the public feeds. Decides how they begin and that the private ones end together: then all
//! that was missed is listed after the next connect. Feeds live and fall for themselves.

use super::{
    Kraken,
    feed::{self, Want},
    limits::{CONNECT_WITHIN, FEED_QUEUE, QUEUE},
    link::KrakenLink,
    placing,
    settings::OrdersBy,
    socket::{self, Over, Receiver},
    sweep::{self, Sweeper},
};
use crate::{
    limits::{ORDER_DIALS, VENUE_EVENTS, VENUE_QUEUE},
    venue::{ConnectError, Connection, Event, Permission, Purpose},
};
use serde::Deserialize;
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tradewind_domain::time::UnixNanos;
use tradewind_kraken::{
    rest::Token,
    ws::{self, request::Subscription},
};
use tradewind_node::clock;

/// `Time`; in whole seconds.
#[derive(Debug, Deserialize)]
pub(super) struct ServerTime {
    pub(super) unixtime: u64,
}

impl ServerTime {
    pub(super) fn at(&self) -> UnixNanos {
        UnixNanos(self.unixtime.saturating_mul(1_000_000_000))
    }
}

/// The venue's clock, as it stood beside ours when it took us in; up to a second late, since it tells whole ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct VenueClock {
    venues: UnixNanos,
    ours: UnixNanos,
}

impl VenueClock {
    pub(super) fn now(self) -> UnixNanos {
        self.venues + clock::now().since(self.ours)
    }
}

/// All of it that is up, before it is carried.
struct Opened {
    events: (socket::Sender, Receiver),
    orders: Option<(socket::Sender, Receiver)>,
    /// The first snapshot.
    first: Vec<Event>,
}

/// A connection, once everything in it stands. Cancelling it leaves nothing behind.
pub(super) async fn connect(
    kraken: &Arc<Kraken>,
    may: Arc<dyn Permission>,
) -> Result<Connection, ConnectError> {
    let failed = |what: &str, why: &dyn std::fmt::Display| {
        ConnectError(format!("Kraken at {}: {what}: {why}", kraken.settings.urls.rest))
    };
    let late = |what: &str| failed(what, &format!("not within {CONNECT_WITHIN:?}"));
    let time = timeout(CONNECT_WITHIN, kraken.rest.public::<ServerTime>("Time")).await;
    let time = time.map_err(|_| late("its time"))?.map_err(|error| failed("its time", &error))?;
    let clock = VenueClock { venues: time.at(), ours: clock::now() };
    if kraken.settings.key.is_none() {
        return Ok(data_alone(kraken, may, clock));
    }
    let token = kraken.rest.private::<Token>("GetWebSocketsToken", &[]);
    let token = timeout(CONNECT_WITHIN, token).await.map_err(|_| late("a token"))?;
    let token = token.map_err(|error| failed("a token", &error))?.token;
    kraken.desk().begin(token.clone());
    let sockets = match kraken.settings.orders {
        OrdersBy::Rest => 1,
        OrdersBy::WebSocket => ORDER_DIALS,
    };
    // Last, so that what REST refuses costs no connects; both at once, since neither is of use without the other.
    kraken.may_connect(&*may, &kraken.settings.urls.private, (sockets, Purpose::Orders)).await;
    let opened = timeout(CONNECT_WITHIN, open(kraken, token)).await;
    let opened = opened.map_err(|_| late("WebSocket"))?;
    let opened = opened.map_err(|over| failed("WebSocket", &over))?;
    Ok(carry(kraken, may, opened, clock))
}

async fn open(kraken: &Kraken, token: String) -> Result<Opened, Over> {
    let (mut sender, mut receiver) =
        socket::open(&kraken.dialler, &kraken.settings.urls.private).await?;
    let mut subscription = Subscription::to("executions");
    subscription.snap_orders = Some(true);
    subscription.snap_trades = Some(true);
    subscription.token = Some(token);
    sender.send(socket::frame("subscribe", Some(subscription), 0)).await?;
    let mut first = Vec::new();
    loop {
        let text = receiver.next().await?;
        let heard = hear(kraken, &text)?;
        first.extend(heard.events);
        if heard.snapshot {
            break;
        }
    }
    let orders = match kraken.settings.orders {
        OrdersBy::Rest => None,
        OrdersBy::WebSocket => {
            Some(socket::open(&kraken.dialler, &kraken.settings.urls.private).await?)
        }
    };
    Ok(Opened { events: (sender, receiver), orders, first })
}

fn hear(kraken: &Kraken, text: &str) -> Result<super::desk::Heard, Over> {
    let message = ws::read(text).map_err(|error| Over(error.to_string()))?;
    kraken.desk().hear(message, kraken.clock.now()).map_err(|broken| Over(broken.to_string()))
}

fn carry(
    kraken: &Arc<Kraken>,
    may: Arc<dyn Permission>,
    opened: Opened,
    clock: VenueClock,
) -> Connection {
    let (told, events) = mpsc::channel(VENUE_EVENTS);
    let mut carried = Carried { tasks: JoinSet::new(), end: CancellationToken::new() };
    let stale = Arc::new(Notify::new());
    let (sender, receiver) = opened.events;
    // Nothing but pings goes out there; the queue lives as long as the task that reads.
    let (held, pings) = mpsc::channel(1);
    carried.spawn("executions end", sender.carry(pings));
    let reading = read(Arc::clone(kraken), receiver, opened.first, told.clone(), stale.clone());
    carried.spawn("executions end", async move {
        let over = reading.await;
        drop(held);
        over
    });
    let placing = match opened.orders {
        Some((sender, receiver)) => {
            let (frames, queue) = mpsc::channel(QUEUE);
            carried.spawn("orders end", sender.carry(queue));
            let reading =
                read(Arc::clone(kraken), receiver, Vec::new(), told.clone(), stale.clone());
            carried.spawn("orders end", reading);
            placing::Placing::WebSocket(frames)
        }
        None => {
            let (asks, queue) = mpsc::channel(VENUE_QUEUE);
            let by_rest = placing::by_rest(Arc::clone(kraken), queue, told.clone(), stale.clone());
            carried.spawn("orders end", by_rest);
            placing::Placing::Rest(asks)
        }
    };
    let (sweeps, asked) = watch::channel(None);
    let sweeper = Sweeper::new(Arc::clone(kraken), told.clone(), clock);
    carried.spawn("listing ends", sweeper.run(asked));
    carried.spawn("no token", renew(Arc::clone(kraken), stale));
    let feeds = carried.feeds(kraken, may, told);
    let link = Arc::new(KrakenLink { kraken: Arc::clone(kraken), placing, sweeps, feeds });
    Connection { time: clock.now(), room: None, link, events, tasks: carried.tasks }
}

/// Of an account without an API key: there is nothing to list, and nothing is sent.
fn data_alone(kraken: &Arc<Kraken>, may: Arc<dyn Permission>, clock: VenueClock) -> Connection {
    let (told, events) = mpsc::channel(VENUE_EVENTS);
    let mut carried = Carried { tasks: JoinSet::new(), end: CancellationToken::new() };
    let (sweeps, mut asked) = watch::channel(None);
    let pages = told.clone();
    carried.spawn("listing ends", async move {
        while asked.changed().await.is_ok() {
            let Some(since) = *asked.borrow_and_update() else { continue };
            if pages.send(Event::Page(sweep::nothing(since, clock.now()))).await.is_err() {
                break;
            }
        }
        Over("nobody asks any more".to_owned())
    });
    let feeds = carried.feeds(kraken, may, told);
    let placing = placing::Placing::Nothing;
    let link = Arc::new(KrakenLink { kraken: Arc::clone(kraken), placing, sweeps, feeds });
    Connection { time: clock.now(), room: None, link, events, tasks: carried.tasks }
}

/// Tasks that end together.
struct Carried {
    tasks: JoinSet<()>,
    end: CancellationToken,
}

impl Carried {
    fn feeds(
        &mut self,
        kraken: &Arc<Kraken>,
        may: Arc<dyn Permission>,
        told: mpsc::Sender<Event>,
    ) -> mpsc::Sender<Want> {
        let (feeds, wants) = mpsc::channel(FEED_QUEUE);
        let feeding = feed::run(Arc::clone(kraken), may, wants, told);
        self.spawn("feeds end", async move {
            feeding.await;
            Over("nobody reads quotes any more".to_owned())
        });
        feeds
    }

    fn spawn(&mut self, what: &'static str, work: impl Future<Output = Over> + Send + 'static) {
        let end = self.end.clone();
        let ends_all = end.clone().drop_guard();
        self.tasks.spawn(async move {
            // Whichever way one ends, so do all, and with them the connection.
            let _ends_all = ends_all;
            tokio::select! {
                over = work => tracing::warn!(%over, what, "connection to Kraken is given up"),
                () = end.cancelled() => {}
            }
        });
    }
}

async fn read(
    kraken: Arc<Kraken>,
    mut receiver: Receiver,
    first: Vec<Event>,
    told: mpsc::Sender<Event>,
    stale: Arc<Notify>,
) -> Over {
    let gone = || Over("nobody listens any more".to_owned());
    for event in first {
        if told.send(event).await.is_err() {
            return gone();
        }
    }
    loop {
        let heard = match receiver.next().await {
            Ok(text) => hear(&kraken, &text),
            Err(over) => Err(over),
        };
        let heard = match heard {
            Ok(heard) => heard,
            Err(over) => return over,
        };
        if heard.pong {
            receiver.answered();
        }
        for event in heard.events {
            let refused = matches!(
                event,
                Event::Submitted { result: Err(_), .. } | Event::Canceled { result: Err(_), .. }
            );
            if told.send(event).await.is_err() {
                return gone();
            }
            if refused && kraken.desk().needs_token() {
                stale.notify_one();
            }
        }
    }
}

/// Gets a new token whenever Kraken does not know the one there is. Nothing is sent meanwhile.
async fn renew(kraken: Arc<Kraken>, stale: Arc<Notify>) -> Over {
    loop {
        stale.notified().await;
        while kraken.desk().needs_token() {
            match kraken.rest.private::<Token>("GetWebSocketsToken", &[]).await {
                Ok(token) => {
                    tracing::info!("a new token");
                    kraken.desk().renew(token.token);
                }
                Err(error) => {
                    tracing::warn!(%error, "no token");
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}
