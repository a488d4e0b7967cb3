//! Claims about what a Market does with commands; its streams are `hop`'s.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::world::{access, account, customer, market_wanted, new_order, venue};
use tradewind_domain::{
    ids::{ClusterIncarnation, Epoch, Fence},
    trading::presence::SessionKey,
};
use tradewind_protocol::{Code, Retry, trade::Seen};

const MANAGER: ReceiverId = ReceiverId(1);
const NOW: Monotonic = Monotonic(0);

fn relay() -> Relay {
    let mut relay = Relay::new(Waits::default());
    relay.configure(&market_wanted("crypto"), NOW);
    relay
}

fn reached() -> Relay {
    let mut relay = relay();
    relay.broker_up(&account("sim-1"), NOW);
    relay
}

fn submit(request: u64, who: &str) -> TradeDown {
    let principal = Principal { customer: customer(who), trader: None, session: None };
    let command = OrderCommand::Submit { account: None, order: new_order("1") };
    TradeDown::Command { request, fence: Fence::default(), principal, command, routed: None }
}

/// The number, fence and account of the only command that is sent.
fn sent(acts: &Acts) -> (u64, Fence, Option<AccountId>) {
    let [Act::Up { frame: TradeDown::Command { request, fence, command, .. }, .. }] = &acts[..]
    else {
        panic!("not one command: {acts:?}");
    };
    let OrderCommand::Submit { account, .. } = command else { panic!("{command:?}") };
    (*request, *fence, account.clone())
}

/// Requests that are answered with a problem, and what may be done about it.
fn refused(acts: &Acts) -> Vec<(u64, Code, Retry)> {
    let refusal = |act: &Act<AccountId>| match act {
        Act::Down { to, frame: TradeUp::Answer { request, answer } } => {
            assert_eq!(*to, MANAGER);
            let CommandAnswer::Problem { problem } = answer else { panic!("{answer:?}") };
            (*request, problem.code, problem.retry)
        }
        other => panic!("not an answer: {other:?}"),
    };
    acts.iter().map(refusal).collect()
}

#[test]
fn a_submit_is_given_its_account_the_brokers_fence_and_a_number_of_this_hop() {
    // given
    let mut relay = reached();
    // when
    let (request, fence, target) = sent(&relay.heard_receiver(MANAGER, submit(900, "acme"), NOW));
    // then
    let epoch = Fence { cluster: ClusterIncarnation(1), epoch: Epoch(5) };
    assert_eq!((fence, target), (epoch, Some(account("sim-1"))));
    let answer = CommandAnswer::Orders { orders: Vec::new() };
    let frame = TradeUp::Answer { request, answer: answer.clone() };
    let acts = relay.heard_broker(&account("sim-1"), frame.clone(), NOW);
    let told = TradeUp::Answer { request: 900, answer };
    assert_eq!(acts, [Act::Down { to: MANAGER, frame: told }]);
    assert!(relay.heard_broker(&account("sim-1"), frame, NOW).is_empty(), "once only");
}

#[test]
fn a_command_on_its_way_when_the_broker_is_lost_is_unknown_and_may_be_sent_under_the_same_id() {
    // given
    let mut relay = reached();
    relay.heard_receiver(MANAGER, submit(900, "acme"), NOW);
    // when
    let acts = relay.broker_down(&account("sim-1"));
    // then
    assert_eq!(refused(&acts), [(900, Code::Unknown, Retry::SameId)]);
}

#[test]
fn a_command_without_an_answer_in_time_is_unknown() {
    // given
    let mut relay = reached();
    relay.heard_receiver(MANAGER, submit(900, "acme"), NOW);
    // then
    assert!(relay.tick(NOW + (ORDER_ANSWER_WITHIN - Duration::from_nanos(1))).is_empty());
    let acts = relay.tick(NOW + ORDER_ANSWER_WITHIN);
    assert_eq!(refused(&acts), [(900, Code::Unknown, Retry::SameId)]);
}

#[test]
fn a_command_waits_a_moment_for_a_broker_that_is_away_and_is_then_surely_not_sent() {
    // given
    let mut relay = relay();
    assert!(relay.heard_receiver(MANAGER, submit(900, "acme"), NOW).is_empty());
    assert!(relay.heard_receiver(MANAGER, submit(901, "acme"), NOW).is_empty());
    // when
    let acts = relay.tick(NOW + limits::HOLD_WITHIN);
    // then
    let unavailable = |n| (n, Code::Unavailable, Retry::After);
    assert_eq!(refused(&acts), [unavailable(900), unavailable(901)]);
    assert!(relay.broker_up(&account("sim-1"), NOW).is_empty(), "nothing is sent afterwards");
}

