//! Claims about quotes on a hop.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::world::{epoch, instrument, quote};

const ONE: ReceiverId = ReceiverId(1);
const TWO: ReceiverId = ReceiverId(2);

fn up(pipes: &[&'static str]) -> BTreeSet<&'static str> {
    pipes.iter().copied().collect()
}

fn last(of: &str, seq: u64) -> Last {
    Last { epoch: epoch(of), seq, quote: quote(seq) }
}

fn told(acts: &[Act<&'static str>]) -> Vec<(u64, String)> {
    let words = |act: &Act<&'static str>| match act {
        Act::Down { to, frame: TradeUp::Quote { seq, .. } } => Some((to.0, seq.to_string())),
        Act::Down { to, frame: TradeUp::QuoteStatus { status, .. } } => {
            Some((to.0, format!("{status:?}")))
        }
        Act::Down { .. } | Act::Up { .. } => None,
    };
    acts.iter().filter_map(words).collect()
}

fn switched(acts: &[Act<&'static str>]) -> Vec<String> {
    let words = |act: &Act<&'static str>| match act {
        Act::Down { frame: TradeUp::Quote { epoch, .. }, .. } => Some(epoch.to_string()),
        Act::Down { .. } | Act::Up { .. } => None,
    };
    acts.iter().filter_map(words).collect()
}

fn asked(acts: &[Act<&'static str>]) -> Vec<String> {
    let words = |act: &Act<&'static str>| match act {
        Act::Up { via, frame: TradeDown::SubscribeQuotes { .. } } => Some(format!("+{via}")),
        Act::Up { via, frame: TradeDown::UnsubscribeQuotes { .. } } => Some(format!("-{via}")),
        Act::Up { .. } | Act::Down { .. } => None,
    };
    acts.iter().filter_map(words).collect()
}

#[test]
fn one_subscription_upstream_serves_all_and_the_second_gets_the_last_quote_at_once() {
    // given
    let (mut quotes, btc, up) = (Quotes::new(), instrument("BTC/USD"), up(&["a"]));
    assert_eq!(asked(&quotes.want(ONE, &btc, Some("a"), &up)), ["+a"]);
    quotes.quote(&"a", &btc, last("e", 1), &up);
    // when
    let acts = quotes.want(TWO, &btc, Some("a"), &up);
    // then
    assert_eq!(asked(&acts), Vec::<String>::new());
    assert_eq!(told(&acts), [(2, "Live".to_string()), (2, "1".to_string())]);
    let both = told(&quotes.quote(&"a", &btc, last("e", 2), &up));
    assert_eq!(both, [(1, "2".to_string()), (2, "2".to_string())]);
    assert!(asked(&quotes.unwant(ONE, &btc, &up)).is_empty());
    assert_eq!(asked(&quotes.forget(TWO, &up)), ["-a"], "with the last one it ends");
}

#[test]
fn after_a_loss_all_are_told_and_the_pipe_is_asked_again() {
    // given
    let (mut quotes, btc) = (Quotes::new(), instrument("BTC/USD"));
    quotes.want(ONE, &btc, Some("a"), &up(&["a"]));
    quotes.quote(&"a", &btc, last("e", 7), &up(&["a"]));
    // when
    let lost = quotes.down(&"a");
    // then
    assert_eq!(told(&lost), [(1, "Reconnecting".to_string())]);
    assert!(quotes.down(&"a").is_empty(), "each failed dial is not told again");
    assert_eq!(asked(&quotes.up(&"a")), ["+a"]);
    let back = told(&quotes.quote(&"a", &btc, last("f", 1), &up(&["a"])));
    assert_eq!(
        back,
        [(1, "Live".to_string()), (1, "1".to_string())],
        "a lower number, a new epoch"
    );
}

#[test]
fn what_is_not_newer_or_not_from_the_carrier_is_not_forwarded() {
    // given
    let (mut quotes, btc, up) = (Quotes::new(), instrument("BTC/USD"), up(&["a", "b"]));
    quotes.want(ONE, &btc, Some("a"), &up);
    quotes.quote(&"a", &btc, last("e", 7), &up);
    // then
    assert!(quotes.quote(&"a", &btc, last("e", 7), &up).is_empty());
    assert!(quotes.quote(&"a", &btc, last("e", 6), &up).is_empty());
    assert!(quotes.quote(&"b", &btc, last("x", 9), &up).is_empty());
    assert!(quotes.told(&"b", &btc, StreamStatus::Stale, &up).is_empty());
}

/// BTC/USD comes from `a`, is live, and has been routed to `b`.
fn moving() -> (Quotes<&'static str>, InstrumentId, BTreeSet<&'static str>) {
    let (mut quotes, btc, up) = (Quotes::new(), instrument("BTC/USD"), up(&["a", "b"]));
    quotes.reroute(Epoch(4), |_| Some("a"), &up);
    quotes.want(ONE, &btc, Some("a"), &up);
    quotes.quote(&"a", &btc, last("e", 1), &up);
    let acts = quotes.reroute(Epoch(5), |_| Some("b"), &up);
    assert_eq!((asked(&acts), told(&acts)), (vec!["+b".to_string()], Vec::new()));
    (quotes, btc, up)
}

#[test]
fn after_a_change_of_routes_the_old_source_goes_on_until_the_new_ones_first_quote() {
    let (mut quotes, btc, up) = moving();
    assert_eq!(told(&quotes.quote(&"a", &btc, last("e", 2), &up)), [(1, "2".to_string())]);
    assert!(quotes.told(&"b", &btc, StreamStatus::Live, &up).is_empty());
    assert_eq!(quotes.moving(), 1);
    // when
    let acts = quotes.quote(&"b", &btc, last("f", 1), &up);
    // then
    assert_eq!((asked(&acts), told(&acts)), (vec!["-a".to_string()], vec![(1, "1".to_string())]));
    assert_eq!(switched(&acts), ["f-5"]);
    assert!(quotes.quote(&"a", &btc, last("e", 3), &up).is_empty(), "what was on its way");
    assert!(quotes.reroute(Epoch(6), |_| Some("b"), &up).is_empty(), "another route has changed");
    assert_eq!(switched(&quotes.quote(&"b", &btc, last("f", 2), &up)), ["f-5"]);
    assert_eq!(quotes.moving(), 0);
}

#[test]
fn a_source_that_comes_back_is_another_stream() {
    let (mut quotes, btc, up) = moving();
    quotes.quote(&"b", &btc, last("f", 1), &up);
    // when
    let acts = quotes.reroute(Epoch(6), |_| Some("a"), &up);
    assert_eq!(asked(&acts), ["+a"]);
    // then
    assert_eq!(switched(&quotes.quote(&"a", &btc, last("e", 9), &up)), ["e-6"]);
}

#[test]
fn a_change_that_is_taken_back_before_the_switch_changes_nothing() {
    let (mut quotes, btc, up) = moving();
    let acts = quotes.reroute(Epoch(6), |_| Some("a"), &up);
    assert_eq!((asked(&acts), told(&acts)), (vec!["-b".to_string()], Vec::new()));
    assert!(quotes.quote(&"b", &btc, last("f", 1), &up).is_empty());
    assert_eq!(switched(&quotes.quote(&"a", &btc, last("e", 2), &up)), ["e-4"]);
}

#[test]
fn a_second_change_before_the_switch_lets_go_of_the_first_ones_source() {
    let (mut quotes, btc, _) = moving();
    let up = up(&["a", "b", "c"]);
    let acts = quotes.reroute(Epoch(6), |_| Some("c"), &up);
    assert_eq!((asked(&acts), told(&acts)), (vec!["-b".into(), "+c".into()], Vec::new()));
    let acts = quotes.quote(&"c", &btc, last("g", 1), &up);
    assert_eq!((asked(&acts), switched(&acts)), (vec!["-a".into()], vec!["g-6".into()]));
}

#[test]
fn a_new_source_that_is_silent_does_not_replace_a_live_one_and_does_one_that_is_not() {
    let (mut quotes, btc, up) = moving();
    quotes.told(&"b", &btc, StreamStatus::Stale, &up);
    assert!(quotes.quote(&"b", &btc, last("f", 1), &up).is_empty(), "an old quote of a silent one");
    assert_eq!(
        told(&quotes.told(&"a", &btc, StreamStatus::Stale, &up)),
        [(1, "Stale".to_string())]
    );
    let acts = quotes.quote(&"b", &btc, last("f", 2), &up);
    assert_eq!(switched(&acts), ["f-5"]);
}

#[test]
fn a_quote_of_a_source_that_says_that_it_is_silent_proves_no_life() {
    // given: a pipe that stands anew, to a source whose last quote is an old one
    let (mut quotes, btc, up) = (Quotes::new(), instrument("BTC/USD"), up(&["a"]));
    quotes.want(ONE, &btc, Some("a"), &up);
    quotes.quote(&"a", &btc, last("e", 7), &up);
    quotes.down(&"a");
    quotes.up(&"a");
    // when
    let silent = told(&quotes.told(&"a", &btc, StreamStatus::Stale, &up));
    assert_eq!(silent, [(1, "Stale".to_string())]);
    let old = told(&quotes.quote(&"a", &btc, last("f", 1), &up));
    // then: it is told, as what it is
    assert_eq!(old, [(1, "1".to_string())]);
    // when: its source has heard of it again
    let live = told(&quotes.told(&"a", &btc, StreamStatus::Live, &up));
    assert_eq!(live, [(1, "Live".to_string())]);
    assert_eq!(told(&quotes.quote(&"a", &btc, last("f", 2), &up)), [(1, "2".to_string())]);
}

#[test]
fn a_silent_source_that_takes_over_from_one_that_is_away_is_told_to_be_silent() {
    let (mut quotes, btc, up) = moving();
    quotes.told(&"a", &btc, StreamStatus::Reconnecting, &up);
    quotes.told(&"b", &btc, StreamStatus::Stale, &up);
    let acts = quotes.quote(&"b", &btc, last("f", 1), &up);
    assert_eq!(told(&acts), [(1, "Stale".to_string()), (1, "1".to_string())]);
}

#[test]
fn when_the_old_source_is_lost_before_the_switch_the_gap_is_told_and_the_new_one_ends_it() {
    let (mut quotes, btc, _) = moving();
    let lost = quotes.down(&"a");
    assert_eq!(told(&lost), [(1, "Reconnecting".to_string())]);
    let acts = quotes.quote(&"b", &btc, last("f", 1), &up(&["b"]));
    assert_eq!(told(&acts), [(1, "Live".to_string()), (1, "1".to_string())]);
    assert!(asked(&acts).is_empty());
}

#[test]
fn a_new_source_whose_pipe_is_lost_is_asked_again_and_the_old_one_goes_on() {
    let (mut quotes, btc, _) = moving();
    assert!(quotes.down(&"b").is_empty());
    assert_eq!(told(&quotes.quote(&"a", &btc, last("e", 2), &up(&["a"]))), [(1, "2".to_string())]);
    assert_eq!(asked(&quotes.up(&"b")), ["+b"]);
    assert_eq!(asked(&quotes.forget(ONE, &up(&["a", "b"]))), ["-a", "-b"], "both are let go of");
}

#[test]
fn an_instrument_that_loses_its_route_is_told_to_be_away() {
    let (mut quotes, btc, up) = moving();
    quotes.quote(&"b", &btc, last("f", 1), &up);
    let acts = quotes.reroute(Epoch(6), |_| None, &up);
    assert_eq!(asked(&acts), ["-b"]);
    assert_eq!(told(&acts), [(1, "Reconnecting".to_string())]);
}

#[test]
fn an_instrument_wanted_before_its_route_is_known_is_asked_for_when_it_is() {
    // given
    let (mut quotes, btc, up) = (Quotes::new(), instrument("BTC/USD"), up(&["a"]));
    let acts = quotes.want(ONE, &btc, None, &up);
    assert_eq!(told(&acts), [(1, "Reconnecting".to_string())]);
    // when
    let acts = quotes.reroute(Epoch(4), |_| Some("a"), &up);
    // then
    assert_eq!(asked(&acts), ["+a"]);
}

/// BTC/USD comes from `a`, is live at 7, and is to come from `b`, which tells the same stream.
fn handed_over() -> (Quotes<&'static str>, InstrumentId, BTreeSet<&'static str>) {
    let (mut quotes, btc, up) = (Quotes::new(), instrument("BTC/USD"), up(&["a", "b"]));
    quotes.want(ONE, &btc, Some("a"), &up);
    quotes.quote(&"a", &btc, last("e", 7), &up);
    let acts = quotes.hand_over(|_| "b", &up);
    assert_eq!((asked(&acts), told(&acts)), (vec!["+b".to_string()], Vec::new()));
    assert!(quotes.carries(&"a") && quotes.carries(&"b"));
    (quotes, btc, up)
}

#[test]
fn an_instrument_that_is_handed_over_goes_on_by_number_and_nothing_is_told_of_it() {
    let (mut quotes, btc, up) = handed_over();
    assert_eq!(told(&quotes.quote(&"a", &btc, last("e", 8), &up)), [(1, "8".to_string())]);
    // when: the new one has the same to tell
    let acts = quotes.quote(&"b", &btc, last("e", 8), &up);
    // then
    assert_eq!((asked(&acts), told(&acts)), (vec!["-a".to_string()], Vec::new()));
    assert!(quotes.quote(&"a", &btc, last("e", 9), &up).is_empty(), "what was on its way");
    let acts = quotes.quote(&"b", &btc, last("e", 9), &up);
    assert_eq!((told(&acts), switched(&acts)), (vec![(1, "9".to_string())], vec!["e".to_string()]));
    assert!(!quotes.carries(&"a"));
}

#[test]
fn a_silent_instrument_is_handed_over_by_the_new_ones_word_which_changes_nothing() {
    let (mut quotes, btc, up) = handed_over();
    quotes.told(&"a", &btc, StreamStatus::Stale, &up);
    assert!(asked(&quotes.told(&"b", &btc, StreamStatus::Stale, &up)) == ["-a"]);
    let silent = told(&quotes.quote(&"b", &btc, last("e", 7), &up));
    assert_eq!(silent, [], "an old quote, of which it was told");
    // And one that has not reached its Broker yet takes nothing from one that has.
    let (mut quotes, btc, up) = handed_over();
    assert!(quotes.told(&"b", &btc, StreamStatus::Reconnecting, &up).is_empty());
    assert_eq!(told(&quotes.quote(&"a", &btc, last("e", 8), &up)), [(1, "8".to_string())]);
    assert_eq!(asked(&quotes.told(&"b", &btc, StreamStatus::Live, &up)), ["-a"]);
}

#[test]
fn a_quote_without_a_word_on_itself_says_no_more_than_was_known() {
    let (mut quotes, btc, up) = handed_over();
    quotes.told(&"a", &btc, StreamStatus::Stale, &up);
    let acts = quotes.quote(&"b", &btc, last("e", 7), &up);
    assert_eq!((asked(&acts), told(&acts)), (vec!["-a".to_string()], Vec::new()));
}

#[test]
fn a_hand_over_to_what_does_not_stand_waits_and_from_what_does_not_stand_is_told() {
    let (mut quotes, btc, all) = (Quotes::new(), instrument("BTC/USD"), up(&["a", "b"]));
    quotes.want(ONE, &btc, Some("a"), &all);
    quotes.quote(&"a", &btc, last("e", 7), &all);
    assert!(quotes.hand_over(|_| "b", &up(&["a"])).is_empty());
    assert_eq!(asked(&quotes.up(&"b")), ["+b"]);
    // when: the old one is lost before the new one has said anything
    assert_eq!(told(&quotes.down(&"a")), [(1, "Reconnecting".to_string())]);
    let back = told(&quotes.quote(&"b", &btc, last("e", 8), &up(&["b"])));
    assert_eq!(back, [(1, "Live".to_string()), (1, "8".to_string())]);
}
