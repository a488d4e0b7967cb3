//! `tradewind broker|market|trader logs ID --follow`, of services of a running cluster: what is written after it has begun to
//! follow is told, also what a service's next life writes.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};
use tradewind_tests_cluster::{Demo, binary, send};

const PATIENCE: Duration = Duration::from_secs(30);

/// The command at work; ended when dropped.
struct Followed {
    child: Child,
    lines: Receiver<String>,
}

impl Followed {
    /// Returns once it has told the last line there was.
    fn start(demo: &Demo, kind: &str, id: &str) -> Self {
        let members = demo.members().join(",");
        let mut command = Command::new(binary());
        command.args([kind, "logs", id, "--follow", "--lines", "1", "--addr", &members]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (told, lines) = mpsc::channel();
        thread::spawn(move || {
            out.lines().map_while(Result::ok).all(|line| told.send(line).is_ok())
        });
        let followed = Self { child, lines };
        followed.lines.recv_timeout(PATIENCE).unwrap();
        followed
    }

    /// Waits for a line with these words among those told from now on.
    fn until(&self, words: &str) {
        let until = Instant::now() + PATIENCE;
        let mut told = Vec::new();
        while told.last().is_none_or(|line: &String| !line.contains(words)) {
            let within = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(within) {
                Ok(line) => told.push(line),
                Err(error) => panic!("{error}, and nothing of {words} in {told:#?}"),
            }
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_a_service_writes_after_its_log_is_followed_is_told_by_the_command() {
    let demo = Demo::trading();
    // given: an algo that says something only once it is let
    let go = demo.data.path().join("go");
    let script = format!(
        "echo begun; until [ -e {} ]; do sleep 0.05; done; echo went on; exec sleep 600",
        go.display()
    );
    let members = demo.members().join(",");
    let mut put = Command::new(binary());
    put.args(["trader", "put", "talks", "--customer", "guest", "--addr", &members, "--"]);
    let put = put.args(["sh", "-c", &script]).output().unwrap();
    assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
    let begun = Instant::now();
    let told = || {
        let mut logs = Command::new(binary());
        logs.args(["trader", "logs", "talks", "--addr", &members]).output().unwrap().stdout
    };
    while told() != b"begun\n" {
        assert!(begun.elapsed() < PATIENCE, "it does not run");
        thread::sleep(Duration::from_millis(50));
    }
    // when
    let followed = Followed::start(&demo, "trader", "talks");
    File::create(&go).unwrap();
    // then
    followed.until("went on");
    // when, then: of a Broker and a Market that die, what their next lives write first
    for (kind, id) in [("broker", "sim-1"), ("market", "crypto")] {
        let followed = Followed::start(&demo, kind, id);
        let lives = demo.processes_of(kind);
        assert!(!lives.is_empty(), "no {kind} runs");
        lives.into_iter().for_each(|pid| send(pid, Signal::KILL));
        followed.until("manager's pipe is up");
    }
}
