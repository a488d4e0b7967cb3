//! An algo's connection to one of several MarketManagers, read frame by frame. Decides how it goes on at another one when it is cut
//! or sent away, and what counts as missing: a number that was neither seen nor told of, whichever of them it comes from.

use crate::{
    eventually,
    wire::{Socket, dial},
};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::Message;

/// A server says something every second.
const DEAD_AFTER: Duration = Duration::from_secs(3);
const AGAIN_AFTER: Duration = Duration::from_millis(50);
const CHANNELS: [&str; 2] = ["quotes", "trades"];

/// Of a stream: its epoch, and a number of it.
type Stand = (String, u64);

/// What came of one instrument.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub quotes: usize,
    pub trades: usize,
    /// Once it was live.
    pub away: usize,
    pub gaps: usize,
    /// Trades before which something is missing, or that were seen before, and nothing was told of it.
    pub untold: usize,
    /// Quotes that were not newer than the one before, of one subscription.
    pub back: usize,
    /// Of its quotes.
    pub epochs: BTreeSet<String>,
    /// The last quote of this subscription.
    last: Option<Stand>,
    /// Its last trade, and whether a gap was told since.
    trade: Option<Stand>,
    gap: bool,
}

#[derive(Debug, Default)]
struct Told {
    instruments: BTreeMap<String, Seen>,
    /// Where it was connected, in turn.
    connections: Vec<String>,
    /// How often it was sent away.
    sent_away: usize,
}

/// All that was seen.
#[derive(Clone, Debug, Default)]
pub struct All(Arc<Mutex<Told>>);

impl All {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[must_use]
    pub fn of(&self, instrument: &str) -> Seen {
        self.told().instruments.get(instrument).cloned().unwrap_or_default()
    }

    #[must_use]
    pub fn connections(&self) -> Vec<String> {
        self.told().connections.clone()
    }

    #[must_use]
    pub fn sent_away(&self) -> usize {
        self.told().sent_away
    }

    fn connected(&self, to: &str) {
        let mut told = self.told();
        told.connections.push(to.to_owned());
        told.instruments.values_mut().for_each(|seen| seen.last = None);
    }

    /// Where the trades of an instrument are to go on.
    fn from(&self, instrument: &str) -> Option<Value> {
        let (epoch, seq) = self.of(instrument).trade?;
        Some(json!({"epoch": epoch, "seq": seq}))
    }

    fn take(&self, frame: &Value) {
        let channel = frame["topic"].as_object().and_then(|topic| topic.iter().next());
        let named = channel.map_or(&frame["instrument"], |(_, topic)| &topic["instrument"]);
        let Some(instrument) = named.as_str() else { return };
        let of_trades = channel.is_some_and(|(name, _)| name == "trades");
        let at = |number: &Value| -> Stand {
            (frame["epoch"].as_str().unwrap_or_default().to_owned(), number.as_u64().unwrap())
        };
        let mut told = self.told();
        let seen = told.instruments.entry(instrument.to_owned()).or_default();
        match frame["type"].as_str().unwrap_or_default() {
            "quote" => {
                let now = at(&frame["seq"]);
                let goes_back = |last: &Stand| last.0 == now.0 && last.1 >= now.1;
                seen.back += usize::from(seen.last.as_ref().is_some_and(goes_back));
                seen.epochs.insert(now.0.clone());
                seen.last = Some(now);
                seen.quotes += 1;
            }
            "trade" => {
                let before = at(&frame["prev"]);
                let follows = seen.gap || seen.trade.as_ref().is_none_or(|last| *last == before);
                seen.untold += usize::from(!follows);
                (seen.trade, seen.gap) = (Some(at(&frame["seq"])), false);
                seen.trades += 1;
            }
            "gap" => {
                seen.gap |= of_trades;
                seen.gaps += 1;
            }
            "unsubscribed" if of_trades => seen.trade = None,
            "unsubscribed" => seen.last = None,
            "status" if frame["status"] == "reconnecting" && seen.last.is_some() => seen.away += 1,
            _ => {}
        }
    }
}

/// Reads until it is dropped.
pub struct Reader {
    pub all: All,
    wishes: mpsc::Sender<(bool, String)>,
    _reading: JoinSet<()>,
}

impl Reader {
    /// Reads quotes and trades of these at the first of these addresses that takes it, and goes on at the next.
    pub async fn start(edges: Vec<String>, token: &str, of: &[&str]) -> Self {
        let (wishes, wished) = mpsc::channel(64);
        let all = All::default();
        let mut reading = JoinSet::new();
        let connection = Connection {
            edges,
            token: token.to_owned(),
            all: all.clone(),
            wished,
            wanted: BTreeSet::new(),
        };
        reading.spawn(connection.run());
        let reader = Self { all, wishes, _reading: reading };
        reader.wants(of, true).await;
        reader
    }

    /// Subscribes to them, or no more.
    pub async fn wants(&self, of: &[&str], wants: bool) {
        for instrument in of {
            self.wishes.send((wants, (*instrument).to_owned())).await.unwrap();
        }
    }

    /// Waits until there is another quote of each.
    pub fn quoted(&self, what: &str, of: &[&str], within: Duration) {
        let before: Vec<usize> = of.iter().map(|of| self.all.of(of).quotes).collect();
        let more = || of.iter().zip(&before).all(|(of, before)| self.all.of(of).quotes > *before);
        eventually(what, within, more);
    }

