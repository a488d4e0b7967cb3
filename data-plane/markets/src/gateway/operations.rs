//! What an algo has done with its orders, by REST and over its session. Decides, once for both, which Markets are asked
//! and what of their answers is told; what is done is the Broker's decision.
//! O1: what one caller begins one after the other reaches each Market in that order. O2: what has been sent is carried out, whether
//! its caller is still there or not; where it is about several accounts their commands go out one after the other, and of a caller who
//! leaves meanwhile only the first of them may have gone. What makes less goes to those that can be asked, though another cannot.

use super::{
    Gateway,
    auth::Caller,
    rate::Share,
    trade_link::{Sent, TradeLink},
};
use axum::http::StatusCode;
use serde::Serialize;
use tradewind_domain::{
    control::risk::TradingState,
    ids::{AccountId, OrderId},
    trading::{Order, ReplaceOrder},
};
use tradewind_protocol::{
    Code, Problem,
    orders::{
        AccountTradingState, CancelAllAfter, CancelTimers, Fills, OrderQuery, Orders, Positions,
        SubmitOrder,
    },
    trade::{CommandAnswer, OrderCommand},
};

/// What is asked for. Without an account it is about all of the caller's.
pub(crate) enum Operation {
    Submit(Box<SubmitOrder>),
    Get(OrderId),
    /// Answered with the order as it is once the replace is durable; what becomes of it comes over the stream.
    Replace(OrderId, ReplaceOrder),
    /// Answered with the order as it is once the cancel was taken down; its end comes over the stream.
    Cancel(OrderId),
    List(OrderQuery),
    Fills(Option<AccountId>),
    Positions(Option<AccountId>),
    CancelAllAfter(CancelAllAfter),
    /// Tightens the caller's own trading on an account. It goes straight to the account's Broker, whoever leads above.
    Tighten(AccountId, TradingState),
}

impl Operation {
    /// What makes less is needed when all else has run wild.
    pub(crate) fn share(&self) -> Share {
        match self {
            Self::Cancel(_) | Self::CancelAllAfter(_) | Self::Tighten(..) => Share::Less,
            Self::Submit(_)
            | Self::Get(_)
            | Self::Replace(..)
            | Self::List(_)
            | Self::Fills(_)
            | Self::Positions(_) => Share::Rest,
        }
    }

    /// Whether its answer may be long.
    pub(crate) fn lists(&self) -> bool {
        matches!(self, Self::List(_) | Self::Fills(_))
    }
}

/// What is answered, as far as it is known.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Body {
    Order(Option<Box<Order>>),
    Orders(Orders),
    Fills(Fills),
    Positions(Positions),
    CancelTimers(CancelTimers),
    TradingState(Option<AccountTradingState>),
}

/// An operation's good end.
pub(crate) struct Done {
    pub(crate) status: StatusCode,
    pub(crate) body: Body,
}

/// An operation whose commands are on their way.
pub(crate) struct Begun {
    body: Body,
    sent: Vec<Sent>,
    /// Why another one could not be asked.
    missing: Option<Problem>,
}

/// Sends what the operation takes, and waits while a Market's link is busy. Refused, nothing was sent.
pub(crate) async fn begin(
    gateway: &Gateway,
    caller: &Caller,
    operation: Operation,
) -> Result<Begun, Problem> {
    let (body, commands, missing) = planned(gateway, caller, operation)?;
    let mut sent = Vec::with_capacity(commands.len());
    for (link, command) in commands {
        sent.push(link.send(caller.principal(), command).await);
    }
    Ok(Begun { body, sent, missing })
}

impl Begun {
    /// One that has asked nobody: all orders there are, none.
    #[cfg(test)]
    pub(crate) fn nothing() -> Self {
        let body = Body::Orders(Orders { orders: Vec::new() });
        Self { body, sent: Vec::new(), missing: None }
    }

    /// Waits for all answers; of several the first problem counts. May be cancelled: nothing that was sent is called back.
    pub(crate) async fn done(self) -> Result<Done, Problem> {
        let Self { mut body, sent, missing } = self;
        let mut status = StatusCode::OK;
        for sent in sent {
            let answer = sent.answer().await;
            match (&mut body, answer) {
                (Body::Order(told), CommandAnswer::Order { order, created }) => {
                    if created {
                        status = StatusCode::CREATED;
                    }
                    *told = Some(order);
                }
                (Body::Orders(told), CommandAnswer::Orders { orders }) => {
                    told.orders.extend(orders);
                }
                (Body::Fills(told), CommandAnswer::Fills { fills }) => told.fills.extend(fills),
                (Body::Positions(told), CommandAnswer::Positions { positions }) => {
                    told.accounts.push(positions);
                }
                (Body::CancelTimers(told), CommandAnswer::CancelTimer { timer }) => {
                    told.accounts.push(timer);
                }
                (Body::TradingState(told), CommandAnswer::TradingState { account, word }) => {
                    *told = Some(AccountTradingState { account, word });
                }
                (_, CommandAnswer::Problem { problem }) => return Err(problem),
                (_, _) => {
                    tracing::error!("an answer is not of the kind that was asked for");
                    let detail = "the Broker's answer was not to what was asked";
                    return Err(Problem::new(Code::InternalError, detail));
                }
            }
        }
        match missing {
            Some(problem) => Err(problem),
            None => Ok(Done { status, body }),
        }
    }
}

