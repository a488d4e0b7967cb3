//! A disk that is full for the logs of services, or of an algo: they live on, their Manager says so, and words are kept again
//! when there is room.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{cell::OnceCell, fs, path::Path, time::Duration};
use tradewind_faulty_disk::{FaultyDisk, SmallDisk};
use tradewind_launcher::{Passing, kill_process, process_is_alive};
use tradewind_tests_cluster::{
    beside::{TRADER, World},
    eventually_async,
    other_venue::{OtherVenue, page},
    site::Site,
};

const SOON: Duration = Duration::from_secs(60);
/// Of a TraderManager: far more than it takes itself, and less than an algo may say before its log is begun anew.
const SMALL: u64 = 4 << 20;

/// What a Manager says of its services' logs.
async fn logs(address: &str) -> (bool, bool, String) {
    let told = page(address, "/readyz?verbose").await;
    let checks = told["checks"].as_array().cloned().unwrap_or_default();
    let logs = checks.into_iter().find(|check| check["name"] == "logs").unwrap_or(Value::Null);
    let detail = logs["detail"].as_str().unwrap_or_default().to_owned();
    (told["ready"] == true, logs["ok"] == true, detail)
}

fn lines(data: &Path) -> usize {
    let log = fs::read_to_string(data.join("logs/broker.a.0.log")).unwrap_or_default();
    log.lines().filter(|line| line.contains("venue connected")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_for_logs_costs_words_and_no_service_and_the_manager_says_so() {
    // given
    let mut site = Site::of(0).await;
    let disk = OnceCell::new();
    let faulty = |data: &Path| disk.get_or_init(|| FaultyDisk::of(data).unwrap()).environment();
    let manager = site.start_on("broker-manager", "b1", Passing::All, &faulty).await;
    let disk = disk.get().unwrap();
    let ledger = site.group.home.path().join("venue");
    let mut venue = OtherVenue::at(&ledger, &[]);
    let place = ["--venue", "sim", "--endpoint", &venue.address];
    site.does(&[&["account", "put", "a"], &place[..]].concat(), &[]);
    let live = async || site.services(manager).await == Some(vec!["live".to_owned()]);
    eventually_async("the Broker is live", SOON, live).await;
    let before = site.processes(manager).await.unwrap();
    let (address, data) = (site.own(manager).to_owned(), site.data(manager).to_owned());
    eventually_async("there is room", SOON, async || logs(&address).await.1).await;
    assert_eq!(lines(&data), 1);
    // when
    disk.rules("fail write ENOSPC logs/").unwrap();
    eventually_async("the Manager says so", SOON, async || !logs(&address).await.1).await;
    let (ready, _, detail) = logs(&address).await;
    assert!(ready && detail.contains("No space left"), "{ready} {detail}");
    let again = async |venue: OtherVenue| {
        let address = venue.address.clone();
        drop(venue);
        let away = async || site.services(manager).await != Some(vec!["live".to_owned()]);
        eventually_async("the Broker has something to say", SOON, away).await;
        let venue = OtherVenue::again(&ledger, &address);
        eventually_async("and goes on", SOON, live).await;
        venue
    };
    venue = again(venue).await;
    // then
    assert_eq!(lines(&data), 1, "what it said is lost");
    assert_eq!(site.processes(manager).await.unwrap(), before);
    // when: there is room again
    disk.rules("").unwrap();
    eventually_async("the Manager says so", SOON, async || logs(&address).await.1).await;
    let _venue = again(venue).await;
    // then
    assert_eq!(lines(&data), 2);
    assert_eq!(site.processes(manager).await.unwrap(), before);
}

/// The process of the Trader's algo, as the Trader tells it.
async fn algo(world: &World) -> Option<u32> {
    let report = world.report(TRADER).await;
    let words = report["detail"].as_str()?.strip_prefix("running as ")?.split(' ').next()?;
    words.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_algo_that_fills_the_disk_with_its_words_trades_on_and_its_manager_says_so() {
    // given: one that says little until it is let
    let go = tempfile::tempdir().unwrap();
    let go = go.path().join("go");
    let disk = OnceCell::new();
    let small = |data: &Path| {
        if data.ends_with("n3") {
            disk.set(SmallDisk::mounted(data, SMALL)).unwrap();
        }
        Vec::new()
    };
    let steady = env!("CARGO_BIN_EXE_steady_algo");
    let says = format!("until [ -e {} ]; do sleep 0.05; done; yes", go.display());
    // What says it is no algo by its environment.
    let script = format!("echo it begins; env -i sh -c '{says}' & exec {steady}");
    let world = World::start(&["sh", "-c", &script], &small).await;
    if let Some(Err(error)) = disk.get() {
        println!("skipped: no file system can be mounted here ({error}); run as root");
        return;
    }
    let (trading, site) = (world.traded.trades(), &world.traded.site);
    let address = site.own(TRADER.0).to_owned();
    eventually_async("there is room", SOON, async || logs(&address).await.1).await;
    let (service, first) = (world.pid(TRADER).await, algo(&world).await.unwrap());
    let fences = site.fences().await[TRADER.0];
    // when
    fs::write(&go, "").unwrap();
    eventually_async("the Manager says so", SOON, async || !logs(&address).await.1).await;
    // then
    let (ready, _, detail) = logs(&address).await;
    assert!(ready && detail.contains("No space left"), "{ready} {detail}");
    world.trades_on("with a full disk");
    // when: and where a copy begins, it has no room for its words either
    kill_process(first);
    let another = async || algo(&world).await.is_some_and(|pid| pid != first);
    eventually_async("another copy runs", SOON, another).await;
    world.trades_on("with a copy that began on a full disk");
    assert!(!logs(&address).await.1 && !process_is_alive(first));
    assert!(world.is_whole(TRADER, &[first]).await);
    // when: an operator makes room
    fs::remove_file(&go).unwrap();
    let log = site.data(TRADER.0).join("services").join(TRADER.1).join("algo.log");
    fs::File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    eventually_async("the Manager says so", SOON, async || logs(&address).await.1).await;
    kill_process(algo(&world).await.unwrap());
    // then
    let url = format!("http://{address}/v1/services/{}/logs?of=algo", TRADER.1);
    let told = async || reqwest::get(&url).await.unwrap().text().await.unwrap();
    eventually_async("words are kept again", SOON, async || told().await == "it begins\n").await;
    world.serves(TRADER, &[first], "with room").await;
    assert_eq!(world.pid(TRADER).await, service, "the Trader itself ran on");
    assert_eq!(site.fences().await[TRADER.0], fences, "its Manager has kept its lease");
    world.traded.judge(trading).await;
    // Before the directory that it stands in.
    drop(disk);
}
