//! Sizes, headers, words, clocks and arrows. Decides what counts as a breach; every exception stands
//! here by name, with its reason.
#![allow(clippy::unwrap_used)]

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

const LINES_MAX: usize = 400;
/// Files over the limit, and why. None may pass 500.
const LONG_FILES: [(&str, &str); 0] = [];

/// What each crate may use, in the order of the layers. A crate that is not named here may use nothing.
const ARROWS: [(&str, &[&str]); 23] = [
    ("tradewind-domain", &[]),
    ("tradewind-protocol", &["domain"]),
    ("tradewind-sdk", &["protocol"]),
    ("tradewind-journal", &[]),
    ("tradewind-launcher", &["protocol"]),
    ("tradewind-link", &["domain", "protocol"]),
    ("tradewind-replication", &["domain", "protocol", "journal"]),
    ("tradewind-control-client", &["domain", "protocol", "link"]),
    ("tradewind-control-server", &["domain", "protocol", "link", "replication", "control-client"]),
    ("tradewind-node", &["domain", "protocol", "link", "control-client"]),
    ("tradewind-sim", &["domain", "protocol", "link", "journal"]),
    ("tradewind-kraken", &["domain"]),
    ("tradewind-kraken-sim", &["domain", "journal", "kraken", "link", "sim"]),
    (
        "tradewind-brokers",
        &["domain", "protocol", "link", "journal", "control-client", "node", "sim", "kraken"],
    ),
    ("tradewind-markets", &["domain", "protocol", "link", "control-client", "node"]),
    ("tradewind-traders", &["domain", "protocol", "link", "control-client", "node"]),
    (
        "tradewind-tests-cluster",
        &["domain", "protocol", "sdk", "launcher", "link", "control-client", "faulty-disk"],
    ),
    ("tradewind-tests-copies", &["domain"]),
    ("simulation", &["domain", "journal", "replication"]),
    ("tradewind-faulty-disk", &[]),
    ("tradewind-tests-tidy", &[]),
    ("jepsen-like", &["domain", "protocol", "sdk", "launcher", "link", "control-client"]),
    // The binary puts everything together, and is the only one that may.
    ("tradewind", &["*"]),
];

