//! More instruments than one connection takes: they come over several, one of which may be lost.

use super::{world::instrument, *};
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    ids::{InstrumentId, StreamEpoch},
    trading::NewOrder,
};
use tradewind_protocol::stream::StreamStatus;
use tradewind_sim::wire::Connected;

const INSTRUMENTS: u8 = 8;
const TAKES: u32 = 3;

/// All instruments are read, quotes and trades, and all are live.
async fn all_live(world: &World) -> (world::Process, Market) {
    let (broker, market) = world.trading().await;
    for n in 0..INSTRUMENTS {
        market.send(TradeDown::SubscribeQuotes { instrument: instrument(n) }).await;
        market.send(TradeDown::SubscribeTrades { instrument: instrument(n) }).await;
    }
    eventually("all are live", || (live(&market).len() == usize::from(INSTRUMENTS)).then_some(()))
        .await;
    (broker, market)
}

/// What was said of each instrument's status.
fn said(market: &Market) -> BTreeMap<InstrumentId, Vec<StreamStatus>> {
    let mut said = BTreeMap::<_, Vec<_>>::new();
    for message in market.heard.lock().unwrap().iter() {
        if let TradeUp::QuoteStatus { instrument, status } = message {
            said.entry(instrument.clone()).or_default().push(*status);
        }
    }
    said
}

/// How often it was live and then not.
fn outages(said: &[StreamStatus]) -> usize {
    said.windows(2).filter(|two| *two == [StreamStatus::Live, StreamStatus::Reconnecting]).count()
}

fn live(market: &Market) -> BTreeSet<InstrumentId> {
    let live = |(of, said): (InstrumentId, Vec<_>)| {
        (said.last() == Some(&StreamStatus::Live)).then_some(of)
    };
    said(market).into_iter().filter_map(live).collect()
}

/// Trades of an instrument as a reader counts them: how many came, and how often he was told that some may be missing.
fn trades(market: &Market, of: &InstrumentId) -> (usize, usize) {
    let mut stands: Option<(StreamEpoch, u64)> = None;
    let (mut came, mut holes) = (0, 0);
    for message in market.heard.lock().unwrap().iter() {
        match message {
            TradeUp::TradesStand { instrument, epoch, seq } if instrument == of => {
                let place = (epoch.clone(), *seq);
                holes += usize::from(stands.as_ref().is_some_and(|stands| *stands != place));
                stands = Some(place);
            }
            TradeUp::Trade { instrument, epoch, seq, prev, .. } if instrument == of => {
                came += 1;
                let before = Some((epoch.clone(), *prev));
                assert!(stands.is_none() || stands == before, "{of}: an untold hole before {seq}");
                stands = Some((epoch.clone(), *seq));
            }
            _ => {}
        }
    }
    (came, holes)
}

/// One trade of each instrument.
async fn trade_all(market: &Market, round: &str) {
    for n in 0..INSTRUMENTS {
        let order = market_order(&format!("{round}-{n}"));
        let order = NewOrder { instrument: instrument(n), ..order };
        market.submit("acme", order).await.unwrap();
    }
}

