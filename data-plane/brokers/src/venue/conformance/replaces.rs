//! The cases of orders that are given other terms.

use super::{
    Stage, Verdict,
    cases::{a_minute_ago, arrived, placed},
    fresh_id,
    line::{Line, expect, sent},
    resting,
};
use crate::venue::{Capabilities, Event, Placed, Refusal, Replace, VenueOrder};
use tradewind_domain::{ids::VenueOrderId, limits::INTENT_DEADLINE, trading::OrderState};
use tradewind_node::clock;

pub(super) fn offers_replaces(offered: &Capabilities) -> bool {
    offered.replace
}

fn replace(stage: &dyn Stage, id: VenueOrderId, by: VenueOrderId) -> Replace {
    let now = clock::now();
    Replace {
        venue_order_id: id,
        by,
        quantity: stage.quantity(),
        limit_price: Some(stage.farther_price()),
        sent_at: now,
        deadline: now + INTENT_DEADLINE,
    }
}

async fn ask_replace(
    line: &mut Line,
    replace: Replace,
) -> Result<Result<VenueOrder, Refusal>, String> {
    let wanted = replace.by;
    sent(line.connection.link.replace(replace))?;
    let answer = |event: &Event| match event {
        Event::Replaced { by, result } if *by == wanted => Some(result.clone()),
        _ => None,
    };
    line.until("the answer to a replace", answer).await
}

pub(super) async fn replaced(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let (id, by) = (fresh_id(stage), fresh_id(stage));
    placed(&mut line, resting(stage, id)).await?;
    let order = ask_replace(&mut line, replace(stage, id, by)).await?;
    let order = order.map_err(|refusal| format!("refused: {refusal:?}"))?;
    expect((order.venue_order_id, order.state) == (by, OrderState::New), || format!("{order:?}"))?;
    let listed = line.sweep(a_minute_ago()).await?;
    let open = |id| listed.order(id).is_some_and(|order| !order.state.is_terminal());
    expect(open(by) && !open(id), || format!("{:?} and {:?}", listed.order(id), listed.order(by)))?;
    let former = listed.order(id).is_none_or(|order| order.replaced);
    expect(former, || "the former order is not said to be replaced".to_string())
}

pub(super) async fn not_replaced(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let (id, by) = (fresh_id(stage), fresh_id(stage));
    placed(&mut line, resting(stage, id)).await?;
    let off = Replace { limit_price: "0.000000000001".parse().ok(), ..replace(stage, id, by) };
    let gone = replace(stage, fresh_id(stage), fresh_id(stage));
    for impossible in [off, gone] {
        let answer = ask_replace(&mut line, impossible).await?;
        let no = matches!(&answer, Err(refusal) if refusal.placed == Placed::No);
        expect(no, || format!("{answer:?}"))?;
    }
    let listed = line.sweep(a_minute_ago()).await?;
    let state = listed.order(id).map(|order| order.state);
    expect(state == Some(OrderState::New), || format!("the order is {state:?}"))
}

pub(super) async fn replace_lost(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let (id, by) = (fresh_id(stage), fresh_id(stage));
    placed(&mut line, resting(stage, id)).await?;
    stage.deafen();
    sent(line.connection.link.replace(replace(stage, id, by)))?;
    arrived(stage, by).await?;
    stage.cut();
    line.ended().await?;
    let mut line = Line::connect(stage).await?;
    let listed = line.sweep(a_minute_ago()).await?;
    let state = listed.order(by).map(|order| order.state);
    expect(state == Some(OrderState::New), || format!("listed as {state:?}"))
}
