//! The adapter of the sim venue: its frames over one WebSocket. Decides how the venue's words become
//! ours; it re-dials nothing and repeats nothing, `connection` and the ledger do.

mod heard;
mod told;
mod words;

use super::{
    Capabilities, ConnectError, Connection, Dials, Event, Link, NotSent, Permission, Purpose,
    Replace, Submission, Venue,
};
use crate::limits::{
    ASK_CONNECT_WITHIN, VENUE_CONNECT_WITHIN, VENUE_EVENTS, VENUE_FRAME_BYTES, VENUE_QUEUE,
    VENUE_SILENCE,
};
use futures_util::{
    FutureExt as _, SinkExt as _, StreamExt as _,
    future::BoxFuture,
    stream::{SplitSink, SplitStream},
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{net::TcpStream, sync::mpsc, task::JoinSet, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::WebSocketConfig},
};
use tradewind_domain::{
    ids::{AccountId, InstrumentId, VenueOrderId},
    time::UnixNanos,
    trading::{OrderType, TimeInForce},
};
use tradewind_link::rest::{Method, Rest as HttpClient};
use tradewind_protocol::asks::ConnectsAllowed;
use tradewind_sim::wire::{self, FromVenue, ToVenue};

use heard::Ear;
use told::Told;

type Socket = WebSocketStream<TcpStream>;

/// A sim venue lets in whoever comes unless it was told otherwise; as often as this nobody has reason to come.
const UNBOUNDED: ConnectsAllowed = ConnectsAllowed { connects: 6_000, within_ms: 60_000 };

/// The sim venue at an address, for one account.
pub struct Sim {
    address: String,
    rest: HttpClient,
    account: AccountId,
    capabilities: Capabilities,
}

impl Sim {
    /// `endpoint`: `host:port`, with or without `ws://` before it.
    #[must_use]
    pub fn new(endpoint: &str, account: AccountId) -> Self {
        let address = endpoint.strip_prefix("ws://").unwrap_or(endpoint);
        let capabilities = Capabilities {
            order_types: vec![
                OrderType::Market,
                OrderType::Limit,
                OrderType::Stop,
                OrderType::StopLimit,
            ],
            times_in_force: vec![
                TimeInForce::Gtc,
                TimeInForce::Ioc,
                TimeInForce::Day,
                TimeInForce::Fok,
                TimeInForce::Gtd,
            ],
            post_only: true,
            reduce_only: true,
            instruments: None,
            order_deadline: true,
            query_by_our_id: true,
            replace: true,
            data_connections: true,
        };
        let address = address.trim_end_matches('/').to_string();
        Self { address, rest: HttpClient::default(), account, capabilities }
    }

    /// `login`: the first frame.
    async fn dial(&self, login: ToVenue) -> Result<Connection, ConnectError> {
        let failed = |what: &str, why: &dyn std::fmt::Display| {
            ConnectError(format!("venue at {}: {what}: {why}", self.address))
        };
        let stream =
            TcpStream::connect(&self.address).await.map_err(|why| failed("connect", &why))?;
        stream.set_nodelay(true).map_err(|why| failed("set no delay", &why))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(8 << 10)
            .max_message_size(Some(VENUE_FRAME_BYTES))
            .max_frame_size(Some(VENUE_FRAME_BYTES));
        let url = format!("ws://{}{}", self.address, wire::PATH);
        let (mut socket, _) =
            tokio_tungstenite::client_async_with_config(url, stream, Some(config))
                .await
                .map_err(|why| failed("handshake", &why))?;
        socket.send(encode(&login)).await.map_err(|why| failed("log in", &why))?;
        let (time, room) = self.await_login(&mut socket).await?;
        Ok(carry(socket, time, usize::try_from(room).ok()))
    }

    async fn dial_in_time(
        &self,
        may: Arc<dyn Permission>,
        purpose: Purpose,
        login: ToVenue,
    ) -> Result<Connection, ConnectError> {
        let (at, allowed) = (self.address.clone(), self.connects_allowed().await);
        may.granted(Dials { at, allowed, dials: 1, purpose }).await;
        let late = || ConnectError(format!("venue at {} does not answer", self.address));
        timeout(VENUE_CONNECT_WITHIN, self.dial(login)).await.unwrap_or_else(|_| Err(late()))
    }

