//! Claims about a Trader's service whose Manager does not come back. The group is played here.

use super::{super::holder::tests::told, *};
use axum::{extract::State, response::IntoResponse as _, routing::get};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use tradewind_domain::control::{desired::TraderWanted, row::TraderWish};
use tradewind_link::Failure;
use tradewind_protocol::{
    Problem,
    control::{CLUSTER, Stand},
    resources::{One, TraderInfo},
    supervision::TraderAccess,
};

const HERE: &str = "a1.trader-manager";

/// Members that say the same of every Trader, or do not answer for the group.
#[derive(Clone)]
struct Group {
    asked: Arc<AtomicUsize>,
    told: Arc<Mutex<Result<TraderInfo, Code>>>,
    /// The life that they are in.
    life: u64,
}

impl Default for Group {
    fn default() -> Self {
        let told = Arc::new(Mutex::new(Err(Code::Unavailable)));
        Self { asked: Arc::default(), told, life: fence(5).cluster.0 }
    }
}

impl Group {
    async fn start(&self) -> (String, tokio_util::sync::DropGuard) {
        let answer = async |State(group): State<Self>| {
            group.asked.fetch_add(1, Ordering::Relaxed);
            let mut said = match group.told.lock().unwrap().clone() {
                Ok(item) => Json(One { stand: Stand::default(), item }).into_response(),
                Err(code) => Failure(Problem::new(code, "as told")).into_response(),
            };
            said.headers_mut().insert(CLUSTER, group.life.into());
            said
        };
        let router = Router::new().route("/v1/traders/algo", get(answer)).with_state(self.clone());
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let end = CancellationToken::new();
        tokio::spawn(listen::serve(listener, router, listen::Limits::default(), end.clone()));
        (address, end.drop_guard())
    }

    fn tell(&self, told: TraderInfo) {
        *self.told.lock().unwrap() = Ok(told);
    }

    /// Until it was asked anew, more often than one question asks: what was asked before this may be answered with what was.
    async fn asked_again(&self) {
        let (before, until) = (self.asked.load(Ordering::Relaxed), Instant::now() + PATIENCE);
        while self.asked.load(Ordering::Relaxed) < before + 12 {
            assert!(Instant::now() < until, "the group is not asked");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn trader(members: Vec<String>) -> ToService {
    let wanted = TraderWanted {
        trader: "algo".parse().unwrap(),
        customer: "acme".parse().unwrap(),
        fence: fence(5),
        command: vec!["algo".to_owned()],
        run: Default::default(),
        paused: false,
        fencing: false,
        attached: None,
    };
    let access = TraderAccess {
        session_token: "token".to_owned(),
        market_managers: Vec::new(),
        infrastructure_managers: members,
    };
    ToService::Configure { configuration: Configuration::Trader { wanted, access } }
}

/// A Trader's service that had its Manager, was told what to run, and has lost it.
async fn alone(members: Vec<String>) -> World {
    let world = World::start_as("trader.algo", Duration::from_secs(1)).await;
    let (sender, mut events) = dial_as(HERE, "trader.algo", world.address.clone(), 5);
    until(&mut events, |event| matches!(event, Event::Up { .. }).then_some(())).await;
    sender.send(trader(members)).await.unwrap();
    until_says(&mut events, "told").await;
    drop((sender, events));
    world
}

#[tokio::test]
async fn a_trader_ends_only_when_the_group_says_that_another_has_it() {
    // given: nobody answers for the group
    let group = Group::default();
    let (address, _end) = group.start().await;
    let world = alone(vec![address]).await;
    // when, then
    group.asked_again().await;
    assert!(!world.service.is_finished(), "it ended without a word");
    // when: it is still its Manager's, or nobody's
    for at in [Some(HERE), None] {
        group.tell(told(TraderWish::Running, at));
        group.asked_again().await;
        assert!(!world.service.is_finished(), "it ended although {at:?} has it");
    }
    // when
    group.tell(told(TraderWish::Running, Some("b1.trader-manager")));
    // then
    let Err(Error::Superseded(why)) = world.ended().await else { panic!("it ended otherwise") };
    assert_eq!(why, "b1.trader-manager has it");
}

#[tokio::test]
async fn a_trader_goes_on_while_no_member_can_be_reached_and_takes_its_manager_back() {
    // given: members that are gone
    let mut world = alone(vec!["127.0.0.1:1".to_owned()]).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        assert!(!world.service.is_finished(), "it ended without a word");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // when
    let again = world.manager.checked_in().await;
    let (sender, mut events) = dial_as(HERE, "trader.algo", again.address, 5);
    // then
    until_says(&mut events, "told").await;
    sender.send(ToService::Stop).await.unwrap();
    assert!(world.ended().await.is_ok());
}

#[tokio::test]
async fn a_trader_that_is_to_stop_ends_and_one_that_was_told_nothing_does_in_any_case() {
    let group = Group::default();
    group.tell(told(TraderWish::Stopped, Some(HERE)));
    let (address, _end) = group.start().await;
    let ended = alone(vec![address]).await.ended().await;
    assert!(matches!(ended, Err(Error::Superseded(_))), "{ended:?}");
    let world = World::start_as("trader.algo", Duration::from_millis(100)).await;
    assert!(matches!(world.ended().await, Err(Error::Abandoned)));
}

#[tokio::test]
async fn what_members_of_another_cluster_say_ends_no_trader() {
    // given: one that asks where another cluster is by now
    let group = Group { life: fence(5).cluster.0 + 1, ..Group::default() };
    let (address, _end) = group.start().await;
    let mut world = alone(vec![address]).await;
    // when, then: it has none of that name, or has its own
    *group.told.lock().unwrap() = Err(Code::NotFound);
    group.asked_again().await;
    assert!(!world.service.is_finished(), "it ended since a stranger does not know it");
    group.tell(told(TraderWish::Stopped, Some("b1.trader-manager")));
    group.asked_again().await;
    assert!(!world.service.is_finished(), "it ended since a stranger stops another");
    // and: its Manager takes it back
    let again = world.manager.checked_in().await;
    let (sender, mut events) = dial_as(HERE, "trader.algo", again.address, 5);
    until_says(&mut events, "told").await;
    sender.send(ToService::Stop).await.unwrap();
    assert!(world.ended().await.is_ok());
}

#[tokio::test]
async fn where_a_member_was_another_program_says_404_and_no_trader_ends() {
    // given: one that knows nothing of clusters
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let router = Router::new().fallback(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::ready(axum::http::StatusCode::NOT_FOUND)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let other = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut world = alone(vec![address]).await;
    // when
    let until = Instant::now() + PATIENCE;
    while asked.load(Ordering::Relaxed) < 12 {
        assert!(!world.service.is_finished(), "it ended since a stranger does not know it");
        assert!(Instant::now() < until, "it is not asked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // then: its Manager takes it back
    let again = world.manager.checked_in().await;
    let (sender, mut events) = dial_as(HERE, "trader.algo", again.address, 5);
    until_says(&mut events, "told").await;
    sender.send(ToService::Stop).await.unwrap();
    assert!(world.ended().await.is_ok());
    other.abort();
}

#[tokio::test]
async fn a_trader_that_its_group_does_not_know_any_more_ends() {
    let group = Group::default();
    *group.told.lock().unwrap() = Err(Code::NotFound);
    let (address, _end) = group.start().await;
    let ended = alone(vec![address]).await.ended().await;
    let Err(Error::Superseded(why)) = ended else { panic!("{ended:?}") };
    assert_eq!(why, "it is not declared any more");
}
