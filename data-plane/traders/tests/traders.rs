//! Claims about a TraderManager, its Trader services and the algos below, with real processes: this very
//! test program is started again as the service and as `exec` (each then runs the one test of that
//! name, so that no claim has either word in its name). The InfrastructureManager is played by `leader`, over the real protocol.

#![allow(clippy::unwrap_used)]

#[path = "../../node/tests/manager/leader.rs"]
mod leader;
#[path = "traders/run.rs"]
mod run;
#[path = "traders/world.rs"]
mod world;

use std::fs;
use tradewind_domain::control::handed_back::{Exit, Failure};
use tradewind_protocol::supervision::ServiceState;
use world::{World, alive, eventually, kill};

/// Not a claim: the Trader's own process. Without its environment it has nothing to do.
#[test]
fn trader() {
    if std::env::var_os(tradewind_node::service::SERVICE).is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let ended = runtime.block_on(tradewind_traders::trader(world::sigterm(&runtime)));
        std::process::exit(i32::from(ended.is_err()));
    }
}

/// Not a claim: what stands between the service and the algo.
#[test]
fn exec() {
    if std::env::var_os(tradewind_traders::exec::PARENT).is_some() {
        let words: Vec<String> = std::env::args().skip_while(|word| word != "--").skip(1).collect();
        let error = tradewind_traders::exec::exec(&words);
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "{error}");
        std::process::exit(127);
    }
}

/// Tells its life in a file, line by line, and ends well on SIGTERM.
const CALM: &str = r#"
echo "start $$ $TRADEWIND_SESSION_TOKEN $TRADEWIND_MARKET_MANAGERS $TRADEWIND_TRADER $TRADEWIND_CUSTOMER ${TRADEWIND_SERVICE_TOKEN:-none}" >> $TOLD
trap 'echo "end $$" >> $TOLD; exit 0' TERM
while :; do sleep 0.02; done
"#;

const STUBBORN: &str = r#"
echo "start $$" >> $TOLD
trap '' TERM
while :; do sleep 0.02; done
"#;

const FORKING: &str = r#"
sh -c 'while :; do sleep 0.02; done' &
echo "start $!" >> $TOLD
wait
"#;

const FAILING: &str = r#"
echo "start $$" >> $TOLD
echo "no idea what to buy" >&2
exit 3
"#;

#[tokio::test]
async fn an_algo_is_run_with_its_session_and_ends_with_its_service() {
    // given
    let mut world = World::start().await;
    // when
    world.want(CALM, 5);
    // then
    let told = world.until_told(1).await;
    let words: Vec<&str> = told[0].split(' ').collect();
    assert_eq!(words[2..], ["token-5-1", "127.0.0.1:7", "sample", "acme", "none"]);
    let report = world.until_live().await;
    assert!(report.detail.contains("epoch 5"), "{}", report.detail);
    let algo: u32 = words[1].parse().unwrap();
    assert!(alive(algo) && alive(report.pid.unwrap()));
    // when
    world.stop().await;
    // then
    assert!(!alive(algo) && !alive(report.pid.unwrap()));
    assert_eq!(world::told_in(&world.dir)[1], format!("end {algo}"));
}

#[tokio::test]
async fn under_a_new_epoch_the_old_copy_ends_before_the_new_one_starts() {
    // given
    let mut world = World::start().await;
    world.want(CALM, 5);
    world.until_told(1).await;
    let service = world.until_live().await.pid;
    // when
    world.want(CALM, 9);
    // then
    let told = world.until_told(3).await;
    let first = told[0].split(' ').nth(1).unwrap();
    assert_eq!(told[1], format!("end {first}"));
    assert!(told[2].starts_with("start ") && told[2].contains("token-9-"), "{}", told[2]);
    assert_eq!(world.report().unwrap().pid, service, "the service itself goes on");
    world.stop().await;
}

#[tokio::test]
async fn what_does_not_concern_the_running_copy_leaves_it_alone() {
    // given
    let mut world = World::start().await;
    world.want(CALM, 5);
    world.until_told(1).await;
    // when: another MarketManager is there, and the session was renewed
    world.market_managers = vec!["127.0.0.1:7".to_string(), "127.0.0.1:8".to_string()];
    world.want(CALM, 5);
    // then
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(world.told().len(), 1);
    // and the next copy knows of it
    let algo: u32 = world.told()[0].split(' ').nth(1).unwrap().parse().unwrap();
    kill(algo);
    let told = world.until_told(2).await;
    assert!(told[1].contains("127.0.0.1:7,127.0.0.1:8"), "{}", told[1]);
    world.stop().await;
}

