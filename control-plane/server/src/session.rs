//! Sessions: tokens that MarketManagers check without asking anyone. Decides who gets one, for how long,
//! and in which order he should use the MarketManagers: stable for a customer, spread over customers.

use crate::service::Service;
use std::collections::BTreeSet;
use tradewind_domain::{
    control::{
        Machine,
        attach::trader_epoch,
        desired::{ManagerEndpoint, live_endpoints},
    },
    ids::{CustomerId, KeyHash, ManagerKind, NodeId, SessionId, TraderId},
    limits::SESSION_TOKEN_LIFE,
    time::UnixNanos,
};
use tradewind_protocol::{
    Code, Problem,
    session::{OpenTraderSession, SessionOpened},
    token::{Claims, TraderClaim, format_public_key, is_token, parse_public_key, sign, verify},
};

/// For whom a session is opened.
struct Holder {
    customer: CustomerId,
    key_id: Option<String>,
    trader: Option<TraderClaim>,
    /// The one that goes on; a new one is drawn if there is none.
    session: Option<SessionId>,
}

/// A session for whoever has an API key, or a session token that is still good.
pub(crate) fn open(service: &Service, secret: &str) -> Result<SessionOpened, Problem> {
    let (_, machine) = service.machine();
    if is_token(secret) {
        let now = (service.parts().clocks.unix)();
        return opened(service, &machine, renewed(&machine, secret, now)?);
    }
    let hash = &KeyHash::of(secret);
    let owner = machine.key_owner(hash).cloned();
    let customer = owner.ok_or_else(|| {
        Problem::new(Code::Unauthorized, "this API key is not known; ask the operator for one")
    })?;
    let key_id = Some(hash.key_id());
    let holder = Holder { customer, key_id, trader: None, session: None };
    opened(service, &machine, holder)
}

/// For whom a token is renewed: for whoever it was signed for, while his key or his Trader's assignment
/// still stands.
fn renewed(machine: &Machine, token: &str, now: UnixNanos) -> Result<Holder, Problem> {
    let refused = |why: String| Problem::new(Code::Unauthorized, format!("the token: {why}"));
    let key_of = |node| machine.member(node).and_then(|row| parse_public_key(&row.public_key));
    let cluster = machine.cluster().opened().unwrap_or_default();
    let claims = verify(token, key_of, cluster, now).map_err(|bad| refused(bad.to_string()))?;
    let customer = machine.customer(&claims.customer);
    let customer = customer.ok_or_else(|| refused("its customer is gone".to_owned()))?;
    let keys = &customer.spec.key_hashes;
    let stands = match (&claims.trader, &claims.key_id) {
        (None, None) => false,
        (claim, key_id) => {
            let right =
                |claim: &TraderClaim| machine.trader_right(&claim.trader) == Some(claim.epoch);
            claim.as_ref().is_none_or(right) && key_id.as_ref().is_none_or(|id| has_key(keys, id))
        }
    };
    if !stands {
        return Err(refused(
            "its API key was revoked, or its Trader moved; open a new one".to_owned(),
        ));
    }
    let Claims { customer, key_id, session, trader, .. } = claims;
    // The same session: what depends on its being there outlives its tokens.
    Ok(Holder { customer, key_id, trader, session: Some(session) })
}

