//! What is lost as a whole, with an algo that trades meanwhile and the venue's ledger to judge it: the whole control plane for a
//! while, a whole node with its leader; and by which proof a Manager is taken for down. `TRADEWIND_OUTAGE_SECONDS` asks for a
//! longer outage than the gate has time for.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use serde_json::Value;
use std::{
    fs,
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tradewind_domain::trading::invariants::check;
use tradewind_tests_cluster::{
    Demo, asked, binary, eventually,
    saw::{Saw, saw, truth},
    send,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn told(demo: &Demo, words: &[&str]) -> Vec<u8> {
    let members = demo.members().join(",");
    Command::new(binary()).args(words).args(["--addr", &members]).output().unwrap().stdout
}

fn status(demo: &Demo) -> Value {
    serde_json::from_slice(&told(demo, &["status", "-o", "json"])).unwrap_or_default()
}

/// Managers by their names: the right each has, and how the leader finds it.
fn managers(status: &Value) -> Vec<(String, u64, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = status["managers"].as_array().cloned().unwrap_or_default();
    let each = all.iter().map(|row| {
        (text(&row["manager"]), row["epoch"].as_u64().unwrap_or_default(), text(&row["health"]))
    });
    each.collect()
}

fn all_are_well(status: &Value) -> bool {
    let managers = managers(status);
    managers.len() == 6 && managers.iter().all(|(_, _, health)| health == "well")
}

/// Why a Manager was taken for down, as often as it was.
fn down(demo: &Demo, manager: &str) -> Vec<String> {
    let told = told(demo, &["events", "--kind", "manager_down", "--about", manager, "-o", "jsonl"]);
    let lines = String::from_utf8(told).unwrap();
    let entries = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let each = entries.flat_map(|entry| entry["events"].as_array().cloned().unwrap_or_default());
    each.filter_map(|event| event["manager_down"]["why"].as_str().map(str::to_owned)).collect()
}

/// Processes of the demo whose command line has this word.
fn processes_with(demo: &Demo, word: &str) -> Vec<u32> {
    let has = |pid: &u32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split('\0').any(|part| part == word)
    };
    demo.processes().into_iter().filter(has).collect()
}

/// The sample algo as a guest beside the demo: its history is judged.
struct Guest {
    child: Child,
    history: PathBuf,
}

impl Guest {
    fn of(demo: &Demo) -> Self {
        let history = demo.data.path().join("guest.jsonl");
        let child = Command::new(binary())
            .arg("sample-algo")
            .env("TRADEWIND_INFRASTRUCTURE", demo.members().join(","))
            .env("TRADEWIND_API_KEY", "guest-key")
            .env("TRADEWIND_HISTORY", &history)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let guest = Self { child, history };
        eventually("the guest trades", PATIENCE, || guest.fills() > 3);
        guest
    }

    fn fills(&self) -> usize {
        let text = fs::read_to_string(&self.history).unwrap_or_default();
        text.lines().filter(|line| line.contains(r#""f":"fill""#)).count()
    }

    fn trades_on(&self, when: &str) {
        let before = self.fills();
        eventually(&format!("it trades on {when}"), PATIENCE, || self.fills() > before + 3);
    }

    /// Ends it in order, and holds what it saw against what the venue says.
    async fn judge(mut self, demo: &Demo) {
        send(self.child.id(), Signal::TERM);
        eventually("it winds down", PATIENCE, || self.child.try_wait().unwrap().is_some());
        let Saw { view, errors, .. } = saw(&self.history);
        assert!(errors.is_empty(), "{errors:#?}");
        let truth = truth(&view, "guest", &[(&demo.venue(), "sim-2")]).await;
        let found = check(&view, &truth);
        assert!(found.none(), "{found:?}");
        assert!(!truth.fills.is_empty());
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a process was started: it is started so again.
struct Started {
    words: Vec<Vec<u8>>,
    environment: Vec<Vec<u8>>,
    place: PathBuf,
}

impl Started {
    fn of(pid: u32) -> Self {
        let parts = |name: &str| {
            let bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap();
            let parts = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty());
            parts.map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        let place = fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
        Self { words: parts("cmdline"), environment: parts("environ"), place }
    }

    /// Killed with the demo, by the mark in its environment.
    fn again(&self) -> Child {
        let text = |bytes: &[u8]| std::ffi::OsStr::from_bytes(bytes).to_owned();
        let mut command = Command::new(binary());
        command.args(self.words.iter().skip(1).map(|word| text(word))).current_dir(&self.place);
        command.env_clear();
        for variable in &self.environment {
            let at = variable.iter().position(|byte| *byte == b'=').unwrap();
            command.env(text(&variable[..at]), text(&variable[at + 1..]));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_whole_control_plane_away_trading_goes_on_and_then_all_of_it_is_found_again() {
    // given
    let demo = Demo::trading();
    // Two Brokers, two Markets, the Trader: told a beat after they live.
    eventually("all that runs is told", PATIENCE, || {
        let now = status(&demo);
        let all = now["services"].as_array().cloned().unwrap_or_default();
        all_are_well(&now) && all.len() == 5 && all.iter().all(|one| one["state"] == "live")
    });
    let guest = Guest::of(&demo);
    let before = status(&demo);
    let services = |status: &Value| {
        let all = status["services"].as_array().cloned().unwrap_or_default();
        let each = all.iter().map(|one| (one["service"].to_string(), one["pid"].to_string()));
        each.collect::<Vec<_>>()
    };
    let members = demo.processes_of("infra");
    assert_eq!(members.len(), 3);
    let started: Vec<Started> = members.iter().map(|pid| Started::of(*pid)).collect();
    // when
    members.iter().for_each(|pid| send(*pid, Signal::KILL));
    eventually("no member is left", PATIENCE, || demo.processes_of("infra").is_empty());
    // then: as long as it lasts
    let (began, lasts) = (Instant::now(), asked("TRADEWIND_OUTAGE_SECONDS", 5));
    while began.elapsed() < Duration::from_secs(lasts) {
        guest.trades_on("without any member");
    }
    assert_eq!(demo.processes_of("infra"), Vec::<u32>::new(), "nobody has started one");
    // when
    let _again: Vec<Child> = started.iter().map(Started::again).collect();
    // then: nothing is registered anew, moved or started again
    eventually("all is found again", PATIENCE, || {
        let now = status(&demo);
        all_are_well(&now) && services(&now) == services(&before)
    });
    let after = status(&demo);
    assert_eq!(managers(&after), managers(&before));
    assert_eq!(after["customers"], before["customers"]);
    guest.trades_on("with all members back");
    let put = told(&demo, &["customer", "put", "late", "-o", "json"]);
    assert!(!put.is_empty(), "and something new is taken");
    guest.judge(&demo).await;
}

/// Managers of an implementation without a Broker. Where both have one, only what can be taken over is lost: a Broker's node is
/// waited for (decision 8).
fn lost(demo: &Demo) -> Vec<String> {
    let brokers: Value =
        serde_json::from_slice(&told(demo, &["broker", "ls", "-o", "json"])).unwrap();
    let of = |name: &str| {
        let has = |row: &Value| {
            let holder = row["assignment"]["manager"].as_str().unwrap_or_default();
            holder.starts_with(&format!("{name}."))
        };
        !brokers.as_array().unwrap().iter().any(has)
    };
    match ["implementation-1", "implementation-2"].into_iter().find(|name| of(name)) {
        Some(name) => ["broker-manager", "market-manager", "trader-manager"]
            .map(|kind| format!("{name}.{kind}"))
            .into(),
        None => ["market-manager", "trader-manager"]
            .map(|kind| format!("implementation-1.{kind}"))
            .into(),
    }
}

/// The leader, these Managers, and the services that they run.
fn processes_of_node(demo: &Demo, leader: u64, lost: &[String], before: &Value) -> Vec<u32> {
    let leads = |pid: &u32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&str> = line.split('\0').collect();
        words.windows(2).any(|pair| pair == ["--node", leader.to_string().as_str()])
    };
    let mut gone: Vec<u32> = demo.processes_of("infra").into_iter().filter(leads).collect();
    assert_eq!(gone.len(), 1);
    for name in lost {
        let (implementation, kind) = name.split_once('.').unwrap();
        let own = processes_with(demo, implementation);
        gone.extend(own.into_iter().filter(|pid| demo.processes_of(kind).contains(pid)));
        let services = before["services"].as_array().unwrap().iter();
        let services = services.filter(|one| one["manager"] == **name);
        let pids = services.filter_map(|one| one["pid"].as_u64());
        gone.extend(pids.map(|pid| u32::try_from(pid).unwrap()));
    }
    gone
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_node_with_the_leader_is_lost_and_everything_that_was_there_is_served_again() {
    // given: an algo that trades, and a node without a Broker
    let demo = Demo::trading();
    eventually("all Managers are well", PATIENCE, || all_are_well(&status(&demo)));
    let guest = Guest::of(&demo);
    let (lost, before) = (lost(&demo), status(&demo));
    let leader = before["leader"].as_u64().unwrap();
    // when: the leader, these Managers, and what they run
    let gone = processes_of_node(&demo, leader, &lost, &before);
    assert!(gone.len() > lost.len(), "{gone:?}");
    gone.iter().for_each(|pid| send(*pid, Signal::KILL));
    // then: another leads, and by the ports that refuse it knows at once, not by the end of a lease
    for name in &lost {
        eventually(&format!("{name} is down"), PATIENCE, || down(&demo, name) == ["refused"]);
    }
    let now = status(&demo);
    assert_ne!(now["leader"], leader);
    // and all customers have a TraderManager that is there, and every Trader runs
    eventually("every customer and Trader is served", PATIENCE, || {
        let now = status(&demo);
        let customers = now["customers"].as_array().cloned().unwrap_or_default();
        let placed = customers.iter().filter(|one| one["traders"] != serde_json::json!([]));
        let mut placed =
            placed.map(|one| one["trader_manager"].as_str().unwrap_or_default().to_owned());
        let shown = told(&demo, &["trader", "get", "sample", "-o", "json"]);
        let shown: Value = serde_json::from_slice(&shown).unwrap_or_default();
        placed.all(|name| !name.is_empty() && !lost.contains(&name))
            && shown["now"]["state"] == "live"
    });
    guest.trades_on("at the node that is left");
    let fills = demo.fills();
    eventually("the Trader trades on", PATIENCE, || demo.fills() > fills + 3);
    guest.judge(&demo).await;
}

#[test]
fn a_killed_manager_is_known_by_its_port_that_refuses_and_a_stopped_one_by_its_silence() {
    let demo = Demo::trading();
    eventually("all Managers are well", PATIENCE, || all_are_well(&status(&demo)));
    let process = |name: &str| {
        let (implementation, kind) = name.split_once('.').unwrap();
        let own = processes_with(&demo, implementation);
        own.into_iter().find(|pid| demo.processes_of(kind).contains(pid)).unwrap()
    };
    let (killed, stopped) = ("implementation-1.trader-manager", "implementation-2.market-manager");
    send(process(killed), Signal::KILL);
    eventually("the killed one is down", PATIENCE, || !down(&demo, killed).is_empty());
    assert_eq!(down(&demo, killed), ["refused"], "not by the end of its lease");
    let sleeper = process(stopped);
    send(sleeper, Signal::STOP);
    eventually("the stopped one is down", PATIENCE, || !down(&demo, stopped).is_empty());
    assert_eq!(down(&demo, stopped), ["silent"], "its port still lets in");
    send(sleeper, Signal::CONT);
    eventually("it is there again", PATIENCE, || {
        let of = |(name, _, health): &(String, u64, String)| name == stopped && health == "well";
        managers(&status(&demo)).iter().any(of)
    });
}
