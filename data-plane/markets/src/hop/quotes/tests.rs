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
    quotes.quote(&"a", &btc, last("e", 1));
    // when
    let acts = quotes.want(TWO, &btc, Some("a"), &up);
    // then
    assert_eq!(asked(&acts), Vec::<String>::new());
    assert_eq!(told(&acts), [(2, "Live".to_string()), (2, "1".to_string())]);
    let both = told(&quotes.quote(&"a", &btc, last("e", 2)));
    assert_eq!(both, [(1, "2".to_string()), (2, "2".to_string())]);
    assert!(asked(&quotes.unwant(ONE, &btc, &up)).is_empty());
    assert_eq!(asked(&quotes.forget(TWO, &up)), ["-a"], "with the last one it ends");
}

#[test]
fn after_a_loss_all_are_told_and_the_pipe_is_asked_again() {
    // given
    let (mut quotes, btc) = (Quotes::new(), instrument("BTC/USD"));
    quotes.want(ONE, &btc, Some("a"), &up(&["a"]));
    quotes.quote(&"a", &btc, last("e", 7));
    // when
    let lost = quotes.down(&"a");
    // then
    assert_eq!(told(&lost), [(1, "Reconnecting".to_string())]);
    assert!(quotes.down(&"a").is_empty(), "each failed dial is not told again");
    assert_eq!(asked(&quotes.up(&"a")), ["+a"]);
    let back = told(&quotes.quote(&"a", &btc, last("f", 1)));
    assert_eq!(
        back,
        [(1, "Live".to_string()), (1, "1".to_string())],
        "a lower number, a new epoch"
    );
}

#[test]
fn what_is_not_newer_or_not_from_the_carrier_is_not_forwarded() {
    // given
    let (mut quotes, btc) = (Quotes::new(), instrument("BTC/USD"));
    quotes.want(ONE, &btc, Some("a"), &up(&["a", "b"]));
    quotes.quote(&"a", &btc, last("e", 7));
    // then
    assert!(quotes.quote(&"a", &btc, last("e", 7)).is_empty());
    assert!(quotes.quote(&"a", &btc, last("e", 6)).is_empty());
    assert!(quotes.quote(&"b", &btc, last("x", 9)).is_empty());
    assert!(quotes.told(&"b", &btc, StreamStatus::Stale).is_empty());
}

#[test]
fn a_changed_route_asks_the_new_carrier_and_leaves_the_old() {
    // given
    let (mut quotes, btc, up) = (Quotes::new(), instrument("BTC/USD"), up(&["a", "b"]));
    quotes.want(ONE, &btc, Some("a"), &up);
    quotes.quote(&"a", &btc, last("e", 1));
    // when
    let acts = quotes.reroute(|_| Some("b"), &up);
    // then
    assert_eq!(asked(&acts), ["-a", "+b"]);
    assert_eq!(told(&acts), [(1, "Reconnecting".to_string())]);
    assert!(quotes.reroute(|_| Some("b"), &up).is_empty());
}

#[test]
fn an_instrument_wanted_before_its_route_is_known_is_asked_for_when_it_is() {
    // given
    let (mut quotes, btc, up) = (Quotes::new(), instrument("BTC/USD"), up(&["a"]));
    let acts = quotes.want(ONE, &btc, None, &up);
    assert_eq!(told(&acts), [(1, "Reconnecting".to_string())]);
    // when
    let acts = quotes.reroute(|_| Some("a"), &up);
    // then
    assert_eq!(asked(&acts), ["+a"]);
}