/// Libraries with one home: named nowhere else, so that replacing one is one folder's work.
const HOMES: [(&str, &[&str]); 7] = [
    ("openraft", &["tradewind-replication"]),
    ("openraft-rt-tokio", &["tradewind-replication"]),
    ("turmoil", &["simulation"]),
    ("sled", &["tradewind-replication"]),
    ("bincode", &["tradewind-journal"]),
    ("twox-hash", &["tradewind-domain"]),
    ("prometheus-client", &["tradewind-control-server", "tradewind-node"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every source file of the project with its path from the root.
fn sources() -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_string();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") {
                let short = path.strip_prefix(&root).unwrap().to_str().unwrap().to_string();
                found.push((short, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn assert_none(breaches: &[String]) {
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
}

#[test]
fn no_file_is_longer_than_a_person_can_hold() {
    let exceptions: BTreeMap<_, _> = LONG_FILES.into_iter().collect();
    let mut breaches = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        let most = if exceptions.contains_key(path.as_str()) { 500 } else { LINES_MAX };
        if lines > most {
            breaches.push(format!("{path}: {lines} lines, at most {most}"));
        }
    }
    assert_none(&breaches);
}

#[test]
fn every_file_opens_with_what_it_decides() {
    let headless = sources().into_iter().filter(|(_, text)| {
        let opening: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        opening.is_empty() || opening.concat().len() < 30
    });
    assert_none(&headless.map(|(path, _)| path).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    // Put together here, so that this file does not breach its own rule.
    let words = ["TO", "FIX", "XX"].into_iter().zip(["DO", "ME", "X"]);
    let words: Vec<String> = words.map(|(first, second)| format!("{first}{second}")).collect();
    let macros = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!("));
    let ignored = format!("#[{}", "ignore");
    let mut breaches = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            let left = words.iter().chain(&macros).any(|word| line.contains(word.as_str()));
            if left || line.contains(&ignored) {
                breaches.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none(&breaches);
}

#[test]
fn files_are_named_after_a_noun() {
    let forbidden = ["util", "utils", "common", "helper", "helpers", "misc", "data"];
    let breaches = sources().into_iter().map(|(path, _)| path).filter(|path| {
        path.trim_end_matches(".rs").split('/').any(|part| forbidden.contains(&part))
    });
    assert_none(&breaches.collect::<Vec<_>>());
}

#[test]
fn the_domain_reads_no_clock_and_knows_no_machine() {
    let forbidden =
        ["std::", "SystemTime", "Instant", "HashMap", "HashSet", "getrandom", "tracing", "tokio"];
    let mut breaches = Vec::new();
    for (path, text) in sources() {
        // Tests may use what they like.
        if !path.starts_with("domain/src") || path.ends_with("tests.rs") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if forbidden.iter().any(|word| code.contains(word)) {
                breaches.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none(&breaches);
    let opening = fs::read_to_string(root().join("domain/src/lib.rs")).unwrap();
    assert!(opening.contains("#![no_std]"));
}

#[test]
fn a_clock_is_read_in_one_file_a_crate() {
    let mut readers = BTreeMap::<String, Vec<String>>::new();
    for (path, text) in sources() {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let is_test = path.contains("/tests") || path.starts_with("tests/");
        if !is_test && code.contains("SystemTime::now()") {
            let home = path.split("/src/").next().unwrap_or_default().to_string();
            readers.entry(home).or_default().push(path);
        }
    }
    let breaches = readers.into_iter().filter(|(_, files)| files.len() > 1);
    assert_none(&breaches.map(|(home, files)| format!("{home}: {files:?}")).collect::<Vec<_>>());
}

#[test]
fn no_folder_knows_a_higher_one() {
    let metadata = MetadataCommand::new().current_dir(root()).no_deps().exec().unwrap();
    let mut breaches = Vec::new();
    for package in &metadata.packages {
        let name = package.name.to_string();
        let allowed = ARROWS.iter().find(|(from, _)| *from == name).map(|(_, to)| *to);
        let Some(allowed) = allowed else {
            breaches.push(format!("{name} has no place among the layers"));
            continue;
        };
        for dependency in &package.dependencies {
            // A test may look further up than the code it tests.
            let ours = dependency.name.strip_prefix("tradewind-");
            let Some(ours) = ours.filter(|_| dependency.kind == DependencyKind::Normal) else {
                continue;
            };
            if !allowed.contains(&"*") && !allowed.contains(&ours) {
                breaches.push(format!("{name} uses {}", dependency.name));
            }
        }
    }
    assert_none(&breaches);
}

#[test]
fn a_library_with_a_home_stays_there() {
    let metadata = MetadataCommand::new().current_dir(root()).no_deps().exec().unwrap();
    let mut breaches = Vec::new();
    for package in &metadata.packages {
        for (library, homes) in HOMES {
            let used = package.dependencies.iter().any(|dependency| dependency.name == library);
            if used && !homes.contains(&package.name.as_str()) {
                breaches.push(format!("{} uses {library}", package.name));
            }
        }
    }
    assert_none(&breaches);
}

#[test]
fn every_version_is_pinned_in_one_place() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    let mut breaches = Vec::new();
    for line in section.lines().filter(|line| line.contains('=') && !line.starts_with('#')) {
        let own = line.contains("path = ");
        if !own && !line.contains("\"=") {
            breaches.push(line.to_string());
        }
    }
    for entry in cargo_metadata::MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()
        .unwrap()
        .packages
    {
        let text = fs::read_to_string(&entry.manifest_path).unwrap();
        let own = text.split("\n[dependencies]").nth(1).unwrap_or_default();
        let own = own.split("\n[lints]").next().unwrap_or_default();
        let loose = own.lines().filter(|line| line.contains(" = ") && !line.contains("workspace"));
        let loose = loose.filter(|line| !line.trim_start().starts_with(['#', '[']));
        breaches.extend(loose.map(|line| format!("{}: {line}", entry.manifest_path)));
    }
    assert_none(&breaches);
}

#[test]
fn every_decision_is_short_and_of_the_same_form() {
    let mut breaches = Vec::new();
    for entry in fs::read_dir(root().join("docs/decisions")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let parts = ["## Context", "## Decision", "## Consequences", "## Status"];
        let whole = parts.iter().all(|part| text.contains(part));
        if !whole || text.lines().count() > 60 {
            breaches.push(path.display().to_string());
        }
    }
    assert_none(&breaches);
}

#[test]
fn the_architecture_stays_short() {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    assert!(text.lines().count() < 300);
}
