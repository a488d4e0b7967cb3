//! Halts: of everybody, of a customer and of an account by an operator, and by the customer himself while nobody leads. An algo asks
//! for one order after the other meanwhile, whatever it is answered. From one beat after the word nothing is taken, each refusal says
//! whose trading is halted, and what rested is canceled. Real processes throughout; the venue's own ledger is the judge. A machine
//! that stands still obeys later, and leaves orders of which the algo does not learn what became: those may have been taken before.
#![allow(clippy::unwrap_used)]

use reqwest::Client;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::sleep};
use tradewind_domain::{
    ids::{AccountId, CustomerId, VenueOrderId},
    limits::INTENT_DEADLINE,
    time::UnixNanos,
};
use tradewind_protocol::control::{Health, ManagerStatus};
use tradewind_sdk::{OrderError, OrderRequest, Session, Side};
use tradewind_tests_cluster::{
    eventually_async,
    load::unix_now,
    other_venue::ledger,
    sharded::{ACCOUNT, INSTRUMENTS, SOON, World},
    ticker::Ticker,
    wire::token,
};

const KEY: &str = "tw_another-key-of-acme-that-nobody-guesses-0123456789abc";
/// Of a Broker of which all is well.
const BEAT: Duration = Duration::from_secs(1);
/// So many answers in a row are no chance.
const SOME: usize = 20;

/// What an algo was told of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Taken,
    Refused,
    /// It may have been taken.
    Unknown,
}

#[derive(Clone, Debug)]
struct Answer {
    asked_at: UnixNanos,
    /// At the venue, if it is there.
    name: String,
    told: Told,
    /// Of one that was not taken.
    why: String,
}

impl Answer {
    fn is_taken(&self) -> bool {
        self.told == Told::Taken
    }

    /// With words that begin so.
    fn is_refused(&self, word: &str) -> bool {
        self.told == Told::Refused && self.why.starts_with(word)
    }

    fn is_unknown(&self) -> bool {
        self.told == Told::Unknown
    }
}

/// An algo that trades without a pause.
struct Algo {
    session: Session,
    answers: Arc<Mutex<Vec<Answer>>>,
    ticker: Ticker,
    _asking: JoinSet<()>,
}

impl Algo {
    /// With a key of its own.
    async fn start(world: &World) -> Self {
        let key = world.site.group.home.path().join("another-key");
        fs::write(&key, KEY).unwrap();
        world.site.does(&["key", "add", "acme", "--from", key.to_str().unwrap()], &[]);
        let session = session(world).await;
        let answers = Arc::<Mutex<Vec<Answer>>>::default();
        let (asks, told) = (session.clone(), answers.clone());
        let mut asking = JoinSet::new();
        asking.spawn(async move {
            for instrument in INSTRUMENTS.into_iter().cycle() {
                let order = OrderRequest::market(instrument, Side::Buy, "0.001").unwrap();
                let answer = asked(&asks, &order).await;
                told.lock().unwrap().push(answer);
            }
        });
        let ticker = Ticker::start(world.site.group.home.path());
        Self { session, answers, ticker, _asking: asking }
    }

    /// Leaves an order that no price reaches; gives its name at the venue.
    async fn rests(&self) -> String {
        let price = "20000".parse().unwrap();
        let order = OrderRequest::limit(INSTRUMENTS[0], Side::Buy, "0.001", price).unwrap();
        let began = Instant::now();
        loop {
            let answer = asked(&self.session, &order).await;
            self.answers.lock().unwrap().push(answer.clone());
            match answer.told {
                Told::Taken => return answer.name,
                Told::Unknown => assert!(began.elapsed() < SOON, "{answer:?}"),
                Told::Refused => panic!("{answer:?}"),
            }
        }
    }

    /// What was answered to what was asked for from then on.
    fn since(&self, from: UnixNanos) -> Vec<Answer> {
        let answers = self.answers.lock().unwrap();
        answers.iter().filter(|answer| answer.asked_at >= from).cloned().collect()
    }

    /// The same, once some of it was refused with words that begin so.
    async fn refused(&self, word: &str, from: UnixNanos) -> Vec<Answer> {
        let enough = async || {
            let answers = self.since(from);
            answers.iter().filter(|answer| answer.is_refused(word)).count() >= SOME
        };
        eventually_async(&format!("it is refused: {word}"), SOON, enough).await;
        self.since(from)
    }