async fn until(what: &str, world: &World, is: impl Fn(&[Connected]) -> bool) -> Vec<Connected> {
    for _ in 0..5_000 {
        let connections = world.venue.connections().await;
        if is(&connections) {
            return connections;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("{what}: {:?}", world.venue.connections().await);
}

/// Every trade of these has come that the venue knows of, and each has traded so often.
async fn all_have_come(world: &World, market: &Market, of: &[InstrumentId], rounds: usize) {
    for _ in 0..2_000 {
        let fills = world.venue.judge().await.fills;
        let of_one = |of: &InstrumentId| fills.iter().filter(|fill| fill.instrument == *of).count();
        if of.iter().all(|of| of_one(of) >= rounds && trades(market, of).0 == of_one(of)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{:?}", of.iter().map(|of| (of, trades(market, of))).collect::<Vec<_>>());
}

/// What the venue has to say about those it sees.
fn check(connections: &[Connected]) {
    for connection in connections {
        assert!(connection.subscriptions_max <= TAKES as usize, "{connection:?}");
        assert_eq!(connection.refused, 0, "{connection:?}");
    }
    assert_eq!(connections.iter().filter(|c| c.account.is_some()).count(), 1, "{connections:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_instruments_than_one_connection_takes_come_over_several_and_a_lost_one_concerns_its_own_alone()
 {
    // given
    let world = World::around(world::Venue::of(INSTRUMENTS, TAKES).await).await;
    let (_broker, market) = all_live(&world).await;
    let connections = world.venue.connections().await;
    assert_eq!(connections.len(), 3, "eight, three on each: {connections:?}");
    check(&connections);
    trade_all(&market, "before").await;
    let all: Vec<_> = (0..INSTRUMENTS).map(instrument).collect();
    all_have_come(&world, &market, &all, 1).await;
    // when: one for market data is cut
    let lost = connections.iter().find(|c| c.account.is_none() && c.subscriptions.len() == 3);
    let lost = lost.expect("a full one").clone();
    world.venue.end(lost.number).await;
    let made_good = |connections: &[Connected]| {
        let gone = connections.iter().all(|connection| connection.number != lost.number);
        gone && subscribed(connections) == usize::from(INSTRUMENTS)
    };
    until("what it had comes over others", &world, made_good).await;
    eventually("all are live again", || {
        (live(&market).len() == usize::from(INSTRUMENTS)).then_some(())
    })
    .await;
    // then: the others have never been away, and nobody misses a trade
    let others = || all.iter().filter(|of| !lost.subscriptions.contains(of));
    let said = said(&market);
    for of in others() {
        assert_eq!(outages(&said[of]), 0, "{of}: {:?}", said[of]);
    }
    trade_all(&market, "after").await;
    all_have_come(&world, &market, &all, 2).await;
    for of in others() {
        assert_eq!(trades(&market, of).1, 0, "{of}: a hole is told that is not there");
    }
    check(
        &until("all are subscribed", &world, |c| subscribed(c) == usize::from(INSTRUMENTS)).await,
    );
}

fn subscribed(connections: &[Connected]) -> usize {
    connections.iter().map(|connection| connection.subscriptions.len()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instruments_move_to_fewer_connections_while_they_trade_and_no_hole_is_told() {
    // given
    let world = World::around(world::Venue::of(INSTRUMENTS, TAKES).await).await;
    let (_broker, market) = all_live(&world).await;
    let connections = world.venue.connections().await;
    let main = connections.iter().find(|c| c.account.is_some()).expect("the main one").clone();
    // when: what the main one had is left, and all the rest trades
    for of in &main.subscriptions {
        market.send(TradeDown::UnsubscribeQuotes { instrument: of.clone() }).await;
        market.send(TradeDown::UnsubscribeTrades { instrument: of.clone() }).await;
    }
    for round in 0..20 {
        trade_all(&market, &format!("o-{round}")).await;
    }
    // then: five, on two connections
    let left = usize::from(INSTRUMENTS) - main.subscriptions.len();
    let fewer = |c: &[Connected]| c.len() == 2 && subscribed(c) == left;
    check(&until("five on two", &world, fewer).await);
    trade_all(&market, "last").await;
    let rest: Vec<_> =
        (0..INSTRUMENTS).map(instrument).filter(|of| !main.subscriptions.contains(of)).collect();
    all_have_come(&world, &market, &rest, 21).await;
    let said = said(&market);
    for of in &rest {
        assert_eq!(trades(&market, of).1, 0, "{of}: a hole is told that is not there");
        assert_eq!(outages(&said[of]), 0, "{of}: {:?}", said[of]);
    }
    assert_eq!(live(&market).len(), usize::from(INSTRUMENTS));
}
