//! A disk that is full for the logs of services: they live on, their Manager says so, and words are kept again when there
//! is room.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{cell::OnceCell, fs, path::Path, time::Duration};
use tradewind_faulty_disk::FaultyDisk;
use tradewind_launcher::Passing;
use tradewind_tests_cluster::{
    eventually_async,
    other_venue::{OtherVenue, page},
    site::Site,
};

const SOON: Duration = Duration::from_secs(60);

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
