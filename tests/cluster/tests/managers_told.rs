//! What every Manager tells of itself to who asks and to who watches: that it lives and is ready, what it runs and how that is, its
//! figures, and whether its lease holds. Real processes throughout, with a service of each kind.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use serde_json::{Value, from_value};
use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tradewind_launcher::Passing;
use tradewind_protocol::{
    managers::{OwnStanding, OwnStatus, StatusFrame},
    supervision::{ServiceReport, ServiceState},
};
use tradewind_sdk::Session;
use tradewind_tests_cluster::{
    eventually_async,
    other_venue::{OtherVenue, page},
    send,
    site::Site,
    watcher::Watcher,
};

const SOON: Duration = Duration::from_secs(60);
const AGAIN_AFTER: Duration = Duration::from_millis(20);
const KEY: &str = "tw_a-key-of-acme-that-nobody-guesses-0123456789abcdef";

const BROKER_MANAGER: usize = 0;
const MARKET_MANAGER: usize = 1;
const TRADER_MANAGER: usize = 2;
/// By node: a Manager's kind, and what it runs.
const RUN: [(&str, &str); 3] = [
    ("broker-manager", "broker.k.0"),
    ("market-manager", "market.crypto.0"),
    ("trader-manager", "trader.sample"),
];

struct World {
    site: Site,
    venue: OtherVenue,
}

impl World {
    /// A Manager of each kind with a service that is live.
    async fn start() -> Self {
        let mut site = Site::of(0).await;
        for (manager, _) in RUN {
            site.start(manager, "n1", Passing::All).await;
        }
        let home = site.group.home.path();
        let (venue, key) = (OtherVenue::at(&home.join("venue"), &[]), home.join("key"));
        fs::write(&key, KEY).unwrap();
        let world = Self { site, venue };
        let endpoint = &world.venue.address;
        world.does("customer put acme");
        world.does(&format!("key add acme --from {}", key.display()));
        world.does(&format!("account put k --venue sim --endpoint {endpoint} --customers acme"));
        world.runs(BROKER_MANAGER).await;
        world.does("market put crypto --route BTC/USD=sim");
        world.site.does(&["trader", "put", "sample", "--customer", "acme"], &["sleep", "86400"]);
        world.runs(MARKET_MANAGER).await;
        world.runs(TRADER_MANAGER).await;
        world
    }

    fn does(&self, words: &str) {
        self.site.does(&words.split(' ').collect::<Vec<_>>(), &[]);
    }

    async fn status(&self, node: usize) -> OwnStatus {
        from_value(page(self.site.own(node), "/v1/status").await).unwrap()
    }

    /// Waits until it tells of its service as live, and of nothing else, wherever it tells of services.
    async fn runs(&self, node: usize) {
        let (_, service) = RUN[node];
        let is_it = |one: &Value| one["service"] == service && one["state"] == "live";
        let is_all = |told: &Value| {
            told.as_array().is_some_and(|told| told.len() == 1 && told.iter().all(is_it))
        };
        let (own, single) = (self.site.own(node), format!("/v1/services/{service}"));
        let told = async || {
            is_all(&page(own, "/v1/status").await["services"])
                && is_all(&page(own, "/v1/services").await)
                && is_it(&page(own, &single).await)
        };
        eventually_async(&format!("{service} is told of as live"), SOON, told).await;
    }

