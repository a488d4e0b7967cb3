//! A look at Kraken without an account: whether it can be reached from here, and what it says. Decides what is looked at
//! and in which order; each step that fails says so and ends the look.

use super::{
    super::dial::{Dialler, NoTls},
    books::Books,
    clock::Clock,
    rest::Rest,
    session::ServerTime,
    settings::Urls,
    socket::{self, Over},
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tradewind_domain::{ids::InstrumentId, trading::Quote};
use tradewind_kraken::{
    rate::Tier,
    ws::{
        self, Message,
        market::{Market, System},
    },
};
use tradewind_node::clock;

/// What is wanted to be seen of a book: its snapshot, and so many updates after it.
const UPDATES: u32 = 5;
/// One step of the look.
const STEP_WITHIN: Duration = Duration::from_secs(10);

/// What was seen.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Seen {
    /// Where REST was asked.
    pub rest: String,
    /// How far its clock is ahead of ours, in seconds; behind: below zero.
    pub clock_ahead_s: Option<i64>,
    /// How long one call took, in milliseconds, its connection included.
    pub call_ms: Option<u64>,
    /// `online`, `maintenance`, `cancel_only`, `post_only`.
    pub status: Option<String>,
    /// Where the WebSocket was dialled.
    pub websocket: String,
    /// How many pairs it tells of.
    pub pairs: Option<usize>,
    pub instrument: String,
    /// The best of the instrument's book, which its checksum proves.
    pub quote: Option<Quote>,
    /// Messages of the book that were proven.
    pub proven: u32,
    /// What did not go well, if something did not.
    pub problem: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Status {
    status: String,
}

/// Looks at all of it that needs no API key.
pub async fn public(urls: &Urls, instrument: InstrumentId) -> Seen {
    let mut seen = Seen {
        rest: urls.rest.to_string(),
        websocket: urls.public.to_string(),
        instrument: instrument.to_string(),
        ..Seen::default()
    };
    if let Err(problem) = look(urls, instrument, &mut seen).await {
        seen.problem = Some(problem);
    }
    seen
}

async fn look(urls: &Urls, instrument: InstrumentId, seen: &mut Seen) -> Result<(), String> {
    let dialler =
        Dialler::to([&urls.rest, &urls.public]).map_err(|no_tls: NoTls| no_tls.to_string())?;
    let clock = Clock::start();
    let rest = Rest::new(urls.rest.clone(), dialler.clone(), None, Tier::Starter, clock);
    let begun = Instant::now();
    let time: ServerTime =
        rest.public("Time").await.map_err(|error| format!("REST: its time: {error}"))?;
    seen.call_ms = u64::try_from(begun.elapsed().as_millis()).ok();
    let ours = i64::try_from(clock::now().0 / 1_000_000_000).unwrap_or(i64::MAX);
    seen.clock_ahead_s = i64::try_from(time.unixtime).ok().map(|theirs| theirs - ours);
    let status: Status =
        rest.public("SystemStatus").await.map_err(|error| format!("REST: its status: {error}"))?;
    seen.status = Some(status.status);
    let book = async {
        let mut socket = socket::open(&dialler, &urls.public).await?;
        read(&mut socket, instrument, clock, seen).await
    };
    match timeout(STEP_WITHIN, book).await {
        Ok(read) => read.map_err(|over| format!("WebSocket: {over}")),
        Err(_) => Err(format!(
            "WebSocket: not all of it within {} s; seen is what stands above",
            STEP_WITHIN.as_secs()
        )),
    }
}

async fn read(
    (sender, receiver): &mut (socket::Sender, socket::Receiver),
    instrument: InstrumentId,
    clock: Clock,
    seen: &mut Seen,
) -> Result<(), Over> {
    let mut books = Books::new(std::iter::once(instrument.clone()));
    while seen.proven <= UPDATES {
        while let Some(saying) = books.next() {
            sender.send(saying.frame()).await?;
        }
        let text = receiver.next().await?;
        match ws::read(&text).map_err(|error| Over(error.to_string()))? {
            Message::Market(Market::Instrument(_, all)) => {
                let pairs = seen.pairs.unwrap_or_default().max(all.pairs.len());
                seen.pairs = Some(pairs);
                books.instruments(&all, clock.now());
            }
            Message::Market(Market::Book(kind, book)) => {
                let Some((_, quote)) = books.apply(kind, &book, clock.now()) else {
                    return Err(Over("a book's checksum is not that of the book".to_owned()));
                };
                seen.quote = Some(quote);
                seen.proven += 1;
            }
            Message::Market(Market::Status(list)) => {
                if let Some(status) = list.iter().find(|status| status.system != System::Online) {
                    tracing::warn!(system = ?status.system, "Kraken's engine");
                }
            }
            Message::Answer(answer) => {
                if let Err(why) = answer.result {
                    return Err(Over(format!("{instrument}: {why}")));
                }
            }
            Message::Market(_)
            | Message::Private(..)
            | Message::Heartbeat
            | Message::Pong(_)
            | Message::TooFast(_)
            | Message::Other(_) => {}
        }
        if books.lacks(&instrument) {
            return Err(Over(format!("Kraken does not trade {instrument}")));
        }
    }
    Ok(())
}
