//! Claims about orders after their instrument was moved to another venue.

use super::*;
use crate::world::instrument;
use tradewind_protocol::{
    orders::{AccountPositions, Held},
    stream::Position,
};

/// BTC/USD was moved from `sim`, where `acme` has `sim-1`, to `new`, where he has `new-1`. Both are reached.
fn moved() -> Relay {
    let mut relay = reached();
    relay.broker_up(&account("new-1"), NOW);
    relay.configure(&wanted_moved(9), NOW);
    relay
}

fn wanted_moved(epoch: u64) -> MarketWanted {
    let mut wanted = market_wanted("crypto");
    wanted.fence.epoch = Epoch(epoch);
    wanted.accounts.push(access("new-1", "new", &["acme"]));
    wanted.former_venues = BTreeSet::from([venue("sim")]);
    for route in &mut wanted.spec.routes {
        (route.data_venue, route.order_venue) = (venue("new"), venue("new"));
    }
    wanted
}

/// Whom a frame goes to, its number and what it asks.
fn up(acts: &Acts) -> Vec<(String, u64, OrderCommand)> {
    let frame = |act: &Act<AccountId>| match act {
        Act::Up { via, frame: TradeDown::Command { request, command, routed, .. } } => {
            let routed = routed.clone().unwrap();
            assert_eq!((routed.market.as_str(), routed.fence.epoch), ("crypto", Epoch(9)));
            (via.to_string(), *request, command.clone())
        }
        other => panic!("not a command: {other:?}"),
    };
    acts.iter().map(frame).collect()
}

/// The number under which `sim-1` is asked whether it knows the order; what the customer has there is asked next.
fn question(acts: &Acts) -> u64 {
    let asked = up(acts);
    let [
        (whom, request, OrderCommand::List { account: of, client_order_id, open }),
        (also, next, OrderCommand::Positions { account: held_at }),
    ] = &asked[..]
    else {
        panic!("not the two questions: {asked:?}");
    };
    let name = client_order_id.as_ref().unwrap().to_string();
    assert_eq!((whom.as_str(), of.as_str(), name.as_str(), *open), ("sim-1", "sim-1", "1", false));
    assert_eq!((also.as_str(), held_at.as_str(), *next), ("sim-1", "sim-1", request + 1));
    *request
}

/// `sim-1` does not know the order, and this is what the customer has there of BTC/USD: net, buying, selling.
fn has(relay: &mut Relay, request: u64, [net, buying, selling]: [&str; 3]) -> Acts {
    let none = CommandAnswer::Orders { orders: Vec::new() };
    assert!(said(relay, request, none).is_empty(), "the other answer is missing");
    let held = Held {
        instrument: instrument("BTC/USD"),
        quantity: net.parse().unwrap(),
        buying: buying.parse().unwrap(),
        selling: selling.parse().unwrap(),
    };
    let as_of = Position { epoch: crate::world::epoch("e"), seq: 3 };
    let positions = AccountPositions { account: account("sim-1"), as_of, positions: vec![held] };
    said(relay, request + 1, CommandAnswer::Positions { positions })
}

const NOTHING: [&str; 3] = ["0", "0", "0"];

fn said(relay: &mut Relay, request: u64, answer: CommandAnswer) -> Acts {
    relay.heard_broker(&account("sim-1"), TradeUp::Answer { request, answer }, NOW)
}

#[test]
fn after_a_move_an_order_goes_to_the_new_account_only_when_the_old_one_does_not_know_it() {
    let mut relay = moved();
    let request = question(&relay.heard_receiver(MANAGER, submit(900, "acme"), NOW));
    // when
    let acts = has(&mut relay, request, NOTHING);
    // then
    let sent = up(&acts);
    let OrderCommand::Submit { account: named, .. } = &sent[0].2 else { panic!("{sent:?}") };
    assert_eq!((sent[0].0.as_str(), named.clone()), ("new-1", Some(account("new-1"))));
    assert!(said(&mut relay, request, CommandAnswer::Orders { orders: Vec::new() }).is_empty());
}