#[test]
fn a_command_that_waited_is_sent_when_the_broker_is_reached() {
    // given
    let mut relay = Relay::new(Waits::default());
    assert!(relay.heard_receiver(MANAGER, submit(900, "acme"), NOW).is_empty(), "no routes yet");
    assert!(relay.configure(&market_wanted("crypto"), NOW).is_empty(), "no broker yet");
    // when
    let acts = relay.broker_up(&account("sim-1"), NOW);
    // then
    assert_eq!(sent(&acts).2, Some(account("sim-1")));
}

#[test]
fn what_can_be_refused_early_is_refused_before_the_broker_is_asked() {
    // given
    let mut relay = reached();
    let mut empty = submit(902, "acme");
    if let TradeDown::Command { command: OrderCommand::Submit { order, .. }, .. } = &mut empty {
        order.limit_price = None;
    }
    // then
    let acts = relay.heard_receiver(MANAGER, submit(900, "eve"), NOW);
    assert_eq!(refused(&acts), [(900, Code::NoAccount, Retry::Never)]);
    let acts = relay.heard_receiver(MANAGER, empty, NOW);
    assert_eq!(refused(&acts), [(902, Code::InvalidOrder, Retry::Never)]);
}

#[test]
fn a_command_the_pipe_had_no_room_for_was_surely_not_sent() {
    // given
    let mut relay = reached();
    let (request, ..) = sent(&relay.heard_receiver(MANAGER, submit(900, "acme"), NOW));
    // then
    let refusal = refused(&relay.not_sent(request));
    assert_eq!(refusal, [(900, Code::Unavailable, Retry::After)]);
}

#[test]
fn a_receiver_that_is_gone_gets_nothing_more() {
    // given
    let mut relay = relay();
    relay.heard_receiver(MANAGER, submit(900, "acme"), NOW);
    // when
    relay.receiver_gone(MANAGER);
    // then
    assert!(relay.broker_up(&account("sim-1"), NOW).is_empty());
}

#[test]
fn a_market_is_live_only_when_all_its_brokers_are_reached() {
    // given
    let mut relay = relay();
    assert!(!relay.standing().0);
    relay.broker_up(&account("sim-1"), NOW);
    assert!(relay.standing().0);
    // when
    let mut wanted = market_wanted("crypto");
    wanted.accounts.push(access("sim-2", "sim", &[]));
    relay.configure(&wanted, NOW);
    // then
    assert!(!relay.standing().0);
}

#[test]
fn a_broker_of_a_venue_that_no_route_names_is_not_needed_for_a_market_to_be_live() {
    let mut relay = reached();
    let mut wanted = market_wanted("crypto");
    wanted.accounts.push(access("old-1", "old", &["acme"]));
    relay.configure(&wanted, NOW);
    assert!(relay.standing().0);
    relay.broker_down(&account("sim-1"));
    assert!(!relay.standing().0);
}

#[test]
fn a_submit_that_waited_goes_where_the_newest_route_says() {
    // given
    let mut relay = relay();
    relay.heard_receiver(MANAGER, submit(900, "acme"), NOW);
    // when
    let mut wanted = market_wanted("crypto");
    wanted.accounts = vec![access("other-1", "other", &["acme"])];
    for route in &mut wanted.spec.routes {
        route.order_venue = venue("other");
    }
    relay.configure(&wanted, NOW);
    let acts = relay.broker_up(&account("other-1"), NOW);
    // then
    assert_eq!(sent(&acts).2, Some(account("other-1")));
}

#[test]
fn who_is_connected_is_told_the_account_s_broker_or_nobody_and_never_kept() {
    // given
    let session = SessionKey { customer: customer("acme"), session: "s-1".parse().unwrap() };
    let sessions = vec![Seen { session: session.clone(), silent_ms: 7 }];
    let present = |request| {
        let (account, sessions) = (account("sim-1"), sessions.clone());
        TradeDown::Present { request, account, sessions }
    };
    let mut relay = relay();
    let away = relay.heard_receiver(MANAGER, present(1), NOW);
    assert_eq!(refused(&away), [(1, Code::Unavailable, Retry::After)]);
    assert!(relay.broker_up(&account("sim-1"), NOW).is_empty(), "it is told anew instead");
    // when
    let acts = relay.heard_receiver(MANAGER, present(2), NOW);
    // then
    let [Act::Up { via, frame: TradeDown::Present { request, sessions: told, .. } }] = &acts[..]
    else {
        panic!("{acts:?}")
    };
    assert_eq!((via, told), (&account("sim-1"), &sessions));
    let watched = CommandAnswer::Watched { sessions: vec![session] };
    let answer = TradeUp::Answer { request: *request, answer: watched.clone() };
    let acts = relay.heard_broker(&account("sim-1"), answer, NOW);
    let frame = TradeUp::Answer { request: 2, answer: watched };
    assert_eq!(acts, [Act::Down { to: MANAGER, frame }]);
}

mod moved;
