//! The cases of what a venue does wrong with orders. A case's fault was brought about before it began, and strikes its
//! first order.

use super::{
    Stage, Verdict,
    cases::{a_minute_ago, canceled, placed, submit},
    conditions::end,
    crossing, fresh_id,
    line::{Line, expect},
    resting,
};
use crate::venue::{Event, Placed, Submission};
use std::collections::HashSet;
use tradewind_domain::{money::Quantity, trading::OrderState};

pub(super) async fn fill_twice(stage: &dyn Stage) -> Verdict {
    told_once(stage, stage.quantity(), 1).await
}

pub(super) async fn fills_after_the_end(stage: &dyn Stage) -> Verdict {
    told_once(stage, stage.deep_quantity(), 1).await
}

pub(super) async fn fills_backwards(stage: &dyn Stage) -> Verdict {
    told_once(stage, stage.deep_quantity(), 2).await
}

/// A buy at market of so much has this number of fills at least: each is told once, and none after the order's end.
async fn told_once(stage: &dyn Stage, quantity: Quantity, least: usize) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let (id, later) = (fresh_id(stage), fresh_id(stage));
    placed(&mut line, Submission { quantity, ..crossing(stage, id) }).await?;
    // All that the venue has to tell of the first one stands before the end of this one.
    placed(&mut line, crossing(stage, later)).await?;
    end(&mut line, later).await?;
    let listed = line.sweep(a_minute_ago()).await?;
    let state = listed.order(id).map(|order| order.state);
    expect(state.is_some_and(|state| state.is_terminal()), || format!("listed as {state:?}"))?;
    let known = listed.fills_of(id);
    let known: HashSet<_> = known.into_iter().map(|fill| &fill.exec_id).collect();
    expect(known.len() >= least, || format!("{} of its fills are listed", known.len()))?;
    let told = line.fills_of(id);
    let names: HashSet<_> = told.iter().map(|fill| &fill.exec_id).collect();
    expect(names.len() == told.len(), || format!("a fill is told twice: {told:?}"))?;
    expect(names == known, || format!("told are {names:?}, listed {known:?}"))?;
    let (mut ended, mut after) = (false, false);
    for event in line.heard() {
        match event {
            Event::Order(order) if order.venue_order_id == id => {
                ended |= order.state.is_terminal();
            }
            Event::Fill(fill) if fill.venue_order_id == id => after |= ended,
            _ => {}
        }
    }
    expect(!after, || "a fill is told after its order's end".to_string())
}

pub(super) async fn taken_and_refused(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let id = fresh_id(stage);
    let answer = submit(&mut line, resting(stage, id)).await?;
    let not_there = matches!(&answer, Err(refusal) if refusal.placed == Placed::No);
    expect(!not_there, || format!("it is there, and said not to be: {answer:?}"))?;
    let listed = line.sweep(a_minute_ago()).await?;
    let listed = listed.orders.iter().filter(|order| order.venue_order_id == id);
    let states: Vec<_> = listed.map(|order| order.state).collect();
    expect(states == [OrderState::New], || format!("listed as {states:?}"))?;
    let arrivals = stage.arrivals(id).await;
    expect(arrivals == 1, || format!("it was sent {arrivals} times"))?;
    canceled(&mut line, id).await
}
