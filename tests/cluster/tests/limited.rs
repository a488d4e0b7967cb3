//! How much of its machine an algo may take, and what follows on its end, as an operator declares both: limits that the kernel holds it
//! to, and whether it is started again, also after a kill of what keeps it. By an operator's commands, with real processes.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};
use tradewind_launcher::process_is_alive;
use tradewind_tests_cluster::{eventually, eventually_async, operator::Operator, send, site::Site};

const SOON: Duration = Duration::from_secs(60);

/// Of an algo that begins: its process, on a line of its file.
const BEGINS: &str = "echo $$ >> \"$TOLD\"";
/// Says so again and again.
const GOES_ON: &str = "while :; do echo $$ >> \"$TOLD\"; sleep 0.05; done";

/// A customer, all of whose Traders are with the one TraderManager.
struct World {
    site: Site,
    operator: Operator,
    /// The right that its TraderManager had at first.
    epochs: Vec<(String, u64)>,
    /// Of Traders, the epochs that they had at first.
    rights: BTreeMap<String, u64>,
}

/// It was taken for down, and its Traders have other rights, under which each of them runs again.
struct TakenForDown;

/// Has it shown in a World of its own. A machine that stands still for seconds may show nothing of this: then once more.
async fn shown(claims: impl AsyncFn(World) -> Result<(), TakenForDown>) {
    for _ in 0..3 {
        if claims(World::start().await).await.is_ok() {
            return;
        }
    }
    panic!("its TraderManager was taken for down each time");
}

impl World {
    async fn start() -> Self {
        let site = Site::of(1).await;
        site.does(&["customer", "put", "acme"], &[]);
        let operator = Operator::at(&site.group.addresses());
        let epochs = site.epochs().await;
        Self { site, operator, epochs, rights: BTreeMap::new() }
    }

    /// While its TraderManager was left alone.
    async fn was_taken_for_down(&self) -> bool {
        self.site.epochs().await != self.epochs || !self.site.down().await.is_empty()
    }

    /// Waits until it is so.
    async fn waits(&self, what: &str, so: impl Fn() -> bool) -> Result<(), TakenForDown> {
        let over = async || so() || self.was_taken_for_down().await;
        eventually_async(what, SOON, over).await;
        self.shows(what, true).await
    }

    /// Fails if it is not so.
    async fn shows(&self, what: &str, so: bool) -> Result<(), TakenForDown> {
        if self.was_taken_for_down().await {
            return Err(TakenForDown);
        }
        assert!(so, "{what}: it is not so");
        Ok(())
    }

    fn file(&self, trader: &str) -> PathBuf {
        self.site.group.home.path().join(trader)
    }

    /// Declares a Trader whose algo is a script of a shell.
    fn put(&self, trader: &str, flags: &[&str], script: &str) {
        let told = format!("TOLD={}", self.file(trader).display());
        let words = ["trader", "put", trader, "--customer", "acme", "--env", &told];
        self.site.does(&[&words[..], flags].concat(), &["sh", "-c", script]);
    }