#[test]
fn an_order_sent_again_after_a_move_goes_where_it_stands() {
    let mut relay = moved();
    let request = question(&relay.heard_receiver(MANAGER, submit(900, "acme"), NOW));
    // when
    let orders = vec![crate::world::accepted(&new_order("1"))];
    let sent = up(&said(&mut relay, request, CommandAnswer::Orders { orders }));
    // then
    let OrderCommand::Submit { account: named, .. } = &sent[0].2 else { panic!("{sent:?}") };
    assert_eq!((sent[0].0.as_str(), named.clone()), ("sim-1", Some(account("sim-1"))));
}

#[test]
fn without_the_old_accounts_word_an_order_is_surely_not_sent() {
    let unavailable = [(900, Code::Unavailable, Retry::After)];
    let asked = || {
        let mut relay = moved();
        let request = question(&relay.heard_receiver(MANAGER, submit(900, "acme"), NOW));
        (relay, request)
    };
    let (mut relay, _) = asked();
    assert_eq!(refused(&relay.broker_down(&account("sim-1"))), unavailable);
    let (mut relay, _) = asked();
    assert_eq!(refused(&relay.tick(NOW + ORDER_ANSWER_WITHIN)), unavailable);
    let (mut relay, request) = asked();
    assert_eq!(refused(&relay.not_sent(request, NOW)), unavailable);
    let (mut relay, request) = asked();
    let problem = Problem::new(Code::StaleEpoch, "superseded");
    let acts = said(&mut relay, request, CommandAnswer::Problem { problem });
    assert_eq!(refused(&acts), unavailable);
    // not reached, it is waited for as long as any Broker
    let mut relay = moved();
    relay.broker_down(&account("sim-1"));
    assert!(relay.heard_receiver(MANAGER, submit(900, "acme"), NOW).is_empty());
    assert_eq!(refused(&relay.tick(NOW + limits::HOLD_WITHIN)), unavailable);
}

#[test]
fn when_routes_change_while_an_account_is_asked_it_is_asked_by_the_new_ones() {
    let mut relay = moved();
    let mut wanted = wanted_moved(8);
    relay.configure(&wanted, NOW);
    relay.heard_receiver(MANAGER, submit(900, "acme"), NOW);
    // when
    wanted.fence.epoch = Epoch(9);
    let acts = relay.configure(&wanted, NOW);
    // then
    let request = question(&acts);
    assert!(said(&mut relay, request - 2, CommandAnswer::Orders { orders: Vec::new() }).is_empty());
    assert_eq!(up(&has(&mut relay, request, NOTHING))[0].0, "new-1");
}

#[test]
fn a_cancel_goes_to_the_broker_named_in_the_orders_id_whatever_the_routes_say() {
    let mut relay = moved();
    let principal = Principal { customer: customer("acme"), trader: None, session: None };
    let command = OrderCommand::Cancel { order_id: crate::world::order_id("1") };
    let fence = Fence::default();
    let frame = TradeDown::Command { request: 900, fence, principal, command, routed: None };
    assert_eq!(up(&relay.heard_receiver(MANAGER, frame, NOW))[0].0, "sim-1");
}

/// The account that an order is offered, and the number.
fn offered(acts: &Acts) -> (String, u64) {
    let sent = up(acts);
    let [(whom, request, OrderCommand::SubmitReducing { account, .. })] = &sent[..] else {
        panic!("not one offer: {sent:?}");
    };
    assert_eq!(whom, account.as_str());
    (whom.clone(), *request)
}

/// The relay after a move, asked to buy one BTC/USD.
fn asked() -> (Relay, u64) {
    let mut relay = moved();
    let request = question(&relay.heard_receiver(MANAGER, submit(900, "acme"), NOW));
    (relay, request)
}

/// The same, when the order was offered to `sim-1`, where he owes more.
fn asked_and_offered() -> (Relay, u64) {
    let (mut relay, request) = asked();
    let (_, offer) = offered(&has(&mut relay, request, ["-5", "0", "0"]));
    (relay, offer)
}

