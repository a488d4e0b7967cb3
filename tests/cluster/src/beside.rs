//! A Market that an algo trades through, and beside it another one, with a Broker of its own, that the algo of a Trader trades through
//! all the time. Decides how that is started, taken back and seen from outside: by what its Managers tell, by what runs, and by
//! orders that are accepted; the claims stand in `tests/service_killed.rs` and `tests/full_logs.rs`.

use crate::{
    copies::{Answer, Line, accepted_beside, read},
    eventually, eventually_async,
    other_venue::page,
    sharded::{self, SOON},
    started::{services, started_as, zombies},
};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tradewind_launcher::{Passing, process_is_alive};

/// Of a service: its Manager's node, and what it is called.
#[derive(Clone, Copy, Debug)]
pub struct Of(pub usize, pub &'static str);

pub const TRADER: Of = Of(2, "trader.steady");
/// What is traded through by the algo that is judged; and the Trader.
pub const TRADED: [Of; 3] = [Of(0, "broker.sim-1.0"), Of(1, "market.crypto.0"), TRADER];
/// The Trader, and what its algo trades through.
pub const BESIDE: [Of; 3] = [Of(0, "broker.sim-2.0"), Of(1, "market.beside.0"), TRADER];

pub struct World {
    pub traded: sharded::World,
    /// Of the Trader's algo.
    command: Vec<String>,
}

impl World {
    /// The command is that of a `steady_algo`, or ends in one. All processes but the members find this environment, which is made for
    /// their Manager's directory.
    pub async fn start(
        command: &[&str],
        environment: &dyn Fn(&Path) -> Vec<(String, String)>,
    ) -> Self {
        let mut traded = sharded::World::trading_on(1, environment).await;
        traded.site.options.clear();
        traded.site.start_on("trader-manager", "n3", Passing::All, environment).await;
        traded.site.does(&["customer", "put", "guest"], &[]);
        let world = Self { traded, command: command.iter().map(ToString::to_string).collect() };
        BESIDE.into_iter().for_each(|of| world.declare(of));
        for of in BESIDE {
            world.serves(of, &[], "at first").await;
        }
        world
    }

    fn file(&self) -> PathBuf {
        self.traded.site.group.home.path().join("steady.jsonl")
    }

    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        read(&self.file())
    }

    /// One of those beside.
    pub fn declare(&self, Of(_, service): Of) {
        match service {
            "broker.sim-2.0" => self.account(&["--customers", "guest"]),
            "market.beside.0" => self.does(&["market", "put", "beside", "--route", "BTC/USD=sim"]),
            _ => {
                let file = format!("STEADY_FILE={}", self.file().display());
                let command: Vec<&str> = self.command.iter().map(String::as_str).collect();
                let trader = ["trader", "put", "steady", "--customer", "guest", "--env", &file];
                self.traded.site.does(&trader, &command);
            }
        }
    }

    pub fn remove(&self, Of(_, service): Of) {
        match service {
            "broker.sim-2.0" => {
                // Nobody may use what goes.
                self.account(&[]);
                self.does(&["account", "rm", "sim-2", "--release"]);
            }
            "market.beside.0" => self.does(&["market", "rm", "beside"]),
            _ => self.does(&["trader", "rm", "steady"]),
        }
    }

    fn account(&self, more: &[&str]) {
        let account = ["account", "put", "sim-2", "--venue", "sim", "--endpoint"];
        self.does(&[&account[..], &[&*self.traded.venue.address], more].concat());
    }

    fn does(&self, words: &[&str]) {
        self.traded.site.does(words, &[]);
    }

    /// All services of its Manager, as that says.
    async fn told(&self, Of(node, _): Of) -> Vec<Value> {
        let told = page(self.traded.site.own(node), "/v1/services").await;
        told.as_array().cloned().unwrap_or_default()
    }

    /// Null: there is none.
    pub async fn report(&self, of: Of) -> Value {
        self.told(of).await.into_iter().find(|one| one["service"] == of.1).unwrap_or_default()
    }

    pub async fn pid(&self, of: Of) -> u32 {
        u32::try_from(self.report(of).await["pid"].as_u64().unwrap()).unwrap()
    }

    /// Nothing is left of these. What runs of its Manager's services is what that tells, each once; nothing has ended unreaped; a Trader
    /// has one algo.
    pub async fn is_whole(&self, of: Of, dead: &[u32]) -> bool {
        let told = self.told(of).await;
        let mut names: Vec<&str> = told.iter().filter_map(|one| one["service"].as_str()).collect();
        names.sort_unstable();
        let site = &self.traded.site;
        let algos = started_as("TRADEWIND_TRADER=", &self.file().display().to_string());
        services(site.data(of.0)) == names
            && zombies(site.pid(of.0)) == 0
            && !dead.iter().any(|pid| process_is_alive(*pid))
            && (of.0 != TRADER.0 || algos.len() == names.len())
    }

    /// Waits until it is served by a process that is none of these, of which nothing is left.
    pub async fn serves(&self, of: Of, dead: &[u32], when: &str) {
        let live = async || {
            let report = self.report(of).await;
            let pid = report["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
            report["state"] == "live"
                && pid.is_some_and(|pid| !dead.contains(&pid))
                && self.is_whole(of, dead).await
        };
        eventually_async(&format!("{of:?} serves, once, {when}"), SOON, live).await;
        if self.report(TRADER).await["state"] == "live" {
            self.trades_on(&format!("with {of:?} {when}"));
        }
    }

    /// Waits until more orders of the Trader's algo are accepted. Of the Trader no two copies ever were at a time.
    pub fn trades_on(&self, when: &str) {
        let accepted = || {
            let lines = self.lines();
            lines.iter().filter(|line| line.answer == Answer::Accepted).count()
        };
        let before = accepted();
        eventually(&format!("the Trader trades on {when}"), SOON, || accepted() > before + 3);
        assert_eq!(accepted_beside(&self.lines(), "steady"), []);
    }
}