    /// What is not well by `/readyz?verbose`, which tells of all that is looked at. It is ready all the same.
    async fn unwell(&self, node: usize) -> Vec<String> {
        let url = format!("http://{}/readyz?verbose", self.site.own(node));
        let answer = reqwest::get(url).await.unwrap();
        assert_eq!(answer.status(), 200);
        let told: Value = answer.json().await.unwrap();
        let checks = told["checks"].as_array().unwrap();
        let names: Vec<&str> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["told", "leader", "lease", "services", "logs", "handed_back"]);
        assert_eq!(told["ready"], true);
        let unwell = checks.iter().filter(|check| check["ok"] != true);
        unwell.map(|check| check["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Its figures, and the sum of the services in all states.
    async fn figures(&self, node: usize) -> BTreeMap<String, u64> {
        let url = format!("http://{}/metrics", self.site.own(node));
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let mut figures = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let name = name.strip_prefix("tradewind_").unwrap();
            assert!(figures.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{line}");
        }
        let rows = figures.iter().filter(|(name, _)| name.starts_with("manager_services{"));
        let services: u64 = rows.map(|(_, count)| count).sum();
        figures.insert("services".to_owned(), services);
        figures
    }

    /// Waits until its figures are these.
    async fn counts(&self, node: usize, expected: &[(&str, u64)]) {
        let began = Instant::now();
        loop {
            let told = self.figures(node).await;
            let other = expected.iter().find(|(name, count)| told.get(*name) != Some(count));
            let Some(other) = other else { return };
            assert!(began.elapsed() < SOON, "{other:?} of {expected:?} is not in {told:#?}");
            sleep(AGAIN_AFTER).await;
        }
    }

    /// Who watches a Manager, and what he is told first: the whole status, as whoever asks is told it.
    async fn watches(&self, node: usize) -> (Watcher, OwnStatus) {
        let began = Instant::now();
        loop {
            let asked = self.status(node).await;
            let (watcher, first) = Watcher::start(self.site.own(node)).await;
            if first == asked {
                return (watcher, first);
            }
            assert!(began.elapsed() < SOON, "{first:#?} is told first, not {asked:#?}");
            sleep(AGAIN_AFTER).await;
        }
    }

    /// How a Manager stands while its lease holds.
    async fn holds(&self, node: usize) -> OwnStanding {
        let began = Instant::now();
        loop {
            let standing = self.status(node).await.standing;
            if standing.lease_holds {
                return standing;
            }
            assert!(began.elapsed() < SOON, "its lease does not hold: {standing:?}");
            sleep(AGAIN_AFTER).await;
        }
    }

    /// An algo of the customer's; attached, if it names its Trader.
    async fn session(&self, trader: Option<&str>) -> Session {
        let began = Instant::now();
        loop {
            let members = self.site.group.addresses();
            let builder = Session::builder().infrastructure_managers(members).api_key(KEY);
            let asked = match trader {
                Some(trader) => builder.trader(trader).connect().await,
                None => builder.connect().await,
            };
            match asked {
                Ok(session) => return session,
                Err(error) => assert!(began.elapsed() < SOON, "no session: {error}"),
            }
            sleep(AGAIN_AFTER).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_manager_tells_that_it_lives_and_is_ready_what_it_runs_and_how_much_of_it() {
    // given
    let world = World::start().await;
    for (node, (kind, _)) in RUN.into_iter().enumerate() {
        // then
        let lives = format!("http://{}/livez", world.site.own(node));
        assert_eq!(reqwest::get(lives).await.unwrap().status(), 200, "{kind}");
        let well = async || world.unwell(node).await.is_empty();
        eventually_async(&format!("the {kind} is well"), SOON, well).await;
        world.runs(node).await;
        let status = page(world.site.own(node), "/v1/status").await;
        assert_eq!(status["manager"], world.site.nodes[node].manager.as_str());
        assert_eq!((&status["location"], &status["lease_holds"]), (&"here".into(), &true.into()));
        assert!(status["fence"].is_object() && status["leader"].is_string(), "{status}");
        let mut expected = vec![
            ("services", 1),
            ("manager_services{state=\"live\"}", 1),
            ("manager_services_handed_back", 0),
            ("manager_leader_pipe", 1),
            ("manager_lease", 1),
            ("manager_sessions", 0),
            ("manager_watchers", 0),
            ("manager_venues{state=\"live\"}", u64::from(node == BROKER_MANAGER)),
        ];
        if node == MARKET_MANAGER {
            expected.extend([("manager_market_shards", 1), ("manager_market_shards_serving", 1)]);
        }
        world.counts(node, &expected).await;
        let figures = world.figures(node).await;
        let of = |what: &str| figures[&format!("manager_services_{what}_total")];
        assert_eq!(of("started"), 1 + of("crashed"), "all but one have ended: {figures:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_is_told_the_whole_status_and_each_state_of_a_service_that_dies() {
    use ServiceState::{Live, Starting, Waiting};
    // given
    let world = World::start().await;
    for (node, (kind, service)) in RUN.into_iter().enumerate() {
        world.runs(node).await;
        let (mut watcher, first) = world.watches(node).await;
        world.counts(node, &[("manager_watchers", 1)]).await;
        let ServiceReport { pid, crashes, .. } = first.services[0];
        // when
        send(pid.unwrap(), Signal::KILL);
        // then
        let anew = |report: &ServiceReport| report.state == Live && report.pid != pid;
        let states = watcher.states(service, anew).await;
        // The one that died may have had something to say before.
        let states = states.strip_prefix(&[Live]).unwrap_or(&states);
        assert_eq!(states, [Waiting, Starting, Live], "{kind}");
        let (_, now) = world.watches(node).await;
        assert_eq!(now.services[0].crashes, crashes + 1, "{now:#?}");
        let crashed = ("manager_services_crashed_total", u64::from(crashes) + 1);
        world.counts(node, &[("manager_services{state=\"live\"}", 1), crashed]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_is_told_that_a_lease_holds_no_more_without_members_and_when_it_does() {
    // given
    let mut world = World::start().await;
    let (mut watchers, mut fences) = (Vec::new(), Vec::new());
    for node in 0..RUN.len() {
        watchers.push(world.watches(node).await.0);
    }
    for node in 0..RUN.len() {
        fences.push(world.holds(node).await.fences);
    }
    // when
    world.site.group.members.iter_mut().for_each(|member| member.kill());
    // then
    for (node, (watcher, before)) in watchers.iter_mut().zip(fences).enumerate() {
        world.counts(node, &[("manager_lease", 0), ("manager_leader_pipe", 0)]).await;
        let fences = world.figures(node).await["manager_fences_total"];
        assert!(fences > before, "{fences} times, as before");
        let is_so =
            |now: &OwnStanding| !now.lease_holds && now.leader.is_none() && now.fences == fences;
        watcher.standing("that its lease has run out", is_so).await;
        let unwell = world.unwell(node).await;
        assert!(["leader", "lease"].iter().all(|name| unwell.iter().any(|of| of == name)));
    }
    // when
    world.site.group.start_all().await;
    // then
    for (node, watcher) in watchers.iter_mut().enumerate() {
        let holds = |now: &OwnStanding| now.lease_holds && now.leader.is_some();
        watcher.standing("that its lease holds", holds).await;
        world.counts(node, &[("manager_lease", 1), ("manager_leader_pipe", 1)]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_manager_tells_of_the_sessions_of_algos_as_they_come_and_go() {
    // given
    let world = World::start().await;
    let (mut watcher, _) = world.watches(MARKET_MANAGER).await;
    let mut beaten = async |count: u64| {
        let is = |frame| matches!(frame, StatusFrame::Beat { sessions, .. } if sessions == count);
        watcher.until(&format!("{count} sessions"), |frame| is(frame).then_some(())).await;
    };
    world.counts(MARKET_MANAGER, &[("manager_sessions", 0)]).await;
    beaten(0).await;
    // when
    let sessions = [world.session(None).await, world.session(None).await];
    // then
    world.counts(MARKET_MANAGER, &[("manager_sessions", 2)]).await;
    beaten(2).await;
    // when
    let [first, _second] = sessions;
    drop(first);
    // then
    world.counts(MARKET_MANAGER, &[("manager_sessions", 1)]).await;
    beaten(1).await;
    assert_eq!(world.status(MARKET_MANAGER).await.sessions, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trader_manager_counts_traders_that_are_away_paused_or_have_ended_each_once() {
    use ServiceState::{Away, Completed, Failed, Live, Paused};
    const STATES: [&str; 5] = ["live", "away", "paused", "completed", "failed"];
    // given
    let world = World::start().await;
    let (mut watcher, _) = world.watches(TRADER_MANAGER).await;
    let is = |state: ServiceState| move |report: &ServiceReport| report.state == state;
    // So many in each of those, and nobody else.
    let counts = async |expected: [u64; 5]| {
        let rows = STATES.map(|state| format!("manager_services{{state=\"{state}\"}}"));
        let mut figures: Vec<(&str, u64)> = vec![("services", expected.iter().sum())];
        figures.extend(rows.iter().map(String::as_str).zip(expected));
        world.counts(TRADER_MANAGER, &figures).await;
    };
    // when
    world.does("trader put own --customer acme");
    // then
    assert_eq!(watcher.states("trader.own", is(Away)).await, [Away]);
    counts([1, 1, 0, 0, 0]).await;
    // when
    let own = world.session(Some("own")).await;
    // then
    assert_eq!(watcher.states("trader.own", is(Live)).await, [Live]);
    counts([2, 0, 0, 0, 0]).await;
    // when
    world.does("trader pause sample --why lunch");
    // then
    watcher.states("trader.sample", is(Paused)).await;
    counts([1, 0, 1, 0, 0]).await;
    // when: one ends well, and one does not
    for (name, program, state) in [("well", "true", Completed), ("ill", "false", Failed)] {
        let put = ["trader", "put", name, "--customer", "acme", "--restart", "never"];
        world.site.does(&put, &[program]);
        watcher.states(&format!("trader.{name}"), is(state)).await;
    }
    // then
    counts([1, 0, 1, 1, 1]).await;
    // when
    drop(own);
    // then
    watcher.states("trader.own", is(Away)).await;
    counts([0, 1, 1, 1, 1]).await;
}
