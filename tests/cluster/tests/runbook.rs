//! `docs/runbooks/form-a-group.md`, done: each of its commands, in its order, as it stands there. Decides only what
//! stands for the page's machines here: other ports of this one, and a directory each.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tradewind_launcher::Ports;
use tradewind_tests_cluster::{binary, eventually, send};

const SOON: Duration = Duration::from_secs(60);

/// The commands of the page's `sh` blocks, each on one line.
fn commands(page: &str) -> Vec<String> {
    let (mut commands, mut block, mut begun) = (Vec::new(), false, String::new());
    for line in page.lines().map(str::trim) {
        match line {
            "```sh" => block = true,
            "```" => block = false,
            line if block => match line.strip_suffix('\\') {
                Some(first) => begun.push_str(first),
                None => commands.push(std::mem::take(&mut begun) + line),
            },
            _ => {}
        }
    }
    commands
}

/// This machine, as the machines of the page.
struct Machines {
    home: TempDir,
    places: BTreeMap<String, SocketAddr>,
    /// Assignments of the page so far.
    said: String,
    members: Vec<Child>,
}

impl Machines {
    fn new() -> Self {
        let (mut ports, mut places) = (Ports::new(None), BTreeMap::new());
        for machine in 1..=4 {
            for port in [4001, 4101] {
                places.insert(format!("10.0.0.{machine}:{port}"), ports.take().unwrap());
            }
        }
        let home = TempDir::new().unwrap();
        // The page's `tradewind` is this one.
        std::os::unix::fs::symlink(binary(), home.path().join("tradewind")).unwrap();
        Self { home, places, said: String::new(), members: Vec::new() }
    }

    fn here(&self, command: &str) -> String {
        let mut here = command.to_owned();
        for (there, place) in &self.places {
            here = here.replace(there, &place.to_string());
        }
        here
    }

    fn shell(&self, command: &str) -> Command {
        let mut shell = Command::new("sh");
        let path = format!("{}:{}", self.home.path().display(), std::env::var("PATH").unwrap());
        shell.args(["-ec", &format!("{}\n{command}", self.said)]).env("PATH", path);
        shell.current_dir(self.home.path()).stdin(Stdio::null());
        shell
    }

    fn log(&self, member: usize) -> PathBuf {
        self.home.path().join(format!("member-{member}.log"))
    }

    /// A member runs on; its directory is that of its machine.
    fn start(&mut self, command: &str) {
        let member = self.members.len() + 1;
        let data = self.home.path().join(format!("machine-{member}"));
        let here = self.here(command).replace("/var/lib/tradewind", &data.display().to_string());
        assert!(here != self.here(command), "the page says no directory: {command}");
        let log = fs::File::create(self.log(member)).unwrap();
        let mut shell = self.shell(&format!("exec {here}"));
        self.members.push(shell.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    /// Done at once, or as soon as what was started before is there.
    fn does(&self, command: &str) -> String {
        let deadline = Instant::now() + SOON;
        loop {
            let Output { status, stdout, stderr } =
                self.shell(&self.here(command)).output().unwrap();
            if status.success() {
                return String::from_utf8(stdout).unwrap();
            }
            let said = String::from_utf8_lossy(&stderr).into_owned();
            assert!(Instant::now() < deadline, "{command}: {:?} {said}", status.code());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.kill();
            let _ = member.wait();
        }
        if std::thread::panicking() {
            for member in 1..=self.members.len() {
                eprintln!(
                    "--- {member}\n{}",
                    fs::read_to_string(self.log(member)).unwrap_or_default()
                );
            }
        }
    }
}

#[test]
fn a_group_is_formed_by_the_commands_of_the_runbook() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks/form-a-group.md");
    let commands = commands(&fs::read_to_string(page).unwrap());
    assert!(commands.len() >= 12, "{commands:#?}");
    let mut machines = Machines::new();
    let mut lists = Vec::new();
    for command in &commands {
        if command.starts_with("tradewind infra ") {
            machines.start(command);
        } else if command.starts_with("tradewind ") {
            let told = machines.does(command);
            if command.starts_with("tradewind member list") {
                lists.push(told);
            }
        } else {
            let here = machines.here(command);
            machines.said.push_str(&format!("{here}\n"));
        }
    }
    // then: as the page says
    assert_eq!((machines.members.len(), lists.len()), (4, 1));
    let count = |word: &str| lists[0].matches(word).count();
    assert_eq!((count(" leader "), count(" voter ")), (1, 2), "{}", lists[0]);
    eventually("three voters and a learner", SOON, || {
        let list = machines.does("tradewind member list --addr $M");
        list.matches(" learner ").count() == 1 && list.starts_with("leader 1 ")
    });
    let status = machines.does("tradewind status --addr 10.0.0.3:4001");
    assert!(!status.contains("unreachable"), "{status}");
    // and they stop when they are asked to
    for member in &mut machines.members {
        send(member.id(), Signal::TERM);
    }
    for member in &mut machines.members {
        eventually("a member ends", SOON, || {
            member.try_wait().unwrap().is_some_and(|ended| ended.success())
        });
    }
}