    /// Waits until it is refused with that word, and tells since when, by when it was asked. That is within one beat after the
    /// word was given, and for as long as the machine stood still.
    async fn obeys(&self, scope: &str, said: UnixNanos) -> UnixNanos {
        let (word, since) = (format!("{scope}: halted"), || self.since(said));
        let first = || since().into_iter().find(|answer| answer.is_refused(&word));
        eventually_async(&format!("{scope} is halted"), SOON, async || first().is_some()).await;
        let from = first().unwrap().asked_at;
        let late =
            |answer: &Answer| answer.is_taken() && (said + BEAT..from).contains(&answer.asked_at);
        if let Some(late) = since().into_iter().rfind(late) {
            let stood = self.ticker.stood(said).await;
            assert!(late.asked_at < said + BEAT + stood, "said at {said}, {stood:?}: {late:?}");
        }
        from
    }

    /// Waits until some more of its orders were taken; gives what was answered meanwhile.
    async fn trades(&self, when: &str, from: UnixNanos) -> Vec<Answer> {
        let trades = async || {
            let answers = self.since(from);
            answers.iter().filter(|answer| answer.is_taken()).count() >= SOME
        };
        eventually_async(&format!("it trades {when}"), SOON, trades).await;
        self.since(from)
    }

    /// All its orders that were taken, or of which it does not know; by their names at the venue. Of those that it has asked for
    /// since then it knows that they were not.
    fn taken(&self, halted: UnixNanos) -> BTreeSet<String> {
        let all = self.since(UnixNanos(0)).into_iter();
        let may_be =
            |answer: &Answer| answer.is_taken() || answer.is_unknown() && answer.asked_at < halted;
        all.filter(may_be).map(|answer| answer.name).collect()
    }
}

async fn asked(session: &Session, order: &OrderRequest) -> Answer {
    let asked_at = unix_now();
    let (account, customer) = (AccountId::new(ACCOUNT).unwrap(), CustomerId::new("acme").unwrap());
    let name = VenueOrderId::of(&account, &customer, order.id()).to_string();
    let (name, told, why) = match session.submit(order).await {
        Ok(order) => (order.order_id.venue_order_id.to_string(), Told::Taken, String::new()),
        Err(OrderError::Refused { problem, .. }) => (name, Told::Refused, problem.detail),
        Err(OrderError::Unknown { last, .. }) => (name, Told::Unknown, last),
    };
    Answer { asked_at, name, told, why }
}

/// One that knows of the account.
async fn session(world: &World) -> Session {
    let began = Instant::now();
    loop {
        let builder = Session::builder().infrastructure_managers(world.site.group.addresses());
        if let Ok(session) = builder.api_key(KEY).connect().await
            && session.accounts().iter().any(|known| known.as_str() == ACCOUNT)
        {
            return session;
        }
        assert!(began.elapsed() < SOON, "no session");
        sleep(Duration::from_millis(100)).await;
    }
}

/// An operator's word.
fn says(world: &World, scope: &str, state: &str) {
    let put = ["trading-state", "put", scope, "--state", state, "--why", "trouble"];
    world.site.does(&put, &[]);
}

