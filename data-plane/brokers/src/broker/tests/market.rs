//! A Market's end of a pipe, and the orders it sends. Decides nothing; keeps all it hears.

use super::{
    super::TRADE_PATH,
    world::{WITHIN, account, btc, customer, eventually, fence},
};
use futures_util::FutureExt as _;
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;
use tradewind_domain::{
    ids::{ClientOrderId, Fence, Incarnation, OrderId},
    trading::{Conditions, NewOrder, Order, OrderType, Side, TimeInForce},
};
use tradewind_link::pipe;
use tradewind_protocol::{
    link::{Hello, PROTOCOL},
    problem::{Code, Problem},
    stream::Position,
    trade::{
        CommandAnswer, OrderCommand, Principal, PrivateChannel, PrivateEvent, TradeDown, TradeUp,
    },
};

/// A Market's end of the pipe; keeps all it hears.
pub(super) struct Market {
    sender: pipe::Sender<TradeDown>,
    pub(super) heard: Arc<Mutex<Vec<TradeUp>>>,
    requests: AtomicU64,
    _listens: JoinSet<()>,
}

/// A private event as heard: number, number before, event.
pub(super) type Heard = (u64, u64, PrivateEvent);

impl Market {
    pub(super) async fn connect(broker: SocketAddr, from: &str, epoch: u64) -> Self {
        let hello = Hello {
            protocol: PROTOCOL,
            purpose: "trade".to_string(),
            from: format!("{from}.market-manager/market.crypto.0"),
            to: "broker.sim-1.0".to_string(),
            incarnation: Incarnation(1),
            fence: fence(epoch),
        };
        let target = format!("{broker}{TRADE_PATH}");
        let (sender, mut events) = pipe::dial::<TradeDown, TradeUp>(
            move || std::future::ready(Ok(target.clone())).boxed(),
            move || hello.clone(),
            pipe::Options::default(),
        );
        let heard = Arc::new(Mutex::new(Vec::new()));
        let keep = heard.clone();
        let mut listens = JoinSet::new();
        listens.spawn(async move {
            while let Some(event) = events.next().await {
                if let pipe::Event::Message(message) = event {
                    keep.lock().unwrap().push(message);
                }
            }
        });
        eventually("the pipe is up", || sender.is_up().then_some(())).await;
        Self { sender, heard, requests: AtomicU64::new(1), _listens: listens }
    }

    pub(super) async fn send(&self, message: TradeDown) {
        self.sender.send(message).await.unwrap();
    }

    /// Sends a command and gives its number.
    pub(super) async fn ask(&self, fence: Fence, principal: Principal, c: OrderCommand) -> u64 {
        let request = self.requests.fetch_add(1, Ordering::SeqCst);
        let command = TradeDown::Command { request, fence, principal, command: c, routed: None };
        self.send(command).await;
        request
    }

    pub(super) fn answer(&self, number: u64) -> Option<CommandAnswer> {
        self.heard.lock().unwrap().iter().find_map(|message| match message {
            TradeUp::Answer { request, answer } if *request == number => Some(answer.clone()),
            _ => None,
        })
    }

    pub(super) async fn command(
        &self,
        fence: Fence,
        principal: Principal,
        command: OrderCommand,
    ) -> CommandAnswer {
        let request = self.ask(fence, principal, command).await;
        eventually("an answer", || self.answer(request)).await
    }

    pub(super) async fn submit(
        &self,
        who: &str,
        order: NewOrder,
    ) -> Result<(Order, bool), Problem> {
        let command = OrderCommand::Submit { account: None, order };
        match self.command(fence(10), principal(who), command).await {
            CommandAnswer::Order { order, created } => Ok((*order, created)),
            CommandAnswer::Problem { problem } => Err(problem),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn cancel(&self, who: &str, order_id: &OrderId) -> Result<Order, Code> {
        let command = OrderCommand::Cancel { order_id: order_id.clone() };
        match self.command(fence(10), principal(who), command).await {
            CommandAnswer::Order { order, .. } => Ok(*order),
            CommandAnswer::Problem { problem } => Err(problem.code),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn list(&self, who: &str) -> Vec<Order> {
        let list = OrderCommand::List { account: account(), client_order_id: None, open: false };
        match self.command(fence(10), principal(who), list).await {
            CommandAnswer::Orders { orders } => orders,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn get(&self, who: &str, order_id: &OrderId) -> Order {
        let get = OrderCommand::Get { order_id: order_id.clone() };
        match self.command(fence(10), principal(who), get).await {
            CommandAnswer::Order { order, .. } => *order,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the ledger says that of the order.
    pub(super) async fn order_until(
        &self,
        who: &str,
        order_id: &OrderId,
        is: impl Fn(&Order) -> bool,
    ) -> Order {
        let deadline = Instant::now() + WITHIN;
        loop {
            let order = self.get(who, order_id).await;
            if is(&order) {
                return order;
            }
            assert!(Instant::now() < deadline, "the order stays {order:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) async fn subscribe(
        &self,
        subscription: u64,
        who: &str,
        channel: PrivateChannel,
        from: Option<Position>,
    ) -> TradeUp {
        let (account, customer) = (account(), customer(who));
        let ask = TradeDown::SubscribePrivate { subscription, account, customer, channel, from };
        self.send(ask).await;
        eventually("a private subscription is answered", || {
            let heard = self.heard.lock().unwrap();
            heard.iter().find(|message| opens(message, subscription)).cloned()
        })
        .await
    }

    /// What has come on a private subscription.
    pub(super) fn private(&self, subscription: u64) -> Vec<Heard> {
        let heard = self.heard.lock().unwrap();
        let own = heard.iter().filter_map(|message| match message {
            TradeUp::Private { subscription: s, seq, prev, event, .. } if *s == subscription => {
                Some((*seq, *prev, event.clone()))
            }
            _ => None,
        });
        own.collect()
    }
}

fn opens(message: &TradeUp, number: u64) -> bool {
    match message {
        TradeUp::PrivateOpened { subscription, .. }
        | TradeUp::PrivateClosed { subscription, .. } => *subscription == number,
        _ => false,
    }
}

pub(super) fn principal(who: &str) -> Principal {
    Principal { customer: customer(who), trader: None, session: None }
}

/// Trades at once.
pub(super) fn market_order(name: &str) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId::new(name).unwrap(),
        instrument: btc(),
        side: Side::Buy,
        order_type: OrderType::Market,
        quantity: "0.001".parse().unwrap(),
        limit_price: None,
        time_in_force: TimeInForce::Ioc,
        conditions: Conditions::NONE,
        cancel_on_disconnect: None,
    }
}

/// Far below the market: rests until canceled.
pub(super) fn resting_order(name: &str) -> NewOrder {
    NewOrder {
        order_type: OrderType::Limit,
        limit_price: "1000".parse().ok(),
        time_in_force: TimeInForce::Gtc,
        ..market_order(name)
    }
}
