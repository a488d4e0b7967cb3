//! A TraderManager is added to a running cluster: nothing moves by itself; asked for, customers move as a whole and
//! within the caps, and a leader killed in the middle changes nothing about where they end.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tradewind_tests_cluster::{binary, eventually, members::Members, send};

const PATIENCE: Duration = Duration::from_secs(60);
const CUSTOMERS: usize = 24;
/// `domain::limits::MOVES_AT_ONCE`: customers on their way to one Manager.
const AT_ONCE: usize = 4;

/// Members, and TraderManagers that are killed with the test.
struct World {
    members: Members,
    managers: Vec<(Child, TempDir)>,
}

impl World {
    fn new() -> Self {
        Self { members: Members::three(), managers: Vec::new() }
    }

    fn start_manager(&mut self, implementation: &str) {
        let home = TempDir::new().unwrap();
        let log = |name: &str| File::create(Path::new(home.path()).join(name)).unwrap();
        let child = Command::new(binary())
            .args(["trader-manager", "--implementation", implementation, "--location", "here"])
            .args(["--members", &self.members.addresses().join(",")])
            .arg("--data")
            .arg(home.path().join("data"))
            // Its services end with it, and it with this process.
            .env("TRADEWIND_UNTIL_STDIN_CLOSES", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log("log"))
            .spawn()
            .unwrap();
        self.managers.push((child, home));
        let name = format!("{implementation}.trader-manager");
        eventually("it is well", PATIENCE, || {
            self.status().is_some_and(|told| {
                let managers = told["managers"].as_array().unwrap().clone();
                managers.iter().any(|row| row["manager"] == *name && row["health"] == "well")
            })
        });
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(words).args(["--addr", &self.members.addresses().join(",")]);
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn does(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {:?} {said}", output.status.code());
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.does(words)).unwrap()
    }

    fn status(&self) -> Option<Value> {
        self.members.addresses().iter().find_map(|member| {
            let asked = ["status", "--addr", member, "-o", "json"];
            let output = Command::new(binary()).args(asked).output().unwrap();
            serde_json::from_slice(&output.stdout).ok()
        })
    }

    /// Customers and the TraderManager of each.
    fn homes(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = self.json(&["customer", "ls", "-o", "json"]);
        let each = all.as_array().unwrap().iter();
        each.map(|row| (text(&row["customer"]), text(&row["affinity"]["manager"]))).collect()
    }

    /// A1: every Trader is with its customer.
    fn all_are_whole(&self) -> bool {
        let homes = self.homes();
        let traders = self.json(&["trader", "ls", "-o", "json"]);
        traders.as_array().unwrap().iter().all(|row| {
            let customer = row["spec"]["customer"].as_str().unwrap();
            row["assignment"]["manager"].as_str() == Some(homes[customer].as_str())
        })
    }

    fn declare(&self) {
        for n in 0..CUSTOMERS {
            let customer = format!("c{n}");
            self.does(&["customer", "put", &customer]);
            for trader in ["x", "y"] {
                let name = format!("{customer}-{trader}");
                // Stopped: the test is about where they belong, not about what they do.
                let mut command = self.command(&["trader", "put", &name, "--customer", &customer]);
                let put = command.args(["--stopped", "--", "tradewind", "sample-algo"]);
                assert!(put.output().unwrap().status.success());
            }
        }
        eventually("all are placed", PATIENCE, || {
            self.homes().values().all(|home| home == "a1.trader-manager") && self.all_are_whole()
        });
    }

    fn kill_leader(&mut self) {
        let leader = self.status().unwrap()["leader"].as_u64().unwrap();
        self.members.kill(&leader.to_string());
    }

    /// Every assignment there was, in order.
    fn events(&self) -> Vec<Value> {
        let lines = self.does(&["events", "-o", "jsonl"]);
        let entries = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries.flat_map(|entry| entry["events"].as_array().unwrap().clone()).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for (child, _) in &mut self.managers {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The most customers that were on their way to one Manager at a time: given to it, and not all their Traders yet.
fn most_at_once(events: &[Value]) -> usize {
    let (mut under_way, mut most) = (BTreeMap::<String, BTreeSet<String>>::new(), 0);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let begun = events.iter().skip_while(|event| event.get("rebalance_begun").is_none());
    for event in begun {
        if let Some(moved) = event.get("customer_assigned") {
            let customer = text(&moved["customer"]);
            let traders = ["x", "y"].map(|trader| format!("{customer}-{trader}"));
            under_way.insert(customer, traders.into());
        }
        if let Some(moved) = event.get("trader_assigned") {
            let trader = text(&moved["trader"]);
            for left in under_way.values_mut() {
                left.remove(&trader);
            }
            under_way.retain(|_, left| !left.is_empty());
        }
        most = most.max(under_way.len());
    }
    most
}

#[test]
fn an_added_manager_gets_nothing_until_it_is_asked_for_and_a_dead_leader_changes_no_outcome() {
    let mut world = World::new();
    world.start_manager("a1");
    world.declare();
    world.start_manager("b1");
    // then: nothing moves, shown or not
    let plan = world.json(&["rebalance", "--plan", "-o", "json"]);
    assert_eq!(plan["plan"].as_array().unwrap().len(), CUSTOMERS / 2, "{plan}");
    assert!(world.homes().values().all(|home| home == "a1.trader-manager"));
    // when: it is applied, and the leader dies as soon as somebody has moved
    let mut apply = world.command(&["rebalance", "--apply", "--why", "a node", "-o", "jsonl"]);
    let applied = apply.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("somebody has moved", PATIENCE, || {
        world.homes().values().any(|home| home == "b1.trader-manager")
    });
    world.kill_leader();
    let output = applied.wait_with_output().unwrap();
    // then: it has gone on to its end under the next leader, and was watched to it
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?} {said}", output.status.code());
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), CUSTOMERS / 2 + 1, "{lines}");
    let counted = world.homes().values().filter(|home| *home == "b1.trader-manager").count();
    assert_eq!(counted, CUSTOMERS / 2);
    eventually("all are whole", PATIENCE, || world.all_are_whole());
    let most = most_at_once(&world.events());
    assert!((1..=AT_ONCE).contains(&most), "{most} at once");
    // then: there is nothing more to move, and nothing to cancel
    let table = world.does(&["rebalance"]);
    assert!(table.contains("nothing to move"), "{table}");
    let none = world.run(&["rebalance", "--cancel", "--why", "no"]);
    assert_eq!(none.status.code(), Some(3));
    assert_eq!(world.run(&["rebalance", "--apply"]).status.code(), Some(2), "without --why");
}

#[test]
fn left_off_by_ctrl_c_a_rebalance_goes_on() {
    let mut world = World::new();
    world.start_manager("a1");
    world.declare();
    world.start_manager("b1");
    world.does(&["rebalance", "--apply", "--why", "a node", "--detach"]);
    let mut again = world.command(&["rebalance", "--apply", "--why", "to watch it"]);
    let watching = again.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    send(watching.id(), Signal::INT);
    watching.wait_with_output().unwrap();
    eventually("it is done", PATIENCE, || {
        world.homes().values().filter(|home| *home == "b1.trader-manager").count() == CUSTOMERS / 2
    });
}

#[test]
fn the_count_of_customers_on_their_way_finds_too_many() {
    let assigned =
        |customer: &str| serde_json::json!({"customer_assigned": {"customer": customer}});
    let begun = serde_json::json!({"rebalance_begun": {}});
    let events: Vec<Value> =
        [begun].into_iter().chain(["a", "b", "c", "d", "e"].map(assigned)).collect();
    assert_eq!(most_at_once(&events), 5);
}
