//! Claims about orders after their instrument was moved to another venue.

use super::*;

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

/// The number under which `sim-1` is asked whether it knows the order.
fn question(acts: &Acts) -> u64 {
    let asked = up(acts);
    let [(whom, request, OrderCommand::List { account: of, client_order_id, open })] = &asked[..]
    else {
        panic!("not one question: {asked:?}");
    };
    let name = client_order_id.as_ref().unwrap().to_string();
    assert_eq!((whom.as_str(), of.as_str(), name.as_str(), *open), ("sim-1", "sim-1", "1", false));
    *request
}

fn said(relay: &mut Relay, request: u64, answer: CommandAnswer) -> Acts {
    relay.heard_broker(&account("sim-1"), TradeUp::Answer { request, answer }, NOW)
}

#[test]
fn after_a_move_an_order_goes_to_the_new_account_only_when_the_old_one_does_not_know_it() {
    let mut relay = moved();
    let request = question(&relay.heard_receiver(MANAGER, submit(900, "acme"), NOW));
    // when
    let acts = said(&mut relay, request, CommandAnswer::Orders { orders: Vec::new() });
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
    assert_eq!(refused(&relay.not_sent(request)), unavailable);
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
    assert!(said(&mut relay, request - 1, CommandAnswer::Orders { orders: Vec::new() }).is_empty());
    let acts = said(&mut relay, request, CommandAnswer::Orders { orders: Vec::new() });
    assert_eq!(up(&acts)[0].0, "new-1");
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
