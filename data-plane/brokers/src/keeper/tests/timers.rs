//! Claims about timers: whose orders they cancel, what renews them, and that a restart forgets none.

use super::*;

impl Desk {
    async fn timer(&self, customer: &str, after_ms: Option<u64>) -> Result<bool, Code> {
        let principal =
            Principal { customer: CustomerId::new(customer).unwrap(), trader: None, session: None };
        let command = OrderCommand::CancelAllAfter { account: account(), after_ms };
        let command = Command { fence: fence(), principal, command, routed: None };
        match self.ledger.command(command).await.unwrap().await.unwrap() {
            Reply::Answer(CommandAnswer::CancelTimer { timer }) => Ok(timer.cancel_at.is_some()),
            Reply::Answer(CommandAnswer::Problem { problem }) => Err(problem.code),
            other => panic!("{other:?}"),
        }
    }

    async fn submit_as_customer(&self, customer: &str, name: &str) -> Order {
        let principal =
            Principal { customer: CustomerId::new(customer).unwrap(), trader: None, session: None };
        let command = OrderCommand::Submit { account: None, order: resting(name) };
        let command = Command { fence: fence(), principal, command, routed: None };
        match self.ledger.command(command).await.unwrap().await.unwrap() {
            Reply::Answer(CommandAnswer::Order { order, .. }) => *order,
            other => panic!("{other:?}"),
        }
    }

    async fn with_two(&self) {
        let assignment = Assignment {
            fence: fence(),
            customers: [acme(), CustomerId::new("bolt").unwrap()].into(),
            venue: VenueId::new("sim").unwrap(),
            controls: Default::default(),
        };
        self.ledger.assign(assignment, Vec::new()).await.unwrap();
    }
}

fn canceled(link: &Noted, order: &Order) -> bool {
    link.cancels.lock().unwrap().contains(&order.order_id.venue_order_id)
}

#[tokio::test]
async fn a_timer_cancels_its_customer_s_orders_and_one_that_was_renewed_or_stopped_none() {
    // given
    let desk = Desk::open(&SimulatedDisk::new(1)).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    desk.with_two().await;
    let acmes = desk.submit_as_customer("acme", "o-1").await;
    let bolts = desk.submit_as_customer("bolt", "o-1").await;
    // when: the first would fire before the second
    assert_eq!(desk.timer("acme", Some(1_000)).await, Ok(true));
    assert_eq!(desk.timer("acme", Some(60_000)).await, Ok(true));
    assert_eq!(desk.timer("bolt", Some(1_000)).await, Ok(true));
    // then
    eventually("bolt's is canceled", || canceled(&link, &bolts).then_some(())).await;
    assert!(!canceled(&link, &acmes), "renewed");
    // once: what he orders later stands
    let later = desk.submit_as_customer("bolt", "o-2").await;
    assert_eq!(desk.timer("acme", Some(1_000)).await, Ok(true));
    assert_eq!(desk.timer("acme", None).await, Ok(false));
    let again = desk.submit_as_customer("bolt", "o-3").await;
    assert_eq!(desk.timer("bolt", Some(1_000)).await, Ok(true));
    let both = || (canceled(&link, &again) && canceled(&link, &later)).then_some(());
    eventually("bolt's are canceled", both).await;
    assert!(!canceled(&link, &acmes), "stopped");
    desk.close().await;
}

#[tokio::test]
async fn a_timer_fires_although_the_broker_was_dead_when_it_was_due() {
    let disk = SimulatedDisk::new(1);
    let desk = Desk::open(&disk).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    let order = desk.submit("o-1").await.unwrap();
    desk.until(&order, OrderState::PendingNew).await;
    assert_eq!(desk.timer("acme", Some(1_000)).await, Ok(true));
    desk.die().await;
    let desk = Desk::open(&disk).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    eventually("it is canceled", || canceled(&link, &order).then_some(())).await;
    desk.close().await;
}

#[tokio::test]
async fn a_timer_has_bounds_and_is_only_for_who_may_use_the_account() {
    let desk = Desk::open(&SimulatedDisk::new(1)).await;
    for (customer, after_ms, code) in [
        ("acme", 999, Code::Refused),
        ("acme", 24 * 3_600_000 + 1, Code::Refused),
        ("acme", u64::MAX, Code::Refused),
        ("eve", 5_000, Code::Forbidden),
    ] {
        assert_eq!(desk.timer(customer, Some(after_ms)).await, Err(code), "{customer} {after_ms}");
    }
    desk.close().await;
}
