//! One instrument of a Market, and the data of another one alone, moved live to another venue, while an algo trades all six of it and
//! another one reads them: what is moved follows, and the others come from and go to where they did. Real processes throughout; both
//! venues' own ledgers are the judges.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::collections::BTreeMap;
use tradewind_domain::time::UnixNanos;
use tradewind_tests_cluster::{
    eventually, eventually_async,
    other_venue::{OtherVenue, ledger},
    reader::Reader,
    sharded::{ACCOUNT, INSTRUMENTS, SOON, Trading, World, venue},
    ticker::Ticker,
};

const OTHER: &str = "sim-b";
const OTHER_ACCOUNT: &str = "acme-b";

/// Orders that a venue has of each instrument.
async fn orders(venue: &str, account: &str) -> BTreeMap<String, usize> {
    let page = ledger(venue, account).await;
    let mut counted = BTreeMap::new();
    for order in page["orders"].as_array().unwrap() {
        let instrument = order["instrument"].as_str().unwrap().to_owned();
        *counted.entry(instrument).or_default() += 1;
    }
    counted
}

/// Whether the account's Broker is live.
async fn is_live(world: &World, service: &str) -> bool {
    let status = world.site.told().await;
    let told = serde_json::to_value(&status.services).unwrap();
    let all = told.as_array().cloned().unwrap_or_default();
    let live = |one: &Value| one["service"] == service && one["state"] == "live";
    all.iter().any(live)
}

/// A Manager was fenced, or the machine stood still: pipes may have been lost, and what came over them was away, or has begun anew.
struct StoodStill;

/// Whether anything of that has happened.
struct Calm {
    ticker: Ticker,
    fences: Vec<u64>,
}

impl Calm {
    async fn so_far(world: &World) -> Self {
        let ticker = Ticker::start(world.site.group.home.path());
        Self { ticker, fences: world.site.fences().await }
    }

    /// Whether what is wrong says nothing, since pipes may have been lost.
    async fn excuses(&self, world: &World, wrong: bool) -> Result<(), StoodStill> {
        let excused = wrong
            && (self.ticker.stood_still(UnixNanos(0)).await
                || world.site.fences().await != self.fences);
        if excused { Err(StoodStill) } else { Ok(()) }
    }

    /// All others have come from one source, were never away, and nothing of them is missing or is said to be.
    async fn others_stay(
        &self,
        world: &World,
        reader: &Reader,
        but: &[&str],
    ) -> Result<(), StoodStill> {
        let others: Vec<&str> =
            INSTRUMENTS.into_iter().filter(|name| !but.contains(name)).collect();
        for name in &others {
            let seen = reader.all.of(name);
            assert_eq!((seen.untold, seen.back), (0, 0), "{name}: {seen:?}");
            let moved = (seen.gaps, seen.away, seen.epochs.len()) != (0, 0, 1);
            self.excuses(world, moved).await?;
        }
        reader.told(&others);
        reader.whole(&others);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_instrument_or_its_data_alone_is_moved_and_all_others_stay_where_they_are() {
    // A machine that stands still shows nothing of this: then once more.
    for _ in 0..3 {
        if are_moved().await.is_ok() {
            return;
        }
    }
    panic!("the machine stood still each time");
}

async fn are_moved() -> Result<(), StoodStill> {
    let world = World::of_one_shard().await;
    let other = venue(&world.site.group.home.path().join("other-venue"));
    let account = ["account", "put", OTHER_ACCOUNT, "--venue", OTHER, "--customers", "acme"];
    world.site.does(&[&account[..], &["--endpoint", &other.address]].concat(), &[]);
    let broker = format!("broker.{OTHER_ACCOUNT}.0");
    eventually_async("the other Broker is live", SOON, || is_live(&world, &broker)).await;
    let calm = Calm::so_far(&world).await;
    let reader = world.reader(&world.edges).await;
    let trading = world.trades();
    let shown = follow(&world, &other, &calm, &reader, &trading).await;
    if shown.is_err() {
        trading.pauses(0);
        return shown;
    }
    let venues = [(&*world.venue.address, ACCOUNT), (&*other.address, OTHER_ACCOUNT)];
    assert_eq!(world.judge_at(trading, &venues).await, 0);
    Ok(())
}

async fn follow(
    world: &World,
    other: &OtherVenue,
    calm: &Calm,
    reader: &Reader,
    trading: &Trading,
) -> Result<(), StoodStill> {
    // given
    let [whole, data, ..] = INSTRUMENTS;
    reader.goes_on("all are read", &INSTRUMENTS, SOON);
    trading.goes_on("at first").await;
    let here = async || orders(&world.venue.address, ACCOUNT).await;
    let there = async || orders(&other.address, OTHER_ACCOUNT).await;
    assert_eq!((here().await.len(), there().await.len()), (INSTRUMENTS.len(), 0));
    let sources = |of: &str| reader.all.of(of).epochs.len();
    let moves = |of: &str, more: &[&str]| {
        let moved = ["route", "move", "crypto", "--from", "sim", "--to", OTHER];
        world.site.does(&[&moved[..], &["--instruments", of], more].concat(), &[]);
    };
    // when: an instrument as a whole
    moves(whole, &[]);
    // then: its data and its orders follow
    eventually("its quotes are of another source", SOON, || sources(whole) > 1);
    let followed = async || there().await.contains_key(whole);
    eventually_async("its orders follow", SOON, followed).await;
    let before = here().await;
    trading.goes_on("with one that was moved").await;
    reader.goes_on("all are read on", &INSTRUMENTS, SOON);
    let now = here().await;
    assert_eq!(now[whole], before[whole], "an order of it went where it was");
    assert!(now.iter().all(|(name, count)| name == whole || *count > before[name]), "{now:?}");
    assert!(there().await.keys().eq([whole]), "another one was moved");
    calm.others_stay(world, reader, &[whole]).await?;
    // when: the data of another one
    moves(data, &["--data-only"]);
    // then: that follows, and orders go where they went
    eventually("its quotes are of another source", SOON, || sources(data) > 1);
    let before = here().await;
    let quotes = reader.all.of(data).quotes;
    trading.goes_on("with the data of another one moved").await;
    // Nobody trades it at the venue that its data come from now.
    let traded: Vec<&str> = INSTRUMENTS.into_iter().filter(|name| *name != data).collect();
    reader.goes_on("all that are traded where their data come from are read on", &traded, SOON);
    eventually("its quotes go on", SOON, || reader.all.of(data).quotes > quotes);
    assert!(here().await[data] > before[data]);
    assert!(there().await.keys().eq([whole]), "its orders were moved");
    calm.others_stay(world, reader, &[whole, data]).await?;
    // and neither was away, nor is anything of them missing that was not told
    for of in [whole, data] {
        let seen = reader.all.of(of);
        assert_eq!((seen.untold, seen.back), (0, 0), "{seen:?}");
        calm.excuses(world, seen.away != 0).await?;
        assert_eq!(seen.away, 0, "{seen:?}");
    }
    Ok(())
}
