//! How orders and cancels go out: over the WebSocket, or by REST where the account says so. Decides how each becomes a
//! request; whether it may go out is the desk's to say. K4 an order that was handed over is sent once, whatever becomes
//! of it: an HTTP error says nothing of it (Kraken has answered 502 to orders it took).

use super::{Kraken, desk::open, rest::CallError, socket::Over};
use crate::venue::{Event, Placed, Refusal};
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};
use tradewind_domain::{ids::VenueOrderId, trading::Side};
use tradewind_kraken::{
    rest::NoResult,
    ws::{request::OrderType, trading::AddOrder},
};

/// See the module.
pub(super) enum Placing {
    /// Frames towards the WebSocket for orders.
    WebSocket(mpsc::Sender<String>),
    Rest(mpsc::Sender<Ask>),
    /// There is no API key.
    Nothing,
}

/// What is to be asked by REST.
pub(super) enum Ask {
    Submit(VenueOrderId, Box<AddOrder>),
    Cancel(VenueOrderId),
}

#[derive(Debug, Deserialize)]
struct AddResult {
    #[serde(default)]
    txid: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct CancelResult {
    count: u64,
}

/// Asks one after another, as nonces want it.
pub(super) async fn by_rest(
    kraken: Arc<Kraken>,
    mut asks: mpsc::Receiver<Ask>,
    told: mpsc::Sender<Event>,
    stale: Arc<Notify>,
) -> Over {
    while let Some(ask) = asks.recv().await {
        let events = match ask {
            Ask::Submit(order, add) => submit(&kraken, order, &add).await,
            Ask::Cancel(order) => cancel(&kraken, order).await,
        };
        for event in events {
            if told.send(event).await.is_err() {
                return Over("nobody listens any more".to_owned());
            }
        }
        if kraken.desk().needs_token() {
            stale.notify_one();
        }
    }
    Over("nobody places orders any more".to_owned())
}

async fn submit(kraken: &Kraken, order: VenueOrderId, add: &AddOrder) -> Vec<Event> {
    let quantity = add.order_qty.map(|quantity| quantity.to_string()).unwrap_or_default();
    let price = add.limit_price.map(|price| price.to_string());
    let deadline = add.deadline.map(|deadline| deadline.to_string());
    let (side, kind) = (
        match add.side {
            Side::Buy => "buy",
            Side::Sell => "sell",
        },
        if add.order_type == OrderType::Market { "market" } else { "limit" },
    );
    let mut fields = vec![
        ("pair", add.symbol.as_deref().unwrap_or_default()),
        ("type", side),
        ("ordertype", kind),
        ("volume", quantity.as_str()),
        ("cl_ord_id", add.cl_ord_id.as_deref().unwrap_or_default()),
    ];
    fields.extend(price.as_deref().map(|price| ("price", price)));
    fields.extend(add.time_in_force.map(|force| ("timeinforce", force.capitals())));
    fields.extend(deadline.as_deref().map(|deadline| ("deadline", deadline)));
    let mut events = Vec::new();
    match kraken.rest.private::<AddResult>("AddOrder", &fields).await {
        Ok(added) => {
            let order_id = added.txid.first().map(String::as_str);
            kraken.desk().placed(order, order_id, &mut events);
        }
        Err(error) => {
            let result = Err(refused(kraken, order, &error));
            events.push(Event::Submitted { order, result });
        }
    }
    events
}

async fn cancel(kraken: &Kraken, order: VenueOrderId) -> Vec<Event> {
    let name = order.to_string();
    let asked = kraken.rest.private::<CancelResult>("CancelOrder", &[("cl_ord_id", &name)]).await;
    match asked {
        // It is gone when the executions say so; that it was there is known by this.
        Ok(CancelResult { count: 1.. }) => vec![Event::Canceled { order, result: Ok(open(order)) }],
        Ok(CancelResult { count: 0 }) => {
            let reason = "no order was canceled".to_owned();
            let result = Err(Refusal { placed: Placed::Perhaps, reason });
            vec![Event::Canceled { order, result }]
        }
        Err(error) => vec![Event::Canceled { order, result: Err(refused(kraken, order, &error)) }],
    }
}

fn refused(kraken: &Kraken, order: VenueOrderId, error: &CallError) -> Refusal {
    let why = match error {
        // Kraken's own words are what the algo is told.
        CallError::NoResult(NoResult::Errors { errors, .. }) => errors.join(", "),
        other => other.to_string(),
    };
    match error.outcome() {
        Some(outcome) => kraken.desk().refused(order, &why, outcome, kraken.clock.now()),
        None => Refusal { placed: Placed::No, reason: why },
    }
}
