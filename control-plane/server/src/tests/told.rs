//! Claims about what a Manager is told, over real pipes: also what no frame has room for.

use super::{
    eventually,
    group::{Group, SOON},
    manager::Manager,
};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;
use tradewind_domain::{
    control::{desired::Work, row::CustomerSpec},
    ids::KeyHash,
    limits::{KEYS_PER_CUSTOMER, PIPE_FRAME_BYTES},
};

const CUSTOMERS: usize = 4_300;

fn customers(manager: &Manager) -> usize {
    match manager.desired().map(|desired| desired.work) {
        Some(Work::Markets { access, .. }) => access.customers.len(),
        _ => 0,
    }
}

/// Customers with as many keys as may be: fewer are as much to tell.
async fn declare(group: &Arc<Group>) {
    let mut tasks = JoinSet::new();
    for worker in 0..32 {
        let group = group.clone();
        tasks.spawn(async move {
            for n in (worker..CUSTOMERS).step_by(32) {
                let keys = (0..KEYS_PER_CUSTOMER).map(|key| KeyHash::of(&format!("{n}-{key}")));
                let spec = CustomerSpec { key_hashes: keys.collect() };
                let customer = format!("c{n}").parse().unwrap();
                let key = group.keys.next();
                group.client().put_customer(&customer, &spec, &key, SOON).await.accepted().unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_customers_than_a_frame_holds_reach_a_market_manager_and_its_beats_are_answered() {
    // given
    let group = Arc::new(Group::of(1).await);
    let edge = Manager::check_in(&group, "a1.market-manager", 1).await;
    // when
    declare(&group).await;
    // then
    eventually("it knows all of them", SOON, async || customers(&edge) == CUSTOMERS).await;
    let whole = serde_json::to_vec(&edge.desired().unwrap()).unwrap().len();
    assert!(whole > PIPE_FRAME_BYTES, "{whole} bytes fit anyway");
    let answered = edge.answered();
    eventually("its beats are answered", SOON, async || edge.answered() > answered + 3).await;
    // and: one that comes later is told all at once, before it is answered
    let late = Manager::check_in(&group, "b1.market-manager", 1).await;
    eventually("its beats are answered", SOON, async || late.answered() > 3).await;
    assert_eq!(late.told.lock().unwrap().answered_untold, 0);
    assert_eq!(customers(&late), CUSTOMERS);
    // and: a key that is revoked is told to both within a moment
    let spec = CustomerSpec { key_hashes: [KeyHash::of("other")].into() };
    let (customer, key) = ("c77".parse().unwrap(), group.keys.next());
    group.client().put_customer(&customer, &spec, &key, SOON).await.accepted().unwrap();
    let knows = |manager: &Manager| match manager.desired().unwrap().work {
        Work::Markets { access, .. } => access.customers.get(&customer).unwrap().key_ids.len() == 1,
        _ => false,
    };
    eventually("both know", Duration::from_secs(2), async || knows(&edge) && knows(&late)).await;
}