/// A session for a Trader, asked for by the TraderManager it was given to.
pub(crate) fn open_for_trader(
    service: &Service,
    trader: &TraderId,
    asked: &OpenTraderSession,
) -> Result<SessionOpened, Problem> {
    let machine = service.machine().1;
    let row = machine
        .trader(trader)
        .ok_or_else(|| Problem::new(Code::NotFound, format!("there is no Trader {trader}")))?;
    if trader_epoch(&machine, trader, &asked.manager) != Some(asked.epoch) {
        let OpenTraderSession { manager, epoch, .. } = asked;
        let detail = format!("{trader} is no longer given to {manager} under epoch {epoch}");
        return Err(Problem::new(Code::Conflict, detail));
    }
    let lives = machine.manager(&asked.manager).map(|row| row.incarnation);
    if asked.incarnation.is_some_and(|life| lives != Some(life)) {
        let detail = format!("another life of {} is registered", asked.manager);
        return Err(Problem::new(Code::Conflict, detail));
    }
    let customer = row.spec.customer.clone();
    // Of one that its customer runs himself: it ends with the key that he attached it by.
    let attached = machine.attachment(trader).filter(|_| row.spec.is_self_managed());
    let key_id = attached.map(|held| held.key_id.clone());
    let keys = machine.customer(&customer).map(|row| &row.spec.key_hashes);
    if key_id.as_ref().is_some_and(|id| !keys.is_some_and(|keys| has_key(keys, id))) {
        let detail = format!("the API key that {trader} was attached by was revoked");
        return Err(Problem::new(Code::Unauthorized, detail));
    }
    let claim = TraderClaim { trader: trader.clone(), epoch: asked.epoch };
    // A copy that attaches anew, here or elsewhere, is the algo that it was.
    let copy = attached.and_then(|held| held.copy.as_ref());
    let session = copy.and_then(|copy| SessionId::new(copy.as_str()).ok());
    opened(service, &machine, Holder { customer, key_id, trader: Some(claim), session })
}

fn has_key(keys: &BTreeSet<KeyHash>, key_id: &str) -> bool {
    keys.iter().any(|hash| hash.key_id() == key_id)
}

fn opened(service: &Service, machine: &Machine, holder: Holder) -> Result<SessionOpened, Problem> {
    let parts = service.parts();
    let key = &parts.identity.signing;
    let public = format_public_key(&key.verifying_key());
    if machine.member(parts.node).is_none_or(|row| row.public_key != public) {
        return Err(key_not_known(parts.node));
    }
    let cluster = machine.cluster().opened().ok_or_else(|| key_not_known(parts.node))?;
    let issued_at = (parts.clocks.unix)();
    let Holder { customer, key_id, trader, session } = holder;
    let opened_trader = trader.as_ref().map(|claim| claim.trader.clone());
    let claims = Claims {
        customer: customer.clone(),
        key_id,
        session: session.map_or_else(drawn, Ok)?,
        cluster,
        trader,
        issued_at,
        expires_at: issued_at + SESSION_TOKEN_LIFE,
    };
    let affinity = machine.customer(&customer).and_then(|row| row.affinity.as_ref());
    let home = affinity.and_then(|affinity| machine.manager(&affinity.manager));
    Ok(SessionOpened {
        stand: service.stand(),
        trader: opened_trader,
        token: sign(&claims, parts.node, key),
        expires_at: claims.expires_at,
        market_managers: market_managers(machine, &customer),
        infrastructure_managers: service.member_addresses(),
        trader_manager: home.map(|row| ManagerEndpoint {
            manager: row.manager.clone(),
            address: row.address.clone(),
        }),
        customer,
    })
}

fn key_not_known(node: NodeId) -> Problem {
    let detail = format!("member {node} has just started and its key is not known to all yet");
    Problem::new(Code::Unavailable, detail).retry_after_ms(crate::limits::NO_LEADER_RETRY_MS)
}

fn drawn() -> Result<SessionId, Problem> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| {
        tracing::error!(%error, "no randomness for a session id");
        Problem::new(Code::InternalError, "the system gives no randomness")
    })?;
    let text = format!("{:032x}", u128::from_be_bytes(random));
    SessionId::new(&text).map_err(|bad| Problem::new(Code::InternalError, bad.to_string()))
}

/// Live MarketManagers, best first. Each pair of customer and Manager has its own weight, so that one
/// Manager more or less moves only those customers that come to it or came from it.
fn market_managers(machine: &Machine, customer: &CustomerId) -> Vec<ManagerEndpoint> {
    let mut endpoints = live_endpoints(machine, ManagerKind::MarketManager);
    endpoints.sort_by_cached_key(|endpoint| weight(customer, &endpoint.manager.to_string()));
    endpoints
}