    /// The processes on the lines of its algo.
    fn told(&self, trader: &str) -> Vec<u32> {
        let text = fs::read_to_string(self.file(trader)).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Null: nobody told.
    fn shown(&self, trader: &str) -> Value {
        let told = self.operator.run(&format!("trader get {trader} -o json"));
        serde_json::from_slice(&told.stdout).unwrap_or_default()
    }

    /// Whether it is shown in this state, with these words in its detail.
    fn is(&self, trader: &str, state: &str, words: &str) -> bool {
        let now = &self.shown(trader)["now"];
        now["state"] == state && now["detail"].as_str().is_some_and(|text| text.contains(words))
    }

    fn becomes(&self, trader: &str, state: &str, words: &str) {
        eventually(&format!("{trader} is {state}"), SOON, || self.is(trader, state, words));
    }
}

/// Soft and hard.
fn limits(process: u32, name: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let values = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    values.split_ascii_whitespace().take(2).map(str::to_owned).collect()
}

/// Field 19 of its line; the name in it stands in brackets and may hold blanks.
fn nice(process: u32) -> i32 {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, fields) = text.rsplit_once(')').unwrap();
    fields.split_ascii_whitespace().nth(16).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_algo_has_the_memory_the_files_and_the_nice_value_that_its_operator_declares() {
    shown(async |world| {
        // when
        let flags = ["--memory-mib", "256", "--open-files", "64", "--nice", "3"];
        world.put("limited", &flags, GOES_ON);
        world.put("beside", &[], GOES_ON);
        // then: once it says something it is limited
        for trader in ["limited", "beside"] {
            world.waits("its algo runs", || !world.told(trader).is_empty()).await?;
            let running = format!("running as {} at epoch ", world.told(trader)[0]);
            world.waits(&running, || world.is(trader, "live", &running)).await?;
        }
        let (algo, beside) = (world.told("limited")[0], world.told("beside")[0]);
        assert_eq!(limits(algo, "Max address space"), ["268435456", "268435456"]);
        assert_eq!(limits(algo, "Max open files"), ["64", "64"]);
        let manager = world.site.pid(0);
        assert_eq!(nice(algo), (nice(manager) + 3).min(19));
        // and nobody else
        let given = limits(manager, "Max address space");
        assert_eq!(limits(beside, "Max address space"), given);
        assert_ne!(limits(beside, "Max open files"), ["64", "64"]);
        assert_eq!(nice(beside), nice(manager));
        let service = world.shown("limited")["now"]["pid"].as_u64().unwrap();
        let service = u32::try_from(service).unwrap();
        assert_eq!(limits(service, "Max address space"), given);
        assert_eq!(nice(service), nice(manager));
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_algo_that_exceeds_its_memory_fails_in_its_own_words_and_its_neighbour_goes_on() {
    shown(async |world| {
        // given
        let flags = ["--memory-mib", "256", "--restart", "never", "--env", "LC_ALL=C"];
        world.put("beside", &flags, GOES_ON);
        world.waits("its neighbour runs", || !world.told("beside").is_empty()).await?;
        // when
        let takes = |mib| format!("{BEGINS}; exec dd if=/dev/zero of=/dev/null bs={mib}M count=1");
        world.put("modest", &flags, &takes(64));
        world.put("greedy", &flags, &takes(512));
        // then
        let ends =
            [("modest", "completed", "without an error"), ("greedy", "failed", "exit status: 1")];
        for (trader, state, words) in ends {
            let so = || world.is(trader, state, words);
            world.waits(&format!("{trader} is {state}"), so).await?;
        }
        let words = world.operator.does("trader logs greedy");
        let says = words.starts_with("dd: ") && words.contains("memory");
        world.shows(&format!("its own words: {words}"), says).await?;
        world.shows("one run", world.told("greedy").len() == 1).await?;
        // and
        let before = world.told("beside");
        let goes_on = || world.told("beside").len() > before.len() + 5;
        world.waits("its neighbour goes on", goes_on).await?;
        let same = world.told("beside").iter().all(|algo| *algo == before[0]);
        world.shows("it was not started anew", same).await?;
        world.shows("it is live", world.is("beside", "live", "running as")).await
    })
    .await;
}

/// Policy, exit status, how often it is run, and how it is then. The third run of any of them would stay.
const ENDS: [(&str, u8, usize, &str); 6] = [
    ("always", 0, 3, "live"),
    ("always", 1, 3, "live"),
    ("on-failure", 0, 1, "completed"),
    ("on-failure", 1, 3, "live"),
    ("never", 0, 1, "completed"),
    ("never", 1, 1, "failed"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_algo_that_has_ended_is_started_again_where_its_policy_says_so_and_rests_elsewhere() {
    shown(async |world| {
        // given
        let stays = "[ $(wc -l < \"$TOLD\") -ge 3 ] && exec sleep 86400";
        // when
        for (policy, status, ..) in ENDS {
            let script = format!("{BEGINS}; {stays}; exit {status}");
            world.put(&format!("{policy}-{status}"), &["--restart", policy], &script);
        }
        // then
        let are = async |again: usize| -> Result<(), TakenForDown> {
            for (policy, status, runs, state) in ENDS {
                let (trader, rests) = (format!("{policy}-{status}"), runs == 1);
                let runs = if rests { runs + again } else { runs };
                let so = || world.is(&trader, state, "") && world.told(&trader).len() == runs;
                world.waits(&format!("{trader} is {state}, run {runs} times"), so).await?;
            }
            Ok(())
        };
        are(0).await?;
        // when: by its operator what rests is run once more
        for (policy, status, ..) in ENDS.into_iter().filter(|(.., runs, _)| *runs == 1) {
            world.operator.does(&format!("trader restart {policy}-{status} --why tested"));
        }
        // then: the others are not concerned
        are(1).await
    })
    .await;
}

/// A Trader, its state, and words of its detail.
type Due = (&'static str, &'static str, &'static str);

/// Of an algo whose service has ended beside it.
const LOST: &str = "its service ended while the algo ran; it is not run again";

impl World {
    /// Waits until each is so, by its TraderManager's word and by the group's, after one run.
    async fn once(&self, due: &[Due], when: &str) -> Result<(), TakenForDown> {
        let mut states: Vec<&str> = due.iter().map(|(_, state, _)| *state).collect();
        states.sort_unstable();
        let own = async || {
            let mut told = self.site.services(0).await.unwrap_or_default();
            told.sort_unstable();
            told == states || self.has_other_rights()
        };
        eventually_async(&format!("its TraderManager says {states:?} {when}"), SOON, own).await;
        for (trader, state, words) in due {
            let so = || self.is(trader, state, words) || self.has_other_rights();
            eventually(&format!("{trader} is {state} {when}"), SOON, so);
        }
        if self.has_other_rights() {
            return Err(TakenForDown);
        }
        for (trader, ..) in due {
            assert_eq!(self.told(trader).len(), 1, "runs of {trader} {when}");
        }
        Ok(())
    }

    fn right(&self, trader: &str) -> Option<u64> {
        self.shown(trader)["assignment"]["epoch"].as_u64()
    }

    fn has_other_rights(&self) -> bool {
        let mut rights = self.rights.iter();
        rights.any(|(trader, held)| self.right(trader).is_some_and(|right| right != *held))
    }

    /// The processes of its Traders, by service.
    async fn services(&self) -> BTreeMap<String, u32> {
        self.site.processes(0).await.unwrap_or_default()
    }

    /// Kills the services of these, and waits until each has another one.
    async fn kills(&self, traders: &[&str]) {
        let before = self.services().await;
        let names: Vec<String> = traders.iter().map(|name| format!("trader.{name}")).collect();
        names.iter().for_each(|name| send(before[name], Signal::KILL));
        let others = async || {
            let now = self.services().await;
            let is_another = |name: &String| now.get(name).is_some_and(|pid| *pid != before[name]);
            names.iter().all(is_another)
        };
        eventually_async("they have other services", SOON, others).await;
    }

    async fn runs_each_once_whatever_is_killed(mut self) -> Result<(), TakenForDown> {
        // given: what ends well, what fails, and two that go on
        let mut due = [
            ("well", "completed", "without an error"),
            ("badly", "failed", "exit status: 1"),
            ("first", "live", "running as"),
            ("second", "live", "running as"),
        ];
        let ends = ["exit 0", "exit 1", "exec sleep 86400", "exec sleep 86400"];
        for ((trader, ..), end) in due.iter().zip(ends) {
            self.put(trader, &["--restart", "never"], &format!("{BEGINS}; {end}"));
        }
        self.once(&due, "at first").await?;
        for (trader, ..) in due {
            let right = self.right(trader).unwrap();
            self.rights.insert(trader.to_owned(), right);
        }
        let (first, second) = (self.told("first")[0], self.told("second")[0]);
        // when: the TraderManager is killed, and there again
        let before = self.services().await;
        self.site.kill(0);
        self.site.start_again(0);
        // then: it takes over what runs
        self.once(&due, "after its TraderManager was killed").await?;
        assert_eq!(self.services().await, before);
        assert!(process_is_alive(first) && process_is_alive(second));
        // when: services are killed, of what has ended and of what runs
        self.kills(&["well", "badly", "first"]).await;
        // then: the algo of the one that ran has ended with it, and has failed
        due[2] = ("first", "failed", LOST);
        self.once(&due, "after services were killed").await?;
        assert!(!process_is_alive(first) && process_is_alive(second));
        // when: a service dies that has no TraderManager
        let before = self.services().await;
        self.site.kill(0);
        send(before["trader.second"], Signal::KILL);
        self.site.start_again(0);
        // then
        due[3] = ("second", "failed", LOST);
        self.once(&due, "after both were killed").await?;
        assert!(!process_is_alive(second));
        // when: its operator has one run again
        self.operator.does("trader restart first --why tested");
        // then: that one alone
        eventually("it is run again", SOON, || self.told("first").len() == 2);
        self.becomes("first", "live", "running as");
        for (trader, state, words) in [due[0], due[1], due[3]] {
            assert!(self.is(trader, state, words), "{trader} is not {state} any more");
            assert_eq!(self.told(trader).len(), 1, "runs of {trader} beside another one's");
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_never_an_algo_is_run_once_whatever_is_killed() {
    shown(World::runs_each_once_whatever_is_killed).await;
}
