//! The cases. Each is one claim of the `Venue` trait's words; a number is never given to another claim. One that needs
//! a fault names it behind its function.

use super::{
    Case, Fault, Stage, Verdict,
    conditions::{
        day_stays, end, expires, fills_whole_or_not, has_day, has_fok, has_gtd, has_stop_limits,
        has_stops, not_reducing, not_taking, offers_post_only, offers_reduce_only, stays_post_only,
        stop_trades, stops_at_its_limit,
    },
    crossing, faults, fresh_id,
    line::{Line, expect, sent},
    market_data, permission,
    replaces::{self, offers_replaces},
    resting,
};
use crate::venue::{Capabilities, Event, Placed, Refusal, Submission, VenueOrder};
use futures_util::FutureExt as _;
use std::{collections::HashSet, time::Duration};
use tradewind_domain::{
    ids::VenueOrderId,
    limits::SWEEP_MARGIN,
    money::Quantity,
    time::UnixNanos,
    trading::{OrderState, OrderType},
};
use tradewind_node::clock;

const fn always(_: &Capabilities) -> bool {
    true
}

fn trades_at_market(offered: &Capabilities) -> bool {
    offered.order_types.contains(&OrderType::Market)
}

fn has_deadlines(offered: &Capabilities) -> bool {
    offered.order_deadline
}

macro_rules! fault {
    () => {
        None
    };
    ($fault:ident) => {
        Some(Fault::$fault)
    };
}

macro_rules! cases {
    ($($number:literal $needs:path, $run:path $(, $fault:ident)?: $claim:literal;)+) => {
        pub(super) const ALL: &[Case] = &[$(Case {
            number: $number,
            claim: $claim,
            fault: fault!($($fault)?),
            needs: $needs,
            run: |stage| $run(stage).boxed(),
        }),+];
    };
}

cases! {
    1 always, connects: "a connection tells the venue's clock and stays";
    2 always, quotes: "a subscribed instrument is quoted, uncrossed, and once more after it was left";
    3 always, submits: "an order is answered once, as it is at the venue";
    4 trades_at_market, fills: "every fill is told once, and the last before or with the order's end";
    5 always, cancels: "a cancel is answered, and the order has ended";
    6 always, cancels_nothing: "a cancel of what is not there is refused and ends nothing";
    7 always, refuses: "what the venue cannot place is refused as not placed";
    8 always, repeats: "an id that comes twice is not taken for one that was not placed";
    9 has_deadlines, late: "an order after its deadline is not placed and never listed as open";
    10 always, sweeps: "a sweep lists every order and every fill since its beginning";
    11 by_id, queries: "an order is found by our id, and one that is not there is not invented";
    12 always, lost: "an order whose answer was lost is listed on the next connection";
    13 always, ends: "a connection that is lost ends, and another one is whole";
    14 offers_replaces, replaces::replaced: "a replace is answered under its id and leaves one order of the two";
    15 offers_replaces, replaces::not_replaced: "a replace that is not possible is refused and leaves the order as it was";
    16 offers_replaces, replaces::replace_lost: "a replace whose answer was lost is listed under its id on the next connection";
    17 has_fok, fills_whole_or_not: "a fok order fills whole or ends without a fill";
    18 offers_post_only, stays_post_only: "a post_only order that takes nothing stays";
    19 offers_post_only, not_taking: "a post_only order that would take is refused as not placed";
    20 offers_reduce_only, not_reducing: "a reduce_only order without a position is refused as not placed";
    21 has_day, day_stays: "a day order stays until it is canceled";
    22 has_gtd, expires: "a gtd order is told to have expired, and is listed so";
    23 has_stops, stop_trades: "a stop that is reached trades, and one that is not waits and can be canceled";
    24 has_stop_limits, stops_at_its_limit: "a stop_limit that is reached stands at its limit";
    25 always, market_data::confirms: "a subscription is confirmed before its first quote, and nothing follows when it is left";
    26 stand_side_by_side, market_data::takes: "a connection takes as many instruments as it says";
    27 trade_side_by_side, market_data::apart: "a connection for market data stands beside the first and says nothing of orders";
    28 trade_side_by_side, market_data::numbers: "numbers of trades rise by one, alike on each connection";
    29 always, permission::asks: "the right to connect is asked for before each connect";
    30 trades_at_market, faults::fill_twice, FillTwice: "a fill that the venue tells twice is told once";
    31 trades_at_market, faults::fills_after_the_end, FillsAfterTheEnd: "fills that come after their order was canceled count, and it is not told to have ended before them";
    32 trades_at_market, faults::fills_backwards, FillsBackwards: "fills that come out of order are each told once, the last before or with the order's end";
    33 always, faults::taken_and_refused, TakenAndRefused: "an order that was taken and answered with an error is what the venue has, once";
    34 always, market_data::begins_anew_alone, BookBroken: "an instrument that has to begin anew says so, and another one goes on undisturbed";
}

fn trade_side_by_side(offered: &Capabilities) -> bool {
    offered.data_connections && trades_at_market(offered)
}

