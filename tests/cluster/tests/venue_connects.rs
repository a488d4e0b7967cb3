//! Connects to a venue within what it allows: however many Brokers begin at once, however often they die, and while no
//! InfrastructureManager is there, the venue never has to refuse one. And how a Broker stands with its venue is told.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{collections::BTreeMap, process::Command, time::Duration};
use tradewind_launcher::{Passing, kill_process};
use tradewind_tests_cluster::{
    binary, eventually_async,
    other_venue::{OtherVenue, page},
    site::Site,
};

const SOON: Duration = Duration::from_secs(120);
const ACCOUNTS: usize = 6;

/// A BrokerManager, and a venue that takes so many connects within three seconds.
async fn site(connects: &str) -> (Site, usize, OtherVenue) {
    let mut site = Site::of(0).await;
    let manager = site.start("broker-manager", "b1", Passing::All).await;
    let more = ["--connects", connects, "--connects-within", "3s"];
    let venue = OtherVenue::at(&site.group.home.path().join("venue"), &more);
    (site, manager, venue)
}

fn declare(site: &Site, account: &str, venue: &OtherVenue) {
    let place = ["--venue", "sim", "--endpoint", &venue.address];
    site.does(&[&["account", "put", account], &place[..]].concat(), &[]);
}

/// The processes of the Brokers, if all of them are live.
async fn live(site: &Site, manager: usize) -> Option<BTreeMap<String, u32>> {
    let states = site.services(manager).await?;
    let all = states.len() == ACCOUNTS && states.iter().all(|state| state == "live");
    if all { site.processes(manager).await } else { None }
}

async fn all_live(site: &Site, manager: usize, before: &BTreeMap<String, u32>) {
    let again = async || {
        let now = live(site, manager).await;
        now.is_some_and(|now| now.iter().all(|(name, pid)| before.get(name) != Some(pid)))
    };
    eventually_async("all Brokers are live", SOON, again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_begin_at_once_or_die_again_and_again_connect_within_what_the_venue_allows() {
    let (mut site, manager, venue) = site("4").await;
    for n in 0..ACCOUNTS {
        declare(&site, &format!("a-{n}"), &venue);
    }
    all_live(&site, manager, &BTreeMap::new()).await;
    // when: all die at once, and again while nobody leads
    for members in [true, false] {
        if !members {
            site.group.members.iter_mut().for_each(|member| member.kill());
        }
        let before = live(&site, manager).await.unwrap();
        before.values().for_each(|pid| kill_process(*pid));
        all_live(&site, manager, &before).await;
    }
    // then
    let connects = page(&venue.address, "/v1/connects").await;
    assert_eq!(connects["refused"], 0, "{connects}");
    assert!(connects["let_in"].as_u64() >= Some(3 * ACCOUNTS as u64), "{connects}");
}

/// What `broker show` tells of its venue.
fn shown(site: &Site, broker: &str) -> Value {
    let output = Command::new(binary())
        .args(["broker", "show", broker, "-o", "json", "--addr", &site.group.addresses().join(",")])
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    told["now"]["venue"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_venue_that_goes_and_comes_is_told_with_since_when_and_why() {
    // given
    let (site, manager, venue) = site("100").await;
    declare(&site, "a", &venue);
    let is = async |state: &str| shown(&site, "a.0")["state"] == state;
    eventually_async("it is connected", SOON, || is("live")).await;
    let live = shown(&site, "a.0");
    assert_eq!((&live["connections"], &live["subscriptions"]), (&1.into(), &0.into()), "{live}");
    // when
    let address = venue.address.clone();
    drop(venue);
    // then
    eventually_async("it is dialled again", SOON, || is("reconnecting")).await;
    let away = shown(&site, "a.0");
    assert!(away["since"].as_str() > live["since"].as_str(), "{away}");
    let why = async || {
        shown(&site, "a.0")["last_error"].as_str().is_some_and(|why| why.contains(&address))
    };
    eventually_async("why is told", SOON, why).await;
    assert_eq!(
        shown(&site, "a.0")["since"],
        away["since"],
        "since it was lost, not since it was dialled last"
    );
    // and its Manager tells it too, and counts it
    let own = page(site.own(manager), "/v1/status").await["services"][0]["venue"].clone();
    assert_eq!((&own["state"], &own["since"]), (&away["state"], &away["since"]), "{own}");
    let figures = reqwest::get(format!("http://{}/metrics", site.own(manager))).await.unwrap();
    let figures = figures.text().await.unwrap();
    for (state, count) in [("reconnecting", 1), ("live", 0)] {
        let line = format!("tradewind_manager_venues{{state=\"{state}\"}} {count}\n");
        assert!(figures.contains(&line), "{figures}");
    }
    // when
    let home = site.group.home.path().join("venue");
    let _venue = OtherVenue::again(&home, &address);
    // then
    eventually_async("it is connected again", SOON, || is("live")).await;
    assert_eq!(shown(&site, "a.0")["connections"], 2);
}
