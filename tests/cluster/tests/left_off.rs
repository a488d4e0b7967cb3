//! Commands that are left by a signal while they wait: each ends at once, whatever it waits for, says what that means,
//! and ends with the code for what is not known. What was begun goes on.
#![allow(clippy::unwrap_used)]

use rustix::{
    fs::{Mode, OFlags},
    process::Signal,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::TcpListener,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};
use tempfile::TempDir;
use tradewind_tests_cluster::{Demo, binary, eventually, members::Members, send};

const PATIENCE: Duration = Duration::from_secs(60);
/// Of leaving: far below what any of these commands waits for an answer, far above a busy machine's hiccups.
const AT_ONCE: Duration = Duration::from_secs(4);

/// An address where everybody is let in and nobody is answered, and word of each who came.
fn silent() -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (came, comes) = channel();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for socket in listener.incoming().flatten() {
            kept.push(socket);
            if came.send(()).is_err() {
                return;
            }
        }
    });
    (address, comes)
}

fn ends(child: &mut Child, what: &str) -> ExitStatus {
    let mut status = None;
    eventually(&format!("{what} ends"), AT_ONCE, || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

fn words_of(child: &mut Child) -> String {
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    said
}

/// A command that waits for an answer is sent `signal`.
fn left(words: &str, signal: Signal) -> (Option<i32>, String) {
    let (address, comes) = silent();
    let mut child = Command::new(binary())
        .args(words.split(' '))
        .args(["--addr", &address])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    comes.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{words} asked nobody"));
    send(child.id(), signal);
    let code = ends(&mut child, words).code();
    (code, words_of(&mut child))
}

#[test]
fn a_command_that_waits_for_an_answer_ends_at_once_by_a_signal_and_says_that_nothing_is_known() {
    let files = TempDir::new().unwrap();
    let file = files.path().join("cluster.toml");
    fs::write(&file, "[customers.acme]\n").unwrap();
    let apply = format!("apply {} --yes", file.display());
    let save = format!("snapshot save --out {}", files.path().join("saved").display());
    let commands = [
        "status",
        "status --watch",
        "events",
        "wait leader",
        "member list",
        "member remove 4",
        "member transfer",
        "drain",
        "drain a1 --why upgrade",
        "drain a1 --why upgrade --force",
        "undrain a1 --why done",
        "rebalance",
        "rebalance --apply --why even",
        "customer put acme",
        "customer ls --watch",
        "account rm k",
        "key add acme",
        "trader pause t",
        "route move crypto --from a --to b",
        "provisioning ls",
        &apply,
        &save,
    ];
    let signals = [Signal::INT, Signal::TERM, Signal::HUP];
    for (words, signal) in commands.into_iter().zip(signals.into_iter().cycle()) {
        let (code, said) = left(words, signal);
        assert_eq!(code, Some(6), "{words} by {signal:?}: {said}");
        assert!(said.starts_with("tradewind: "), "{words}: {said}");
    }
    // and of a file that did not come whole nothing is left
    let left: Vec<_> = fs::read_dir(files.path()).unwrap().flatten().map(|f| f.path()).collect();
    assert_eq!(left, [file]);
}

#[test]
fn at_the_question_of_apply_a_signal_ends_it_and_nothing_was_done() {
    // given: `apply` at a terminal, which asks
    let members = Members::three();
    let files = TempDir::new().unwrap();
    let file = files.path().join("cluster.toml");
    fs::write(&file, "[customers.acme]\n").unwrap();
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let mut child = Command::new(binary())
        .arg("apply")
        .arg(&file)
        .args(["--addr", &members.addresses().join(",")])
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut asked = String::new();
    while !asked.contains("Apply this?") {
        let mut some = [0; 256];
        let read = stderr.read(&mut some).unwrap();
        assert!(read > 0, "it asked nothing: {asked}");
        asked.push_str(&String::from_utf8_lossy(&some[..read]));
    }
    // when
    send(child.id(), Signal::INT);
    // then
    let code = ends(&mut child, "apply").code();
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("nothing was done"), "{said}");
    let customers = Command::new(binary())
        .args(["customer", "ls", "-o", "jsonl", "--addr", &members.addresses().join(",")])
        .output()
        .unwrap();
    assert!(customers.status.success() && customers.stdout.is_empty());
    // and an answer is still taken
    drop(File::from(ours).write_all(b"\n"));
}

#[test]
fn ctrl_c_leaves_a_drain_running_and_says_how_to_look_at_it_and_how_to_end_it() {
    // given: a drain that comes to no end by itself: nobody else can take its Broker
    let demo = Demo::trading();
    let members = demo.members().join(",");
    let tradewind = |words: &[&str]| {
        Command::new(binary()).args(words).args(["--addr", &members]).output().unwrap()
    };
    let brokers = tradewind(&["broker", "ls", "-o", "json"]).stdout;
    let brokers: serde_json::Value = serde_json::from_slice(&brokers).unwrap();
    let manager = brokers[0]["assignment"]["manager"].as_str().unwrap();
    let drain = ["drain", manager, "--why", "a new disk", "--drop", "never", "--addr", &members];
    let mut child = Command::new(binary())
        .args(drain)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 1];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    // when
    send(child.id(), Signal::INT);
    // then: not over, and said so
    let code = ends(&mut child, "drain").code();
    let said = words_of(&mut child);
    assert_eq!(code, Some(6), "{said}");
    for part in [
        format!("{manager} goes on being drained"),
        format!("tradewind drain {manager} --show"),
        format!("tradewind undrain {manager} --why TEXT"),
    ] {
        assert!(said.contains(&part), "{part}: {said}");
    }
    // and it goes on, until it is ended by the words that were said
    let shown = tradewind(&["drain", manager, "--show", "-o", "jsonl"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["by"]["why"], "a new disk");
    assert!(["cordoned", "draining"].contains(&shown["state"].as_str().unwrap()), "{shown}");
    assert!(tradewind(&["undrain", manager, "--why", "in"]).status.success());
    assert_eq!(tradewind(&["drain", manager, "--show"]).status.code(), Some(3));
}