fn stand_side_by_side(offered: &Capabilities) -> bool {
    offered.data_connections
}

fn by_id(offered: &Capabilities) -> bool {
    offered.query_by_our_id
}

pub(super) fn a_minute_ago() -> UnixNanos {
    let back = u64::try_from(SWEEP_MARGIN.as_nanos()).unwrap_or(u64::MAX);
    UnixNanos(clock::now().0.saturating_sub(back))
}

/// The answer to a submit.
pub(super) async fn submit(
    line: &mut Line,
    order: Submission,
) -> Result<Result<VenueOrder, Refusal>, String> {
    let id = order.venue_order_id;
    line.send(|link| link.submit(order.clone())).await?;
    let answer = |event: &Event| match event {
        Event::Submitted { order, result } if *order == id => Some(result.clone()),
        _ => None,
    };
    line.until("the answer to a submit", answer).await
}

pub(super) async fn placed(line: &mut Line, order: Submission) -> Result<VenueOrder, String> {
    submit(line, order).await?.map_err(|refusal| format!("refused: {refusal:?}"))
}

async fn cancel(line: &mut Line, id: VenueOrderId) -> Result<Result<VenueOrder, Refusal>, String> {
    sent(line.connection.link.cancel(id))?;
    let answer = |event: &Event| match event {
        Event::Canceled { order, result } if *order == id => Some(result.clone()),
        _ => None,
    };
    line.until("the answer to a cancel", answer).await
}

/// Cancels it, and sees its end: with the answer, or told apart from it.
pub(super) async fn canceled(line: &mut Line, id: VenueOrderId) -> Verdict {
    let answer = cancel(line, id).await?;
    let order = answer.map_err(|refusal| format!("refused: {refusal:?}"))?;
    let state = if order.state.is_terminal() { order.state } else { end(line, id).await? };
    expect(state == OrderState::Canceled, || format!("it ended as {state:?}"))
}

async fn connects(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let apart = clock::now().since(line.connection.time);
    let apart = apart.max(line.connection.time.since(clock::now()));
    expect(apart < SWEEP_MARGIN, || format!("its clock is {apart:?} from ours"))?;
    placed(&mut line, resting(stage, fresh_id(stage))).await.map(drop)
}

async fn quotes(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let wanted = stage.instrument();
    let quote = |event: &Event| match event {
        Event::Quote { instrument, quote } if *instrument == wanted => Some(quote.clone()),
        _ => None,
    };
    for _ in 0..2 {
        line.forget();
        sent(line.connection.link.subscribe(&stage.instrument()))?;
        let told = line.until("a quote", quote).await?;
        let crossed = told.bid.zip(told.ask).is_some_and(|(bid, ask)| bid >= ask);
        expect(!crossed, || format!("crossed: {told:?}"))?;
        sent(line.connection.link.unsubscribe(&stage.instrument()))?;
        // What was on its way may come before.
        let left = |event: &Event| matches!(event, Event::Unsubscribed { .. }).then_some(());
        line.until("the word that it is left", left).await?;
    }
    Ok(())
}

async fn submits(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let id = fresh_id(stage);
    let order = placed(&mut line, resting(stage, id)).await?;
    expect(order.venue_order_id == id, || format!("of another order: {order:?}"))?;
    expect(order.state == OrderState::New, || format!("not open: {order:?}"))?;
    let arrivals = stage.arrivals(id).await;
    expect(arrivals == 1, || format!("it arrived {arrivals} times"))
}

async fn fills(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let id = fresh_id(stage);
    placed(&mut line, crossing(stage, id)).await?;
    let state = end(&mut line, id).await?;
    let told = line.fills_of(id);
    let names: HashSet<_> = told.iter().map(|fill| &fill.exec_id).collect();
    expect(names.len() == told.len(), || format!("a fill is told twice: {told:?}"))?;
    let sum = told.iter().try_fold(Quantity::ZERO, |sum, fill| sum.checked_add(fill.quantity));
    let sum = sum.map_err(|error| error.to_string())?;
    let whole = sum == stage.quantity();
    expect(whole == (state == OrderState::Filled), || format!("{state:?} with {sum} filled"))
}

async fn cancels(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let id = fresh_id(stage);
    placed(&mut line, resting(stage, id)).await?;
    canceled(&mut line, id).await?;
    let listed = line.sweep(a_minute_ago()).await?;
    let state = listed.order(id).map(|order| order.state);
    expect(state == Some(OrderState::Canceled), || format!("listed as {state:?}"))
}

async fn cancels_nothing(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let (open, none) = (fresh_id(stage), fresh_id(stage));
    placed(&mut line, resting(stage, open)).await?;
    let answer = cancel(&mut line, none).await?;
    expect(answer.is_err(), || format!("canceled what is not there: {answer:?}"))?;
    let listed = line.sweep(a_minute_ago()).await?;
    let state = listed.order(open).map(|order| order.state);
    expect(state == Some(OrderState::New), || format!("another order is {state:?}"))
}

