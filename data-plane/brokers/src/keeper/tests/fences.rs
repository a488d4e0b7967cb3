//! Claims about rights of Traders that are put on record before their copies start (T1).

use super::*;
use tradewind_domain::control::desired::TraderFence;
use tradewind_protocol::{problem::Code, token::TraderClaim};

fn trader() -> TraderId {
    TraderId::new("t").unwrap()
}

fn assignment(epoch: u64) -> Assignment {
    Assignment {
        fence: Fence { epoch: Epoch(epoch), ..fence() },
        customers: [acme()].into(),
        venue: VenueId::new("sim").unwrap(),
        controls: Default::default(),
    }
}

fn right(epoch: u64) -> Vec<TraderFence> {
    vec![TraderFence { trader: trader(), customer: acme(), epoch: Epoch(epoch) }]
}

impl Desk {
    async fn ask_as(&self, copy: u64, command: OrderCommand) -> Option<CommandAnswer> {
        let claim = TraderClaim { trader: trader(), epoch: Epoch(copy) };
        let principal = Principal { customer: acme(), trader: Some(claim), session: None };
        let command = Command { fence: fence(), principal, command, routed: None };
        match self.ledger.command(command).await.ok()?.await.ok()? {
            Reply::Answer(answer) => Some(answer),
            Reply::FillsOf(_) => None,
        }
    }

    async fn submit_as(&self, copy: u64, name: &str) -> Result<Order, Code> {
        let submit = OrderCommand::Submit { account: None, order: resting(name) };
        match self.ask_as(copy, submit).await.unwrap() {
            CommandAnswer::Order { order, .. } => Ok(*order),
            CommandAnswer::Problem { problem } => Err(problem.code),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn once_a_traders_right_is_on_record_no_earlier_copy_sends_and_its_cancels_pass() {
    // given: a copy that trades, and no order of a later one
    let disk = SimulatedDisk::new(1);
    let desk = Desk::open(&disk).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    let order = desk.submit_as(5, "o-1").await.unwrap();
    // when
    desk.ledger.assign(assignment(fence().epoch.0), right(9)).await.unwrap();
    let on_record = || (desk.reporter.has_fenced().get(&trader()) == Some(&Epoch(9))).then_some(());
    eventually("it is on record", on_record).await;
    // then
    assert_eq!(desk.submit_as(5, "o-2").await, Err(Code::StaleTrader));
    let cancel = OrderCommand::Cancel { order_id: order.order_id.clone() };
    let answer = desk.ask_as(5, cancel).await;
    assert!(matches!(answer, Some(CommandAnswer::Order { .. })), "{answer:?}");
    // and another life of the Broker knows it, though it is asked for no more
    desk.die().await;
    disk.cut_power();
    disk.restart();
    let desk = Desk::open(&disk).await;
    desk.connect(&Arc::new(Noted::default())).await;
    assert_eq!(desk.submit_as(5, "o-3").await, Err(Code::StaleTrader));
    assert!(desk.submit_as(9, "o-4").await.is_ok());
    // and what is asked for no more is told no more
    assert!(desk.reporter.has_fenced().is_empty());
    desk.close().await;
}

#[tokio::test]
async fn a_right_that_is_not_durable_is_not_told() {
    // given
    let disk = SimulatedDisk::new(1);
    let mut desk = Desk::open(&disk).await;
    disk.fail_syncs(true);
    // when
    desk.ledger.assign(assignment(fence().epoch.0), right(9)).await.unwrap();
    // then: the ledger has failed
    let ended = desk.tasks.join_next().await.unwrap().unwrap();
    assert!(ended.is_err(), "{ended:?}");
    assert!(desk.reporter.has_fenced().is_empty());
}

#[tokio::test]
async fn a_broker_that_was_superseded_puts_nothing_on_record() {
    // given: a later Broker was seen
    let disk = SimulatedDisk::new(1);
    let desk = Desk::open(&disk).await;
    let later = Fence { epoch: Epoch(fence().epoch.0 + 5), ..fence() };
    let (principal, order) =
        (Principal { customer: acme(), trader: None, session: None }, resting("o-1"));
    let command = OrderCommand::Submit { account: None, order };
    let refused = desk
        .ledger
        .command(Command { fence: later, principal, command, routed: None })
        .await
        .unwrap();
    refused.await.unwrap();
    // when
    desk.ledger.assign(assignment(fence().epoch.0), right(9)).await.unwrap();
    // Asked behind it: what it came to stands when this is answered.
    let list = OrderCommand::List { account: account(), client_order_id: None, open: true };
    desk.ask(list).await;
    // then
    assert!(desk.reporter.has_fenced().is_empty());
    desk.close().await;
}