    /// As it says itself.
    async fn connects_allowed(&self) -> ConnectsAllowed {
        let (rest, within) = (&self.rest, ASK_CONNECT_WITHIN);
        let asked = rest.request::<(), wire::Connects>(
            Method::GET,
            &self.address,
            wire::CONNECTS_PATH,
            &[],
            None,
            within,
        );
        // One that is away is not connected to either.
        let said = asked.await.ok().and_then(|(_, said)| said.allowed);
        said.unwrap_or(UNBOUNDED)
    }

    /// The venue's time, and how many instruments the connection takes.
    async fn await_login(&self, socket: &mut Socket) -> Result<(UnixNanos, u32), ConnectError> {
        loop {
            let refused = |why: String| {
                ConnectError(format!("venue at {} refuses the login: {why}", self.address))
            };
            match socket.next().await {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(
                        FromVenue::LoggedIn { time, subscriptions, .. }
                        | FromVenue::Observing { time, subscriptions },
                    ) => return Ok((time, subscriptions)),
                    Ok(FromVenue::Error { reason, .. }) => return Err(refused(reason)),
                    Ok(_) => {}
                    Err(why) => return Err(refused(why.to_string())),
                },
                Some(Ok(Message::Close(_))) | None => return Err(refused("it closed".to_string())),
                Some(Ok(_)) => {}
                Some(Err(why)) => return Err(refused(why.to_string())),
            }
        }
    }
}

impl Venue for Sim {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn connect(&self, may: Arc<dyn Permission>) -> BoxFuture<'_, Result<Connection, ConnectError>> {
        let login = ToVenue::Login { account: self.account.clone() };
        self.dial_in_time(may, Purpose::Orders, login).boxed()
    }

    fn connect_for_data(
        &self,
        may: Arc<dyn Permission>,
    ) -> BoxFuture<'_, Result<Connection, ConnectError>> {
        self.dial_in_time(may, Purpose::MarketData, ToVenue::Observe {}).boxed()
    }
}

fn encode(frame: &ToVenue) -> Message {
    // Frames are strings, numbers and options: they always have a JSON form.
    Message::text(serde_json::to_string(frame).unwrap_or_default())
}

/// What a request was about: the venue's answers only name its number.
enum Asked {
    Submit(VenueOrderId),
    Cancel(VenueOrderId),
    /// By the order of that id.
    Replace(VenueOrderId),
    Query,
    Sweep {
        since: UnixNanos,
        cursor: Option<u64>,
    },
}

#[derive(Default)]
struct Requests {
    last: u64,
    /// At most as many as the venue has not answered.
    asked: HashMap<u64, Asked>,
    /// Instruments that are subscribed, as far as that was sent.
    wanted: HashSet<InstrumentId>,
}

struct SimLink {
    outbound: mpsc::Sender<ToVenue>,
    requests: Arc<Mutex<Requests>>,
}

