//! Quotes from Kraken's order books. Decides over which public WebSocket an instrument comes, and keeps each of them
//! connected by itself: orders do not end with a feed. Which quote a frame makes is decided by `books`.

use super::{
    Kraken,
    books::{Books, Saying},
    limits::{CONNECT_WITHIN, FEED_QUEUE, PING_EVERY},
    socket::{self, Over},
};
use crate::venue::{Event, Permission, Purpose};
use std::{collections::BTreeSet, pin::pin, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tradewind_domain::ids::InstrumentId;
use tradewind_kraken::{
    limits::BOOKS_PER_CONNECTION,
    outcome::{self, Outcome, Refused},
    rate::Counter,
    shard::Shards,
    ws::{self, Message, market::Market},
};

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Subscribe(InstrumentId),
    Unsubscribe(InstrumentId),
}

/// How often a feed looks for what waits or has fallen silent.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Hands wishes to their feeds, a new one as need be, until nobody has any more. May be cancelled.
pub(super) async fn run(
    kraken: Arc<Kraken>,
    may: Arc<dyn Permission>,
    mut wants: mpsc::Receiver<Want>,
    told: mpsc::Sender<Event>,
) {
    let mut shards = Shards::of(BOOKS_PER_CONNECTION);
    let mut feeds: Vec<mpsc::Sender<Want>> = Vec::new();
    let mut carried = JoinSet::new();
    while let Some(want) = wants.recv().await {
        let shard = match &want {
            Want::Subscribe(instrument) => Some(shards.place(instrument)),
            Want::Unsubscribe(instrument) => shards.remove(instrument),
        };
        let Some(shard) = shard else { continue };
        while feeds.len() <= shard {
            let (sender, wants) = mpsc::channel(FEED_QUEUE);
            feeds.push(sender);
            let (kraken, may) = (Arc::clone(&kraken), Arc::clone(&may));
            let feed = Feed { kraken, may, wants, told: told.clone() };
            carried.spawn(feed.run());
        }
        // A feed ends only with all of this.
        let _ = feeds[shard].send(want).await;
    }
}

struct Feed {
    kraken: Arc<Kraken>,
    may: Arc<dyn Permission>,
    wants: mpsc::Receiver<Want>,
    told: mpsc::Sender<Event>,
}

impl Feed {
    /// Until nobody wants anything of it any more. May be cancelled.
    async fn run(mut self) {
        let mut wanted = BTreeSet::new();
        loop {
            let over = self.connected(&mut wanted).await;
            if self.wants.is_closed() || self.told.is_closed() {
                return;
            }
            // Its quotes are stale meanwhile, and said to be.
            tracing::warn!(%over, instruments = wanted.len(), "feed of Kraken is dialled again");
            self.kraken.pause().await;
        }
    }

    async fn connected(&mut self, wanted: &mut BTreeSet<InstrumentId>) -> Over {
        if let Err(over) = self.granted(wanted).await {
            return over;
        }
        let opening = socket::open(&self.kraken.dialler, &self.kraken.settings.urls.public);
        let (mut sender, mut receiver) = match timeout(CONNECT_WITHIN, opening).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(over)) => return over,
            Err(_) => return Over("no answer".to_owned()),
        };
        let clock = self.kraken.clock;
        let mut books = Books::new(wanted.iter().cloned());
        let mut begun = BTreeSet::new();
        let mut room = Counter::new(socket::SUBSCRIBES, clock.now());
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let sent = tokio::select! {
                want = self.wants.recv() => match &want {
                    Some(Want::Subscribe(instrument)) => {
                        books.want(instrument.clone());
                        self.take(want, wanted).await
                    }
                    Some(Want::Unsubscribe(instrument)) => {
                        books.leave(instrument);
                        begun.remove(instrument);
                        self.take(want, wanted).await
                    }
                    None => self.take(want, wanted).await,
                },
                text = receiver.next() => match text {
                    Ok(text) => match ws::read(&text) {
                        Ok(Message::Pong(_)) => {
                            receiver.answered();
                            Ok(())
                        }
                        Ok(message) => self.hear(&mut books, &mut begun, message).await,
                        Err(error) => Err(Over(error.to_string())),
                    },
                    Err(over) => Err(over),
                },
                _ = pings.tick() => sender.ping().await,
                _ = look.tick() => {
                    books.look(clock.now());
                    Ok(())
                }
            };
            if let Err(over) = sent {
                return over;
            }
            while books.has_more() && room.admit(1_000_000_000, 0, clock.now()).is_ok() {
                let Some(saying) = books.next() else { break };
                // It begins anew, which is to be said. One that was only silent has most likely nothing to tell.
                if let Saying::SubscribeBroken(instrument) = &saying {
                    begun.remove(instrument);
                }
                if let Err(over) = sender.send(saying.frame()).await {
                    return over;
                }
            }
        }
    }

    /// Waits for the right to connect, once something is wanted, and notes meanwhile what is.
    async fn granted(&mut self, wanted: &mut BTreeSet<InstrumentId>) -> Result<(), Over> {
        while wanted.is_empty() {
            let want = self.wants.recv().await;
            self.take(want, wanted).await?;
        }
        let (kraken, may) = (Arc::clone(&self.kraken), Arc::clone(&self.may));
        let one = (1, Purpose::MarketData);
        let mut granted = pin!(kraken.may_connect(&*may, &kraken.settings.urls.public, one));
        loop {
            tokio::select! {
                () = &mut granted => return Ok(()),
                want = self.wants.recv() => self.take(want, wanted).await?,
            }
        }
    }

    async fn take(
        &self,
        want: Option<Want>,
        wanted: &mut BTreeSet<InstrumentId>,
    ) -> Result<(), Over> {
        match want {
            Some(Want::Subscribe(instrument)) => {
                wanted.insert(instrument);
                Ok(())
            }
            Some(Want::Unsubscribe(instrument)) => {
                wanted.remove(&instrument);
                self.tell(Event::Unsubscribed { instrument }).await
            }
            None => Err(Over("nobody reads it any more".to_owned())),
        }
    }

    async fn tell(&self, event: Event) -> Result<(), Over> {
        let gone = |_| Over("nobody listens any more".to_owned());
        self.told.send(event).await.map_err(gone)
    }

    async fn hear(
        &self,
        books: &mut Books,
        begun: &mut BTreeSet<InstrumentId>,
        message: Message<'_>,
    ) -> Result<(), Over> {
        let clock = self.kraken.clock;
        match message {
            Message::Market(Market::Book(kind, book)) => {
                if let Some((instrument, quote)) = books.apply(kind, &book, clock.now()) {
                    if begun.insert(instrument.clone()) {
                        let instrument = instrument.clone();
                        self.tell(Event::Subscribed { instrument, stands: None }).await?;
                    }
                    self.tell(Event::Quote { instrument, quote }).await?;
                }
            }
            Message::Market(Market::Instrument(_, all)) => books.instruments(&all, clock.now()),
            Message::Answer(answer) => {
                if let (Err(why), Some(symbol)) = (&answer.result, &answer.symbol) {
                    tracing::warn!(symbol, why, "book is not subscribed");
                    if outcome::of(why) == Outcome::Refused(Refused::NoSuchPair) {
                        books.refused(symbol);
                    }
                }
            }
            Message::TooFast(text) => tracing::warn!(text, "Kraken drops what we send"),
            Message::Market(_)
            | Message::Private(..)
            | Message::Heartbeat
            | Message::Pong(_)
            | Message::Other(_) => {}
        }
        Ok(())
    }
}
