//! Claims about how a copy is run: what it finds, what it may use, what follows on its end, pauses.

use super::{
    CALM, FAILING,
    world::{World, alive, eventually, kill},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use tradewind_domain::control::trader::{EnvironmentValue, RestartPolicy, TraderLimits, TraderRun};
use tradewind_protocol::supervision::ServiceState;

fn from(reference: &str) -> EnvironmentValue {
    EnvironmentValue::From(reference.to_owned())
}

fn policy(restart: RestartPolicy) -> TraderRun {
    TraderRun { restart, ..TraderRun::default() }
}

const DONE: &str = "echo start $$ >> $TOLD";

/// Tells what it finds and how it is limited, then waits.
const LOOKING: &str = r#"
echo "$PLAIN|$KEY|$(pwd)|$(ulimit -v)|$(ulimit -n)|$(nice)|${CARGO_MANIFEST_DIR:-none}" >> $TOLD
while :; do sleep 0.02; done
"#;

#[tokio::test]
async fn an_algo_finds_what_is_declared_and_the_secret_is_nowhere_else() {
    // given
    let mut world = World::start().await;
    let key = world.dir.path().join("key");
    fs::write(&key, "s3cret-of-acme\n").unwrap();
    let at = world.dir.path().canonicalize().unwrap();
    let nice = std::process::Command::new("nice").output().unwrap().stdout;
    let nice: i32 = String::from_utf8(nice).unwrap().trim().parse().unwrap();
    let run = TraderRun {
        environment: [
            ("PLAIN".to_owned(), EnvironmentValue::Value("a b".to_owned())),
            ("KEY".to_owned(), from(&format!("file:{}", key.display()))),
        ]
        .into(),
        directory: Some(at.display().to_string()),
        limits: TraderLimits { memory_mib: Some(512), open_files: Some(64), nice: Some(3) },
        ..TraderRun::default()
    };
    // when
    world.want_run(LOOKING, 5, run);
    // then
    let told = world.until_told(1).await;
    let expected = format!("a b|s3cret-of-acme|{}|524288|64|{}|none", at.display(), nice + 3);
    assert_eq!(told[0], expected);
    let report = world.until_live().await;
    assert!(!report.detail.contains("s3cret"), "{report:?}");
    let mut files = vec![world.state_dir()];
    let mut looked = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            looked += 1;
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert!(!text.contains("s3cret"), "{}", path.display());
        }
    }
    assert!(looked > 4, "only {looked} files of the state were looked at");
    let arguments = fs::read_to_string(format!("/proc/{}/cmdline", report.pid.unwrap())).unwrap();
    assert!(!arguments.contains("s3cret"), "{arguments}");
    world.stop().await;
}

#[tokio::test]
async fn an_algo_may_have_as_many_files_open_as_its_manager_was_given_and_the_manager_all_it_can() {
    // given
    let limits = || getrlimit(Resource::Nofile);
    let maximum = limits().maximum;
    let given = maximum.map_or(777, |maximum| maximum.min(777));
    setrlimit(Resource::Nofile, Rlimit { current: Some(given), maximum }).unwrap();
    let mut world = World::start().await;
    // when
    world.want_run(
        "echo $(ulimit -Sn) $(ulimit -Hn) ${TRADEWIND_OPEN_FILES:-none} >> $TOLD; sleep 100",
        5,
        TraderRun::default(),
    );
    // then
    let told = world.until_told(1).await;
    let hard = maximum.map_or("unlimited".to_owned(), |maximum| maximum.to_string());
    assert_eq!(told[0], format!("{given} {hard} none"));
    assert_eq!(limits().current, maximum);
    let service = world.report().unwrap().pid.unwrap();
    let service = fs::read_to_string(format!("/proc/{service}/limits")).unwrap();
    let line = service.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let both: Vec<&str> = line.split_ascii_whitespace().skip(3).take(2).collect();
    assert_eq!(both, [hard.as_str(), hard.as_str()]);
    world.stop().await;
}

