//! Claims about what is told of Traders that their customers run themselves.
#![allow(clippy::unwrap_used)]

use super::*;
use tradewind_domain::{
    control::{attach::Attachment, trader::TraderRun},
    ids::{Epoch, Fence},
};

fn wanted(copy: Option<&str>, paused: bool) -> TraderWanted {
    let copy = copy.map(|copy| copy.parse().unwrap());
    TraderWanted {
        trader: "t".parse().unwrap(),
        customer: "acme".parse().unwrap(),
        fence: Fence::default(),
        command: Vec::new(),
        run: TraderRun::default(),
        paused,
        fencing: false,
        attached: Some(Attachment { copy, key_id: "k".to_owned(), epoch: Epoch(3) }),
    }
}

fn enters(attachments: &Arc<Attachments>, copy: &str) -> Seat {
    let (trader, copy) = ("t".parse().unwrap(), copy.parse().unwrap());
    let peer = "192.0.2.7:5".parse().unwrap();
    attachments.enter(&trader, &copy, peer, UnixNanos(1)).unwrap()
}

fn told(attachments: &Attachments, wanted: &[TraderWanted]) -> Vec<(ServiceState, String)> {
    let reports = attachments.reports(wanted).into_iter();
    reports.map(|report| (report.state, report.detail)).collect()
}

#[test]
fn one_that_is_attached_is_told_of_like_a_service_and_one_that_is_not_is_away() {
    let attachments: Arc<Attachments> = Arc::default();
    let of = [wanted(Some("one"), false)];
    assert!(told(&attachments, &of)[0].1.contains("not attached since this"));
    // when
    let seat = enters(&attachments, "one");
    assert_eq!(told(&attachments, &of)[0].0, ServiceState::Connecting);
    assert!(seat.stands(Stands::Attached));
    assert!(!seat.stands(Stands::Attached), "that was no news");
    assert!(seat.heard(Wish::Run, "flat"));
    // then
    let (state, detail) = told(&attachments, &of).remove(0);
    assert_eq!(state, ServiceState::Live);
    assert!(detail.starts_with("attached from 192.0.2.7:5 since 1970"), "{detail}");
    assert!(detail.ends_with("; flat"), "{detail}");
    let (state, detail) = told(&attachments, &[wanted(Some("one"), true)]).remove(0);
    assert!(state == ServiceState::Paused && detail.contains("told to pause, and runs"));
    // and: where it belongs elsewhere it is still here until it has left
    assert_eq!(told(&attachments, &[])[0].0, ServiceState::Stopping);
    // when
    seat.leave(UnixNanos(2), "its connection broke");
    let (state, detail) = told(&attachments, &of).remove(0);
    assert!(state == ServiceState::Away && detail.ends_with("its connection broke"), "{detail}");
    assert_eq!(told(&attachments, &[]), []);
}

#[test]
fn a_copy_that_dials_again_takes_its_own_place_and_the_one_with_the_right_is_told_of() {
    let attachments: Arc<Attachments> = Arc::default();
    let (first, again) = (enters(&attachments, "one"), enters(&attachments, "one"));
    assert!(first.cut.is_cancelled() && !again.cut.is_cancelled());
    again.stands(Stands::Attached);
    let other = enters(&attachments, "two");
    assert!(!again.cut.is_cancelled(), "another copy cuts it");
    other.stands(Stands::Waits("for Brokers".to_owned()));
    let state = |copy| told(&attachments, &[wanted(Some(copy), false)])[0].0;
    assert_eq!((state("one"), state("two")), (ServiceState::Live, ServiceState::Connecting));
    drop((first, again, other));
    assert_eq!(attachments.reports(&[]).len(), 0);
}

#[test]
fn nobody_is_let_in_beyond_the_most_or_once_the_manager_stops() {
    let attachments: Arc<Attachments> = Arc::default();
    let seats: Vec<Seat> =
        (0..limits::ATTACHED).map(|n| enters(&attachments, &n.to_string())).collect();
    let more = || {
        let (trader, copy) = ("t".parse().unwrap(), "more".parse().unwrap());
        attachments.enter(&trader, &copy, "192.0.2.7:5".parse().unwrap(), UnixNanos(1))
    };
    assert_eq!(more().err().unwrap().code, Code::Unavailable);
    drop(seats);
    assert!(more().is_ok());
    attachments.close();
    assert!(more().err().unwrap().detail.contains("stopping"));
}
