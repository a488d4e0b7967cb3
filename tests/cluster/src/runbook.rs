//! The pages of `docs/runbooks`, done: each command of their `sh` blocks, in its order, as it stands there. Decides only
//! what stands for a page's machines here: other ports of this one, and a directory each. The group has another name
//! than the pages give it, and not the default one. In a block a comment says where its commands are given
//! (`# on 10.0.0.3`), and one behind a command with what code it ends if not with 0 (`# exit code 2`).

use crate::{binary, eventually, send, turn};
use rustix::process::Signal;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::MutexGuard,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tradewind_launcher::Ports;

/// What one step of a page may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(60);
const MACHINES: u8 = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub command: String,
    /// Where it is given, when the page says so.
    machine: Option<u8>,
    code: i32,
}

/// A page's commands, under their headings. What is not followed is found by `is_done`.
pub struct Page {
    name: String,
    sections: Vec<(String, Vec<Step>)>,
}

/// Where the pages stand.
#[must_use]
pub fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks")
}

impl Page {
    #[must_use]
    pub fn named(name: &str) -> Self {
        let text = fs::read_to_string(pages().join(name).with_extension("md")).unwrap();
        Self { name: name.to_owned(), sections: sections(&text) }
    }

    /// The commands under a heading, which must be there, once; `""`: those before the first.
    pub fn section(&mut self, heading: &str) -> Vec<Step> {
        let at = self.sections.iter().position(|(held, _)| held == heading);
        let at = at.unwrap_or_else(|| panic!("{} has no commands under {heading}", self.name));
        self.sections.remove(at).1
    }

    pub fn is_done(&self) {
        assert!(self.sections.is_empty(), "{}: nobody follows {:#?}", self.name, self.sections);
    }
}

fn sections(page: &str) -> Vec<(String, Vec<Step>)> {
    let (mut sections, mut heading) = (Vec::<(String, Vec<Step>)>::new(), String::new());
    let (mut block, mut begun, mut machine) = (false, String::new(), None);
    for line in page.lines().map(str::trim) {
        match line {
            "```" if block => {
                assert!(begun.is_empty(), "a command without an end: {begun}");
                (block, machine) = (false, None);
            }
            "```sh" => block = true,
            line if line.starts_with("```") => panic!("a block that nobody follows: {line}"),
            line if !block => {
                if let Some(title) = line.strip_prefix("## ") {
                    title.clone_into(&mut heading);
                }
            }
            line if line.starts_with('#') => machine = Some(on(line)),
            line => match line.strip_suffix('\\') {
                Some(first) => begun.push_str(first),
                None => {
                    let step = step(&(std::mem::take(&mut begun) + line), machine);
                    match sections.last_mut() {
                        Some((held, steps)) if *held == heading => steps.push(step),
                        _ => sections.push((heading.clone(), vec![step])),
                    }
                }
            },
        }
    }
    sections
}

/// `# on 10.0.0.3`.
fn on(comment: &str) -> u8 {
    let number = comment.strip_prefix("# on 10.0.0.").map(str::parse);
    number.and_then(Result::ok).unwrap_or_else(|| panic!("names no machine: {comment}"))
}

fn step(line: &str, machine: Option<u8>) -> Step {
    let (command, code) = line.split_once(" # exit code ").unwrap_or((line, "0"));
    let listens = command.split_once("--listen 10.0.0.").map(|(_, rest)| rest);
    let listens = listens.and_then(|rest| rest.split(':').next()?.parse().ok());
    Step {
        command: command.trim_end().to_owned(),
        machine: listens.or(machine),
        code: code.parse().unwrap(),
    }
}

/// This machine, as the machines of the pages.
pub struct Machines {
    home: TempDir,
    places: BTreeMap<String, SocketAddr>,
    /// Assignments of the page so far.
    said: String,
    /// By the number of their machine.
    members: BTreeMap<u8, Child>,
    _turn: MutexGuard<'static, ()>,
}

impl Machines {
    #[must_use]
    pub fn new() -> Self {
        let turn = turn();
        let (mut ports, mut places) = (Ports::new(None), BTreeMap::new());
        for machine in 1..=MACHINES {
            for port in [4001, 4101] {
                places.insert(format!("10.0.0.{machine}:{port}"), ports.take().unwrap());
            }
        }
        let home = TempDir::new().unwrap();
        // The page's `tradewind` is this one.
        std::os::unix::fs::symlink(binary(), home.path().join("tradewind")).unwrap();
        let (said, members) = (String::new(), BTreeMap::new());
        Self { home, places, said, members, _turn: turn }
    }

    /// Three members, as the first of the pages makes them.
    #[must_use]
    pub fn with_a_group() -> Self {
        let (mut machines, mut page) = (Self::new(), Page::named("form-a-group"));
        machines.follow(&page.section("Before"));
        let act = page.section("Act");
        let joins = act.iter().position(|step| step.command.contains("--join")).unwrap();
        machines.follow(&act[..joins]);
        assert_eq!(machines.members.len(), 3);
        // What another page needs said it says itself.
        machines.said.clear();
        machines
    }

