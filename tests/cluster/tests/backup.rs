//! Backups of real processes: saved under load, checked, restored into a new group; and one survivor of three.
#![allow(clippy::unwrap_used)]

use reqwest::Client;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use tradewind_tests_cluster::binary;

const WITHIN: Duration = Duration::from_secs(30);

fn tradewind(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().unwrap()
}

fn told(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Three members, each a process of its own while it runs.
struct Trio {
    home: TempDir,
    addresses: Vec<(SocketAddr, SocketAddr)>,
    running: BTreeMap<usize, Child>,
    client: Client,
}

impl Drop for Trio {
    fn drop(&mut self) {
        self.kill_all();
    }
}

impl Trio {
    fn new() -> Self {
        // Held together until all are taken: none is given twice.
        let held: Vec<_> = (0..6).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let taken: Vec<_> = held.iter().map(|door| door.local_addr().unwrap()).collect();
        let addresses = taken.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        let (home, client) = (TempDir::new().unwrap(), Client::new());
        Self { home, addresses, running: BTreeMap::new(), client }
    }

    fn data(&self, life: &str, node: usize) -> PathBuf {
        self.home.path().join(format!("{life}-{node}"))
    }

    /// `--init` and its value for every member.
    fn init(&self) -> Vec<String> {
        let each = (1..).zip(&self.addresses);
        each.flat_map(|(node, (peer, api))| ["--init".into(), format!("{node}={peer},{api}")])
            .collect()
    }

    fn start(&mut self, node: usize, cluster: &str, data: &Path) {
        let (peer, api) = self.addresses[node - 1];
        let log = self.home.path().join(format!("{node}.log"));
        let log = fs::File::options().append(true).create(true).open(log).unwrap();
        let child = Command::new(binary())
            .args(["infra", "--enable-registers", "--cluster", cluster])
            .args(["--node", &node.to_string(), "--listen", &api.to_string()])
            .args(["--peer-listen", &peer.to_string(), "--data", text(data)])
            .args(self.init())
            // Whatever becomes of the test, its members end with it.
            .env("TRADEWIND_UNTIL_STDIN_CLOSES", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running.insert(node, child);
    }

    fn start_all(&mut self, life: &str) {
        for node in 1..=3 {
            let data = self.data(life, node);
            self.start(node, "tested", &data);
        }
    }

    fn kill_all(&mut self) {
        for child in self.running.values_mut() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.running.clear();
    }

    fn kill(&mut self, node: usize) {
        let mut child = self.running.remove(&node).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits until a process has failed by itself; what it has said.
    async fn ends(&mut self, node: usize) -> String {
        let mut child = self.running.remove(&node).unwrap();
        let log = self.home.path().join(format!("{node}.log"));
        let deadline = Instant::now() + WITHIN;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("it goes on: {}", fs::read_to_string(&log).unwrap());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(child.wait().unwrap().code(), Some(1));
        fs::read_to_string(&log).unwrap()
    }

    fn api(&self, node: usize) -> String {
        self.addresses[node - 1].1.to_string()
    }

    async fn get(&self, node: usize, path: &str) -> Value {
        let url = format!("http://{}{path}", self.api(node));
        let deadline = Instant::now() + WITHIN;
        loop {
            let answer = self.client.get(&url).timeout(Duration::from_secs(2)).send().await;
            match answer {
                Ok(answer) if answer.status().is_success() => return answer.json().await.unwrap(),
                other => assert!(Instant::now() < deadline, "{url}: {other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn put(&self, node: usize, register: &str, value: u64) {
        write(&self.client, &self.api(node), register, value).await;
    }

    async fn value(&self, node: usize, register: &str) -> Option<u64> {
        let answer = self.get(node, &format!("/v1/registers/{register}")).await;
        answer["register"]["value"].as_str().map(|value| value.parse().unwrap())
    }

    async fn incarnation(&self, node: usize) -> u64 {
        let deadline = Instant::now() + WITHIN;
        loop {
            if let Some(incarnation) = self.get(node, "/v1/status").await["cluster"].as_u64() {
                return incarnation;
            }
            assert!(Instant::now() < deadline, "the cluster is not opened");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Writes until it is acknowledged, always under the same key.
async fn write(client: &Client, api: &str, register: &str, value: u64) {
    static N: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let key = format!("test/{now}/{}", N.fetch_add(1, Ordering::SeqCst));
    let url = format!("http://{api}/v1/registers/{register}");
    let deadline = Instant::now() + WITHIN;
    loop {
        let request = client.put(&url).header("idempotency-key", &key);
        let request = request.json(&json!({"value": value.to_string()}));
        let answer = request.timeout(Duration::from_secs(5)).send().await;
        if answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
        assert!(Instant::now() < deadline, "{url}: {answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_save_under_load_is_in_the_group_restored_from_it() {
    // given: a writer at work, who counts what was acknowledged
    let mut trio = Trio::new();
    trio.start_all("first");
    let first_life = trio.incarnation(1).await;
    let (acknowledged, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writer = {
        let (acknowledged, stop) = (acknowledged.clone(), stop.clone());
        let (client, api) = (trio.client.clone(), trio.api(1));
        tokio::spawn(async move {
            for value in 1.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                write(&client, &api, &format!("r{}", value % 10), value).await;
                acknowledged.store(value, Ordering::SeqCst);
            }
        })
    };
    while acknowledged.load(Ordering::SeqCst) < 100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // when: any member is asked for a backup while it goes on, and all members are lost after it
    let before = acknowledged.load(Ordering::SeqCst);
    let file = trio.home.path().join("saved");
    let (path, api) = (file.clone(), trio.api(3));
    let save = move || {
        told(&tradewind(&["snapshot", "save", "--addr", &api, "--out", text(&path), "-o", "json"]))
    };
    let saved = tokio::task::spawn_blocking(save).await.unwrap();
    stop.store(true, Ordering::SeqCst);
    writer.await.unwrap();
    let inspected = told(&tradewind(&["snapshot", "inspect", text(&file), "-o", "json"]));
    assert_eq!(inspected["revision"], saved["revision"]);
    assert_eq!(inspected["incarnation"], first_life);
    assert_eq!(inspected["members"].as_array().unwrap().len(), 3);
    assert_eq!(inspected["rows"]["register"], 10);
    trio.kill_all();
    for node in 1..=3 {
        let (data, number) = (trio.data("second", node), node.to_string());
        let mut arguments = vec!["snapshot", "restore", text(&file), "--data", text(&data)];
        arguments.extend(["--node", &number, "--cluster", "tested", "-o", "json"]);
        let init = trio.init();
        arguments.extend(init.iter().map(String::as_str));
        assert_eq!(told(&tradewind(&arguments))["members"], 3);
    }
    trio.start_all("second");
    // then: nothing acknowledged before is missing, and rights of the new life are higher
    for register in 0..10 {
        let last =
            (before.saturating_sub(9)..=before).find(|value| value % 10 == register).unwrap();
        let found = trio.value(2, &format!("r{register}")).await.unwrap();
        assert!(found >= last, "r{register} is {found}, {last} was acknowledged");
    }
    assert!(trio.incarnation(1).await > first_life);
    // and the new group takes writes
    trio.put(3, "later", 1).await;
    assert_eq!(trio.value(1, "later").await, Some(1));
    // and a member of the life before, started by mistake in the place of its successor, stops and binds nothing
    trio.kill(3);
    let (old, new) = (trio.data("first", 3), trio.data("second", 3));
    trio.start(3, "tested", &old);
    let said = trio.ends(3).await;
    assert!(said.contains("in the earlier life") && said.contains("which is over"), "{said}");
    trio.put(1, "later", 2).await;
    trio.start(3, "tested", &new);
    assert_eq!(trio.value(3, "later").await, Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_refused_with_a_word_and_nothing_in_use_is_written_over() {
    // given
    let mut trio = Trio::new();
    trio.start_all("first");
    trio.put(1, "r", 1).await;
    let (file, api) = (trio.home.path().join("saved"), trio.api(1));
    let save = ["snapshot", "save", "--addr", &api, "--out", text(&file)];
    assert!(tradewind(&save).status.success());
    let refused = |arguments: &[&str], word: &str| {
        let output = tradewind(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(word), "{arguments:?}: {said}");
    };
    let member = ["--node", "1", "--init", "1=127.0.0.1:4101,127.0.0.1:4001"];
    let restore = |data: &Path, word: &str| {
        let into = ["snapshot", "restore", text(&file), "--data", text(data)];
        refused(&[&into[..], &member[..]].concat(), word);
    };
    // when, then: what exists is not written over, neither file nor directory
    refused(&save, "exists already");
    let data = trio.data("first", 1);
    restore(&data, "not empty");
    refused(&["recover", "--new-cluster", "--data", text(&data)], "cannot be opened");
    // and of a damaged file nothing is used
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    refused(&["snapshot", "inspect", text(&file)], "is damaged");
    let new = trio.home.path().join("new");
    restore(&new, "is damaged");
    assert!(!new.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_survivor_of_three_begins_a_new_group_that_holds_all_it_had() {
    // given: the third has everything, then the two others are lost
    let mut trio = Trio::new();
    trio.start_all("first");
    let first_life = trio.incarnation(1).await;
    for value in 0..50 {
        trio.put(1, &format!("r{value}"), value).await;
    }
    // A plain read would be the leader's answer; this is what the third itself has.
    let deadline = Instant::now() + WITHIN;
    while trio.value(3, "r49?consistency=stale").await != Some(49) {
        assert!(Instant::now() < deadline, "the third does not catch up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    trio.kill_all();
    let data = trio.data("first", 3);
    // when: asked without a yes, nothing is changed
    let recover = ["recover", "--new-cluster", "--data", text(&data), "--cluster", "again"];
    let recover = [&recover[..], &["-o", "json"]].concat();
    let asked = tradewind(&recover);
    assert_eq!(asked.status.code(), Some(2));
    let may_be_lost: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!((&may_be_lost["done"], &may_be_lost["others"]), (&json!(false), &json!([1, 2])));
    assert!(may_be_lost["last"].as_u64() >= may_be_lost["committed"].as_u64());
    let done = told(&tradewind(&[&recover[..], &["--yes"]].concat()));
    assert!(Path::new(done["kept"].as_str().unwrap()).join("log").is_dir());
    trio.start(3, "again", &data);
    // then: alone it serves all that was acknowledged, under higher rights
    for value in 0..50 {
        assert_eq!(trio.value(3, &format!("r{value}")).await, Some(value));
    }
    assert!(trio.incarnation(3).await > first_life);
    trio.put(3, "later", 1).await;
    // and a lost member that comes back on its old directory neither joins nor disturbs it
    let old = trio.data("first", 2);
    trio.start(2, "tested", &old);
    trio.get(2, "/livez").await;
    trio.put(3, "later", 2).await;
    let status = trio.get(3, "/v1/status").await;
    assert_eq!(status["members"].as_array().unwrap().len(), 1, "{status}");
}
