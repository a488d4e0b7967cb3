//! Claims about a service that has checked in and lets nobody in.

use super::*;

#[tokio::test]
async fn one_that_checks_in_and_lets_nobody_in_is_not_said_to_have_never_checked_in() {
    // given
    let mut world = World::start("broker.sim-1.0", "exec sleep 100");
    let first = world.news().await;
    let record = first.record.unwrap();
    first.kept.send(Ok(())).unwrap();
    let (answer, answered) = oneshot::channel();
    let ask = ServiceCheckIn {
        service: first.service,
        token: record.token,
        incarnation: Incarnation(1),
        pid: record.process.pid,
        // Nobody is there.
        address: "127.0.0.1:1".to_owned(),
    };
    // when
    assert!(world.check_ins.send(CheckIn { ask, answer }).await.is_ok());
    // then
    let ended = loop {
        let news = world.news().await;
        let _ = news.kept.send(Ok(()));
        if news.report.state == ServiceState::Waiting {
            break news.report;
        }
    };
    assert!(answered.await.unwrap().is_ok());
    let detail = ended.detail;
    assert!(detail.contains("no pipe to it stood within 5 s: nobody listens"), "{detail}");
    world.stop().await;
}
