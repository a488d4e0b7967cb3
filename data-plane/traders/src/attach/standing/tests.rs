//! Claims about how a copy stands, by example.
#![allow(clippy::unwrap_used)]

use super::*;
use tradewind_domain::{
    control::{
        attach::Attachment,
        desired::{Access, CustomerAccess},
        trader::TraderRun,
    },
    ids::{ClusterIncarnation, Fence, Revision},
    time::UnixNanos,
};

fn copy(name: &str, epoch: u64) -> Copy {
    Copy {
        trader: "t".parse().unwrap(),
        copy: name.parse().unwrap(),
        claims: Claims {
            customer: "acme".parse().unwrap(),
            key_id: Some("k".to_owned()),
            session: "s".parse().unwrap(),
            cluster: ClusterIncarnation(7),
            trader: None,
            issued_at: UnixNanos(1),
            expires_at: UnixNanos(9),
        },
        epoch: Epoch(epoch),
        works: None,
    }
}

fn told(name: Option<&str>, epoch: u64) -> TraderWanted {
    let copy = name.map(|name| name.parse().unwrap());
    TraderWanted {
        trader: "t".parse().unwrap(),
        customer: "acme".parse().unwrap(),
        fence: Fence { cluster: ClusterIncarnation(7), epoch: Epoch(2) },
        command: Vec::new(),
        run: TraderRun::default(),
        paused: false,
        fencing: false,
        attached: Some(Attachment { copy, key_id: "k".to_owned(), epoch: Epoch(epoch) }),
    }
}

fn desired(traders: Vec<TraderWanted>, key: &str) -> Desired {
    let customer = CustomerAccess {
        customer: "acme".parse().unwrap(),
        key_ids: [key.to_owned()].into(),
        trader_manager: None,
        affinity_version: 1,
    };
    let access = Access { public_keys: Vec::new(), customers: vec![customer].into() };
    Desired {
        revision: Revision(9),
        fence: Fence { cluster: ClusterIncarnation(7), epoch: Epoch(1) },
        work: Work::Traders { traders, access },
        market_managers: Vec::new(),
        cordons: [].into(),
        empties: false,
    }
}

fn stands(wanted: TraderWanted, copy: &Copy) -> Standing {
    standing(&desired(vec![wanted], "k"), copy)
}

#[test]
fn a_copy_is_attached_once_its_right_is_known_here_and_on_record_with_brokers() {
    let one = copy("one", 5);
    let attached = Standing::Attached { epoch: Epoch(5), wish: Wish::Run };
    assert_eq!(stands(told(Some("one"), 5), &one), attached);
    let fencing = TraderWanted { fencing: true, ..told(Some("one"), 5) };
    assert!(matches!(stands(fencing.clone(), &one), Standing::Waits(_)));
    // A ledger was given up, and the next one puts its right on record: it goes on meanwhile,
    let working = Copy { works: Some(Epoch(5)), ..copy("one", 5) };
    assert_eq!(stands(fencing.clone(), &working), attached);
    // and one that worked under an earlier right waits.
    let earlier = Copy { works: Some(Epoch(4)), ..copy("one", 5) };
    assert!(matches!(stands(fencing, &earlier), Standing::Waits(_)));
    let paused = TraderWanted { paused: true, ..told(Some("one"), 5) };
    let pauses = Standing::Attached { epoch: Epoch(5), wish: Wish::Pause };
    assert_eq!(stands(paused, &one), pauses);
    // What is known here is of before.
    assert!(matches!(stands(told(Some("zero"), 4), &one), Standing::Waits(_)));
    assert!(matches!(stands(told(None, 4), &one), Standing::Waits(_)));
    let never = TraderWanted { attached: None, ..told(None, 0) };
    assert!(matches!(stands(never, &one), Standing::Waits(_)));
}

#[test]
fn a_copy_ends_when_another_has_its_place_or_it_is_stopped_or_its_key_is_revoked() {
    let one = copy("one", 5);
    let why = |standing| match standing {
        Standing::Ended(why, _) => Some(why),
        Standing::Waits(_) | Standing::Attached { .. } | Standing::Elsewhere => None,
    };
    assert_eq!(why(stands(told(Some("two"), 6), &one)), Some(Ended::TakenOver));
    assert_eq!(why(stands(told(None, 6), &one)), Some(Ended::Stopped));
    let spawned = TraderWanted { command: vec!["algo".to_owned()], ..told(None, 6) };
    assert_eq!(why(stands(spawned, &one)), Some(Ended::Stopped));
    let revoked = standing(&desired(vec![told(Some("one"), 5)], "another"), &one);
    assert_eq!(why(revoked), Some(Ended::Revoked));
    let other_hands = TraderWanted { customer: "eve".parse().unwrap(), ..told(Some("one"), 5) };
    assert_eq!(why(stands(other_hands, &one)), Some(Ended::Revoked));
    assert_eq!(standing(&desired(Vec::new(), "k"), &one), Standing::Elsewhere);
}
