//! Streams: what a Market hears, resumes and misses.

use super::*;
use tradewind_domain::ids::StreamEpoch;
use tradewind_protocol::stream::{Mode, Position, StreamStatus};

fn opened(message: TradeUp) -> (Mode, Position) {
    match message {
        TradeUp::PrivateOpened { mode, position, .. } => (mode, position),
        other => panic!("{other:?}"),
    }
}

/// Each event once, in order, each naming the one before.
fn check_whole(heard: &[Heard], mut last: u64) {
    for (seq, prev, _) in heard {
        assert_eq!(*prev, last, "a hole before {seq}");
        assert!(*seq > last);
        last = *seq;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_is_exactly_what_was_missed_whoever_asks_and_after_a_restart_too() {
    // given
    let world = World::new().await;
    let (broker, market) = world.trading().await;
    let (mode, begin) = opened(market.subscribe(1, "acme", PrivateChannel::Orders, None).await);
    assert_eq!((mode, begin.seq), (Mode::Live, 0));
    for n in 0..5 {
        let (order, _) = market.submit("acme", market_order(&format!("o-{n}"))).await.unwrap();
        market.order_until("acme", &order.order_id, |o| o.state == OrderState::Filled).await;
    }
    let last = market.get("acme", &market.list("acme").await[4].order_id).await;
    let all = eventually("the last change is told", || {
        let all = market.private(1);
        let told = |e: &Heard| matches!(&e.2, PrivateEvent::Order(order) if **order == last);
        all.iter().any(told).then_some(all)
    })
    .await;
    check_whole(&all, 0);
    // when resumed from any place, at another Market
    let other = Market::connect(broker.address, "a2", 10).await;
    for (subscription, at) in [(10, 0), (11, 3), (12, all.len() - 1)] {
        let seq = if at == 0 { 0 } else { all[at - 1].0 };
        let from = Position { epoch: begin.epoch.clone(), seq };
        let opened =
            opened(other.subscribe(subscription, "acme", PrivateChannel::Orders, Some(from)).await);
        assert_eq!(
            opened,
            (Mode::Replay, Position { epoch: begin.epoch.clone(), seq: all[all.len() - 1].0 })
        );
        let missed = eventually("the replay", || {
            let heard = other.private(subscription);
            (heard.len() >= all.len() - at).then_some(heard)
        })
        .await;
        assert_eq!(missed, all[at..]);
    }
    // and after the Broker's death, from the journal alone
    broker.kill().await;
    let (_broker, market) = world.trading().await;
    let from = Position { epoch: begin.epoch.clone(), seq: all[2].0 };
    let (mode, position) =
        opened(market.subscribe(1, "acme", PrivateChannel::Orders, Some(from)).await);
    assert_eq!((mode, &position.epoch), (Mode::Replay, &begin.epoch), "the same ledger");
    let missed = eventually("the replay", || {
        let heard = market.private(1);
        (heard.len() >= all.len() - 3).then_some(heard)
    })
    .await;
    assert_eq!(missed, all[3..]);
    // live goes on with the next number
    market.submit("acme", market_order("next")).await.unwrap();
    let next = eventually("the next event", || market.private(1).get(all.len() - 3).cloned()).await;
    assert_eq!(next.1, all[all.len() - 1].0);
    assert!(next.0 > position.seq);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_of_another_epoch_is_answered_with_everything_kept() {
    let world = World::new().await;
    let (_broker, market) = world.trading().await;
    let (order, _) = market.submit("acme", market_order("o-1")).await.unwrap();
    market.order_until("acme", &order.order_id, |o| o.state == OrderState::Filled).await;
    for (subscription, epoch, seq) in [(1, Some("elsewhere"), 1), (2, None, 1_000)] {
        let (_, now) =
            opened(market.subscribe(subscription + 10, "acme", PrivateChannel::Fills, None).await);
        let epoch = epoch.map_or(now.epoch.clone(), |text| StreamEpoch::new(text).unwrap());
        let from = Some(Position { epoch, seq });
        let (mode, position) =
            opened(market.subscribe(subscription, "acme", PrivateChannel::Fills, from).await);
        assert_eq!(mode, Mode::Snapshot);
        let heard = eventually("everything", || {
            let heard = market.private(subscription);
            heard.last().is_some_and(|last| last.0 == position.seq).then_some(heard)
        })
        .await;
        check_whole(&heard, 0);
    }
    let (_, other) = opened(market.subscribe(3, "bolt", PrivateChannel::Fills, None).await);
    assert_eq!(other.seq, 0, "another customer's numbers are his own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_far_behind_what_is_kept_in_memory_is_served_from_the_journal() {
    // given
    let world = World::new().await;
    let (_broker, market) = world.trading().await;
    let count = crate::limits::RECENT_EVENTS;
    let mut last = 0;
    for n in 0..count {
        let submit = OrderCommand::Submit { account: None, order: market_order(&format!("o-{n}")) };
        last = market.ask(fence(10), principal("acme"), submit).await;
    }
    eventually("the last is accepted", || market.answer(last)).await;
    for order in market.list("acme").await {
        market.order_until("acme", &order.order_id, |o| o.state.is_terminal()).await;
    }
    // when
    let (_, end) = opened(market.subscribe(1, "acme", PrivateChannel::Orders, None).await);
    let from = Some(Position { epoch: end.epoch, seq: 0 });
    market.subscribe(2, "acme", PrivateChannel::Orders, from).await;
    // then
    let heard = eventually("everything", || {
        let heard = market.private(2);
        heard.last().is_some_and(|event| event.0 == end.seq).then_some(heard)
    })
    .await;
    assert!(heard.len() > count * 3);
    check_whole(&heard, 0);
    let fills = market
        .command(fence(10), principal("acme"), OrderCommand::Fills { account: account() })
        .await;
    let CommandAnswer::Fills { fills } = fills else { panic!("{fills:?}") };
    assert_eq!(fills.len(), world.venue.judge().await.fills.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotes_flow_with_rising_numbers_and_a_reconnect_that_lost_nothing_is_told_and_goes_on() {
    // given
    let world = World::new().await;
    let (_broker, market) = world.trading().await;
    market.send(TradeDown::SubscribeQuotes { instrument: btc() }).await;
    let quotes = || -> Vec<(StreamEpoch, u64)> {
        let heard = market.heard.lock().unwrap();
        let quotes = heard.iter().filter_map(|message| match message {
            TradeUp::Quote { epoch, seq, .. } => Some((epoch.clone(), *seq)),
            _ => None,
        });
        quotes.collect()
    };
    let first = eventually("quotes", || Some(quotes()).filter(|quotes| quotes.len() > 5)).await;
    let epoch = StreamEpoch::new("1-10-1-0").unwrap();
    // when
    world.wire.cut();
    // then
    let (away, live) = (StreamStatus::Reconnecting, StreamStatus::Live);
    let last = first.last().unwrap().1;
    eventually("quotes of the next connection", || {
        let heard = market.heard.lock().unwrap();
        let told = |of| {
            let is =
                |m: &TradeUp| matches!(m, TradeUp::QuoteStatus { status, .. } if *status == of);
            heard.iter().rposition(is)
        };
        (told(live) > told(away) && told(away).is_some()).then_some(())
    })
    .await;
    let all = eventually("more of them", || Some(quotes()).filter(|q| q.len() > first.len() + 5));
    let all = all.await;
    assert!(all.iter().all(|quote| quote.0 == epoch), "{all:?}");
    assert!(all.windows(2).all(|two| two[0].1 < two[1].1) && all.last().unwrap().1 > last);
    let heard = market.heard.lock().unwrap().clone();
    let said: Vec<StreamStatus> = heard
        .iter()
        .filter_map(|message| match message {
            TradeUp::QuoteStatus { status, .. } => Some(*status),
            _ => None,
        })
        .collect();
    assert!(said.ends_with(&[live, away, live]), "{said:?}");
}