#[tokio::test]
async fn an_algo_that_ignores_sigterm_is_killed() {
    // given
    let mut world = World::start().await;
    world.want(STUBBORN, 5);
    let told = world.until_told(1).await;
    let algo: u32 = told[0].split(' ').nth(1).unwrap().parse().unwrap();
    // when
    world.want_nothing();
    // then
    eventually("the service is gone", || world.report().is_none()).await;
    assert!(!alive(algo));
    world.stop().await;
}

#[tokio::test]
async fn an_algo_that_fails_is_started_again_and_then_waits_with_the_reason() {
    // given
    let mut world = World::start().await;
    // when
    world.want(FAILING, 5);
    // then
    eventually("it waits", || {
        world.told().len() >= 4
            && world.report().is_some_and(|r| {
                r.state == ServiceState::Waiting
                    && r.detail.contains("exit status: 3")
                    && r.detail.contains("no idea what to buy")
            })
    })
    .await;
    assert_eq!(world.report().unwrap().crashes, 0, "the service itself has not crashed");
    // and its Manager hands it back
    let ended = Failure::Ended { exit: Exit::Code(3) };
    eventually("it is handed back", || {
        world.report().is_some_and(|r| r.handed_back == Some(ended))
    })
    .await;
    world.stop().await;
}

#[tokio::test]
async fn an_algo_that_cannot_be_started_says_so() {
    let mut world = World::start().await;
    world.want_command(&["/nowhere/algo"], 5);
    eventually("it says so", || {
        world.report().is_some_and(|r| r.detail.contains("`/nowhere/algo` cannot be started"))
    })
    .await;
    world.stop().await;
}

#[tokio::test]
async fn an_algo_that_is_done_is_not_run_again() {
    // given
    let mut world = World::start().await;
    // when
    world.want("echo start $$ >> $TOLD", 5);
    // then
    eventually("it is done", || {
        world.report().is_some_and(|r| r.detail.contains("ended by itself"))
    })
    .await;
    assert_eq!(world.told().len(), 1);
    // and a new epoch runs it anew
    world.want("echo start $$ >> $TOLD", 6);
    world.until_told(2).await;
    world.stop().await;
}

#[tokio::test]
async fn an_algo_dies_with_its_service_and_a_new_service_runs_it_again() {
    // given
    let mut world = World::start().await;
    world.want(CALM, 5);
    let told = world.until_told(1).await;
    let algo: u32 = told[0].split(' ').nth(1).unwrap().parse().unwrap();
    let service = world.until_live().await.pid.unwrap();
    // when
    kill(service);
    // then
    eventually("the algo is gone", || !alive(algo)).await;
    let told = world.until_told(2).await;
    assert!(told[1].starts_with("start "), "{}", told[1]);
    world.stop().await;
}

#[tokio::test]
async fn what_an_algo_has_started_does_not_outlive_its_service_beside_the_next_copy() {
    // given: an algo that is a shell and its child, which the death of the shell does not reach
    let mut world = World::start().await;
    world.want(FORKING, 5);
    let told = world.until_told(1).await;
    let child: u32 = told[0].split(' ').nth(1).unwrap().parse().unwrap();
    let service = world.until_live().await.pid.unwrap();
    // when
    kill(service);
    // then
    world.until_told(2).await;
    assert!(!alive(child), "two copies run");
    world.stop().await;
}

#[tokio::test]
async fn a_restarted_manager_without_control_plane_leaves_its_algos_alone() {
    // given
    let mut world = World::start().await;
    world.want(CALM, 5);
    world.until_told(1).await;
    let before = world.until_live().await;
    // when
    world.crash().await;
    world.control_plane_goes().await;
    world.start_again().await;
    // then
    let after = world.until_live().await;
    assert_eq!(after.pid, before.pid);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(world.told().len(), 1, "{:?}", world.told());
    world.stop().await;
}

#[tokio::test]
async fn no_token_is_on_disk_or_in_arguments() {
    // given
    let mut world = World::start().await;
    world.want(CALM, 5);
    let told = world.until_told(1).await;
    let service = world.until_live().await.pid.unwrap();
    // when, then
    for pid in [service.to_string(), told[0].split(' ').nth(1).unwrap().to_string()] {
        let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(!arguments.contains("token-5"), "{arguments}");
    }
    let state = fs::read_to_string(world.state_dir().join("services.json")).unwrap();
    let desired = fs::read_to_string(world.state_dir().join("desired.json")).unwrap();
    assert!(!state.contains("token-5") && !desired.contains("token-5"));
    world.stop().await;
}
