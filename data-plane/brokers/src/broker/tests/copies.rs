//! A Broker whose ledger has a copy elsewhere, over real sockets and disks, judged by the venue's own ledger.

use super::*;
use crate::copies::{
    serve::{routes as copy_routes, serve},
    shelf::Shelf,
};
use std::{net::SocketAddr, path::PathBuf};
use tradewind_domain::{
    control::desired::CopiesWanted,
    ids::{Incarnation, ManagerId},
    trading::copies::Naming,
};
use tradewind_link::listen;
use tradewind_protocol::copies::LedgerState;

/// A BrokerManager's part in it.
struct CopyHolder {
    address: SocketAddr,
    directory: PathBuf,
    tasks: JoinSet<()>,
}

fn holder() -> ManagerId {
    "b.broker-manager".parse().unwrap()
}

impl CopyHolder {
    async fn start(directory: PathBuf, listen: SocketAddr) -> Self {
        let (router, mut pipes) = copy_routes(&holder(), Incarnation(1));
        let listener = listen::bind(listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shelf = Arc::new(Shelf::at(directory.clone(), Arc::new(RealDisk)));
        let mut tasks = JoinSet::new();
        let limits = listen::Limits::default();
        tasks.spawn(listen::serve(listener, router, limits, CancellationToken::new()));
        tasks.spawn(async move {
            let mut served = JoinSet::new();
            while let Some(pipe) = pipes.recv().await {
                served.spawn(serve(pipe, shelf.clone()));
            }
        });
        Self { address, directory, tasks }
    }

    async fn new(world: &World) -> Self {
        Self::start(world.beside("copies"), "127.0.0.1:0".parse().unwrap()).await
    }

    /// As it is killed, and comes back to its address.
    async fn back(mut self, between: impl Future<Output = ()>) -> Self {
        self.tasks.shutdown().await;
        between.await;
        Self::start(self.directory, self.address).await
    }

    fn wanted(&self, right: u64, since: u64) -> CopiesWanted {
        CopiesWanted {
            right: fence(right),
            naming: Naming { since: fence(since), holder: Some(holder()) },
            address: Some(self.address.to_string()),
            succeeds: false,
        }
    }
}

fn with(world: &World, epoch: u64, copies: CopiesWanted) -> BrokerWanted {
    BrokerWanted { copies: Some(copies), ..world.wanted(epoch) }
}

async fn stands(broker: &Process, state: LedgerState) {
    eventually(&format!("its ledger is {state:?}"), || {
        let told = broker.reporter.told_of_ledger();
        (told.map(|told| told.state) == Some(state)).then_some(())
    })
    .await;
}

/// A Broker with two copies, and a Market.
async fn two(world: &World, copy: &CopyHolder) -> (Process, Market) {
    let wanted = with(world, 10, copy.wanted(10, 11));
    let broker = world.broker_in(world.directory(), wanted).await;
    broker.live().await;
    stands(&broker, LedgerState::TwoCopies).await;
    let market = Market::connect(broker.address, "a1", 10).await;
    (broker, market)
}

/// The account's ledger continued elsewhere, from the copy alone.
async fn continued(world: &World, copy: &CopyHolder) -> (Process, Market) {
    let mut copies = copy.wanted(12, 11);
    copies.succeeds = true;
    let successor =
        world.broker_in(world.beside("elsewhere/ledger"), with(world, 12, copies)).await;
    eventually("it has the ledger", || {
        let told = successor.reporter.told_of_ledger()?.told;
        (told.loaded == Some(fence(12))).then_some(())
    })
    .await;
    // The leader's word: it counts, and nobody keeps a copy yet.
    let naming = Naming { since: fence(13), holder: None };
    let copies = CopiesWanted { right: fence(12), naming, address: None, succeeds: false };
    let wanted = with(world, 13, copies);
    successor.configure.send_replace(Some(Configuration::Broker { wanted }));
    successor.live().await;
    let market = Market::connect(successor.address, "a1", 13).await;
    (successor, market)
}

async fn listed(market: &Market) -> Vec<String> {
    let list = OrderCommand::List { account: account(), client_order_id: None, open: false };
    match market.command(fence(13), principal("acme"), list).await {
        CommandAnswer::Orders { orders } => {
            orders.into_iter().map(|order| order.client_order_id.to_string()).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn submit(name: &str) -> OrderCommand {
    OrderCommand::Submit { account: None, order: resting_order(name) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_accepted_or_sent_before_the_copy_has_it_and_then_it_is() {
    // given
    let world = World::new().await;
    let copy = CopyHolder::new(&world).await;
    let (_broker, market) = two(&world, &copy).await;
    market.submit("acme", resting_order("before")).await.unwrap();
    // when its copy is away
    let mut asked = 0;
    let copy = copy
        .back(async {
            asked = market.ask(fence(10), principal("acme"), submit("meanwhile")).await;
            // A later answer on the same pipe proves that the command was taken, and that nothing came of it.
            tokio::time::timeout(Duration::from_millis(300), async {
                while market.answer(asked).is_none() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
            .await
            .unwrap_err();
            assert_eq!(world.venue.judge().await.arrivals.len(), 1);
        })
        .await;
    // then it is accepted when that is back
    let answer = eventually("an answer", || market.answer(asked)).await;
    let CommandAnswer::Order { order, created: true } = answer else { panic!("{answer:?}") };
    let late = market.order_until("acme", &order.order_id, |o| o.state != OrderState::Accepted);
    assert_ne!(late.await.state, OrderState::Unknown);
    drop(copy);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_whose_disk_is_lost_goes_on_from_its_copy_under_the_same_numbers() {
    // given
    let world = World::new().await;
    let copy = CopyHolder::new(&world).await;
    let (broker, market) = two(&world, &copy).await;
    let mut names = Vec::new();
    for n in 0..20 {
        let (order, _) = market.submit("acme", resting_order(&format!("o-{n}"))).await.unwrap();
        names.push(order.client_order_id.to_string());
    }
    let opened = market.subscribe(1, "acme", PrivateChannel::Orders, None).await;
    let TradeUp::PrivateOpened { position: before, .. } = opened else { panic!("{opened:?}") };
    let (filled, _) = market.submit("acme", market_order("fills")).await.unwrap();
    names.push("fills".to_owned());
    market.order_until("acme", &filled.order_id, |o| o.state == OrderState::Filled).await;
    let told = market.private(1);
    // when
    broker.kill().await;
    std::fs::remove_dir_all(world.directory()).unwrap();
    let (_successor, market) = continued(&world, &copy).await;
    // then
    assert_eq!(listed(&market).await, names);
    let opened = market.subscribe(1, "acme", PrivateChannel::Orders, None).await;
    let TradeUp::PrivateOpened { position, .. } = opened else { panic!("{opened:?}") };
    assert_eq!(position.epoch, before.epoch, "the same stream");
    assert!(position.seq >= told.last().unwrap().0, "and its numbers go on");
    // and no order is at the venue twice or missing
    let again = market.command(fence(13), principal("acme"), submit("o-3")).await;
    assert!(matches!(again, CommandAnswer::Order { created: false, .. }), "{again:?}");
    let judge = world.venue.judge().await;
    let mut ids: Vec<_> = judge.arrivals.iter().map(|arrival| arrival.venue_order_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), judge.arrivals.len()), (names.len(), names.len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_whose_copy_is_sealed_accepts_and_sends_nothing_more_and_says_so() {
    // given
    let world = World::new().await;
    let copy = CopyHolder::new(&world).await;
    let (old, market) = two(&world, &copy).await;
    market.submit("acme", resting_order("before")).await.unwrap();
    // when
    let (_successor, elsewhere) = continued(&world, &copy).await;
    // then
    let asked = market.ask(fence(10), principal("acme"), submit("late")).await;
    stands(&old, LedgerState::Sealed).await;
    let answer = market.answer(asked);
    assert!(!matches!(answer, Some(CommandAnswer::Order { .. })), "{answer:?}");
    assert!(old.said.borrow().1.contains("sealed"), "{:?}", old.said.borrow());
    assert_eq!(listed(&elsewhere).await, ["before"]);
    assert_eq!(world.venue.judge().await.arrivals.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_goes_on_alone_when_it_is_told_so_and_fills_the_next_copy() {
    // given a Broker whose copy is gone for good
    let world = World::new().await;
    let mut copy = CopyHolder::new(&world).await;
    let (broker, market) = two(&world, &copy).await;
    copy.tasks.shutdown().await;
    let asked = market.ask(fence(10), principal("acme"), submit("waits")).await;
    // when the leader names nobody
    let naming = Naming { since: fence(14), holder: None };
    let alone = CopiesWanted { right: fence(10), naming, address: None, succeeds: false };
    let told = |copies| {
        let wanted = with(&world, 10, copies);
        broker.configure.send_replace(Some(Configuration::Broker { wanted }));
    };
    told(alone);
    // then
    let answer = eventually("an answer", || market.answer(asked)).await;
    assert!(matches!(answer, CommandAnswer::Order { created: true, .. }), "{answer:?}");
    stands(&broker, LedgerState::Single).await;
    // and another copy joins while it trades
    let next = CopyHolder::start(world.beside("others"), "127.0.0.1:0".parse().unwrap()).await;
    told(next.wanted(10, 15));
    stands(&broker, LedgerState::TwoCopies).await;
    eventually("the leader is told that it has joined", || {
        let told = broker.reporter.told_of_ledger().unwrap().told;
        (told.joined == Some(fence(15))).then_some(())
    })
    .await;
    market.submit("acme", resting_order("after")).await.unwrap();
}