impl SimLink {
    fn ask(&self, asked: Asked, frame: impl FnOnce(u64) -> ToVenue) -> Result<(), NotSent> {
        // The place in the queue first: only what will be sent is remembered.
        let permit = self.outbound.try_reserve().map_err(|_| NotSent)?;
        let mut requests = self.requests();
        requests.last += 1;
        let number = requests.last;
        requests.asked.insert(number, asked);
        permit.send(frame(number));
        Ok(())
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link for SimLink {
    fn submit(&self, order: Submission) -> Result<(), NotSent> {
        let id = order.venue_order_id;
        let order = wire::Submission {
            venue_order_id: id,
            instrument: order.instrument,
            side: order.side,
            order_type: order.order_type,
            quantity: order.quantity,
            limit_price: order.limit_price,
            time_in_force: order.time_in_force,
            conditions: order.conditions,
            sent_at: order.sent_at,
            deadline: order.deadline,
        };
        self.ask(Asked::Submit(id), |request| ToVenue::Submit { request, order })
    }

    fn cancel(&self, venue_order_id: VenueOrderId) -> Result<(), NotSent> {
        let asked = Asked::Cancel(venue_order_id);
        self.ask(asked, |request| ToVenue::Cancel { request, venue_order_id })
    }

    fn replace(&self, replace: Replace) -> Result<(), NotSent> {
        // What is open at this venue has a price: an order without one never rests there.
        let Some(limit_price) = replace.limit_price else { return Err(NotSent) };
        let venue_order_id = replace.venue_order_id;
        let by = wire::Replacement {
            venue_order_id: replace.by,
            quantity: replace.quantity,
            limit_price,
            sent_at: replace.sent_at,
            deadline: replace.deadline,
        };
        let asked = Asked::Replace(replace.by);
        self.ask(asked, |request| ToVenue::Replace { request, venue_order_id, by })
    }

    fn query(&self, venue_order_id: VenueOrderId) -> Result<(), NotSent> {
        self.ask(Asked::Query, |request| ToVenue::QueryOrder { request, venue_order_id })
    }

    fn sweep(&self, since: UnixNanos, cursor: Option<u64>) -> Result<(), NotSent> {
        self.ask(Asked::Sweep { since, cursor }, |request| ToVenue::Sweep {
            request,
            since,
            cursor,
        })
    }

    fn lists_from_the_beginning(&self) -> bool {
        true
    }

    fn subscribe(&self, instrument: &InstrumentId) -> Result<(), NotSent> {
        let mut requests = self.requests();
        let frame = ToVenue::Subscribe { instrument: instrument.clone() };
        self.outbound.try_send(frame).map_err(|_| NotSent)?;
        requests.wanted.insert(instrument.clone());
        Ok(())
    }

    fn unsubscribe(&self, instrument: &InstrumentId) -> Result<(), NotSent> {
        let mut requests = self.requests();
        let frame = ToVenue::Unsubscribe { instrument: instrument.clone() };
        self.outbound.try_send(frame).map_err(|_| NotSent)?;
        requests.wanted.remove(instrument);
        Ok(())
    }
}

/// Sets up the two tasks of a connection: the reader's end is the connection's.
fn carry(socket: Socket, time: UnixNanos, room: Option<usize>) -> Connection {
    let (outbound, queue) = mpsc::channel(VENUE_QUEUE);
    let (told, events) = mpsc::channel(VENUE_EVENTS);
    let requests = Arc::new(Mutex::new(Requests::default()));
    let (sink, stream) = socket.split();
    let mut tasks = JoinSet::new();
    let stop = tokio_util::sync::CancellationToken::new();
    let ends_reader = stop.clone().drop_guard();
    tasks.spawn(async move {
        // Whichever way the writer ends, the reader is told and with it the connection ends.
        let _ends_reader = ends_reader;
        write(sink, queue).await;
    });
    let (weak, asked) = (outbound.downgrade(), Arc::clone(&requests));
    let ear = Ear { requests: asked, told: Told::default(), outbound: weak };
    let reader = read(stream, told, ear);
    tasks.spawn(async move {
        tokio::select! {
            () = reader => {}
            () = stop.cancelled() => {}
        }
    });
    Connection { time, room, link: Arc::new(SimLink { outbound, requests }), events, tasks }
}

async fn write(mut sink: SplitSink<Socket, Message>, mut queue: mpsc::Receiver<ToVenue>) {
    let mut frames = Vec::new();
    while queue.recv_many(&mut frames, 64).await > 0 {
        // What is queued goes out with one flush.
        for frame in frames.drain(..) {
            if sink.feed(encode(&frame)).await.is_err() {
                return;
            }
        }
        if sink.flush().await.is_err() {
            return;
        }
    }
}

async fn read(mut stream: SplitStream<Socket>, told: mpsc::Sender<Event>, mut ear: Ear) {
    loop {
        let text = match timeout(VENUE_SILENCE, stream.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => text,
            Ok(Some(Ok(Message::Close(_)))) | Ok(None) => return,
            Ok(Some(Ok(_))) => continue,
            Ok(Some(Err(error))) => {
                tracing::warn!(%error, "venue connection broken");
                return;
            }
            Err(_) => {
                tracing::warn!("venue silent");
                return;
            }
        };
        let events = match serde_json::from_str(&text) {
            Ok(frame) => ear.hear(frame),
            Err(error) => {
                // Whatever it was is found by the sweep after the next connect.
                tracing::error!(%error, "venue frame not understood");
                return;
            }
        };
        for event in events.into_iter().flatten() {
            if told.send(event).await.is_err() {
                return;
            }
        }
    }
}
