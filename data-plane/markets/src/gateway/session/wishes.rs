//! What an algo asks for over its session. Decides whether it may and which Market is asked; what follows
//! is queued to the session by that Market's link. A wish that cannot be granted is told and ends nothing.

use crate::gateway::{
    Gateway,
    directory::Directory,
    port::Port,
    trade_link::{Ask, PrivateStream},
};
use std::{collections::BTreeMap, sync::Arc};
use tradewind_domain::ids::{AccountId, CustomerId, InstrumentId, MarketId};
use tradewind_protocol::{
    Code, Problem,
    stream::{Channel, FromAlgo, Position, ToAlgo, Topic},
    token::Claims,
    trade::PrivateChannel,
};

/// The wishes of one session.
pub(super) struct Wishes {
    gateway: Gateway,
    port: Arc<Port>,
    customer: CustomerId,
    /// Where each topic was subscribed: routes may have changed when it is unsubscribed.
    granted: BTreeMap<Topic, MarketId>,
}

impl Wishes {
    pub(super) fn new(gateway: Gateway, port: Arc<Port>, claims: &Claims) -> Self {
        Self { gateway, port, customer: claims.customer.clone(), granted: BTreeMap::new() }
    }

    /// Waits until the algo has taken so much that it may ask for more.
    pub(super) async fn relieved(&self) {
        self.port.relieved().await;
    }

    /// Grants a wish or tells why not.
    pub(super) async fn grant(&mut self, frame: FromAlgo) {
        let granted = match frame {
            FromAlgo::Subscribe { channel, instrument, account, from } => {
                match topic_of(channel, instrument, account) {
                    Ok(topic) => self.subscribe(topic, from).await,
                    Err(problem) => Err(problem),
                }
            }
            FromAlgo::Unsubscribe { channel, instrument, account } => {
                match topic_of(channel, instrument, account) {
                    Ok(topic) => self.unsubscribe(topic).await,
                    Err(problem) => Err(problem),
                }
            }
        };
        if let Err(Problem { code, detail, .. }) = granted {
            self.port.ordered(&ToAlgo::Error { code, detail });
        }
    }

    async fn subscribe(&mut self, topic: Topic, from: Option<Position>) -> Result<(), Problem> {
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
        let port = self.port.clone();
        let ask = match self.private(&topic) {
            Ok(stream) => Ask::SubscribePrivate { port, stream, from },
            Err(instrument) => Ask::SubscribeQuotes { port, instrument },
        };
        self.granted.insert(topic, market.clone());
        self.gateway.link(&market)?.ask(ask).await;
        Ok(())
    }

    async fn unsubscribe(&mut self, topic: Topic) -> Result<(), Problem> {
        let market = self
            .granted
            .remove(&topic)
            .ok_or_else(|| Problem::new(Code::NotFound, "that is not subscribed"))?;
        let port = self.port.clone();
        let ask = match self.private(&topic) {
            Ok(stream) => Ask::UnsubscribePrivate { port, stream },
            Err(instrument) => Ask::UnsubscribeQuotes { port, instrument },
        };
        self.gateway.link(&market)?.ask(ask).await;
        Ok(())
    }

    fn market_of<'a>(
        &self,
        directory: &'a Directory,
        topic: &Topic,
    ) -> Result<&'a MarketId, Problem> {
        match topic {
            Topic::Quotes { instrument } => directory.market_of(instrument),
            Topic::Orders { account } | Topic::Fills { account } => {
                directory.market_for(&self.customer, account)
            }
        }
    }

    /// The private stream of a topic, or the instrument of a public one.
    fn private(&self, topic: &Topic) -> Result<PrivateStream, InstrumentId> {
        let (account, channel) = match topic {
            Topic::Quotes { instrument } => return Err(instrument.clone()),
            Topic::Orders { account } => (account.clone(), PrivateChannel::Orders),
            Topic::Fills { account } => (account.clone(), PrivateChannel::Fills),
        };
        Ok(PrivateStream { account, customer: self.customer.clone(), channel })
    }
}

fn topic_of(
    channel: Channel,
    instrument: Option<InstrumentId>,
    account: Option<AccountId>,
) -> Result<Topic, Problem> {
    match (channel, instrument, account) {
        (Channel::Quotes, Some(instrument), None) => Ok(Topic::Quotes { instrument }),
        (Channel::Orders, None, Some(account)) => Ok(Topic::Orders { account }),
        (Channel::Fills, None, Some(account)) => Ok(Topic::Fills { account }),
        (Channel::Quotes, _, _) => Err(Problem::new(
            Code::MalformedRequest,
            "`quotes` needs `instrument`, and no `account`",
        )),
        (Channel::Orders | Channel::Fills, _, _) => Err(Problem::new(
            Code::MalformedRequest,
            "`orders` and `fills` need `account`, and no `instrument`",
        )),
    }
}