#[tokio::test]
async fn what_is_not_found_is_told_and_looked_for_again() {
    // given
    let mut world = World::start().await;
    let key = world.dir.path().join("key");
    let environment = [("KEY".to_owned(), from(&format!("file:{}", key.display())))].into();
    // when
    world.want_run(LOOKING, 5, TraderRun { environment, ..TraderRun::default() });
    // then
    world.until_state(ServiceState::Waiting, "KEY is not found at file:").await;
    assert!(world.told().is_empty(), "it was started without");
    // and once it is there
    fs::write(&key, "found").unwrap();
    let told = world.until_told(1).await;
    assert!(told[0].contains("|found|"), "{}", told[0]);
    world.stop().await;
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_told() {
    let mut world = World::start().await;
    let directory = Some("/nowhere/at/all".to_owned());
    world.want_run(CALM, 5, TraderRun { directory, ..TraderRun::default() });
    world.until_state(ServiceState::Waiting, "/nowhere/at/all is not there").await;
    world.stop().await;
}

#[tokio::test]
async fn under_always_what_is_done_is_run_again() {
    let mut world = World::start().await;
    world.want_run(DONE, 5, policy(RestartPolicy::Always));
    world.until_told(3).await;
    world.stop().await;
}

#[tokio::test]
async fn under_never_nothing_is_run_again_not_even_by_the_next_life_of_its_service() {
    // given
    let mut world = World::start().await;
    world.want_run(FAILING, 5, policy(RestartPolicy::Never));
    world.until_state(ServiceState::Failed, "exit status: 3").await;
    let service = world.report().unwrap().pid.unwrap();
    // when
    kill(service);
    // then
    eventually("another life of the service", || {
        world.report().is_some_and(|is| is.pid.is_some_and(|pid| pid != service))
    })
    .await;
    world.until_state(ServiceState::Failed, "no idea what to buy").await;
    assert_eq!(world.told().len(), 1, "{:?}", world.told());
    // and: an operator has it run again
    let run = TraderRun { restarts: 1, ..policy(RestartPolicy::Never) };
    world.want_run(DONE, 5, run.clone());
    world.until_state(ServiceState::Completed, "ended by itself").await;
    assert_eq!(world.told().len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn under_never_a_copy_that_dies_with_its_service_has_failed() {
    // given
    let mut world = World::start().await;
    world.want_run(CALM, 5, policy(RestartPolicy::Never));
    world.until_told(1).await;
    // when
    kill(world.until_live().await.pid.unwrap());
    // then
    world.until_state(ServiceState::Failed, "its service ended while the algo ran").await;
    assert_eq!(world.told().len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn while_paused_the_algo_has_ended_its_service_stays_and_resuming_starts_a_copy() {
    // given
    let mut world = World::start().await;
    world.want(CALM, 5);
    let told = world.until_told(1).await;
    let algo: u32 = told[0].split(' ').nth(1).unwrap().parse().unwrap();
    let service = world.until_live().await.pid.unwrap();
    // when
    world.want_paused(5);
    // then
    world.until_state(ServiceState::Paused, "paused").await;
    assert!(!alive(algo));
    assert_eq!(world.told()[1], format!("end {algo}"), "it was not ended in order");
    // and it stays so through a death of its service
    kill(service);
    eventually("another life of the service", || {
        world.report().is_some_and(|is| {
            is.state == ServiceState::Paused && is.pid.is_some_and(|pid| pid != service)
        })
    })
    .await;
    assert_eq!(world.told().len(), 2);
    // when
    world.want(CALM, 5);
    // then
    let told = world.until_told(3).await;
    assert!(told[2].starts_with("start "), "{}", told[2]);
    world.until_live().await;
    world.stop().await;
}

#[tokio::test]
async fn a_restart_ends_the_copy_in_order_and_starts_a_fresh_one() {
    let mut world = World::start().await;
    world.want(CALM, 5);
    world.until_told(1).await;
    let service = world.until_live().await.pid;
    world.want_run(CALM, 5, TraderRun { restarts: 1, ..TraderRun::default() });
    let told = world.until_told(3).await;
    assert!(told[1].starts_with("end ") && told[2].starts_with("start "), "{told:?}");
    assert_eq!(world.report().unwrap().pid, service);
    world.stop().await;
}