/// The customer's own word at his MarketManager, until he knows what became of it.
async fn tightens(world: &World, bearer: &str, state: &str) -> (u16, Value) {
    let (edge, began) = (&world.edges[0].address, Instant::now());
    loop {
        let put = Client::new().put(format!("http://{edge}/v1/accounts/{ACCOUNT}/trading_state"));
        let asked = put.bearer_auth(bearer).json(&json!({"state": state})).send().await.unwrap();
        let (status, told) = (asked.status().as_u16(), asked.json::<Value>().await.unwrap());
        if !(500..600).contains(&status) {
            return (status, told);
        }
        assert!(began.elapsed() < SOON, "{told}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the venue has the order so.
async fn becomes(world: &World, order: &str, state: &str) {
    let is = async || {
        let page = ledger(&world.venue.address, ACCOUNT).await;
        let orders = page["orders"].as_array().cloned().unwrap_or_default();
        orders.iter().any(|one| one["venue_order_id"] == order && one["state"] == state)
    };
    eventually_async(&format!("{order} is {state} at the venue"), SOON, is).await;
}

/// The orders that have reached the venue, by name, as often as they came.
async fn arrivals(world: &World) -> Vec<String> {
    let page = ledger(&world.venue.address, ACCOUNT).await;
    let arrivals = page["arrivals"].as_array().unwrap().iter();
    arrivals.map(|one| one["venue_order_id"].as_str().unwrap().to_owned()).collect()
}

/// Of what was asked for from then on nothing is taken, because that scope is halted, and nothing reaches the venue.
async fn is_halted(world: &World, algo: &Algo, scope: &str, from: UnixNanos) {
    let word = format!("{scope}: halted");
    let right = |answer: &Answer| {
        assert!(answer.is_refused(&word) || answer.is_unknown(), "{answer:?}");
    };
    // What was taken before is at the venue by then, or is not taken there any more.
    algo.refused(&word, from + INTENT_DEADLINE).await.iter().for_each(right);
    let before = arrivals(world).await;
    // While it asks for some more.
    algo.refused(&word, unix_now()).await;
    algo.since(from).iter().for_each(right);
    let now = arrivals(world).await;
    assert_eq!(now.len(), before.len(), "{:?} have come since", &now[before.len()..]);
    let (come, taken) = (BTreeSet::from_iter(now.iter().cloned()), algo.taken(from));
    assert_eq!(come.len(), now.len(), "one has come twice");
    assert!(come.is_subset(&taken), "not taken, and come: {:?}", come.difference(&taken));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halt_of_everybody_a_customer_or_an_account_is_obeyed_within_one_beat_until_it_is_lifted()
{
    // given
    let world = World::of_one_shard().await;
    let algo = Algo::start(&world).await;
    algo.trades("at first", unix_now()).await;
    // when: it is said of somebody else
    world.site.does(&["customer", "put", "bolt"], &[]);
    says(&world, "customer.bolt", "halted");
    // then
    let answers = algo.trades("although another one is halted", unix_now() + BEAT).await;
    assert!(!answers.iter().any(|answer| answer.is_refused("")), "{answers:?}");
    for scope in ["global", "customer.acme", "account.sim-1"] {
        let resting = algo.rests().await;
        becomes(&world, &resting, "new").await;
        // when
        says(&world, scope, "halted");
        // then
        let from = algo.obeys(scope, unix_now()).await;
        is_halted(&world, &algo, scope, from).await;
        becomes(&world, &resting, "canceled").await;
        // when
        says(&world, scope, "active");
        // then
        algo.trades(&format!("once {scope} is active again"), unix_now()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nobody_leads_a_customer_halts_his_own_trading_at_once_and_only_an_operator_lifts_that()
 {
    // given
    let mut world = World::of_one_shard().await;
    let algo = Algo::start(&world).await;
    let bearer = token(&world.site.group.addresses()[0], KEY).await;
    let resting = algo.rests().await;
    becomes(&world, &resting, "new").await;
    for node in [1, 2, 3] {
        world.site.group.member(node).kill();
    }
    algo.trades("without any member", unix_now()).await;
    // when
    let (status, told) = tightens(&world, &bearer, "halted").await;
    let from = unix_now();
    // then
    assert_eq!(
        (status, &told["account"], &told["state"]),
        (200, &json!(ACCOUNT), &json!("halted")),
        "{told}"
    );
    is_halted(&world, &algo, "customer.acme", from).await;
    becomes(&world, &resting, "canceled").await;
    for looser in ["reducing", "active"] {
        let (status, told) = tightens(&world, &bearer, looser).await;
        assert_eq!((status, &told["code"]), (403, &json!("forbidden")), "{told}");
    }
    // when: somebody leads again, who has not heard of it
    world.site.group.start_all().await;
    let count = world.site.nodes.len();
    let all_well = |managers: &[ManagerStatus]| {
        managers.len() == count && managers.iter().all(|one| one.health == Health::Well)
    };
    world.site.eventually("the Managers are well", all_well).await;
    // then
    is_halted(&world, &algo, "customer.acme", from).await;
    // when: the version rises
    says(&world, "customer.acme", "halted");
    says(&world, "customer.acme", "active");
    // then
    algo.trades("once an operator has lifted it", unix_now()).await;
}