    /// Gives the commands; what they told, those apart that run on.
    pub fn follow(&mut self, steps: &[Step]) -> Vec<String> {
        let mut told = Vec::new();
        for step in steps {
            if step.command.starts_with("tradewind infra ") {
                self.start(step);
            } else if step.command.starts_with("tradewind ") {
                told.push(self.does(step));
            } else {
                let here = self.here(step);
                self.said.push_str(&format!("{here}\n"));
            }
        }
        told
    }

    /// A command that no page has, to see what came of it.
    #[must_use]
    pub fn told(&self, command: &str) -> String {
        self.does(&step(command, None))
    }

    fn here(&self, step: &Step) -> String {
        let mut here = step.command.replace("CLUSTER=tradewind", "CLUSTER=another");
        for (there, place) in &self.places {
            here = here.replace(there, &place.to_string());
        }
        if !here.contains("/var/lib/") {
            return here;
        }
        let machine = step.machine.unwrap_or_else(|| panic!("on which machine? {}", step.command));
        here.replace("/var/lib/", &format!("{}/", self.disk(machine).display()))
    }

    fn shell(&self, command: &str) -> Command {
        let mut shell = Command::new("sh");
        let path = format!("{}:{}", self.home.path().display(), std::env::var("PATH").unwrap());
        shell.args(["-euc", &format!("{}\n{command}", self.said)]).env("PATH", path);
        shell.current_dir(self.home.path()).stdin(Stdio::null());
        shell
    }

    fn disk(&self, machine: u8) -> PathBuf {
        self.home.path().join(format!("machine-{machine}"))
    }

    fn log(&self, machine: u8) -> PathBuf {
        self.home.path().join(format!("machine-{machine}.log"))
    }

    /// A member runs on.
    fn start(&mut self, step: &Step) {
        let machine = step.machine.unwrap();
        let here = self.here(step);
        let log = File::options().create(true).append(true).open(self.log(machine)).unwrap();
        let mut shell = self.shell(&format!("exec {here}"));
        // Whatever becomes of the test, its members end with it.
        shell.env("TRADEWIND_UNTIL_STDIN_CLOSES", "1").stdin(Stdio::piped());
        let child = shell.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let before = self.members.insert(machine, child);
        assert!(before.is_none(), "it runs already: {}", step.command);
    }

    /// Done at once, or as soon as what was started before is there.
    fn does(&self, step: &Step) -> String {
        let deadline = Instant::now() + SOON;
        loop {
            let here = self.here(step);
            let Output { status, stdout, stderr } = self.shell(&here).output().unwrap();
            if status.code() == Some(step.code) {
                return String::from_utf8(stdout).unwrap();
            }
            let said = String::from_utf8_lossy(&stderr).into_owned();
            assert!(Instant::now() < deadline, "{here}: {:?} {said}", status.code());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Asks a member to stop, and sees that it does.
    pub fn stop(&mut self, machine: u8) {
        send(self.members[&machine].id(), Signal::TERM);
        self.ends(machine, Some(0));
    }

    /// The member ends by itself, with this code.
    pub fn ends(&mut self, machine: u8, code: Option<i32>) {
        let member = self.members.get_mut(&machine).unwrap();
        let mut ended = None;
        eventually("the member ends", SOON, || {
            ended = member.try_wait().unwrap();
            ended.is_some()
        });
        self.members.remove(&machine);
        assert_eq!(ended.unwrap().code(), code, "{}", self.said_by(machine));
    }

    /// A machine is gone, with its disk.
    pub fn lose(&mut self, machine: u8) {
        let mut member = self.members.remove(&machine).unwrap();
        member.kill().unwrap();
        member.wait().unwrap();
        fs::remove_dir_all(self.disk(machine)).unwrap();
    }

    /// Numbers of the machines whose members run.
    #[must_use]
    pub fn running(&self) -> Vec<u8> {
        self.members.keys().copied().collect()
    }

    fn said_by(&self, machine: u8) -> String {
        fs::read_to_string(self.log(machine)).unwrap_or_default()
    }
}

impl Default for Machines {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for member in self.members.values_mut() {
            let _ = member.kill();
            let _ = member.wait();
        }
        if std::thread::panicking() {
            for machine in 1..=MACHINES {
                eprintln!("--- {machine}\n{}", self.said_by(machine));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A page\n```sh\nM=1\n```\n## Act\n```sh\n# on 10.0.0.2\ntradewind a \\\n  b\n\
                        tradewind c # exit code 2\n```\n   ```sh\n   tradewind infra --listen 10.0.0.3:1\n   ```\n";

    #[test]
    fn a_pages_commands_are_found_under_their_headings() {
        let steps = |steps: &[(&str, Option<u8>, i32)]| -> Vec<Step> {
            let step = |(command, machine, code): &(&str, _, _)| Step {
                command: (*command).to_owned(),
                machine: *machine,
                code: *code,
            };
            steps.iter().map(step).collect()
        };
        let act = [
            ("tradewind a b", Some(2), 0),
            ("tradewind c", Some(2), 2),
            ("tradewind infra --listen 10.0.0.3:1", Some(3), 0),
        ];
        let (begin, act) = (steps(&[("M=1", None, 0)]), steps(&act));
        assert_eq!(sections(PAGE), [(String::new(), begin), ("Act".to_owned(), act)]);
    }

    #[test]
    #[should_panic(expected = "a block that nobody follows")]
    fn a_block_without_a_mark_is_found() {
        let _ = sections("```\ntradewind member list\n```\n");
    }
}
