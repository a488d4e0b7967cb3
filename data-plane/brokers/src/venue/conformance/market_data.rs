//! Cases about market data: what is subscribed where, and connections beside the first.

use super::{
    Stage, Verdict,
    cases::placed,
    crossing, fresh_id,
    line::{Line, expect, sent},
    resting,
};
use crate::venue::Event;
use tradewind_domain::ids::InstrumentId;

fn of(event: &Event) -> Option<&InstrumentId> {
    match event {
        Event::Quote { instrument, .. }
        | Event::Trade { instrument, .. }
        | Event::Subscribed { instrument, .. }
        | Event::Unsubscribed { instrument } => Some(instrument),
        Event::Submitted { .. }
        | Event::Canceled { .. }
        | Event::Replaced { .. }
        | Event::Order(_)
        | Event::Fill(_)
        | Event::Page(_)
        | Event::Halted(_) => None,
    }
}

async fn subscribe(line: &mut Line, instrument: &InstrumentId) -> Verdict {
    sent(line.connection.link.subscribe(instrument))?;
    begins(line, instrument).await
}

async fn begins(line: &mut Line, instrument: &InstrumentId) -> Verdict {
    let confirmed = |event: &Event| {
        let Event::Subscribed { instrument: told, .. } = event else { return None };
        (told == instrument).then_some(())
    };
    line.until("the word that it is subscribed", confirmed).await?;
    quoted(line, instrument).await
}

async fn quoted(line: &mut Line, instrument: &InstrumentId) -> Verdict {
    let quoted = |event: &Event| {
        let Event::Quote { instrument: told, .. } = event else { return None };
        (told == instrument).then_some(())
    };
    line.until("a quote", quoted).await
}

pub(super) async fn confirms(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let instrument = stage.instrument();
    subscribe(&mut line, &instrument).await?;
    let first = line.heard().iter().find(|event| of(event) == Some(&instrument)).cloned();
    expect(matches!(first, Some(Event::Subscribed { .. })), || format!("first comes {first:?}"))?;
    sent(line.connection.link.unsubscribe(&instrument))?;
    let left = |event: &Event| matches!(event, Event::Unsubscribed { .. }).then_some(());
    line.until("the word that it is left", left).await?;
    line.forget();
    // An answer that was asked for later comes behind all that is to come.
    placed(&mut line, resting(stage, fresh_id(stage))).await?;
    let late = line.heard().iter().find(|event| of(event) == Some(&instrument));
    expect(late.is_none(), || format!("after it was left comes {late:?}"))
}

pub(super) async fn takes(stage: &dyn Stage) -> Verdict {
    let connected = [Line::connect(stage).await?, Line::connect_for_data(stage).await?];
    for mut line in connected {
        let Some(room) = line.connection.room else { continue };
        let all = stage.instruments();
        expect(0 < room && room < all.len(), || format!("it takes {room} of {}", all.len()))?;
        for instrument in &all[..room] {
            subscribe(&mut line, instrument).await.map_err(|why| format!("{instrument}: {why}"))?;
        }
    }
    Ok(())
}

pub(super) async fn apart(stage: &dyn Stage) -> Verdict {
    let mut main = Line::connect(stage).await?;
    let mut data = Line::connect_for_data(stage).await?;
    let instrument = stage.instrument();
    subscribe(&mut data, &instrument).await?;
    placed(&mut main, crossing(stage, fresh_id(stage))).await?;
    placed(&mut main, resting(stage, fresh_id(stage))).await?;
    let ended = |event: &Event| match event {
        Event::Order(order) => order.state.is_terminal().then_some(()),
        _ => None,
    };
    main.until("the end of an order", ended).await?;
    // What is asked for later is answered behind all that is to come.
    sent(data.connection.link.unsubscribe(&instrument))?;
    let left = |event: &Event| matches!(event, Event::Unsubscribed { .. }).then_some(());
    data.until("the word that it is left", left).await?;
    let other = data.heard().iter().find(|event| of(event).is_none());
    expect(other.is_none(), || format!("over it comes {other:?}"))
}

pub(super) async fn numbers(stage: &dyn Stage) -> Verdict {
    let mut main = Line::connect(stage).await?;
    let instrument = stage.instrument();
    subscribe(&mut main, &instrument).await?;
    placed(&mut main, crossing(stage, fresh_id(stage))).await?;
    let mut data = Line::connect_for_data(stage).await?;
    subscribe(&mut data, &instrument).await?;
    placed(&mut main, crossing(stage, fresh_id(stage))).await?;
    let mut lasts = Vec::new();
    for line in [&mut main, &mut data] {
        sent(line.connection.link.unsubscribe(&instrument))?;
        let left = |event: &Event| matches!(event, Event::Unsubscribed { .. }).then_some(());
        line.until("the word that it is left", left).await?;
        let mut last = None;
        for event in line.heard() {
            match event {
                Event::Subscribed { stands, .. } => last = *stands,
                Event::Trade { number, .. } => {
                    let next = last.map(|last| last.number + 1);
                    expect(*number == next, || format!("{number:?} after {last:?}"))?;
                    last = last.map(|last| crate::venue::Mark { number: last.number + 1, ..last });
                }
                _ => {}
            }
        }
        lasts.push(last);
    }
    expect(lasts[0] == lasts[1], || format!("one stands at {:?}, one at {:?}", lasts[0], lasts[1]))
}

pub(super) async fn begins_anew_alone(stage: &dyn Stage) -> Verdict {
    let mut line = Line::connect(stage).await?;
    let broken = stage.instrument();
    let other = stage.instruments().into_iter().find(|instrument| *instrument != broken);
    let other = other.ok_or("the stage has no other instrument")?;
    subscribe(&mut line, &other).await?;
    subscribe(&mut line, &broken).await?;
    line.forget();
    begins(&mut line, &broken).await?;
    undisturbed(&line, &other)?;
    line.forget();
    quoted(&mut line, &other).await?;
    undisturbed(&line, &other)?;
    placed(&mut line, resting(stage, fresh_id(stage))).await.map(drop)
}

fn undisturbed(line: &Line, other: &InstrumentId) -> Verdict {
    let word = line.heard().iter().find(|event| match event {
        Event::Subscribed { instrument, .. } | Event::Unsubscribed { instrument } => {
            instrument == other
        }
        _ => false,
    });
    expect(word.is_none(), || format!("of another instrument comes {word:?}"))
}
