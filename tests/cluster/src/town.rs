//! A location that scales, as its operator runs it: three members, one small implementation of his own, and what
//! members start beside it. Decides how all of it is started, seen and ended; the claims stand in `tests/scale.rs`.

use crate::{binary, eventually_async, group::Group, marked, send};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

const KINDS: [&str; 3] = ["broker-manager", "market-manager", "trader-manager"];
/// What one step may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Everything in it ends when it is dropped.
pub struct Town {
    pub group: Group,
    own: Vec<Child>,
}

impl Town {
    /// Members that start processes, and run the script of this text under the name `script`. `{home}` in it stands for
    /// a directory, `{binary}` for the program under test, `{example}` for the script of `examples`.
    pub async fn with_script(text: &str) -> Self {
        let mut group = Group::new();
        let home = group.home.path().to_owned();
        let script = home.join("script");
        let text = text
            .replace("{home}", home.to_str().unwrap())
            .replace("{binary}", binary().to_str().unwrap())
            .replace(
                "{example}",
                concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/provision.sh"),
            );
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        for member in &mut group.members {
            member.options.push(format!("--provision-process={}", home.join("scaled").display()));
            member.options.push(format!("--provision-exec=script={}", script.display()));
            // Told to whatever they start: by it all of that is found.
            member.environment.push(("TMPDIR".to_owned(), home.display().to_string()));
        }
        group.start_all().await;
        let mut town = Self { group, own: Vec::new() };
        for kind in KINDS {
            town.start_own(kind);
        }
        eventually_async("the operator's own is there", PATIENCE, || async {
            town.implementations() == ["own".to_owned()].into() && town.live() == 3
        })
        .await;
        town
    }

    /// A Manager of the operator's, which takes four.
    fn start_own(&mut self, kind: &str) {
        let home = self.group.home.path();
        let child = Command::new(binary())
            .args([kind, "--implementation=own", "--location=here", "--capacity=4"])
            .arg(format!("--members={}", self.group.addresses().join(",")))
            .arg(format!("--data={}", home.join("own").join(kind).display()))
            .env("TRADEWIND_UNTIL_STDIN_CLOSES", "1")
            .env("TMPDIR", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.own.push(child.unwrap());
    }

    pub fn home(&self) -> &Path {
        self.group.home.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    #[must_use]
    pub fn run(&self, words: &str) -> Output {
        let addresses = self.group.addresses().join(",");
        let mut command = Command::new(binary());
        command.args(words.split(' ')).args(["--addr", &addresses]).output().unwrap()
    }

    pub fn does(&self, words: &str) -> String {
        let done = self.run(words);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{words}: {:?} {said}", done.status.code());
        String::from_utf8(done.stdout).unwrap()
    }

    /// A list as JSON; empty while no leader answers.
    #[must_use]
    pub fn list(&self, words: &str) -> Vec<Value> {
        let done = self.run(&format!("{words} -o json"));
        serde_json::from_slice(&done.stdout).unwrap_or_default()
    }

    #[must_use]
    pub fn requests(&self) -> Vec<Value> {
        self.list("provisioning")
    }

    /// Of the only request, as soon as there is one.
    #[must_use]
    pub fn state(&self) -> String {
        let requests = self.requests();
        assert!(requests.len() <= 1, "{requests:?}");
        requests.first().map(|row| row["state"].as_str().unwrap().to_owned()).unwrap_or_default()
    }

    pub async fn reaches(&self, state: &str) {
        eventually_async(&format!("the request is {state}"), PATIENCE, || async {
            self.state() == state
        })
        .await;
    }

    pub fn customers(&self, from: u32, to: u32) {
        (from..to).for_each(|n| drop(self.does(&format!("customer put c{n}"))));
    }

    pub fn no_customers(&self, from: u32, to: u32) {
        (from..to).for_each(|n| drop(self.does(&format!("customer rm c{n}"))));
    }

    fn managers(&self) -> Vec<Value> {
        let members = self.group.addresses();
        let status = members.iter().find_map(|member| {
            let asked = ["status", "--addr", member, "-o", "json"];
            let output = Command::new(binary()).args(asked).output().unwrap();
            serde_json::from_slice::<Value>(&output.stdout).ok()
        });
        status.unwrap_or_default()["managers"].as_array().cloned().unwrap_or_default()
    }

    fn live(&self) -> usize {
        self.managers().iter().filter(|manager| manager["state"] == "live").count()
    }

    /// Those with a registered Manager.
    #[must_use]
    pub fn implementations(&self) -> BTreeSet<String> {
        let managers = self.managers();
        let names = managers.iter().filter_map(|manager| manager["manager"].as_str());
        names.map(|name| name.split('.').next().unwrap().to_owned()).collect()
    }

    /// Managers that were provisioned, as processes: kind and process id.
    #[must_use]
    pub fn processes(&self) -> Vec<(String, u32)> {
        let line = |pid: u32| {
            let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words = bytes.split(|byte| *byte == 0);
            (words.map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>(), pid)
        };
        let mut found: Vec<(String, u32)> = marked(self.home())
            .into_iter()
            .map(line)
            .filter(|(words, _)| words.iter().any(|word| word.starts_with("scaled-")))
            .filter_map(|(words, pid)| Some((words.into_iter().nth(1)?, pid)))
            .filter(|(word, _)| KINDS.contains(&word.as_str()))
            .collect();
        found.sort();
        found
    }

    /// Their kinds.
    #[must_use]
    pub fn provisioned(&self) -> Vec<String> {
        self.processes().into_iter().map(|(kind, _)| kind).collect()
    }

    /// Events of a kind, in order, each with what it says.
    #[must_use]
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let told = self.does("events -o jsonl");
        let entries = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let events =
            entries.flat_map(|entry| entry["events"].as_array().cloned().unwrap_or_default());
        events.filter_map(|event| event.get(kind).cloned()).collect()
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        for child in &mut self.own {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Whatever starts others goes first.
        for member in &mut self.group.members {
            member.kill();
        }
        while !marked(self.home()).is_empty() {
            marked(self.home()).into_iter().for_each(|pid| send(pid, Signal::KILL));
            std::thread::sleep(Duration::from_millis(20));
        }
        if std::thread::panicking() {
            for member in &self.group.members {
                let log = member.log();
                let tail: Vec<&str> = log.lines().rev().take(60).collect();
                eprintln!("--- member {}", member.node);
                tail.iter().rev().for_each(|line| eprintln!("{line}"));
            }
        }
    }
}
