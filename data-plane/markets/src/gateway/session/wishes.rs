//! What an algo asks for over its session. Decides whether it may and which Market is asked; what follows
//! is queued to the session by that Market's link. A wish that cannot be granted is told and ends nothing. Operations are
//! `requests`' decision.

use super::requests::Requests;
use crate::{
    clock::Clock,
    gateway::{
        Gateway,
        directory::Directory,
        operations::Operation,
        port::Port,
        rate::{Bucket, Share},
        trade_link::{Ask, PrivateStream, Wanted},
    },
    limits,
};
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tradewind_domain::ids::{AccountId, CustomerId, InstrumentId, MarketId};
use tradewind_protocol::{
    Code, Problem,
    orders::{CancelAllAfter, OrderQuery},
    stream::{Channel, FromAlgo, Position, ToAlgo, Topic},
    token::Claims,
    trade::PrivateChannel,
};

/// Of a frame that cannot be read, the number under which it can be answered.
#[derive(Deserialize)]
struct Numbered {
    request: u64,
}

/// The wishes of one session.
pub(super) struct Wishes {
    gateway: Gateway,
    directory: watch::Receiver<Option<Arc<Directory>>>,
    port: Arc<Port>,
    customer: CustomerId,
    /// Where each topic was subscribed: routes may have changed when it is unsubscribed.
    granted: BTreeMap<Topic, MarketId>,
    requests: Requests,
    clock: Clock,
    /// Of the frames that are read.
    frames: Bucket,
}

impl Wishes {
    pub(super) fn new(
        gateway: Gateway,
        port: Arc<Port>,
        claims: &Claims,
        requests: Requests,
    ) -> Self {
        let (customer, directory) = (claims.customer.clone(), gateway.directory());
        let (granted, clock, frames) = (BTreeMap::new(), Clock::start(), Bucket::default());
        Self { gateway, directory, port, customer, granted, requests, clock, frames }
    }

    /// Waits until the algo has taken so much that it may ask for more; false if it takes nothing.
    pub(super) async fn relieved(&self, within: Duration) -> bool {
        self.port.relieved(within).await
    }

    /// Takes a frame, and the time that a session has for one. What cannot be read, nor answered, is the error.
    pub(super) async fn take(&mut self, text: &str) -> Result<(), String> {
        let a_second = self.gateway.settings().requests_per_second;
        let a_second = a_second.saturating_mul(limits::READ_AHEAD);
        while let Err(wait) = self.frames.take(a_second, self.clock.now()) {
            sleep(wait).await;
        }
        let error = match serde_json::from_str::<FromAlgo>(text) {
            Ok(frame) => {
                self.grant(frame).await;
                return Ok(());
            }
            Err(error) => format!("the frame is not a message: {error}"),
        };
        let Ok(Numbered { request }) = serde_json::from_str(text) else { return Err(error) };
        self.requests.refuse(request, Problem::new(Code::MalformedRequest, error));
        Ok(())
    }

    /// Grants a wish or tells why not.
    async fn grant(&mut self, frame: FromAlgo) {
        let (request, operation) = match frame {
            FromAlgo::Subscribe { channel, instrument, account, from } => {
                let granted = self.subscribe((channel, instrument, account), from).await;
                return self.tell(granted);
            }
            FromAlgo::Unsubscribe { channel, instrument, account } => {
                let granted = self.unsubscribe_named((channel, instrument, account)).await;
                return self.tell(granted);
            }
            FromAlgo::Submit { request, order } => (request, Operation::Submit(order)),
            FromAlgo::Get { request, order_id } => (request, Operation::Get(order_id)),
            FromAlgo::Replace { request, order_id, replace } => {
                (request, Operation::Replace(order_id, replace))
            }
            FromAlgo::Cancel { request, order_id } => (request, Operation::Cancel(order_id)),
            FromAlgo::List { request, account, client_order_id, open } => {
                (request, Operation::List(OrderQuery { account, client_order_id, open }))
            }
            FromAlgo::Fills { request, account } => (request, Operation::Fills(account)),
            FromAlgo::Positions { request, account } => (request, Operation::Positions(account)),
            FromAlgo::CancelAllAfter { request, account, after_ms } => {
                (request, Operation::CancelAllAfter(CancelAllAfter { account, after_ms }))
            }
            FromAlgo::Tighten { request, account, state } => {
                (request, Operation::Tighten(account, state))
            }
        };
        self.requests.ask(request, operation).await;
    }

    fn tell(&self, granted: Result<(), Problem>) {
        if let Err(Problem { code, detail, .. }) = granted {
            self.port.ordered(&ToAlgo::Error { code, detail });
        }
    }

    /// Waits until the session may ask for more: what has no answer of its own is read later, not refused, unless others of the
    /// session take all that there is.
    async fn paced(&self) -> Result<(), Problem> {
        let admitted = async {
            while let Err(wait) = self.gateway.rates().take(self.requests.session(), Share::Rest) {
                sleep(wait).await;
            }
        };
        timeout(limits::PACED_WITHIN, admitted).await.map_err(|_| {
            let detail = "the session asks so much that this was not done; ask for it again later";
            Problem::new(Code::TooManyRequests, detail)
        })
    }

