//! Claims about a service that cannot be put on record.

use super::*;
use crate::process::is_alive;

#[tokio::test]
async fn one_that_cannot_be_put_on_record_is_told_nothing_and_ended_and_is_started_again() {
    // given: a process that runs, and that would be told what to be once it has checked in
    let mut world = World::start("broker.sim-1.0", "exec sleep 100");
    let first = world.news().await;
    let record = first.record.unwrap();
    let (answer, answered) = oneshot::channel();
    let ask = ServiceCheckIn {
        service: first.service,
        token: record.token.clone(),
        incarnation: Incarnation(1),
        pid: record.process.pid,
        // Nobody is there.
        address: "127.0.0.1:1".to_owned(),
    };
    assert!(world.check_ins.send(CheckIn { ask, answer }).await.is_ok());
    // when
    first.kept.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
    // then
    let ended = world.news().await;
    assert!(!is_alive(&record.process).unwrap(), "a later life would not find it");
    assert_eq!((ended.record, ended.report.state), (None, ServiceState::Waiting));
    let detail = ended.report.detail;
    assert!(detail.contains("it cannot be put on record: no storage space"), "{detail}");
    ended.kept.send(Ok(())).unwrap();
    // and: another one is started, and stays once it is on record
    let second = world.news().await;
    let other = second.record.unwrap();
    assert_ne!(other.process, record.process);
    second.kept.send(Ok(())).unwrap();
    assert_eq!(answered.await.unwrap().unwrap_err().code, Code::Unauthorized);
    assert!(is_alive(&other.process).unwrap());
    world.stop().await;
}
