//! Claims about sessions: who gets one, what ends one, and that one that is bad or slow ends alone.

use crate::gateway::Settings;
use crate::world::{
    account,
    algo::Algo,
    claims, desired,
    edge::{Edge, quick_settings},
    epoch, eventually, instrument, market_wanted, token,
};
use std::time::Duration;
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};
use tradewind_domain::{
    control::desired::{ManagerEndpoint, Work},
    time::UnixNanos,
};
use tradewind_protocol::{
    Code,
    stream::{Channel, FromAlgo, Mode, Position, ToAlgo, close},
    token::Claims,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_begins_with_hello_and_is_counted() {
    // given
    let edge = Edge::start(quick_settings()).await;
    // when
    let mut algo = edge.algo().await;
    // then
    let Ok(ToAlgo::Hello { session, affinity_version, trader_manager, .. }) = algo.next().await
    else {
        panic!("no hello");
    };
    assert_eq!((session.as_str(), affinity_version), ("s-1", 2));
    assert_eq!(trader_manager.map(|endpoint| endpoint.address), Some("127.0.0.1:3".to_string()));
    assert_eq!(edge.sessions.count(), 1);
    assert!(matches!(algo.next().await, Ok(ToAlgo::Heartbeat { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_told_by_another_hello_that_its_customer_belongs_elsewhere_and_only_then() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let mut algo = edge.algo().await;
    let mut hellos = Vec::new();
    for moved in [false, true, false] {
        if moved {
            let mut elsewhere = desired(Vec::new());
            let Work::Markets { access, .. } = &mut elsewhere.work else { unreachable!() };
            let mut acme = access.customers.iter().next().unwrap().clone();
            acme.trader_manager.as_mut().unwrap().address = "127.0.0.1:4".to_owned();
            acme.affinity_version = 3;
            access.customers.put(acme);
            // when
            edge.gateway.follow(&elsewhere);
        }
        let mut heartbeats = 0;
        while heartbeats < 4 {
            match algo.next().await.unwrap() {
                ToAlgo::Hello { affinity_version, trader_manager, .. } => {
                    hellos.push((affinity_version, trader_manager.unwrap().address));
                }
                ToAlgo::Heartbeat { .. } => heartbeats += 1,
                _ => {}
            }
        }
    }
    // then
    assert_eq!(hellos, [(2, "127.0.0.1:3".to_owned()), (3, "127.0.0.1:4".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_not_good_gets_no_session() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let expired = Claims { expires_at: UnixNanos(2), ..claims("acme") };
    let other = token(&Claims { session: "s-2".parse().unwrap(), ..claims("acme") });
    let (good, signature) = (token(&claims("acme")), other.rsplit_once('.').unwrap().1);
    let forged = format!("{}.{signature}", good.rsplit_once('.').unwrap().0);
    // then
    for bad in [token(&expired), forged, "nonsense".to_string(), String::new()] {
        assert_eq!(Algo::connect(&edge.address, &bad).await.err(), Some(401), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_is_no_message_is_told_and_closes_that_session_alone() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let mut other = edge.algo().await;
    let long = format!(r#"{{"type":"subscribe","instrument":"{}"}}"#, "A".repeat(70_000));
    let bad = [
        Message::text("not json"),
        Message::text(r#"{"type":"nothing"}"#),
        Message::text(
            r#"{"type":"subscribe","channel":"quotes","instrument":"BTC/USD","extra":1}"#,
        ),
        Message::text(r#"{"type":"subscribe","channel":"quotes","instrument":7}"#),
        Message::binary(b"{}".to_vec()),
        Message::text(long),
    ];
    for message in bad {
        let mut algo = edge.algo().await;
        // when
        algo.send(message.clone()).await;
        // then
        let (frames, code) = algo.end().await;
        assert_eq!(code, close::BAD_FRAME, "{frames:?}");
        let is_told =
            |frame: &ToAlgo| matches!(frame, ToAlgo::Error { code: Code::MalformedRequest, .. });
        assert!(frames.iter().any(is_told), "{frames:?}");
    }
    eventually("the others are gone", || edge.sessions.count() == 1).await;
    other.until(|frame| matches!(frame, ToAlgo::Heartbeat { .. }).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_that_cannot_be_granted_is_told_and_ends_nothing() {
    // given
    let mut settings = quick_settings();
    settings.subscriptions = 1;
    let edge = Edge::start(settings).await;
    let mut algo = edge.algo().await;
    let (btc, eth) = (instrument("BTC/USD"), instrument("ETH/USD"));
    algo.subscribe_quotes(&btc).await;
    // when
    let channel = Channel::Quotes;
    algo.say(&FromAlgo::Subscribe { channel, instrument: None, account: None, from: None }).await;
    algo.subscribe_quotes(&instrument("XRP/USD")).await;
    algo.subscribe_fills(&account("sim-9"), None).await;
    algo.subscribe_quotes(&eth).await;
    // then
    let mut told = Vec::new();
    let codes = algo.until(|frame| match frame {
        ToAlgo::Error { code, .. } => {
            told.push(code);
            (told.len() == 4).then(|| told.clone())
        }
        _ => None,
    });
    let limit = Code::TooManyRequests;
    assert_eq!(codes.await, [Code::MalformedRequest, Code::NotFound, Code::NotFound, limit]);
    // when one is given back
    algo.say(&FromAlgo::Unsubscribe { channel, instrument: Some(btc), account: None }).await;
    algo.until(|frame| matches!(frame, ToAlgo::Unsubscribed { .. }).then_some(())).await;
    algo.subscribe_quotes(&eth).await;
    // then
    let granted =
        |frame| matches!(frame, ToAlgo::Subscribed { mode: Mode::Live, .. }).then_some(());
    algo.until(granted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_reader_that_takes_nothing_is_disconnected_and_resumes_by_number() {
    // given
    let mut settings = quick_settings();
    settings.queue_frames = 512;
    settings.slow_after = Duration::from_millis(200);
    let edge = Edge::start(settings).await;
    let mut slow = edge.algo().await;
    slow.subscribe_fills(&account("sim-1"), None).await;
    eventually("subscribed", || edge.broker.has_private_subscriber()).await;
    // when
    for _ in 0..20_000 {
        edge.broker.fill().await;
    }
    // then
    eventually("disconnected", || edge.sessions.count() == 0).await;
    let (frames, code) = slow.end().await;
    assert!([close::SLOW_CONSUMER, 0].contains(&code), "{code}");
    let number = |frame: &ToAlgo| match frame {
        ToAlgo::Fill { seq, .. } => Some(*seq),
        _ => None,
    };
    let numbers: Vec<u64> = frames.iter().filter_map(number).collect();
    assert!(numbers.iter().zip((2..).step_by(2)).all(|(seq, due)| *seq == due), "no hole");
    let last = numbers.last().copied().unwrap();
    let from = Position { epoch: epoch("ledger-1"), seq: last };
    let mut again = edge.algo().await;
    again.subscribe_fills(&account("sim-1"), Some(from)).await;
    let (position, prev) = again.fill().await;
    assert_eq!((position.seq, prev), (last + 2, last));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_far_longer_than_the_queue_reaches_a_reader_who_keeps_up_whole() {
    // given
    let mut settings = quick_settings();
    settings.queue_frames = 128;
    let edge = Edge::start(settings).await;
    for _ in 0..2_000 {
        edge.broker.fill().await;
    }
    // when
    let mut algo = edge.algo().await;
    let from = Position { epoch: epoch("ledger-1"), seq: 2 };
    algo.subscribe_fills(&account("sim-1"), Some(from)).await;
    // then
    for n in 2..=2_000 {
        let (position, prev) = algo.fill().await;
        assert_eq!((position.seq, prev), (2 * n, 2 * n - 2));
    }
    assert_eq!(edge.sessions.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_closes_its_sessions() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let mut algo = edge.algo().await;
    let mut without = desired(Vec::new());
    if let Work::Markets { access, .. } = &mut without.work {
        let mut revoked = access.customers.iter().next().unwrap().clone();
        revoked.key_ids.clear();
        access.customers.put(revoked);
    }
    // when
    edge.gateway.follow(&without);
    // then
    let (frames, code) = algo.end().await;
    assert_eq!(code, close::UNAUTHORIZED, "{frames:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_that_stops_tells_where_to_go_and_takes_no_more() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let mut algo = edge.algo().await;
    algo.next().await.unwrap();
    // when
    let gateway = edge.gateway.clone();
    let draining = tokio::spawn(async move { gateway.drain().await });
    // then
    let addresses = algo.until(|frame| match frame {
        ToAlgo::Goaway { reconnect_to, .. } => Some(reconnect_to),
        _ => None,
    });
    assert_eq!(addresses.await, ["127.0.0.1:2"], "the other one");
    let refused = Algo::connect(&edge.address, &token(&claims("acme"))).await.err();
    assert_eq!(refused, Some(503));
    assert_eq!(algo.end().await.1, close::GOING_AWAY);
    draining.await.unwrap();
    eventually("gone", || edge.sessions.count() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_too_many_is_sent_elsewhere() {
    // given
    let mut settings = quick_settings();
    settings.sessions = 1;
    let edge = Edge::start(settings).await;
    let good = token(&claims("acme"));
    // when
    let first = edge.algo().await;
    // then
    assert_eq!(Algo::connect(&edge.address, &good).await.err(), Some(503));
    drop(first);
    eventually("gone", || edge.sessions.count() == 0).await;
    assert!(Algo::connect(&edge.address, &good).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_says_nothing_for_too_long_is_let_go() {
    // given
    let mut settings = quick_settings();
    settings.silence = Duration::from_millis(200);
    settings.ping_every = Duration::from_secs(60);
    let edge = Edge::start(settings).await;
    // when
    let mut algo = edge.algo().await;
    // then
    assert_eq!(algo.end().await.1, close::GOING_AWAY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_says_nothing_is_let_go_however_often_the_leader_has_news() {
    // given
    let mut settings = quick_settings();
    settings.silence = Duration::from_millis(300);
    settings.ping_every = Duration::from_secs(60);
    let edge = Edge::start(settings).await;
    let mut algo = edge.algo().await;
    // when
    let news = async {
        let mut every = tokio::time::interval(Duration::from_millis(50));
        loop {
            every.tick().await;
            edge.gateway.follow(&desired(vec![market_wanted("crypto")]));
        }
    };
    // then
    let ended = tokio::select! {
        (_, code) = algo.end() => code,
        never = news => never,
    };
    assert_eq!(ended, close::GOING_AWAY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_algo_that_asks_and_never_reads_the_answers_is_let_go() {
    // given
    let mut settings = quick_settings();
    settings.silence = Duration::from_millis(200);
    settings.ping_every = Duration::from_secs(60);
    settings.requests_per_second = u32::MAX;
    let edge = Edge::start(settings).await;
    let mut algo = edge.algo().await;
    // when
    let wrong = "X".repeat(30);
    let channel = Channel::Quotes;
    let ask = FromAlgo::Unsubscribe {
        channel,
        instrument: Some(instrument(&wrong)),
        account: Some(account("sim-1")),
    };
    let ask = serde_json::to_string(&ask).unwrap();
    while algo.try_send(Message::text(ask.clone())).await {}
    // then
    eventually("let go", || edge.sessions.count() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_is_answered_with_a_close() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let mut algo = edge.algo().await;
    // when
    algo.send(Message::Close(Some(CloseFrame { code: 1000.into(), reason: "".into() }))).await;
    // then
    assert_eq!(algo.end().await.1, 1000);
}

fn named(session: &str) -> String {
    token(&Claims { session: session.parse().unwrap(), ..claims("acme") })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_cordoned_nothing_new_is_taken_and_who_was_there_may_come_back() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let was_here = Algo::connect(&edge.address, &named("s-1")).await.unwrap();
    edge.sessions.cordon(true);
    // then
    assert_eq!(Algo::connect(&edge.address, &named("s-2")).await.err(), Some(503));
    let half_open = Algo::connect(&edge.address, &named("s-1")).await.unwrap();
    drop((was_here, half_open));
    eventually("both are gone", || edge.sessions.count() == 0).await;
    let _back = Algo::connect(&edge.address, &named("s-1")).await.unwrap();
    // when
    edge.sessions.cordon(false);
    let _new = Algo::connect(&edge.address, &named("s-2")).await.unwrap();
    edge.sessions.lease(false);
    assert_eq!(Algo::connect(&edge.address, &named("s-3")).await.err(), Some(503));
    Algo::connect(&edge.address, &named("s-2")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_go_when_it_is_emptied_is_closed_and_may_stay_where_nobody_else_is() {
    // given
    let relocation_grace = Duration::from_millis(300);
    let spread = Duration::from_millis(100);
    let settings = Settings { relocation_grace, relocation_spread: spread, ..quick_settings() };
    let edge = Edge::start(settings).await;
    let mut deaf = edge.algo().await;
    let mut wanted = desired(vec![]);
    wanted.market_managers.clear();
    edge.gateway.follow(&wanted);
    // when: there is nowhere to go
    let gateway = edge.gateway.clone();
    let emptying = tokio::spawn(async move { gateway.empty().await });
    tokio::time::sleep(relocation_grace * 3).await;
    assert_eq!(edge.sessions.count(), 1);
    // when: there is
    let manager = "b1.market-manager".parse().unwrap();
    wanted.market_managers = vec![ManagerEndpoint { manager, address: "127.0.0.1:9".to_string() }];
    edge.gateway.follow(&wanted);
    // then
    let (frames, code) = deaf.end().await;
    let told = frames.into_iter().find_map(|frame| match frame {
        ToAlgo::Goaway { reconnect_to, within_ms } => Some((reconnect_to, within_ms)),
        _ => None,
    });
    assert_eq!(told, Some((vec!["127.0.0.1:9".to_string()], 300)));
    assert_eq!(code, close::GOING_AWAY);
    emptying.abort();
}
