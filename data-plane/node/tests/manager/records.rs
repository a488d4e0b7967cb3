//! Claims about a Manager that cannot put on record what it starts.

use crate::world::{World, alive, eventually, running};
use std::fs;
use tradewind_protocol::supervision::ServiceState;

#[tokio::test]
async fn what_cannot_be_put_on_record_does_not_run_and_what_is_there_runs_on() {
    // given
    let mut world = World::start().await;
    world.want(&["good"]);
    let good = world.until_live("good").await;
    // when: nothing can be written where the records are
    let in_the_way = world.state_dir().join("services.json.tmp");
    fs::create_dir(&in_the_way).unwrap();
    world.want(&["good", "other"]);
    // then
    world
        .until("it says why it does not run", |w| {
            w.report("other").is_some_and(|report| {
                report.state == ServiceState::Waiting
                    && report.detail.contains("it cannot be put on record: Is a directory")
                    && report.handed_back.is_some()
            })
        })
        .await;
    assert!(world.report("other").unwrap().pid.is_none());
    // when: the Manager crashes
    world.crash().await;
    let dir = world.state_dir();
    // then: nothing runs that it would not find
    eventually("only what is on record runs", || running(&dir) == ["broker.good.0"]).await;
    world.start_again().await;
    let again = world.until_live("good").await;
    assert_eq!(again.pid, good.pid);
    assert!(alive(good.pid.unwrap()));
    // when
    fs::remove_dir(&in_the_way).unwrap();
    // then: it is tried again by itself
    world.until_live("other").await;
    let text = fs::read_to_string(dir.join("services.json")).unwrap();
    assert!(text.contains("broker.good.0") && text.contains("broker.other.0"), "{text}");
    world.stop().await;
}
