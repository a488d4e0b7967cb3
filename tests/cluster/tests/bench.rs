//! `tradewind bench`: what it prints is well formed and says that something was done. How much is the
//! machine's affair; figures stand in docs/benchmarks.md.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{path::Path, process::Command};
use tempfile::TempDir;
use tradewind_tests_cluster::binary;

/// Where the build is there is a disk; the directory for temporary files may be in memory.
fn directory() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn bench(arguments: &[&str], data: &Path) -> Value {
    let output = Command::new(binary())
        .arg("bench")
        .args(arguments)
        .args(["-o", "json", "--data"])
        .arg(data)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn above_zero(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value[field].as_f64().is_some_and(|number| number > 0.0), "{field} in {value}");
    }
}

const MEASURED: [&str; 4] = ["per_s", "p50_us", "p99_us", "p999_us"];

#[test]
fn the_control_plane_is_measured_and_survives_a_kill() {
    let data = directory();
    let arguments = ["control", "--clients", "4", "--seconds", "1", "--failover", "1"];
    let report = bench(&arguments, data.path());
    let runs = report["runs"].as_array().unwrap();
    let told: Vec<_> = runs.iter().map(|run| (&run["op"], &run["clients"])).collect();
    assert_eq!(told, [(&"write".into(), &4.into()), (&"read".into(), &4.into())]);
    for run in runs {
        above_zero(&run["tradewind"], &MEASURED);
    }
    above_zero(&report["failover_ms"], &["median", "worst"]);
    assert_eq!(report["failover_ms"]["kills"], 1);
    above_zero(&report["transfer_ms"], &["median", "worst"]);
}

#[test]
fn the_journal_is_measured_beside_a_bare_loop() {
    let data = directory();
    let report = bench(&["journal", "--batch", "1,16", "--seconds", "1"], data.path());
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(
        runs.iter().map(|run| run["batch"].as_u64()).collect::<Vec<_>>(),
        [Some(1), Some(16)]
    );
    for run in runs {
        above_zero(&run["journal"], &MEASURED);
        above_zero(&run["raw"], &MEASURED);
        above_zero(&run["ratio"], &["per_s", "p99"]);
    }
}

#[test]
fn another_system_is_not_measured_by_a_build_that_cannot_speak_to_it() {
    let data = directory();
    let output = Command::new(binary())
        .args(["bench", "control", "--compare", "etcd", "--clients", "1", "--seconds", "1"])
        .arg("--data")
        .arg(data.path())
        .env("PATH", data.path())
        .output()
        .unwrap();
    // Built with the feature it asks for the package, built without it for the feature.
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("--features compare-etcd") || errors.contains("etcd could not"),
        "{errors}"
    );
}

#[test]
fn a_trader_is_taken_over_whatever_is_lost() {
    let data = directory();
    let report = bench(&["takeover", "--rounds", "1"], data.path());
    let takeovers = report["takeovers"].as_array().unwrap();
    let losses: Vec<_> = takeovers.iter().map(|each| each["loss"].as_str().unwrap()).collect();
    assert_eq!(losses, ["manager_killed", "manager_stopped", "node_killed"]);
    for each in takeovers {
        above_zero(each, &["median_ms", "worst_ms", "rounds"]);
    }
}

#[test]
fn a_manager_with_services_is_measured_idle_killed_and_with_a_broker_that_is_killed() {
    let data = directory();
    let arguments = ["data-plane", "--services", "4", "--seconds", "1", "--beside", "2"];
    let few = ["--moved", "6", "--broker-restarts", "2"];
    let report = bench(&[&arguments[..], &few].concat(), data.path());
    above_zero(&report, &["all_live_seconds", "manager_rss_mib", "status_median_ms"]);
    // So little CPU may not be counted at all: then there is no ratio.
    let echo = &report["echo"];
    above_zero(echo, &["frames_per_s"]);
    assert_eq!(echo["sockets"], 4);
    let used = echo["cpu_percent"].as_f64().unwrap();
    assert_eq!(report["manager_by_echo"].is_f64(), used > 0.0, "{report}");
    let beside = report["beside"].as_array().unwrap();
    let told: Vec<_> = beside.iter().map(|each| (&each["manager"], &each["services"])).collect();
    let two = &Value::from(2);
    assert_eq!(told, [(&"broker_manager".into(), two), (&"market_manager".into(), two)]);
    for each in beside {
        assert!(each["manager_cpu_percent"].is_f64() && each["services_cpu_percent"].is_f64());
    }
    assert_eq!((&report["services"], &report["moved"]["services"]), (&4.into(), &6.into()));
    let moved = &report["moved"];
    above_zero(moved, &["first_live_seconds", "all_live_seconds"]);
    assert!(moved["first_live_seconds"].as_f64() <= moved["all_live_seconds"].as_f64());
    assert_eq!(report["broker_restart"]["kills"], 2);
    above_zero(&report["broker_restart"], &["median_ms", "worst_ms", "median_by_start"]);
    above_zero(&report["broker_restart"]["start"], &["times", "median_ms", "worst_ms"]);
}

#[test]
fn trading_is_measured_beside_its_floors_and_nothing_is_lost_under_a_kill() {
    let data = directory();
    let arguments = ["trading", "--seconds", "1", "--order-sessions", "2", "--readers", "3"];
    let few = ["--sessions", "2", "--kills", "1"];
    let report = bench(&[&arguments[..], &few].concat(), data.path());
    let orders = &report["orders"];
    for measured in [&orders["fdatasync"], &orders["sdk"]] {
        above_zero(measured, &["per_s", "p50_us", "p99_us"]);
    }
    above_zero(&orders["runs"][0]["tradewind"], &["per_s", "p50_us", "p99_us"]);
    above_zero(&orders["runs"][0]["relays"], &["per_s", "p50_us", "p99_us"]);
    above_zero(orders, &["accepted"]);
    assert_eq!(orders["accepted"], orders["at_the_venue"], "each exactly once");
    let run = &report["fan_out"]["runs"][0];
    above_zero(&run["tradewind"], &["messages_per_s"]);
    above_zero(&run["broadcast"], &["messages_per_s"]);
    above_zero(&report["fan_out"]["paced"]["tradewind"], &["messages_per_s", "p50_us"]);
    let failover = &report["failover"][0];
    above_zero(failover, &["median_ms", "max_ms", "orders", "fills"]);
    for field in ["never", "duplicate_orders", "lost_orders", "lost_fills", "untold_gaps"] {
        assert_eq!(failover[field], 0, "{field} in {failover}");
    }
    assert_eq!(failover["errors"], serde_json::json!([]));
}