type Planned = (Body, Vec<(TradeLink, OrderCommand)>, Option<Problem>);

/// Whom an operation asks for what, and how its answer begins.
fn planned(gateway: &Gateway, caller: &Caller, operation: Operation) -> Result<Planned, Problem> {
    let known = gateway.known()?;
    let about = |account: &AccountId, command: OrderCommand| {
        let market = known.market_for(&caller.0.customer, account)?;
        Ok::<_, Problem>(vec![(gateway.link(market)?, command)])
    };
    let each = |named: Option<AccountId>, command: &dyn Fn(AccountId) -> OrderCommand| {
        let named = named.map(|account| vec![account]);
        let accounts = named.unwrap_or_else(|| known.accounts(&caller.0.customer));
        let mut commands = Vec::with_capacity(accounts.len());
        for account in accounts {
            commands.extend(about(&account.clone(), command(account))?);
        }
        Ok::<_, Problem>(commands)
    };
    if let Operation::CancelAllAfter(CancelAllAfter { account: None, after_ms }) = operation {
        return all_timers(gateway, caller, after_ms);
    }
    let (body, commands) = match operation {
        Operation::Submit(body) => {
            let link = gateway.link(known.market_of(&body.instrument)?)?;
            gateway.submits(caller)?;
            let order = body.new_order();
            let command = OrderCommand::Submit { account: body.account, order };
            (Body::Order(None), vec![(link, command)])
        }
        Operation::Get(order_id) => {
            let account = order_id.account.clone();
            (Body::Order(None), about(&account, OrderCommand::Get { order_id })?)
        }
        Operation::Replace(order_id, replace) => {
            let account = order_id.account.clone();
            (Body::Order(None), about(&account, OrderCommand::Replace { order_id, replace })?)
        }
        Operation::Cancel(order_id) => {
            let account = order_id.account.clone();
            (Body::Order(None), about(&account, OrderCommand::Cancel { order_id })?)
        }
        Operation::List(OrderQuery { account, client_order_id, open }) => {
            let open = open.unwrap_or(false);
            let list = |account| {
                let client_order_id = client_order_id.clone();
                OrderCommand::List { account, client_order_id, open }
            };
            (Body::Orders(Orders { orders: Vec::new() }), each(account, &list)?)
        }
        Operation::Fills(named) => {
            let command = |account| OrderCommand::Fills { account };
            (Body::Fills(Fills { fills: Vec::new() }), each(named, &command)?)
        }
        Operation::Positions(named) => {
            let command = |account| OrderCommand::Positions { account };
            (Body::Positions(Positions { accounts: Vec::new() }), each(named, &command)?)
        }
        Operation::CancelAllAfter(CancelAllAfter { account, after_ms }) => {
            let timer = |account| OrderCommand::CancelAllAfter { account, after_ms };
            (Body::CancelTimers(CancelTimers { accounts: Vec::new() }), each(account, &timer)?)
        }
        Operation::Tighten(account, state) => {
            let command = OrderCommand::Tighten { account: account.clone(), state };
            (Body::TradingState(None), about(&account, command)?)
        }
    };
    Ok((body, commands, None))
}

/// The timers of all of a caller's accounts that can be asked, and why another one cannot.
fn all_timers(
    gateway: &Gateway,
    caller: &Caller,
    after_ms: Option<u64>,
) -> Result<Planned, Problem> {
    let known = gateway.known()?;
    let customer = &caller.0.customer;
    let (mut commands, mut missing) = (Vec::new(), None);
    for account in known.accounts(customer) {
        match known.market_for(customer, &account).and_then(|market| gateway.link(market)) {
            Ok(link) => commands.push((link, OrderCommand::CancelAllAfter { account, after_ms })),
            Err(problem) => missing = missing.or(Some(problem)),
        }
    }
    Ok((Body::CancelTimers(CancelTimers { accounts: Vec::new() }), commands, missing))
}