/// FNV-1a and a last mix (the finalizer of `MurmurHash3`): the same in every build and on every member.
fn weight(customer: &CustomerId, manager: &str) -> u64 {
    let text = customer.as_str().bytes().chain([0]).chain(manager.bytes());
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeMap;
    use tradewind_domain::{
        control::{Command, IdempotencyKey, Request, Stamped, row::CustomerSpec},
        ids::{ClusterIncarnation, Incarnation, Revision},
    };

    fn machine(managers: u64) -> Machine {
        let mut machine = Machine::default();
        for n in 1..=managers {
            let command = Command::CheckIn {
                manager: format!("a{n}.market-manager").parse().unwrap(),
                location: "here".parse().unwrap(),
                address: format!("127.0.0.1:{n}"),
                incarnation: Incarnation(1),
                capacity: 1,
            };
            let key =
                IdempotencyKey { client: "test".parse().unwrap(), issued_at: UnixNanos(1), n };
            let request = Request { key, command };
            machine.apply(Revision(n), &Stamped { at: UnixNanos(1), request });
        }
        machine
    }

    fn first(machine: &Machine, customer: u32) -> String {
        let customer = format!("c{customer}").parse().unwrap();
        market_managers(machine, &customer)[0].manager.to_string()
    }

    #[test]
    fn customers_spread_over_the_market_managers_and_stay_where_they_are() {
        let (three, four) = (machine(3), machine(4));
        let mut load = BTreeMap::<String, u32>::new();
        for customer in 0..3_000 {
            let (before, after) = (first(&three, customer), first(&four, customer));
            assert!(before == after || after == "a4.market-manager");
            *load.entry(before).or_default() += 1;
        }
        assert_eq!(load.len(), 3);
        assert!(load.values().all(|held| (800..1_200).contains(held)), "{load:?}");
    }

    fn signed(key_id: &str, expires_at: u64) -> String {
        let claims = Claims {
            customer: "acme".parse().unwrap(),
            key_id: Some(key_id.to_owned()),
            session: "s".parse().unwrap(),
            cluster: ClusterIncarnation(5),
            trader: None,
            issued_at: UnixNanos(1),
            expires_at: UnixNanos(expires_at),
        };
        sign(&claims, NodeId(1), &ed25519_dalek::SigningKey::from_bytes(&[7; 32]))
    }

    #[test]
    fn a_token_is_renewed_only_while_it_is_good_and_its_key_stands() {
        let public = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key();
        let hash = KeyHash::of("secret");
        let commands = [
            Command::OpenCluster { incarnation: ClusterIncarnation(5) },
            Command::PutMember {
                node: NodeId(1),
                api_address: String::new(),
                public_key: format_public_key(&public),
            },
            Command::PutCustomer {
                customer: "acme".parse().unwrap(),
                spec: CustomerSpec { key_hashes: [hash.clone()].into() },
            },
        ];
        let mut machine = Machine::default();
        for (n, command) in commands.into_iter().enumerate() {
            let n = n as u64 + 1;
            let key =
                IdempotencyKey { client: "test".parse().unwrap(), issued_at: UnixNanos(1), n };
            let request = Request { key, command };
            machine.apply(Revision(n), &Stamped { at: UnixNanos(1), request });
        }
        let renew = |token: &str| -> Result<Option<SessionId>, Code> {
            let holder = renewed(&machine, token, UnixNanos(50)).map_err(|bad| bad.code)?;
            Ok(holder.session)
        };
        let same = Some("s".parse().unwrap());
        assert_eq!(renew(&signed(&hash.key_id(), 100)), Ok(same), "it is the session that it was");
        assert_eq!(renew(&signed(&hash.key_id(), 50)).err(), Some(Code::Unauthorized));
        assert_eq!(renew(&signed("another", 100)).err(), Some(Code::Unauthorized));
        assert_eq!(renew("tw1.1.x.y").err(), Some(Code::Unauthorized));
    }
}
