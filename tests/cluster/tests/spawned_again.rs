//! Traders that are declared, run, and are stopped or deleted, again and again, with the real binary: nothing of them is left, and
//! their TraderManager has as many descriptors as after the first of them, and no zombie.
#![allow(clippy::unwrap_used)]

use std::{fs, process::Command, time::Duration};
use tradewind_launcher::Passing;
use tradewind_tests_cluster::{
    asked, eventually, eventually_async,
    site::Site,
    started::{services, started_as, zombies},
};

const SOON: Duration = Duration::from_secs(60);
/// Traders that come and go together.
const TOGETHER: u64 = 20;
/// What is declared of each beside its name and state.
const TRADER: &str = "customer = \"acme\"\ncommand = [\"sleep\", \"86400\"]\n";
/// So many KiB of memory more are no leak, whatever the allocator keeps.
const GROWTH_KIB: u64 = 32 << 10;

fn descriptors(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

fn resident_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What becomes of Traders that are not to run any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Deleted,
    Stopped,
}

struct World {
    site: Site,
    /// Of the TraderManager.
    node: usize,
    /// Begins the names of all Traders: they are those of this test alone.
    mark: String,
}

impl World {
    async fn start() -> Self {
        let mut site = Site::of(0).await;
        let node = site.start("trader-manager", "n1", Passing::All).await;
        Self { site, node, mark: format!("s{}-", std::process::id()) }
    }

    fn manager(&self) -> u32 {
        self.site.pid(self.node)
    }

    /// Of all Traders, in their order.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = (0..TOGETHER).map(|n| format!("{}{n}", self.mark)).collect();
        names.sort();
        names
    }

    /// Declares all Traders in this state, or none of them, by one command.
    fn declare(&self, state: Option<&str>) {
        let mut file = "[customers.acme]\n".to_owned();
        if let Some(state) = state {
            let table = |name: String| format!("[traders.{name}]\nstate = \"{state}\"\n{TRADER}");
            file.extend(self.names().into_iter().map(table));
        }
        let path = self.site.group.home.path().join("traders.toml");
        fs::write(&path, file).unwrap();
        self.site.does(&["apply", path.to_str().unwrap(), "--yes", "--prune"], &[]);
    }

    async fn run(&self, when: &str) {
        self.declare(Some("running"));
        let names = self.names();
        let run = async || {
            let states = self.site.services(self.node).await.unwrap_or_default();
            states.len() == names.len()
                && states.iter().all(|state| state == "live")
                && self.algos() == names
        };
        eventually_async(&format!("all are live {when}"), SOON, run).await;
    }

    async fn end(&self, end: End, when: &str) {
        self.declare(match end {
            End::Deleted => None,
            End::Stopped => Some("stopped"),
        });
        let gone = async || {
            self.site.services(self.node).await == Some(vec![])
                && services(self.site.data(self.node)).is_empty()
                && self.algos().is_empty()
        };
        eventually_async(&format!("nothing of them runs {when}"), SOON, gone).await;
        assert_eq!(zombies(self.manager()), 0, "{when}");
    }

    /// The algos that run.
    fn algos(&self) -> Vec<String> {
        started_as("TRADEWIND_TRADER=", &format!("TRADEWIND_TRADER={}", self.mark))
    }
}

/// `TRADEWIND_SPAWNED_TRADERS=1000` for a longer run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traders_that_come_and_go_again_and_again_leave_nothing_behind_at_their_manager() {
    // given
    let world = World::start().await;
    let manager = world.manager();
    let (mut least, mut first_kib) = (usize::MAX, None);
    for round in 0..asked("TRADEWIND_SPAWNED_TRADERS", 100).div_ceil(TOGETHER) {
        let when = format!("in round {round}");
        // when
        world.run(&when).await;
        world.end(if round % 2 == 0 { End::Deleted } else { End::Stopped }, &when).await;
        // then: the first round opens what stays open; connections that have just ended are still there for a moment
        least = least.min(descriptors(manager));
        first_kib.get_or_insert_with(|| resident_kib(manager));
    }
    eventually("no descriptor is left", SOON, || descriptors(manager) <= least + 2);
    let grown = resident_kib(manager).saturating_sub(first_kib.unwrap());
    assert!(grown < GROWTH_KIB, "{grown} KiB of memory are left");
}

#[test]
fn a_descriptor_a_process_that_nobody_has_reaped_and_memory_are_seen() {
    let own = std::process::id();
    let (before, before_kib) = (descriptors(own), resident_kib(own));
    let file = fs::File::open("/proc/self/status").unwrap();
    assert_eq!(descriptors(own), before + 1);
    drop(file);
    let held = vec![1_u8; 2 * 1_024 * usize::try_from(GROWTH_KIB).unwrap()];
    assert!(resident_kib(own) > before_kib + GROWTH_KIB, "{} bytes are not seen", held.len());
    let mut child = Command::new("true").spawn().unwrap();
    eventually("it has ended", SOON, || zombies(own) == 1);
    child.wait().unwrap();
    assert_eq!(zombies(own), 0);
}
