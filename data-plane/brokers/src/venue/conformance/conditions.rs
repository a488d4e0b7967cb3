//! The cases of order types and times in force that not every venue has.

use super::{
    Stage, Verdict,
    cases::{a_minute_ago, canceled, placed, submit},
    crossing, fresh_id,
    line::{Line, expect},
    resting,
};
use crate::venue::{Capabilities, Event, Placed, Submission};
use std::time::Duration;
use tradewind_domain::{
    ids::VenueOrderId,
    money::Quantity,
    time::UnixNanos,
    trading::{Conditions, OrderState, OrderType, TimeInForce},
};

pub(super) fn has_fok(offered: &Capabilities) -> bool {
    offered.times_in_force.contains(&TimeInForce::Fok)
}

pub(super) fn has_day(offered: &Capabilities) -> bool {
    offered.times_in_force.contains(&TimeInForce::Day)
}

pub(super) fn has_gtd(offered: &Capabilities) -> bool {
    offered.times_in_force.contains(&TimeInForce::Gtd)
}

pub(super) fn offers_post_only(offered: &Capabilities) -> bool {
    offered.post_only
}

pub(super) fn offers_reduce_only(offered: &Capabilities) -> bool {
    offered.reduce_only
}

pub(super) fn has_stops(offered: &Capabilities) -> bool {
    offered.order_types.contains(&OrderType::Stop)
}

pub(super) fn has_stop_limits(offered: &Capabilities) -> bool {
    offered.order_types.contains(&OrderType::StopLimit)
}

/// The state an order ends in, as it is told.
pub(super) async fn end(line: &mut Line, id: VenueOrderId) -> Result<OrderState, String> {
    let ended = |event: &Event| match event {
        Event::Order(order) if order.venue_order_id == id && order.state.is_terminal() => {
            Some(order.state)
        }
        _ => None,
    };
    line.until("the order's end", ended).await
}

fn filled(line: &Line, id: VenueOrderId) -> Result<Quantity, String> {
    let told = line.fills_of(id);
    let sum = told.iter().try_fold(Quantity::ZERO, |sum, fill| sum.checked_add(fill.quantity));
    sum.map_err(|error| error.to_string())
}

async fn not_placed(line: &mut Line, order: Submission) -> Verdict {
    let answer = submit(line, order).await?;
    let not_placed = matches!(&answer, Err(refusal) if refusal.placed == Placed::No);
    expect(not_placed, || format!("{answer:?}"))
}

pub(super) async fn fills_whole_or_not(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let fok = |id, limit_price| Submission {
        time_in_force: TimeInForce::Fok,
        limit_price,
        ..resting(stage, id)
    };
    let (none, whole) = (fresh_id(stage), fresh_id(stage));
    placed(&mut line, fok(none, Some(stage.far_price()))).await?;
    let state = end(&mut line, none).await?;
    let sum = filled(&line, none)?;
    expect(state != OrderState::Filled && sum.is_zero(), || format!("{state:?}, {sum} filled"))?;
    placed(&mut line, fok(whole, Some(stage.crossing_price()))).await?;
    let state = end(&mut line, whole).await?;
    let sum = filled(&line, whole)?;
    let done = state == OrderState::Filled && sum == stage.quantity();
    expect(done, || format!("{state:?}, {sum} filled"))
}

fn post_only(stage: &dyn Stage, id: VenueOrderId) -> Submission {
    let conditions = Conditions { post_only: true, ..Conditions::NONE };
    Submission { conditions, ..resting(stage, id) }
}

pub(super) async fn stays_post_only(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let id = fresh_id(stage);
    let order = placed(&mut line, post_only(stage, id)).await?;
    expect(order.state == OrderState::New, || format!("{order:?}"))?;
    let listed = line.sweep(a_minute_ago()).await?;
    let state = listed.order(id).map(|order| order.state);
    expect(state == Some(OrderState::New), || format!("listed as {state:?}"))
}

pub(super) async fn not_taking(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let id = fresh_id(stage);
    let limit_price = Some(stage.crossing_price());
    not_placed(&mut line, Submission { limit_price, ..post_only(stage, id) }).await?;
    let listed = line.sweep(a_minute_ago()).await?;
    let fills = listed.fills_of(id);
    expect(fills.is_empty(), || format!("it took: {fills:?}"))
}

pub(super) async fn not_reducing(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    // Whatever cases before have bought: a buy makes no long position smaller.
    placed(&mut line, crossing(stage, fresh_id(stage))).await?;
    let id = fresh_id(stage);
    let conditions = Conditions { reduce_only: true, ..Conditions::NONE };
    not_placed(&mut line, Submission { conditions, ..resting(stage, id) }).await
}

pub(super) async fn day_stays(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let id = fresh_id(stage);
    let order = Submission { time_in_force: TimeInForce::Day, ..resting(stage, id) };
    let order = placed(&mut line, order).await?;
    expect(order.state == OrderState::New, || format!("{order:?}"))?;
    canceled(&mut line, id).await
}

pub(super) async fn expires(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let id = fresh_id(stage);
    let order = resting(stage, id);
    let conditions = Conditions {
        expires_at: Some(UnixNanos(line.connection.time.0) + Duration::from_secs(2)),
        ..Conditions::NONE
    };
    placed(&mut line, Submission { time_in_force: TimeInForce::Gtd, conditions, ..order }).await?;
    let state = end(&mut line, id).await?;
    expect(state == OrderState::Expired, || format!("it ended as {state:?}"))?;
    let listed = line.sweep(a_minute_ago()).await?;
    let state = listed.order(id).map(|order| order.state);
    expect(state == Some(OrderState::Expired), || format!("listed as {state:?}"))
}

/// A buy that waits until the market has risen to that price.
fn stop(stage: &dyn Stage, id: VenueOrderId, reached: bool) -> Submission {
    let price = if reached { stage.far_price() } else { stage.crossing_price() };
    let conditions = Conditions { stop_price: Some(price), ..Conditions::NONE };
    let order_type = OrderType::Stop;
    Submission { order_type, limit_price: None, conditions, ..resting(stage, id) }
}

pub(super) async fn stop_trades(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let (waits, trades) = (fresh_id(stage), fresh_id(stage));
    let order = placed(&mut line, stop(stage, waits, false)).await?;
    expect(order.state == OrderState::New, || format!("{order:?}"))?;
    placed(&mut line, stop(stage, trades, true)).await?;
    let state = end(&mut line, trades).await?;
    let sum = filled(&line, trades)?;
    let done = state == OrderState::Filled && sum == stage.quantity();
    expect(done, || format!("{state:?}, {sum} filled"))?;
    let sum = filled(&line, waits)?;
    expect(sum.is_zero(), || format!("it did not wait: {sum} filled"))?;
    canceled(&mut line, waits).await
}

pub(super) async fn stops_at_its_limit(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let id = fresh_id(stage);
    let order = Submission {
        order_type: OrderType::StopLimit,
        limit_price: Some(stage.far_price()),
        ..stop(stage, id, true)
    };
    placed(&mut line, order).await?;
    let listed = line.sweep(a_minute_ago()).await?;
    let state = listed.order(id).map(|order| order.state);
    expect(state == Some(OrderState::New), || format!("listed as {state:?}"))?;
    let fills = listed.fills_of(id);
    expect(fills.is_empty(), || format!("it traded beyond its limit: {fills:?}"))
}
