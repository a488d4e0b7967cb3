//! Claims about sessions: who gets one, and that its token is good where nobody is asked.

use super::{
    eventually,
    group::{Group, SOON, now},
    manager::Manager,
};
use serde_json::json;
use tradewind_domain::{
    control::desired::{Access, Work},
    ids::{Epoch, Incarnation, KeyHash, TraderId},
    limits::SESSION_TOKEN_LIFE,
};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code,
    attach::AttachTrader,
    control::Changed,
    session::OpenTraderSession,
    token::{self, Claims},
};

/// What a MarketManager knows of members and customers.
fn access(manager: &Manager) -> Option<Access> {
    match manager.desired()?.work {
        Work::Markets { access, .. } => Some(access),
        Work::Brokers { .. } | Work::Traders { .. } => None,
    }
}

/// Reads a token as the MarketManager does.
fn verified(manager: &Manager, text: &str) -> Claims {
    let keys = access(manager).unwrap().public_keys;
    let key_of = |node| {
        let known = keys.iter().find(|key| key.node == node)?;
        token::parse_public_key(&known.key)
    };
    let cluster = manager.checked_in.fence.cluster;
    token::verify(text, key_of, cluster, now()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_opens_sessions_that_a_market_manager_can_check_alone() {
    let group = Group::of(3).await;
    let edge = Manager::check_in(&group, "a1.market-manager", 1).await;
    let home = Manager::check_in(&group, "a1.trader-manager", 1).await;
    group.put_customer("acme", "secret").await;
    eventually("the MarketManager knows all members and the customer", SOON, async || {
        access(&edge).is_some_and(|access| {
            let placed = access.customers.iter().any(|held| held.trader_manager.is_some());
            access.public_keys.len() == 3 && placed
        })
    })
    .await;
    for member in 0..3 {
        let address = group.address(member);
        let client =
            tradewind_control_client::ControlClient::new(vec![address], group.rest.clone());
        let opened = client.open_session("secret", SOON).await.unwrap();
        let claims = verified(&edge, &opened.token);
        assert_eq!(claims.customer, "acme".parse().unwrap());
        assert_eq!(claims.expires_at, opened.expires_at);
        assert_eq!(claims.expires_at.since(claims.issued_at), SESSION_TOKEN_LIFE);
        assert_eq!(opened.market_managers[0].manager, edge.id);
        assert_eq!(opened.trader_manager.unwrap().manager, home.id);
        assert_eq!(opened.infrastructure_managers.len(), 3);
        let refused = client.open_session("guessed", SOON).await.unwrap_err();
        assert_eq!(refused.code, Code::Unauthorized);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spawned_trader_gets_a_session_only_under_the_epoch_that_stands() {
    let group = Group::of(1).await;
    let edge = Manager::check_in(&group, "a1.market-manager", 1).await;
    let home = Manager::check_in(&group, "a1.trader-manager", 1).await;
    group.put_customer("acme", "secret").await;
    let (spec, key) = (json!({"customer":"acme","command":["tradewind"]}), group.keys.next());
    let path = "/v1/traders/sample";
    let put = group.request::<_, Changed>(0, Method::PUT, path, Some(&key), Some(&spec)).await;
    put.unwrap();
    let assigned = || match home.desired()?.work {
        Work::Traders { traders, .. } => traders.first().map(|trader| trader.fence.epoch),
        Work::Brokers { .. } | Work::Markets { .. } => None,
    };
    eventually("the Trader is given to its Manager", SOON, async || assigned().is_some()).await;
    let epoch = assigned().unwrap();
    let (client, trader) = (group.client(), "sample".parse::<TraderId>().unwrap());
    let open_by = async |epoch: Epoch, life: u64| {
        let incarnation = Some(Incarnation(life));
        let asked = OpenTraderSession { manager: home.id.clone(), epoch, incarnation };
        client.open_trader_session(&trader, &asked, SOON).await
    };
    let open = async |epoch: Epoch| open_by(epoch, 1).await;
    let opened = open(epoch).await.unwrap();
    assert_eq!(opened.trader, Some(trader.clone()));
    eventually("the member's key is known", SOON, async || {
        access(&edge).is_some_and(|access| !access.public_keys.is_empty())
    })
    .await;
    let claim = verified(&edge, &opened.token).trader.unwrap();
    assert_eq!((claim.trader, claim.epoch), (trader.clone(), epoch));
    assert_eq!(open(Epoch(epoch.0 + 1)).await.unwrap_err().code, Code::Conflict);
    let replaced = open_by(epoch, 2).await.unwrap_err();
    assert_eq!(replaced.code, Code::Conflict, "another life of the TraderManager");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_its_customer_runs_gets_a_session_under_its_right_and_its_key() {
    // given
    let group = Group::of(1).await;
    let home = Manager::check_in(&group, "a1.trader-manager", 1).await;
    group.put_customer("acme", "secret").await;
    let (spec, key) = (json!({"customer": "acme"}), group.keys.next());
    let path = "/v1/traders/own";
    let put = group.request::<_, Changed>(0, Method::PUT, path, Some(&key), Some(&spec)).await;
    put.unwrap();
    let told = || match home.desired()?.work {
        Work::Traders { traders, .. } => traders.into_iter().next(),
        Work::Brokers { .. } | Work::Markets { .. } => None,
    };
    eventually("the Trader is given to its Manager", SOON, async || told().is_some()).await;
    let (client, trader) = (group.client(), "own".parse::<TraderId>().unwrap());
    let attach = async |copy: &str, takes_over: bool| {
        let ask = AttachTrader {
            manager: home.id.clone(),
            incarnation: Incarnation(1),
            copy: copy.parse().unwrap(),
            key_id: KeyHash::of("secret").key_id(),
            takes_over,
            replaces: told().unwrap().attached.map(|held| held.epoch),
        };
        client.attach_trader(&trader, &ask, &group.keys.next(), SOON).await.accepted()
    };
    let open = async |epoch: Epoch| {
        let (manager, incarnation) = (home.id.clone(), Some(Incarnation(1)));
        client
            .open_trader_session(&trader, &OpenTraderSession { manager, epoch, incarnation }, SOON)
            .await
    };
    // Of its assignment nobody trades.
    assert_eq!(open(told().unwrap().fence.epoch).await.unwrap_err().code, Code::Conflict);
    // when
    let right = Epoch(attach("one", true).await.unwrap().applied.0);
    // then
    let opened = open(right).await.unwrap();
    let claims = token::claims_unchecked(&opened.token).unwrap();
    assert_eq!(claims.key_id, Some(KeyHash::of("secret").key_id()));
    assert_eq!(claims.trader.map(|claim| claim.epoch), Some(right));
    assert_eq!(claims.session.as_str(), "one", "its session is the copy, wherever it attaches");
    let renewed = client.open_session(&opened.token, SOON).await.unwrap();
    let claims = token::claims_unchecked(&renewed.token).unwrap();
    assert_eq!(claims.trader.map(|claim| claim.epoch), Some(right), "renewed, its right is lost");
    assert_eq!(claims.session.as_str(), "one", "renewed it is the same session");
    eventually("nobody has to be waited for", SOON, async || {
        told().is_some_and(|told| told.right().is_some() && !told.fencing)
    })
    .await;
    // when: another copy takes over
    let next = Epoch(attach("two", true).await.unwrap().applied.0);
    // then
    assert_eq!(attach("one", false).await.unwrap_err().code, Code::StaleTrader);
    assert_eq!(open(right).await.unwrap_err().code, Code::Conflict);
    let refused = client.open_session(&renewed.token, SOON).await.unwrap_err();
    assert_eq!(refused.code, Code::Unauthorized);
    let opened = open(next).await.unwrap();
    // when: the key is taken from the customer
    let (spec, key) = (json!({"key_hashes": []}), group.keys.next());
    let path = "/v1/customers/acme";
    let put = group.request::<_, Changed>(0, Method::PUT, path, Some(&key), Some(&spec)).await;
    put.unwrap();
    // then
    assert_eq!(open(next).await.unwrap_err().code, Code::Unauthorized);
    let refused = client.open_session(&opened.token, SOON).await.unwrap_err();
    assert_eq!(refused.code, Code::Unauthorized);
}
