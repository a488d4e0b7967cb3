//! Orders, fills, accounts and quotes over REST. Decides how a request becomes an operation and its answer a response; which
//! Markets are asked is `operations`' decision, what is done the Broker's.

use super::{
    Gateway, Sessions,
    auth::{Caller, Lessening},
    operations::{self, Body, Done, Operation},
};
use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::Response,
    routing::{get, post, put},
};
use std::sync::Arc;
use tradewind_domain::{
    ids::{AccountId, InstrumentId, OrderId},
    trading::ReplaceOrder,
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
};
use tradewind_protocol::{
    Code,
    orders::{Accounts, CancelAllAfter, LatestQuote, OrderQuery, SubmitOrder},
    resources::TradingStateSpec,
};

pub(crate) fn routes() -> Router<Gateway> {
    Router::new()
        .route("/v1/orders", post(submit).get(list))
        .route("/v1/orders/{order_id}", get(order).patch(replace).delete(cancel))
        .route("/v1/fills", get(fills))
        .route("/v1/positions", get(positions))
        .route("/v1/cancel_all_after", post(cancel_all_after))
        .route("/v1/accounts", get(accounts))
        .route("/v1/accounts/{account}/trading_state", put(tighten))
        // An instrument's name may hold a slash.
        .route("/v1/quotes/{*instrument}", get(quote))
}

/// Counted with the sessions until it is answered: this Manager is not empty before.
pub(crate) async fn counted(
    State(sessions): State<Arc<Sessions>>,
    request: Request,
    next: Next,
) -> Response {
    let _request = sessions.request();
    next.run(request).await
}

/// An operation's answer.
type Answer = Result<(StatusCode, Json<Body>), Failure>;

async fn carried_out(gateway: &Gateway, caller: &Caller, operation: Operation) -> Answer {
    let Done { status, body } = operations::begin(gateway, caller, operation).await?.done().await?;
    Ok((status, Json(body)))
}

async fn submit(
    State(gateway): State<Gateway>,
    caller: Caller,
    Json(body): Json<Box<SubmitOrder>>,
) -> Answer {
    carried_out(&gateway, &caller, Operation::Submit(body)).await
}

async fn order(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(order_id): Path<OrderId>,
) -> Answer {
    carried_out(&gateway, &caller, Operation::Get(order_id)).await
}

async fn replace(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(order_id): Path<OrderId>,
    Json(replace): Json<ReplaceOrder>,
) -> Answer {
    carried_out(&gateway, &caller, Operation::Replace(order_id, replace)).await
}

async fn cancel(
    State(gateway): State<Gateway>,
    Lessening(caller): Lessening,
    Path(order_id): Path<OrderId>,
) -> Answer {
    carried_out(&gateway, &caller, Operation::Cancel(order_id)).await
}

async fn list(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<OrderQuery>,
) -> Answer {
    carried_out(&gateway, &caller, Operation::List(query)).await
}

async fn fills(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<OrderQuery>,
) -> Answer {
    let named = by_account_alone(query, "fills")?;
    carried_out(&gateway, &caller, Operation::Fills(named)).await
}

async fn positions(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<OrderQuery>,
) -> Answer {
    let named = by_account_alone(query, "positions")?;
    carried_out(&gateway, &caller, Operation::Positions(named)).await
}

async fn cancel_all_after(
    State(gateway): State<Gateway>,
    Lessening(caller): Lessening,
    Json(body): Json<CancelAllAfter>,
) -> Answer {
    carried_out(&gateway, &caller, Operation::CancelAllAfter(body)).await
}

async fn tighten(
    State(gateway): State<Gateway>,
    Lessening(caller): Lessening,
    Path(account): Path<AccountId>,
    Json(spec): Json<TradingStateSpec>,
) -> Answer {
    carried_out(&gateway, &caller, Operation::Tighten(account, spec.state)).await
}

async fn accounts(
    State(gateway): State<Gateway>,
    caller: Caller,
) -> Result<Json<Accounts>, Failure> {
    let accounts = gateway.known()?.accounts(&caller.0.customer);
    Ok(Json(Accounts { accounts }))
}

async fn quote(
    State(gateway): State<Gateway>,
    _caller: Caller,
    Path(instrument): Path<InstrumentId>,
) -> Result<Json<LatestQuote>, Failure> {
    let market = gateway.known()?.market_of(&instrument)?.clone();
    Ok(Json(gateway.latest_quote(&market, instrument).await?))
}

fn by_account_alone(query: OrderQuery, what: &str) -> Result<Option<AccountId>, Failure> {
    if query.client_order_id.is_some() || query.open.is_some() {
        let detail = format!("{what} are asked for by `account` alone");
        return Err(Failure::new(Code::MalformedRequest, detail));
    }
    Ok(query.account)
}