async fn refuses(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let id = fresh_id(stage);
    // A millionth of a millionth is off every tick.
    let price = "0.000000000001".parse().ok();
    let answer = submit(&mut line, Submission { limit_price: price, ..resting(stage, id) }).await?;
    let Err(refusal) = answer else { return Err(format!("placed: {answer:?}")) };
    expect(refusal.placed == Placed::No, || format!("said to be placed perhaps: {refusal:?}"))?;
    expect(!refusal.reason.is_empty(), || "without a reason".to_string())
}

async fn repeats(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let id = fresh_id(stage);
    placed(&mut line, resting(stage, id)).await?;
    line.forget();
    match submit(&mut line, resting(stage, id)).await? {
        // A venue may take it for the same order.
        Ok(_) => {}
        Err(Refusal { placed: Placed::Perhaps, .. }) => {}
        Err(refusal) => return Err(format!("it is there, and said not to be: {refusal:?}")),
    }
    let listed = line.sweep(a_minute_ago()).await?;
    let open = listed.orders.iter().filter(|order| order.venue_order_id == id);
    let open = open.filter(|order| order.state == OrderState::New).count();
    expect(open == 1, || format!("{open} orders of one id"))
}

async fn late(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let id = fresh_id(stage);
    // It went out in time, and was long on its way: one that is late already an adapter need not send.
    let now = line.connection.time.0;
    let ago = |seconds: u64| UnixNanos(now.saturating_sub(seconds * 1_000_000_000));
    let order = Submission { sent_at: ago(2), deadline: ago(1), ..resting(stage, id) };
    let answer = submit(&mut line, order).await?;
    let not_placed = matches!(&answer, Err(refusal) if refusal.placed == Placed::No);
    expect(not_placed, || format!("{answer:?}"))?;
    let listed = line.sweep(a_minute_ago()).await?;
    let open = listed.order(id).is_some_and(|order| !order.state.is_terminal());
    expect(!open, || "it is open".to_string())
}

async fn sweeps(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let since = a_minute_ago();
    let mut ids = Vec::new();
    for n in 0..12 {
        let id = fresh_id(stage);
        let at_market = n % 3 == 0 && trades_at_market(stage.venue().capabilities());
        let order = if at_market { crossing(stage, id) } else { resting(stage, id) };
        placed(&mut line, order).await?;
        ids.push(id);
    }
    let listed = line.sweep(since).await?;
    let missing = ids.iter().filter(|id| listed.order(**id).is_none()).count();
    expect(missing == 0, || format!("{missing} of {} orders are not listed", ids.len()))?;
    let ended =
        |id: &VenueOrderId| listed.order(*id).is_some_and(|o| o.state == OrderState::Filled);
    for id in ids.iter().filter(|id| ended(id)) {
        let fills = listed.fills_of(*id);
        let sum = fills.iter().try_fold(Quantity::ZERO, |sum, fill| sum.checked_add(fill.quantity));
        expect(sum == Ok(stage.quantity()), || {
            format!("filled, and of its fills {fills:?} listed")
        })?;
    }
    // Nothing that was over before: the listing says what it covers. What is open may be listed at any time.
    let later = line.sweep(UnixNanos(clock::now().0 + 3_600_000_000_000)).await?;
    let over = later.orders.iter().any(|order| order.state.is_terminal());
    expect(!over && later.fills.is_empty(), || format!("{later:?}"))
}

async fn queries(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let (id, none) = (fresh_id(stage), fresh_id(stage));
    placed(&mut line, resting(stage, id)).await?;
    line.forget();
    for asked in [none, id] {
        sent(line.connection.link.query(asked))?;
    }
    let told = |event: &Event| match event {
        Event::Order(order) if order.venue_order_id == id => Some(order.state),
        _ => None,
    };
    let state = line.until("the order that was asked for", told).await?;
    expect(state == OrderState::New, || format!("it is {state:?}"))?;
    let invented = line
        .has_heard(|event| matches!(event, Event::Order(order) if order.venue_order_id == none));
    expect(!invented, || "an order that is not there".to_string())
}

pub(super) async fn arrived(stage: &dyn Stage, id: VenueOrderId) -> Verdict {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while stage.arrivals(id).await == 0 {
        expect(std::time::Instant::now() < deadline, || "it never arrived".to_string())?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

async fn lost(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let id = fresh_id(stage);
    stage.deafen();
    sent(line.connection.link.submit(resting(stage, id)))?;
    arrived(stage, id).await?;
    stage.cut();
    line.ended().await?;
    let mut line = Line::connect(stage).await?;
    let listed = line.sweep(a_minute_ago()).await?;
    let state = listed.order(id).map(|order| order.state);
    expect(state == Some(OrderState::New), || format!("listed as {state:?}"))?;
    let arrivals = stage.arrivals(id).await;
    expect(arrivals == 1, || format!("it was sent {arrivals} times"))
}

async fn ends(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    stage.cut();
    line.ended().await?;
    let mut line = Line::connect(stage).await?;
    placed(&mut line, resting(stage, fresh_id(stage))).await.map(drop)
}
