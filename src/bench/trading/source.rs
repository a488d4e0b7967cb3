//! A venue that has nothing but quotes, as many as it is told to: the sim venue plays a recording, whose pace is its
//! own. Decides that it speaks the sim venue's protocol, and that each quote carries the time at which it left here, in
//! microseconds, as the size of its bid.

use super::{peers, site::INSTRUMENT};
use anyhow::Context as _;
use futures_util::{SinkExt as _, StreamExt as _};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    accept_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};
use tradewind_domain::trading::Quote;
use tradewind_sim::wire::{FromVenue, Outcome, Page, ToVenue, TradesStand};

/// Quotes between two looks at what the Broker says, and in one write, when nothing sets the pace.
const BURST: u32 = 32;
const HEARTBEAT: Duration = Duration::from_millis(500);

pub(super) async fn run(rate: u32, listen: Option<SocketAddr>) -> anyhow::Result<()> {
    let listener = peers::listen(listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = serve(stream, rate).await {
                eprintln!("a Broker's connection has ended: {error:#}");
            }
        });
    }
}

async fn serve(stream: TcpStream, rate: u32) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(8 << 10);
    let socket = accept_async_with_config(stream, Some(config)).await?;
    let (mut sink, mut frames) = socket.split();
    let mut pace = Pace::new(rate);
    let mut publishes = false;
    let mut beat = tokio::time::interval(HEARTBEAT);
    let mut seq = 0_u64;
    loop {
        tokio::select! {
            biased;
            frame = frames.next() => {
                let Some(Message::Text(text)) = frame.transpose()? else { return Ok(()) };
                let asked: ToVenue = serde_json::from_str(&text)?;
                publishes |= matches!(asked, ToVenue::Subscribe { .. });
                publishes &= !matches!(asked, ToVenue::Unsubscribe { .. });
                if let Some(answer) = answer(asked) {
                    sink.send(Message::text(serde_json::to_string(&answer)?)).await?;
                }
            }
            _ = beat.tick() => {
                let frame = FromVenue::Heartbeat { time: crate::clock::now() };
                sink.send(Message::text(serde_json::to_string(&frame)?)).await?;
            }
            due = pace.due(), if publishes => {
                for _ in 0..due {
                    seq += 1;
                    sink.feed(Message::text(serde_json::to_string(&quote(seq)?)?)).await?;
                }
                sink.flush().await?;
            }
        }
    }
}

fn answer(asked: ToVenue) -> Option<FromVenue> {
    let time = crate::clock::now();
    match asked {
        ToVenue::Login { account } => Some(FromVenue::LoggedIn { account, time, subscriptions: 1 }),
        ToVenue::Observe {} => Some(FromVenue::Observing { time, subscriptions: 1 }),
        ToVenue::Subscribe { instrument } => {
            let trades = TradesStand { life: 1, number: 0 };
            Some(FromVenue::Subscribed { instrument, trades })
        }
        ToVenue::Unsubscribe { instrument } => Some(FromVenue::Unsubscribed { instrument }),
        ToVenue::Ping {} => Some(FromVenue::Pong { time }),
        ToVenue::Sweep { request, .. } => {
            let page = Page { orders: Vec::new(), fills: Vec::new(), next: 0, complete: true };
            Some(FromVenue::Answer { request, time, result: Outcome::Page(page) })
        }
        // Nobody trades here.
        ToVenue::Submit { .. }
        | ToVenue::Cancel { .. }
        | ToVenue::Replace { .. }
        | ToVenue::QueryOrder { .. } => None,
    }
}

fn quote(seq: u64) -> anyhow::Result<FromVenue> {
    let at = crate::clock::now();
    let quote = Quote {
        bid: Some("29430.2".parse()?),
        bid_size: (at.0 / 1_000).to_string().parse().context("a time as a size")?,
        ask: Some("29430.3".parse()?),
        ask_size: "0.25000000".parse()?,
        at,
    };
    Ok(FromVenue::Quote { instrument: INSTRUMENT.parse()?, seq, quote })
}

/// When the next frames are due, and how many: a pace that is kept by itself, however late a timer is.
pub(super) struct Pace {
    rate: u32,
    since: Instant,
    given: u64,
}

impl Pace {
    pub(super) fn new(rate: u32) -> Self {
        Self { rate, since: Instant::now(), given: 0 }
    }

    /// Waits until some are due. May be cancelled.
    pub(super) async fn due(&mut self) -> u64 {
        if self.rate == 0 {
            tokio::task::yield_now().await;
            return u64::from(BURST);
        }
        loop {
            let micros = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
            let by_now = micros.saturating_mul(u64::from(self.rate)) / 1_000_000;
            if by_now > self.given {
                let due = by_now - self.given;
                self.given = by_now;
                // What was missed for long is not made up for: it would be a burst.
                return due.min(u64::from(BURST));
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
    }
}
