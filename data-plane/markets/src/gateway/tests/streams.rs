//! Claims about streams: quotes conflated and resumed, private ones without a hole or a repeat.

use crate::world::{
    account, desired,
    edge::{Edge, quick_settings},
    epoch, eventually, instrument, market_wanted,
};
use std::time::Duration;
use tradewind_protocol::{
    Code,
    stream::{Mode, Position, StreamStatus, ToAlgo, Topic},
};

fn at(of: &str, seq: u64) -> Position {
    Position { epoch: epoch(of), seq }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotes_flow_and_the_broker_is_subscribed_once_for_all_sessions() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let btc = instrument("BTC/USD");
    let (mut one, mut two) = (edge.algo().await, edge.algo().await);
    one.subscribe_quotes(&btc).await;
    eventually("subscribed", || edge.broker.is_subscribed(&btc)).await;
    // when
    edge.broker.quote(&btc, 1);
    // then
    assert_eq!(one.quote().await, 1);
    two.subscribe_quotes(&btc).await;
    assert_eq!(two.quote().await, 1, "the last quote, at once");
    edge.broker.quote(&btc, 2);
    assert_eq!((one.quote().await, two.quote().await), (2, 2));
    assert_eq!(edge.broker.scene().quote_subscriptions.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_is_whole_when_his_last_number_is_the_heartbeats() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let btc = instrument("BTC/USD");
    let mut algo = edge.algo().await;
    algo.subscribe_quotes(&btc).await;
    eventually("subscribed", || edge.broker.is_subscribed(&btc)).await;
    // when
    for seq in 1..=500 {
        edge.broker.quote(&btc, seq);
    }
    // then
    let mut last = 0;
    let whole = algo.until(|frame| match frame {
        ToAlgo::Quote { seq, .. } => {
            assert!(seq > last, "{seq} after {last}");
            last = seq;
            None
        }
        ToAlgo::Heartbeat { streams, .. } => {
            let topic = Topic::Quotes { instrument: btc.clone() };
            let stand = streams.iter().find(|stream| stream.topic == topic)?;
            assert!(stand.position.seq <= last, "it names what was not sent");
            (stand.position.seq == 500).then_some(last)
        }
        _ => None,
    });
    assert_eq!(whole.await, 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_market_costs_a_status_and_neither_a_subscription_nor_a_fill() {
    // given
    let mut edge = Edge::start(quick_settings()).await;
    let btc = instrument("BTC/USD");
    let mut algo = edge.algo().await;
    algo.subscribe_quotes(&btc).await;
    algo.subscribe_fills(&account("sim-1"), None).await;
    eventually("subscribed", || edge.broker.has_private_subscriber()).await;
    eventually("subscribed", || edge.broker.is_subscribed(&btc)).await;
    edge.broker.quote(&btc, 1);
    edge.broker.fill().await;
    assert_eq!(algo.fill().await, (at("ledger-1", 2), 0));
    // when
    edge.stop_market().await;
    edge.broker.fill().await;
    edge.broker.fill().await;
    let topic = Topic::Quotes { instrument: btc.clone() };
    let away = ToAlgo::Status { topic, status: StreamStatus::Reconnecting };
    algo.until(|frame| (frame == away).then_some(())).await;
    edge.start_market().await;
    eventually("subscribed again", || edge.broker.scene().resumed.len() == 2).await;
    edge.broker.fill().await;
    // then
    assert_eq!(algo.fill().await, (at("ledger-1", 4), 2));
    assert_eq!(algo.fill().await, (at("ledger-1", 6), 4));
    assert_eq!(algo.fill().await, (at("ledger-1", 8), 6));
    eventually("subscribed again", || edge.broker.scene().quote_subscriptions.len() == 2).await;
    edge.broker.quote(&btc, 2);
    assert_eq!(algo.quote().await, 2);
    assert_eq!(edge.broker.scene().resumed, [None, Some(at("ledger-1", 2))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_costs_a_status_and_neither_a_subscription_nor_a_fill() {
    // given
    let mut edge = Edge::start(quick_settings()).await;
    let btc = instrument("BTC/USD");
    let mut algo = edge.algo().await;
    algo.subscribe_quotes(&btc).await;
    algo.subscribe_fills(&account("sim-1"), None).await;
    eventually("subscribed", || edge.broker.has_private_subscriber()).await;
    eventually("subscribed", || edge.broker.is_subscribed(&btc)).await;
    edge.broker.quote(&btc, 7);
    assert_eq!(algo.quote().await, 7);
    edge.broker.fill().await;
    assert_eq!(algo.fill().await.0, at("ledger-1", 2));
    // when
    edge.broker.stop().await;
    edge.broker.fill().await;
    let fills = Topic::Fills { account: account("sim-1") };
    let topics = [Topic::Quotes { instrument: btc.clone() }, fills.clone()];
    let mut seen = Vec::new();
    algo.until(|frame| match frame {
        ToAlgo::Status { topic, status: StreamStatus::Reconnecting } => {
            seen.push(topic);
            topics.iter().all(|topic| seen.contains(topic)).then_some(())
        }
        _ => None,
    })
    .await;
    algo.until(|frame| match frame {
        ToAlgo::Heartbeat { streams, .. } => {
            (!streams.iter().any(|stream| stream.topic == fills)).then_some(())
        }
        _ => None,
    })
    .await;
    edge.broker.start().await;
    // then
    assert_eq!(algo.fill().await, (at("ledger-1", 4), 2));
    edge.broker.fill().await;
    assert_eq!(algo.fill().await, (at("ledger-1", 6), 4));
    eventually("subscribed again", || edge.broker.is_subscribed(&btc)).await;
    edge.broker.quote(&btc, 1);
    assert_eq!(algo.quote().await, 1, "a new source: its numbers begin anew");
    assert_eq!(edge.broker.scene().quote_subscriptions, [(1, btc.clone()), (2, btc)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_comes_back_resumes_from_the_position_it_names() {
    // given
    let edge = Edge::start(quick_settings()).await;
    for _ in 0..3 {
        edge.broker.fill().await;
    }
    // when
    let mut algo = edge.algo().await;
    algo.subscribe_fills(&account("sim-1"), Some(at("ledger-1", 2))).await;
    // then
    let mode = algo.until(|frame| match frame {
        ToAlgo::Subscribed { mode, .. } => Some(mode),
        _ => None,
    });
    assert_eq!(mode.await, Mode::Replay);
    assert_eq!(algo.fill().await, (at("ledger-1", 4), 2));
    assert_eq!(algo.fill().await, (at("ledger-1", 6), 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_was_rebuilt_is_told_as_a_gap_and_followed_by_all_it_has() {
    // given
    let mut edge = Edge::start(quick_settings()).await;
    let mut algo = edge.algo().await;
    algo.subscribe_fills(&account("sim-1"), None).await;
    eventually("subscribed", || edge.broker.has_private_subscriber()).await;
    edge.broker.fill().await;
    edge.broker.fill().await;
    algo.fill().await;
    algo.fill().await;
    // when
    edge.broker.stop().await;
    edge.broker.rebuild();
    edge.broker.start().await;
    // then
    let from = algo.until(|frame| match frame {
        ToAlgo::Gap { from, .. } => Some(from),
        ToAlgo::Fill { .. } => panic!("before the gap was told: {frame:?}"),
        _ => None,
    });
    assert_eq!(from.await, Some(at("ledger-1", 4)));
    let mode = algo.until(|frame| match frame {
        ToAlgo::Subscribed { mode, .. } => Some(mode),
        _ => None,
    });
    assert_eq!(mode.await, Mode::Snapshot);
    assert_eq!(algo.fill().await, (at("ledger-2", 1), 0));
    assert_eq!(algo.fill().await, (at("ledger-2", 2), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_session_has_ended_is_closed_at_the_broker() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let mut algo = edge.algo().await;
    algo.subscribe_fills(&account("sim-1"), None).await;
    eventually("subscribed", || edge.broker.has_private_subscriber()).await;
    // when
    drop(algo);
    // then
    eventually("unsubscribed", || !edge.broker.has_private_subscriber()).await;
    eventually("not counted", || edge.sessions.count() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instrument_the_market_has_no_route_for_yet_is_told_as_reconnecting() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let mut wanted = market_wanted("crypto");
    wanted.spec.routes[1].instrument = instrument("SOL/USD");
    // when
    edge.gateway.follow(&desired(vec![wanted]));
    let mut algo = edge.algo().await;
    algo.subscribe_quotes(&instrument("SOL/USD")).await;
    // then
    let status = algo.until(|frame| match frame {
        ToAlgo::Status { status, .. } => Some(status),
        _ => None,
    });
    assert_eq!(status.await, StreamStatus::Reconnecting);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_never_says_that_all_was_sent_while_some_of_a_private_stream_is_to_come() {
    // given
    let mut settings = quick_settings();
    settings.queue_frames = 32;
    settings.heartbeat_every = Duration::from_millis(2);
    let edge = Edge::start(settings).await;
    for _ in 0..500 {
        edge.broker.fill().await;
    }
    // when
    let mut algo = edge.algo().await;
    algo.subscribe_fills(&account("sim-1"), Some(at("ledger-1", 2))).await;
    // then
    let (mut last, mut heartbeats) = (0, 0);
    let whole = algo.until(|frame| match frame {
        ToAlgo::Fill { seq, .. } => {
            last = seq;
            None
        }
        ToAlgo::Heartbeat { streams, .. } if last > 0 => {
            heartbeats += 1;
            assert_eq!(streams[0].position, at("ledger-1", 1_000), "{last} were sent");
            (last == 1_000).then_some(heartbeats)
        }
        _ => None,
    });
    assert!(whole.await > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_follows_its_instrument_and_account_to_another_market() {
    // given
    let mut edge = Edge::start(quick_settings()).await;
    let btc = instrument("BTC/USD");
    let mut algo = edge.algo().await;
    algo.subscribe_quotes(&btc).await;
    algo.subscribe_fills(&account("sim-1"), None).await;
    eventually("subscribed", || edge.broker.has_private_subscriber()).await;
    edge.broker.fill().await;
    assert_eq!(algo.fill().await.0, at("ledger-1", 2));
    // when
    edge.stop_market().await;
    edge.broker.fill().await;
    edge.rename_market("futures").await;
    // then
    assert_eq!(algo.fill().await, (at("ledger-1", 4), 2));
    eventually("subscribed", || edge.broker.is_subscribed(&btc)).await;
    edge.broker.quote(&btc, 3);
    assert_eq!(algo.quote().await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_use_an_account_no_more_hears_nothing_more_of_it() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let mut algo = edge.algo().await;
    algo.subscribe_fills(&account("sim-1"), None).await;
    eventually("subscribed", || edge.broker.has_private_subscriber()).await;
    // when
    let mut wanted = market_wanted("crypto");
    wanted.accounts[0].customers.clear();
    edge.gateway.follow(&desired(vec![wanted]));
    // then
    let mut told = false;
    let ended = algo.until(|frame| match frame {
        ToAlgo::Error { code, .. } => {
            assert_eq!(code, Code::Forbidden);
            told = true;
            None
        }
        ToAlgo::Unsubscribed { topic } => Some((topic, told)),
        _ => None,
    });
    assert_eq!(ended.await, (Topic::Fills { account: account("sim-1") }, true));
    eventually("closed at the broker", || !edge.broker.has_private_subscriber()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_respawned_twice_in_a_moment_leaves_no_session_stuck() {
    // given
    let mut edge = Edge::start(quick_settings()).await;
    let btc = instrument("BTC/USD");
    let mut algo = edge.algo().await;
    algo.subscribe_quotes(&btc).await;
    algo.subscribe_fills(&account("sim-1"), None).await;
    eventually("subscribed", || edge.broker.has_private_subscriber()).await;
    for round in 1..=10 {
        // when
        edge.stop_market().await;
        edge.start_market().await;
        edge.broker.fill().await;
        edge.stop_market().await;
        edge.start_market().await;
        // then
        assert_eq!(algo.fill().await, (at("ledger-1", 2 * round), 2 * round - 2));
    }
    eventually("subscribed", || edge.broker.is_subscribed(&btc)).await;
    edge.broker.quote(&btc, 3);
    assert_eq!(algo.quote().await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sessions_that_come_and_go_leave_nothing_behind() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    eventually("the market is reached", || tasks() > 0).await;
    drop(edge.algo().await);
    let mut stayer = edge.algo().await;
    stayer.subscribe_quotes(&instrument("BTC/USD")).await;
    eventually("subscribed", || edge.broker.is_subscribed(&instrument("BTC/USD"))).await;
    eventually("gone", || edge.sessions.count() == 1).await;
    let before = tasks();
    // when
    for n in 0..1_000 {
        let mut algo = edge.algo().await;
        algo.subscribe_quotes(&instrument("BTC/USD")).await;
        algo.subscribe_fills(&account("sim-1"), Some(at("ledger-1", 0))).await;
        if n % 3 == 0 {
            algo.next().await.unwrap();
        }
    }
    // then
    eventually("not counted", || edge.sessions.count() == 1).await;
    eventually("closed at the broker", || !edge.broker.has_private_subscriber()).await;
    eventually("no task is left", || tasks() <= before + 2).await;
    edge.broker.quote(&instrument("BTC/USD"), 1);
    assert_eq!(stayer.quote().await, 1);
}