    /// Waits until there is another quote and another trade of each.
    pub fn goes_on(&self, what: &str, of: &[&str], within: Duration) {
        let read = |of: &&str| {
            let Seen { quotes, trades, .. } = self.all.of(of);
            (quotes, trades)
        };
        let before: Vec<(usize, usize)> = of.iter().map(read).collect();
        let further = |(of, before): (&&str, &(usize, usize))| {
            let now = read(of);
            now.0 > before.0 && now.1 > before.1
        };
        eventually(what, within, || of.iter().zip(&before).all(further));
    }

    /// Fails if one of them was away, or anything of it is missing.
    pub fn whole(&self, of: &[&str]) {
        for of in of {
            let Seen { gaps, untold, away, back, .. } = self.all.of(of);
            assert_eq!((gaps, untold, away, back), (0, 0, 0, 0), "{of}");
        }
    }

    /// Fails if anything is missing of one of them that was not told, or if its quotes went back or are of another stream.
    pub fn told(&self, of: &[&str]) {
        for of in of {
            let Seen { untold, back, epochs, .. } = self.all.of(of);
            assert_eq!((untold, back, epochs.len()), (0, 0, 1), "{of}");
        }
    }
}

struct Connection {
    edges: Vec<String>,
    token: String,
    all: All,
    wished: mpsc::Receiver<(bool, String)>,
    wanted: BTreeSet<String>,
}

/// Where to after a connection.
enum Next {
    Another,
    There(String),
}

impl Connection {
    async fn run(mut self) {
        let mut at = 0;
        loop {
            let edge = self.edges[at % self.edges.len()].clone();
            let next =
                match timeout(DEAD_AFTER, dial(&edge, &format!("Bearer {}", self.token))).await {
                    Ok(Some(socket)) => {
                        self.all.connected(&edge);
                        self.serve(socket).await.unwrap_or(Next::Another)
                    }
                    Ok(None) | Err(_) => Next::Another,
                };
            let named = match next {
                Next::There(edge) => self.edges.iter().position(|known| *known == edge),
                Next::Another => None,
            };
            if named.is_none() {
                sleep(AGAIN_AFTER).await;
            }
            at = named.unwrap_or(at + 1);
        }
    }

    /// Reads until it is cut (`None`) or sent away.
    async fn serve(&mut self, mut socket: Socket) -> Option<Next> {
        for instrument in self.wanted.clone() {
            say(&mut socket, true, &instrument, self.all.from(&instrument)).await?;
        }
        loop {
            let frame = tokio::select! {
                Some((wants, instrument)) = self.wished.recv() => {
                    say(&mut socket, wants, &instrument, None).await?;
                    if wants {
                        self.wanted.insert(instrument);
                    } else {
                        self.wanted.remove(&instrument);
                    }
                    continue;
                }
                frame = timeout(DEAD_AFTER, socket.next()) => frame.ok()??.ok()?,
            };
            let Message::Text(text) = frame else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame["type"] == "goaway" {
                self.all.told().sent_away += 1;
                return Some(Next::There(frame["reconnect_to"][0].as_str()?.to_owned()));
            }
            self.all.take(&frame);
        }
    }
}

async fn say(socket: &mut Socket, wants: bool, of: &str, from: Option<Value>) -> Option<()> {
    for channel in CHANNELS {
        let what = if wants { "subscribe" } else { "unsubscribe" };
        let mut wish = json!({"type": what, "channel": channel, "instrument": of});
        if let Some(from) = from.clone().filter(|_| channel == "trades") {
            wish["from"] = from;
        }
        socket.send(Message::text(wish.to_string())).await.ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trade(epoch: &str, seq: u64) -> Value {
        json!({"type": "trade", "instrument": "A/B", "epoch": epoch, "seq": seq, "prev": seq - 1})
    }

    fn quote(epoch: &str, seq: u64) -> Value {
        json!({"type": "quote", "instrument": "A/B", "epoch": epoch, "seq": seq})
    }

    fn seen(frames: &[Value]) -> Seen {
        let all = All::default();
        for frame in frames {
            if frame == "another connection" {
                all.connected("there");
            } else {
                all.take(frame);
            }
        }
        all.of("A/B")
    }

    #[test]
    fn what_is_missing_or_comes_twice_is_seen_over_connections_too() {
        let topic = |kind: &str, channel: &str| json!({"type": kind, "topic": {channel: {"instrument": "A/B"}}});
        let (gap, opened) = (topic("gap", "trades"), topic("subscribed", "trades"));
        let other = json!("another connection");
        let untold = |frames: &[Value]| seen(frames).untold;
        assert_eq!(untold(&[trade("e", 4), other.clone(), opened.clone(), trade("e", 5)]), 0);
        assert_eq!(untold(&[trade("e", 4), other.clone(), opened.clone(), trade("e", 6)]), 1);
        assert_eq!(untold(&[trade("e", 4), other.clone(), opened.clone(), trade("e", 4)]), 1);
        assert_eq!(untold(&[trade("e", 4), other.clone(), opened, gap, trade("e", 6)]), 0);
        assert_eq!(untold(&[trade("e", 4), topic("gap", "quotes"), trade("e", 6)]), 1);
        assert_eq!(untold(&[trade("e", 4), topic("unsubscribed", "trades"), trade("e", 9)]), 0);
        assert_eq!(untold(&[trade("e", 4), topic("unsubscribed", "quotes"), trade("e", 9)]), 1);
        let (ahead, again) = ([quote("e", 4), quote("e", 9)], [quote("e", 4), quote("e", 4)]);
        assert_eq!((seen(&ahead).back, seen(&again).back), (0, 1));
        let anew = [quote("e", 4), topic("unsubscribed", "quotes"), quote("e", 4)];
        assert_eq!(seen(&anew).back, 0);
        assert_eq!(seen(&[quote("e", 4), other, quote("e", 3), quote("f", 1)]).epochs.len(), 2);
    }
}