    async fn subscribe(&mut self, named: Named, from: Option<Position>) -> Result<(), Problem> {
        self.paced().await?;
        let topic = topic_of(named)?;
        let directory = self.gateway.known()?;
        let market = self.market_of(&directory, &topic)?.clone();
        if from.is_some() && matches!(topic, Topic::Quotes { .. }) {
            let detail = "quotes have no `from`: they are a state, and begin with the latest";
            return Err(Problem::new(Code::MalformedRequest, detail));
        }
        let most = self.gateway.settings().subscriptions;
        if !self.port.reserve(&topic, most) {
            let detail = format!("a session has at most {most} subscriptions; unsubscribe some");
            return Err(Problem::new(Code::TooManyRequests, detail));
        }
        if let Some(before) = self.granted.get(&topic).filter(|before| **before != market) {
            self.gateway.link(before)?.leave(self.port.number(), self.wanted(&topic)).await;
        }
        self.ask(topic, market, from).await
    }

    async fn ask(
        &mut self,
        topic: Topic,
        market: MarketId,
        from: Option<Position>,
    ) -> Result<(), Problem> {
        let link = self.gateway.link(&market)?;
        let (port, wanted) = (self.port.clone(), self.wanted(&topic));
        self.granted.insert(topic, market);
        link.ask(Ask::Subscribe { port, wanted, from }).await;
        Ok(())
    }

    async fn unsubscribe_named(&mut self, named: Named) -> Result<(), Problem> {
        self.paced().await?;
        self.unsubscribe(topic_of(named)?).await
    }

    async fn unsubscribe(&mut self, topic: Topic) -> Result<(), Problem> {
        let market = self
            .granted
            .remove(&topic)
            .ok_or_else(|| Problem::new(Code::NotFound, "that is not subscribed"))?;
        self.gateway.link(&market)?.leave(self.port.number(), self.wanted(&topic)).await;
        self.port.release(&topic);
        self.port.ordered(&ToAlgo::Unsubscribed { topic });
        Ok(())
    }

    /// Waits until another desired state counts.
    pub(super) async fn changed(&mut self) {
        if self.directory.changed().await.is_err() {
            // The gateway is gone; it closes its sessions itself.
            std::future::pending().await
        }
    }

    /// What was granted follows its instrument or account to another Market, and ends where the customer
    /// has no right to it any more. What is nowhere at the moment stays where it was.
    pub(super) async fn follow(&mut self) {
        let Some(directory) = self.directory.borrow_and_update().clone() else { return };
        for (topic, before) in self.granted.clone() {
            let followed = match self.market_of(&directory, &topic) {
                Ok(market) if *market == before => Ok(()),
                Ok(market) => self.move_to(topic, &before, market.clone()).await,
                Err(Problem { code: Code::Forbidden, detail, .. }) => {
                    self.port.ordered(&ToAlgo::Error { code: Code::Forbidden, detail });
                    self.unsubscribe(topic).await
                }
                Err(_) => Ok(()),
            };
            if let Err(Problem { code, detail, .. }) = followed {
                self.port.ordered(&ToAlgo::Error { code, detail });
            }
        }
    }

    async fn move_to(
        &mut self,
        topic: Topic,
        before: &MarketId,
        market: MarketId,
    ) -> Result<(), Problem> {
        let left = self.gateway.link(before)?;
        let from = left.leave(self.port.number(), self.wanted(&topic)).await;
        self.ask(topic, market, from).await
    }

    fn market_of<'a>(
        &self,
        directory: &'a Directory,
        topic: &Topic,
    ) -> Result<&'a MarketId, Problem> {
        match topic {
            Topic::Quotes { instrument } | Topic::Trades { instrument } => {
                directory.market_of(instrument)
            }
            Topic::Orders { account } | Topic::Fills { account } => {
                directory.market_for(&self.customer, account)
            }
        }
    }

    fn wanted(&self, topic: &Topic) -> Wanted {
        let (account, channel) = match topic {
            Topic::Quotes { instrument } => return Wanted::Quotes(instrument.clone()),
            Topic::Trades { instrument } => return Wanted::Trades(instrument.clone()),
            Topic::Orders { account } => (account.clone(), PrivateChannel::Orders),
            Topic::Fills { account } => (account.clone(), PrivateChannel::Fills),
        };
        Wanted::Private(PrivateStream { account, customer: self.customer.clone(), channel })
    }
}

/// A topic as an algo names it.
type Named = (Channel, Option<InstrumentId>, Option<AccountId>);

fn topic_of(named: Named) -> Result<Topic, Problem> {
    match named {
        (Channel::Quotes, Some(instrument), None) => Ok(Topic::Quotes { instrument }),
        (Channel::Trades, Some(instrument), None) => Ok(Topic::Trades { instrument }),
        (Channel::Orders, None, Some(account)) => Ok(Topic::Orders { account }),
        (Channel::Fills, None, Some(account)) => Ok(Topic::Fills { account }),
        (Channel::Quotes | Channel::Trades, _, _) => Err(Problem::new(
            Code::MalformedRequest,
            "`quotes` and `trades` need `instrument`, and no `account`",
        )),
        (Channel::Orders | Channel::Fills, _, _) => Err(Problem::new(
            Code::MalformedRequest,
            "`orders` and `fills` need `account`, and no `instrument`",
        )),
    }
}
