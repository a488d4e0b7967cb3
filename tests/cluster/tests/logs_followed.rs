//! `tradewind broker|market|trader logs ID --follow`, of services of a running cluster: what is written after it has begun to
//! follow is told, also what a service's next life writes, also when a log is set aside meanwhile, and also when the Manager is
//! killed; it ends when the service is declared no more.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};
use tradewind_launcher::Passing;
use tradewind_tests_cluster::{
    Demo, binary, eventually, eventually_async, operator::Operator, send, site::Site,
};

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
        followed.line();
        followed
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
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

/// Runs an algo that begins with these very words, and waits for them.
fn runs(demo: &Demo, name: &str, script: &str) {
    let members = demo.members().join(",");
    let mut put = Command::new(binary());
    put.args(["trader", "put", name, "--customer", "guest", "--addr", &members, "--"]);
    let put = put.args(["sh", "-c", script]).output().unwrap();
    assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
    let told = || {
        let mut logs = Command::new(binary());
        logs.args(["trader", "logs", name, "--addr", &members]).output().unwrap().stdout
    };
    eventually("it runs", PATIENCE, || told() == b"begun\n");
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
    runs(&demo, "talks", &script);
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

/// Lines of a hundred bytes: nearly as many as a log of 8 MiB holds, and so many that it is too large with them.
const HELD: u64 = (8 << 20) / 100 - 1;
const MORE: u64 = 10;

#[test]
fn of_a_log_that_is_set_aside_twice_every_word_is_told_in_its_order_also_to_who_lags_behind_both() {
    let demo = Demo::trading();
    // given: an algo that counts once it is let, by far more than a log holds. It goes past that in one write and rests until
    // it is set aside: what is written meanwhile may be lost
    let (go, place) = (demo.data.path().join("go"), demo.data.path().join("place"));
    let last = 2 * (HELD + MORE) + HELD / 2;
    let script = format!(
        "echo begun
        log=$(readlink /proc/$$/fd/1)
        echo \"$log\" > {}
        until [ -e {} ]; do sleep 0.05; done
        from=1
        count() {{ seq -f %099.0f $from $((from + $1 - 1)); from=$((from + $1)); }}
        for part in 1 2; do
            count {HELD}
            count {MORE}
            until [ $(stat -c %s \"$log\") -eq 0 ]; do sleep 0.05; done
        done
        count $(({HELD} / 2))
        echo all said
        exec sleep 600",
        place.display(),
        go.display()
    );
    runs(&demo, "counts", &script);
    // and two who follow it, of whom one stands still
    let reads = Followed::start(&demo, "trader", "counts");
    let lags = Followed::start(&demo, "trader", "counts");
    send(lags.child.id(), Signal::STOP);
    // when
    File::create(&go).unwrap();
    // then
    let every_word = |followed: &Followed| {
        for number in 1..=last {
            let line = followed.line();
            assert_eq!(line.parse::<u64>(), Ok(number), "{line}");
        }
        assert_eq!(followed.line(), "all said");
    };
    every_word(&reads);
    let log = fs::read_to_string(place).unwrap();
    for aside in [".1", ".2"] {
        let aside = format!("{}{aside}", log.trim_end());
        assert!(Path::new(&aside).exists(), "there is no {aside}");
    }
    // when: the other goes on
    send(lags.child.id(), Signal::CONT);
    // then
    every_word(&lags);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_algo_whose_manager_is_killed_every_word_is_told_once_and_in_its_order() {
    // given: an algo that counts from when it is let until it is to halt
    let mut site = Site::of(1).await;
    let file = |name: &str| site.group.home.path().join(name);
    let (go, halt, place) = (file("go"), file("halt"), file("place"));
    let script = format!(
        "log=$(readlink /proc/$$/fd/1)
        echo \"$log\" > {}
        echo begun
        until [ -e {} ]; do sleep 0.05; done
        n=0
        until [ -e {} ]; do seq $((n + 1)) $((n + 50)); n=$((n + 50)); sleep 0.05; done
        echo all said
        exec sleep 600",
        place.display(),
        go.display(),
        halt.display()
    );
    site.does(&["customer", "put", "acme"], &[]);
    site.does(&["trader", "put", "counts", "--customer", "acme"], &["sh", "-c", &script]);
    let operator = Operator::at(&site.group.addresses());
    let begun = async || operator.run("trader logs counts").stdout == b"begun\n";
    eventually_async("it runs", PATIENCE, begun).await;
    // and somebody who follows it
    let followed = operator.watches("trader logs counts --follow");
    assert_eq!(followed.line(), "begun");
    File::create(&go).unwrap();
    let mut told = 0;
    let mut counts_to = |last: u64| {
        while told < last {
            told += 1;
            assert_eq!(followed.line(), told.to_string());
        }
    };
    counts_to(200);
    // when: it says more than the last lines that are told, and nobody tells them
    site.kill(0);
    let log = fs::read_to_string(&place).unwrap();
    let said = || fs::read_to_string(log.trim_end()).unwrap().lines().count() as u64;
    let killed_at = said();
    eventually("it goes on", PATIENCE, || said() > killed_at + 400);
    site.start_again(0);
    // then: all of them, and what it says from then on
    counts_to(said() + 200);
    File::create(&halt).unwrap();
    let all_said = || fs::read_to_string(log.trim_end()).unwrap().ends_with("all said\n");
    eventually("it halts", PATIENCE, all_said);
    // Beside the numbers stand the first line and the last.
    counts_to(said() - 2);
    assert_eq!(followed.line(), "all said");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_waits_for_a_trader_that_is_not_placed_and_ends_when_it_is_declared_no_more() {
    // given: a Trader for which there is no Manager yet
    let mut site = Site::of(0).await;
    site.does(&["customer", "put", "acme"], &[]);
    let speaks = ["sh", "-c", "echo begun; exec sleep 600"];
    site.does(&["trader", "put", "speaks", "--customer", "acme"], &speaks);
    let operator = Operator::at(&site.group.addresses());
    let mut followed = operator.watches("trader logs speaks --follow");
    // when
    site.start("trader-manager", "n1", Passing::All).await;
    // then
    assert_eq!(followed.line(), "begun");
    // when
    site.does(&["trader", "rm", "speaks"], &[]);
    // then: with the code of what is not there
    assert_eq!(followed.ends(), Some(3));
    // and of one that never was nothing is waited for
    let told = operator.refused("trader logs speaks --follow", 3);
    assert!(told.contains("it is not declared"), "{told}");
}
