//! A venue on a free port and a client of its protocol. Decides nothing but deadlines: whatever is waited for
//! has ten seconds.

use core::time::Duration;
use std::net::SocketAddr;
use std::path::Path;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;
use tradewind_domain::ids::{AccountId, InstrumentId, VenueOrderId};
use tradewind_domain::time::UnixNanos;
use tradewind_domain::trading::{Conditions, OrderType, Side, TimeInForce};
use tradewind_sim::fault::FAULTS_PATH;
use tradewind_sim::recording::Recording;
use tradewind_sim::wire::{
    FromVenue, LEDGER_PATH, LedgerPage, Outcome, PATH, Page, Submission, ToVenue, VenueOrderState,
};
use tradewind_sim::{Error, Fees, Options};

pub(crate) const WITHIN: Duration = Duration::from_secs(10);

const RECORDED: &str = include_str!("../../recordings/kraken_book_btcusd_depth10.jsonl");

/// A venue in a task of this process.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    /// The recording plays.
    pub(crate) async fn playing(home: &Path) -> Self {
        Self::start(Options::new(([127, 0, 0, 1], 0).into(), home)).await
    }

    /// The book stands still: best bid 29430.2 (0.18967538), best ask 29430.3 (8.25215653), then 29430.4.
    pub(crate) async fn still(home: &Path) -> Self {
        Self::still_with(home, Fees::default()).await
    }

    /// The same, where trades cost something.
    pub(crate) async fn still_with(home: &Path, fees: Fees) -> Self {
        let recording = Recording::read(RECORDED.lines().next().unwrap()).unwrap();
        let options = Options::new(([127, 0, 0, 1], 0).into(), home);
        let pause_max = Duration::from_secs(3_600);
        Self::start(Options { recording, pause_max, fees, ..options }).await
    }

    pub(crate) async fn start(options: Options) -> Self {
        let bound = tradewind_sim::bind(options).await.unwrap();
        let address = bound.address().unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(bound.serve(shutdown.clone()));
        Self { address, shutdown, task }
    }

    /// Ends it in good order.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        timeout(WITHIN, self.task).await.unwrap().unwrap().unwrap();
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Asks for faults. Gives the status of the answer.
    pub(crate) async fn fault(&self, body: &str) -> u16 {
        let asked = reqwest::Client::new().post(self.faults()).body(body.to_owned());
        asked.send().await.unwrap().status().as_u16()
    }

    /// Where they are asked for.
    pub(crate) fn faults(&self) -> String {
        format!("http://{}{FAULTS_PATH}", self.address)
    }

    pub(crate) async fn ledger(&self) -> LedgerPage {
        let url = format!("http://{}{LEDGER_PATH}?account=a", self.address);
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }
}

pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    requests: u64,
}

pub(crate) fn id(number: u64) -> VenueOrderId {
    format!("{number:032x}").parse().unwrap()
}

pub(crate) fn btc_usd() -> InstrumentId {
    InstrumentId::new("BTC/USD").unwrap()
}

pub(crate) fn now() -> UnixNanos {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    UnixNanos(since.as_nanos().try_into().unwrap())
}

pub(crate) fn limit(number: u64, side: Side, price: &str, quantity: &str) -> Submission {
    Submission {
        venue_order_id: id(number),
        instrument: btc_usd(),
        side,
        order_type: OrderType::Limit,
        quantity: quantity.parse().unwrap(),
        limit_price: Some(price.parse().unwrap()),
        time_in_force: TimeInForce::Gtc,
        conditions: Conditions::NONE,
        sent_at: now(),
        deadline: now() + WITHIN,
    }
}

pub(crate) fn market(number: u64, side: Side, quantity: &str) -> Submission {
    let limit = limit(number, side, "1", quantity);
    Submission { order_type: OrderType::Market, limit_price: None, ..limit }
}

impl Client {
    pub(crate) async fn connect(venue: &Running) -> Self {
        let url = format!("ws://{}{PATH}", venue.address);
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        Self { socket, requests: 0 }
    }

    /// Connected and logged in as account `a`.
    pub(crate) async fn log_in(venue: &Running) -> Self {
        let mut client = Self::connect(venue).await;
        client.send(&ToVenue::Login { account: AccountId::new("a").unwrap() }).await;
        client.until(|frame| matches!(frame, FromVenue::LoggedIn { .. }).then_some(())).await;
        client
    }

    pub(crate) async fn send(&mut self, frame: &ToVenue) {
        self.send_raw(Message::text(serde_json::to_string(frame).unwrap())).await;
    }

    pub(crate) async fn send_raw(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// The next frame of the venue.
    pub(crate) async fn next(&mut self) -> FromVenue {
        match timeout(WITHIN, self.socket.next()).await.unwrap().unwrap().unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("not a text frame: {other:?}"),
        }
    }

    /// What the first frame gives that gives anything.
    pub(crate) async fn until<T>(&mut self, mut wanted: impl FnMut(FromVenue) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next().await) {
                return found;
            }
        }
    }

    /// The code with which the venue closes the connection, whatever comes before.
    pub(crate) async fn close_code(&mut self) -> CloseCode {
        loop {
            match timeout(WITHIN, self.socket.next()).await.unwrap() {
                Some(Ok(Message::Close(frame))) => return frame.unwrap().code,
                Some(Ok(_)) => {}
                other => panic!("no close frame but {other:?}"),
            }
        }
    }

    /// Sends a frame; false if the connection has ended.
    pub(crate) async fn try_send(&mut self, frame: &ToVenue) -> bool {
        let message = Message::text(serde_json::to_string(frame).unwrap());
        timeout(WITHIN, self.socket.send(message)).await.unwrap().is_ok()
    }

    /// Sends a request and waits for its answer, whatever else comes.
    async fn ask(&mut self, frame: impl FnOnce(u64) -> ToVenue) -> (UnixNanos, Outcome) {
        self.requests += 1;
        let number = self.requests;
        self.send(&frame(number)).await;
        self.until(|frame| match frame {
            FromVenue::Answer { request, time, result } if request == number => {
                Some((time, result))
            }
            _ => None,
        })
        .await
    }

    pub(crate) async fn submit(&mut self, order: Submission) -> Outcome {
        self.ask(|request| ToVenue::Submit { request, order }).await.1
    }

    pub(crate) async fn cancel(&mut self, number: u64) -> Outcome {
        self.ask(|request| ToVenue::Cancel { request, venue_order_id: id(number) }).await.1
    }

    pub(crate) async fn query(&mut self, number: u64) -> Outcome {
        self.ask(|request| ToVenue::QueryOrder { request, venue_order_id: id(number) }).await.1
    }

    pub(crate) async fn sweep(&mut self, since: UnixNanos, cursor: Option<u64>) -> Page {
        match self.ask(|request| ToVenue::Sweep { request, since, cursor }).await {
            (_, Outcome::Page(page)) => page,
            other => panic!("no page: {other:?}"),
        }
    }

    /// Waits until the order is told to be in that state.
    pub(crate) async fn state(&mut self, number: u64, state: VenueOrderState) {
        self.until(|frame| match frame {
            FromVenue::OrderUpdate { order } => {
                (order.venue_order_id == id(number) && order.state == state).then_some(())
            }
            _ => None,
        })
        .await;
    }
}
