//! Orders, fills, accounts and quotes over REST. Decides how a request becomes a command and an answer a
//! response; which Market is asked is `directory`'s, what is done the Broker's decision.

use super::{Gateway, Sessions, auth::Caller, directory::Directory};
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
    ids::{AccountId, InstrumentId, MarketId, OrderId},
    trading::{Order, ReplaceOrder},
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
};
use tradewind_protocol::{
    Code, Problem,
    orders::{
        AccountTradingState, Accounts, CancelAllAfter, CancelTimers, Fills, LatestQuote,
        OrderQuery, Orders, Positions, SubmitOrder,
    },
    resources::TradingStateSpec,
    trade::{CommandAnswer, OrderCommand},
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

async fn submit(
    State(gateway): State<Gateway>,
    caller: Caller,
    Json(body): Json<SubmitOrder>,
) -> Result<(StatusCode, Json<Order>), Failure> {
    let market = gateway.known()?.market_of(&body.instrument)?.clone();
    gateway.submits(&caller)?;
    let order = body.new_order();
    let command = OrderCommand::Submit { account: body.account, order };
    let (order, created) = one(gateway.command(&market, caller.principal(), command).await?)?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(order)))
}

async fn order(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(order_id): Path<OrderId>,
) -> Result<Json<Order>, Failure> {
    let market = market_for(&*gateway.known()?, &caller, &order_id.account)?;
    let command = OrderCommand::Get { order_id };
    let (order, _) = one(gateway.command(&market, caller.principal(), command).await?)?;
    Ok(Json(order))
}

/// Answers the order as it is once the replace is durable; what becomes of it comes over the stream.
async fn replace(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(order_id): Path<OrderId>,
    Json(replace): Json<ReplaceOrder>,
) -> Result<Json<Order>, Failure> {
    let market = market_for(&*gateway.known()?, &caller, &order_id.account)?;
    let command = OrderCommand::Replace { order_id, replace };
    let (order, _) = one(gateway.command(&market, caller.principal(), command).await?)?;
    Ok(Json(order))
}

/// Answers the order as it is once the cancel was taken down; its end comes over the stream.
async fn cancel(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(order_id): Path<OrderId>,
) -> Result<Json<Order>, Failure> {
    let market = market_for(&*gateway.known()?, &caller, &order_id.account)?;
    let command = OrderCommand::Cancel { order_id };
    let (order, _) = one(gateway.command(&market, caller.principal(), command).await?)?;
    Ok(Json(order))
}

async fn list(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<OrderQuery>,
) -> Result<Json<Orders>, Failure> {
    let OrderQuery { account, client_order_id, open } = query;
    let mut orders = Vec::new();
    for (account, market) in asked_accounts(&*gateway.known()?, &caller, account)? {
        let (client_order_id, open) = (client_order_id.clone(), open.unwrap_or(false));
        let command = OrderCommand::List { account, client_order_id, open };
        match gateway.command(&market, caller.principal(), command).await? {
            CommandAnswer::Orders { orders: more } => orders.extend(more),
            other => return Err(unexpected(other)),
        }
    }
    Ok(Json(Orders { orders }))
}

async fn fills(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<OrderQuery>,
) -> Result<Json<Fills>, Failure> {
    let asked = by_account_alone(query, "fills")?;
    let mut fills = Vec::new();
    for (account, market) in asked_accounts(&*gateway.known()?, &caller, asked)? {
        let command = OrderCommand::Fills { account };
        match gateway.command(&market, caller.principal(), command).await? {
            CommandAnswer::Fills { fills: more } => fills.extend(more),
            other => return Err(unexpected(other)),
        }
    }
    Ok(Json(Fills { fills }))
}

async fn positions(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<OrderQuery>,
) -> Result<Json<Positions>, Failure> {
    let asked = by_account_alone(query, "positions")?;
    let mut accounts = Vec::new();
    for (account, market) in asked_accounts(&*gateway.known()?, &caller, asked)? {
        let command = OrderCommand::Positions { account };
        match gateway.command(&market, caller.principal(), command).await? {
            CommandAnswer::Positions { positions } => accounts.push(positions),
            other => return Err(unexpected(other)),
        }
    }
    Ok(Json(Positions { accounts }))
}

async fn cancel_all_after(
    State(gateway): State<Gateway>,
    caller: Caller,
    Json(body): Json<CancelAllAfter>,
) -> Result<Json<CancelTimers>, Failure> {
    let CancelAllAfter { account, after_ms } = body;
    let mut accounts = Vec::new();
    for (account, market) in asked_accounts(&*gateway.known()?, &caller, account)? {
        let command = OrderCommand::CancelAllAfter { account, after_ms };
        match gateway.command(&market, caller.principal(), command).await? {
            CommandAnswer::CancelTimer { timer } => accounts.push(timer),
            other => return Err(unexpected(other)),
        }
    }
    Ok(Json(CancelTimers { accounts }))
}

async fn accounts(
    State(gateway): State<Gateway>,
    caller: Caller,
) -> Result<Json<Accounts>, Failure> {
    let accounts = gateway.known()?.accounts(&caller.0.customer);
    Ok(Json(Accounts { accounts }))
}

/// Tightens the caller's own trading on an account. It goes straight to the account's Broker, whoever leads above.
async fn tighten(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(account): Path<AccountId>,
    Json(spec): Json<TradingStateSpec>,
) -> Result<Json<AccountTradingState>, Failure> {
    let market = market_for(&*gateway.known()?, &caller, &account)?;
    let command = OrderCommand::Tighten { account, state: spec.state };
    match gateway.command(&market, caller.principal(), command).await? {
        CommandAnswer::TradingState { account, word } => {
            Ok(Json(AccountTradingState { account, word }))
        }
        other => Err(unexpected(other)),
    }
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

fn market_for(
    directory: &Directory,
    caller: &Caller,
    account: &AccountId,
) -> Result<MarketId, Problem> {
    directory.market_for(&caller.0.customer, account).cloned()
}

/// The account that was named, or all of the caller's, each with its Market.
fn asked_accounts(
    directory: &Directory,
    caller: &Caller,
    named: Option<AccountId>,
) -> Result<Vec<(AccountId, MarketId)>, Problem> {
    let asked = match named {
        Some(account) => vec![account],
        None => directory.accounts(&caller.0.customer),
    };
    let with_market = |account: AccountId| {
        let market = market_for(directory, caller, &account)?;
        Ok((account, market))
    };
    asked.into_iter().map(with_market).collect()
}

/// The order an answer must hold, and whether it is new.
fn one(answer: CommandAnswer) -> Result<(Order, bool), Failure> {
    match answer {
        CommandAnswer::Order { order, created } => Ok((*order, created)),
        other => Err(unexpected(other)),
    }
}

fn unexpected(answer: CommandAnswer) -> Failure {
    match answer {
        CommandAnswer::Problem { problem } => Failure(problem),
        CommandAnswer::Order { .. }
        | CommandAnswer::Orders { .. }
        | CommandAnswer::Fills { .. }
        | CommandAnswer::Positions { .. }
        | CommandAnswer::CancelTimer { .. }
        | CommandAnswer::TradingState { .. }
        | CommandAnswer::Watched { .. } => {
            tracing::error!("an answer is not of the kind that was asked for");
            Failure::new(Code::InternalError, "the Broker's answer was not to what was asked")
        }
    }
}
