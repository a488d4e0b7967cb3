//! Claims about orders that are tied to their session: whose they are canceled with, what keeps them, and that a restart
//! forgets none and hurries none.

use super::*;
use crate::limits::PRESENCE_LOOK_EVERY;
use tradewind_domain::{
    ids::SessionId,
    limits::{AWAY_MIN, PRESENCE_EVERY, PRESENCE_LATE},
    trading::{CancelOnDisconnect, presence::SessionKey},
};
use tradewind_protocol::{problem::Problem, trade::Seen};

const AWAY: CancelOnDisconnect = CancelOnDisconnect { after_ms: 5_000 };

fn in_session(session: Option<&str>) -> Principal {
    let session = session.map(|name| SessionId::new(name).unwrap());
    Principal { customer: acme(), trader: None, session }
}

fn seen(session: &str) -> Seen {
    let session = SessionKey { customer: acme(), session: SessionId::new(session).unwrap() };
    Seen { session, silent_ms: 0 }
}

impl Desk {
    async fn submit_in(
        &self,
        session: Option<&str>,
        name: &str,
        away: Option<CancelOnDisconnect>,
    ) -> Result<Order, Problem> {
        let order = NewOrder { cancel_on_disconnect: away, ..resting(name) };
        let command = OrderCommand::Submit { account: None, order };
        self.ask_in(session, command).await
    }

    async fn ask_in(&self, session: Option<&str>, command: OrderCommand) -> Result<Order, Problem> {
        let principal = in_session(session);
        let command = Command { fence: fence(), principal, command, routed: None };
        match self.ledger.command(command).await.unwrap().await.unwrap() {
            Reply::Answer(CommandAnswer::Order { order, .. }) => Ok(*order),
            Reply::Answer(CommandAnswer::Problem { problem }) => Err(problem),
            other => panic!("{other:?}"),
        }
    }

    async fn present(&self, sessions: &[&str]) -> Vec<String> {
        let sessions = sessions.iter().map(|name| seen(name)).collect();
        let watched = self.ledger.present(sessions).await.unwrap().await.unwrap();
        watched.into_iter().map(|key| key.session.to_string()).collect()
    }
}

fn canceled(link: &Noted, order: &Order) -> bool {
    link.cancels.lock().unwrap().contains(&order.order_id.venue_order_id)
}

/// How long after its last word a session's orders may be canceled at the earliest, and at the latest on a busy machine.
const EARLIEST: Duration = AWAY_MIN.saturating_add(PRESENCE_LATE);
const LATEST: Duration = EARLIEST.saturating_add(Duration::from_secs(4));

#[tokio::test]
async fn with_a_session_that_is_gone_go_its_orders_that_are_tied_to_it_and_no_others() {
    // given
    let desk = Desk::open(&SimulatedDisk::new(1)).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    let gone = desk.submit_in(Some("gone"), "gone", Some(AWAY)).await.unwrap();
    let longer = CancelOnDisconnect { after_ms: 60_000 };
    let kept = [
        desk.submit_in(Some("gone"), "untied", None).await.unwrap(),
        desk.submit_in(Some("gone"), "longer", Some(longer)).await.unwrap(),
        desk.submit_in(Some("told"), "told", Some(AWAY)).await.unwrap(),
        desk.submit_in(Some("asks"), "asks", Some(AWAY)).await.unwrap(),
    ];
    let ended = desk.submit_in(Some("ended"), "ended", Some(AWAY)).await.unwrap();
    let id = ended.order_id.venue_order_id;
    let rejected = Refusal { placed: Placed::No, reason: "no".to_string() };
    desk.event(Event::Submitted { order: id, result: Err(rejected) }).await;
    desk.until(&ended, OrderState::Rejected).await;
    let began = Instant::now();
    // when: one is told as connected, and one asks something now and then
    let deadline = began + LATEST;
    while !canceled(&link, &gone) {
        assert!(Instant::now() < deadline, "it is not canceled");
        let watched = desk.present(&["told", "ended", "another"]).await;
        assert_eq!(watched, ["told"], "of those named, the ones that orders stand for");
        let get = OrderCommand::Get { order_id: kept[3].order_id.clone() };
        desk.ask_in(Some("asks"), get).await.unwrap();
        tokio::time::sleep(PRESENCE_EVERY).await;
    }
    // then
    assert!(began.elapsed() + Duration::from_millis(100) >= EARLIEST, "{:?}", began.elapsed());
    assert!(kept.iter().all(|order| !canceled(&link, order)));
    assert_eq!(link.cancels.lock().unwrap().iter().filter(|other| **other == id).count(), 0);
    desk.close().await;
}

#[tokio::test]
async fn a_restart_of_the_broker_forgets_no_tie_and_gives_each_session_its_full_time_anew() {
    // given a session that is silent from the start
    let disk = SimulatedDisk::new(1);
    let desk = Desk::open(&disk).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    let order = desk.submit_in(Some("s"), "o-1", Some(AWAY)).await.unwrap();
    let (id, result) = (order.order_id.venue_order_id, Ok(taken(&order, OrderState::New)));
    desk.event(Event::Submitted { order: id, result }).await;
    desk.until(&order, OrderState::New).await;
    let half = Instant::now() + EARLIEST / 2;
    eventually("half of its time is over", || (Instant::now() >= half).then_some(())).await;
    // when
    desk.die().await;
    let desk = Desk::open(&disk).await;
    let again = Instant::now();
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    // then
    let deadline = again + LATEST;
    while !canceled(&link, &order) {
        assert!(Instant::now() < deadline, "it is not canceled");
        tokio::time::sleep(PRESENCE_LOOK_EVERY).await;
    }
    assert!(again.elapsed() + Duration::from_millis(100) >= EARLIEST, "{:?}", again.elapsed());
    desk.close().await;
}

#[tokio::test]
async fn a_customers_timer_and_a_session_that_is_there_do_not_stop_each_other() {
    // given
    let desk = Desk::open(&SimulatedDisk::new(1)).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    let tied = desk.submit_in(Some("s"), "o-1", Some(AWAY)).await.unwrap();
    let untied = desk.submit_in(Some("s"), "o-2", None).await.unwrap();
    // when: the session is there all the time
    let after = OrderCommand::CancelAllAfter { account: account(), after_ms: Some(1_000) };
    desk.ask(after).await.unwrap();
    // then
    let deadline = Instant::now() + Duration::from_secs(10);
    while !(canceled(&link, &tied) && canceled(&link, &untied)) {
        assert!(Instant::now() < deadline, "the timer fires all the same");
        desk.present(&["s"]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    desk.close().await;
}