#[test]
fn after_a_move_an_order_that_makes_a_position_smaller_goes_to_who_holds_it() {
    let quantity = new_order("1").quantity.to_string();
    let short = format!("-{quantity}");
    let (mut relay, request) = asked();
    let (whom, offer) = offered(&has(&mut relay, request, [&short, "0", "7"]));
    assert_eq!(whom, "sim-1");
    // when
    let order = Box::new(crate::world::accepted(&new_order("1")));
    let taken = CommandAnswer::Order { order, created: true };
    let acts = said(&mut relay, offer, taken.clone());
    // then
    let told = Act::Down { to: MANAGER, frame: TradeUp::Answer { request: 900, answer: taken } };
    assert_eq!(acts, vec![told]);
}

#[test]
fn what_is_more_than_the_position_or_than_is_left_of_it_or_on_its_side_goes_by_the_routes() {
    let quantity = new_order("1").quantity.to_string();
    let short = format!("-{quantity}");
    for has_there in
        [["0", "0", "0"], ["-0.00001", "0", "0"], [&*short, "0.00001", "0"], ["5", "0", "0"]]
    {
        let (mut relay, request) = asked();
        let sent = up(&has(&mut relay, request, has_there));
        assert!(matches!(sent[0].2, OrderCommand::Submit { .. }), "{has_there:?}: {sent:?}");
        assert_eq!(sent[0].0, "new-1", "{has_there:?}");
    }
}

#[test]
fn an_order_that_does_not_make_it_smaller_any_more_goes_by_the_routes() {
    let by_the_routes = |acts: &Acts| {
        let sent = up(acts);
        let OrderCommand::Submit { account: named, .. } = &sent[0].2 else { panic!("{sent:?}") };
        assert_eq!((sent[0].0.as_str(), named.clone()), ("new-1", Some(account("new-1"))));
    };
    let (mut relay, offer) = asked_and_offered();
    by_the_routes(&said(&mut relay, offer, CommandAnswer::NotReducing {}));
    // nor one that was surely not sent: the Broker may not know the question
    let (mut relay, offer) = asked_and_offered();
    by_the_routes(&relay.not_sent(offer, NOW));
}

#[test]
fn an_order_that_was_offered_and_not_answered_may_stand_there() {
    let (mut relay, _) = asked_and_offered();
    assert_eq!(
        refused(&relay.broker_down(&account("sim-1"))),
        [(900, Code::Unknown, Retry::SameId)]
    );
    let (mut relay, _) = asked_and_offered();
    let late = NOW + ORDER_ANSWER_WITHIN;
    assert_eq!(refused(&relay.tick(late)), [(900, Code::Unknown, Retry::SameId)]);
    // refused for another reason, it is the customer's to know
    let (mut relay, offer) = asked_and_offered();
    let problem = Problem::new(Code::Forbidden, "halted");
    let acts = said(&mut relay, offer, CommandAnswer::Problem { problem });
    assert_eq!(refused(&acts), [(900, Code::Forbidden, Retry::Never)]);
}

#[test]
fn routes_that_change_while_an_order_is_offered_decide_where_it_goes_when_it_is_not_taken() {
    let mut relay = moved();
    relay.configure(&wanted_moved(8), NOW);
    let acts = relay.heard_receiver(MANAGER, submit(900, "acme"), NOW);
    let [Act::Up { frame: TradeDown::Command { request, .. }, .. }, ..] = acts[..] else {
        panic!("{acts:?}")
    };
    let acts = has(&mut relay, request, ["-5", "0", "0"]);
    let [Act::Up { frame: TradeDown::Command { request: offer, .. }, .. }] = acts[..] else {
        panic!("{acts:?}")
    };
    // when: nothing is asked beside what was offered, which may be taken
    assert!(relay.configure(&wanted_moved(9), NOW).is_empty());
    let acts = said(&mut relay, offer, CommandAnswer::NotReducing {});
    // then
    question(&acts);
}

#[test]
fn an_order_of_a_receiver_that_is_gone_goes_nowhere_when_it_is_not_taken() {
    let (mut relay, offer) = asked_and_offered();
    relay.receiver_gone(MANAGER);
    assert!(said(&mut relay, offer, CommandAnswer::NotReducing {}).is_empty());
}
