//! Plays the group for a TraderManager: the real machine, behind the addresses that a TraderManager asks. Whatever changes in
//! it is told to the Manager at once, as a leader would.

use super::leader::Leader;
use axum::{
    Router,
    http::HeaderMap,
    routing::{get, post},
};
use ed25519_dalek::SigningKey;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tradewind_domain::{
    control::{
        Command, IdempotencyKey, Machine, Outcome, Refusal, Request, Stamped, desired,
        desired::ManagerEndpoint,
        fencing::TraderCommand,
        resource::{Condition, Declaration, ResourceCommand},
        row::{ManagerState, TraderSpec, TraderWish},
        trader::TraderRun,
    },
    ids::{ClusterIncarnation, Epoch, Incarnation, KeyHash, ManagerId, NodeId, Revision, TraderId},
    time::UnixNanos,
};
use tradewind_link::{
    Failure,
    json::{Json, Path},
};
use tradewind_protocol::{
    Code,
    attach::AttachTrader,
    control::{Changed, Stand},
    placed::{ManagerInfo, ManagerStanding, Placed},
    resources::{One, TraderInfo},
    session::{OpenTraderSession, SessionOpened},
    token::{Claims, TraderClaim, format_public_key, sign, verify},
};

pub(crate) const CLUSTER: ClusterIncarnation = ClusterIncarnation(7);
pub(crate) const SECRET: &str = "secret";

pub(crate) fn here() -> ManagerId {
    "a1.trader-manager".parse().unwrap()
}

pub(crate) fn elsewhere() -> ManagerId {
    "b1.trader-manager".parse().unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

#[derive(Default)]
struct State {
    machine: Machine,
    revision: u64,
    /// Brokers say at once that they refuse earlier copies.
    fences: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Group {
    state: Arc<Mutex<State>>,
    leader: Arc<Mutex<Option<Leader>>>,
}

impl Group {
    /// With a customer who has two Traders of his own, `t` and `u`, and one that is spawned, `spawned`.
    pub(crate) async fn start() -> Self {
        let group = Self::default();
        group.apply(Command::OpenCluster { incarnation: CLUSTER }).unwrap();
        group.put_member();
        for customer in ["acme", "eve"] {
            let key_hashes = Some([KeyHash::of(&format!("{SECRET}-{customer}"))].into());
            group.put(Declaration::Customer { customer: customer.parse().unwrap(), key_hashes });
        }
        group.is_to_be("t", &[], TraderWish::Running);
        group.is_to_be("u", &[], TraderWish::Running);
        group.is_to_be("spawned", &["sleep", "60"], TraderWish::Running);
        let fence = group.state.lock().unwrap().machine.fence(Epoch(1));
        let leader = Leader::start(here(), fence, group.routes()).await;
        *group.leader.lock().unwrap() = Some(leader);
        group
    }

    fn put_member(&self) {
        let public_key = format_public_key(&key().verifying_key());
        let (node, api_address) = (NodeId(1), String::new());
        self.apply(Command::PutMember { node, api_address, public_key }).unwrap();
    }

    pub(crate) fn address(&self) -> String {
        self.leader.lock().unwrap().as_ref().unwrap().address.clone()
    }

    /// All members are gone.
    pub(crate) fn goes(&self) {
        *self.leader.lock().unwrap() = None;
    }

    pub(crate) fn fences(&self, fences: bool) {
        self.state.lock().unwrap().fences = fences;
        self.fence();
    }

    pub(crate) fn check_in(&self, manager: ManagerId, address: &str, incarnation: Incarnation) {
        let (location, address) = ("here".parse().unwrap(), address.to_owned());
        let capacity = 10;
        let command = Command::CheckIn { manager, location, address, incarnation, capacity };
        self.apply(command).unwrap();
    }

    /// The customer acme belongs there, with his Traders.
    pub(crate) fn belongs(&self, manager: &ManagerId) {
        let machine = self.state.lock().unwrap().machine.clone();
        let acme = machine.customer(&"acme".parse().unwrap()).unwrap();
        let replaces = acme.affinity.as_ref().map(|held| held.epoch);
        let customer = acme.customer.clone();
        let manager = manager.clone();
        self.apply(Command::AssignCustomer { customer, manager: manager.clone(), replaces })
            .unwrap();
        for row in machine.traders() {
            let (trader, manager) = (row.trader.clone(), manager.clone());
            let replaces = row.assignment.as_ref().map(|held| held.epoch);
            self.apply(Command::AssignTrader { trader, manager, replaces }).unwrap();
        }
    }

    pub(crate) fn is_to_be(&self, trader: &str, command: &[&str], state: TraderWish) {
        let command: Vec<String> = command.iter().map(ToString::to_string).collect();
        let spec = TraderSpec { customer: "acme".parse().unwrap(), command, state };
        let (trader, run) = (trader.parse().unwrap(), TraderRun::default());
        self.put(if spec.is_self_managed() {
            Declaration::SelfManaged { trader, spec, run }
        } else {
            Declaration::TraderRun { trader, spec, run }
        });
    }

    pub(crate) fn revoke(&self) {
        let (customer, key_hashes) = ("acme".parse().unwrap(), Some([].into()));
        self.put(Declaration::Customer { customer, key_hashes });
    }

    fn put(&self, what: Declaration) {
        let on = Condition::Always;
        self.apply(Command::Resource(ResourceCommand::Put { what, on })).unwrap();
    }

    fn apply(&self, command: Command) -> Result<Revision, Refusal> {
        let outcome = {
            let mut state = self.state.lock().unwrap();
            state.revision += 1;
            let n = state.revision;
            let key = IdempotencyKey { client: "g".parse().unwrap(), issued_at: UnixNanos(1), n };
            let entry = Stamped { at: UnixNanos(1), request: Request { key, command } };
            state.machine.apply(Revision(n), &entry).outcome
        };
        self.fence();
        self.tell();
        match outcome {
            Outcome::Accepted { revision } => Ok(revision),
            Outcome::Refused { refusal } => Err(refusal),
        }
    }

    fn fence(&self) {
        let waiting = {
            let state = self.state.lock().unwrap();
            if !state.fences {
                return;
            }
            let waiting = state.machine.fencings().next();
            waiting.map(|row| (row.trader.clone(), row.epoch))
        };
        if let Some((trader, epoch)) = waiting {
            self.apply(Command::Trader(TraderCommand::Fenced { trader, epoch })).unwrap();
        }
    }

    fn tell(&self) {
        let told = {
            let state = self.state.lock().unwrap();
            desired(&state.machine, Revision(state.revision), &here())
        };
        if let (Some(told), Some(leader)) = (told, &*self.leader.lock().unwrap()) {
            leader.tell(told);
        }
    }

    pub(crate) fn right(&self, trader: &str) -> Option<Epoch> {
        self.state.lock().unwrap().machine.trader_right(&trader.parse().unwrap())
    }

    fn endpoint(&self, manager: &ManagerId) -> Option<ManagerEndpoint> {
        let state = self.state.lock().unwrap();
        let row = state.machine.manager(manager)?;
        Some(ManagerEndpoint { manager: row.manager.clone(), address: row.address.clone() })
    }

    fn home(&self) -> Option<ManagerEndpoint> {
        let manager = {
            let state = self.state.lock().unwrap();
            let acme = state.machine.customer(&"acme".parse().unwrap())?;
            acme.affinity.as_ref()?.manager.clone()
        };
        self.endpoint(&manager)
    }

    fn opened(&self, customer: &str, token: String, expires_at: UnixNanos) -> SessionOpened {
        SessionOpened {
            stand: Stand::default(),
            customer: customer.parse().unwrap(),
            trader: None,
            token,
            expires_at,
            market_managers: Vec::new(),
            infrastructure_managers: Vec::new(),
            trader_manager: self.home().filter(|_| customer == "acme"),
        }
    }

    fn routes(&self) -> Router {
        let (renews, opens, attaches) = (self.clone(), self.clone(), self.clone());
        let (tells, lists) = (self.clone(), self.clone());
        let renew = move |headers: HeaderMap| async move { renews.renew(&headers) };
        let open = move |Path(trader): Path<TraderId>, Json(ask): Json<OpenTraderSession>| async move {
            let claim = TraderClaim { trader, epoch: ask.epoch };
            let (token, claims) = token("acme", |claims| claims.trader = Some(claim));
            Json(opens.opened("acme", token, claims.expires_at))
        };
        let attach = move |Path(trader): Path<TraderId>, Json(ask): Json<AttachTrader>| async move {
            let applied = attaches.apply(Command::Trader(TraderCommand::Attach(ask.of(trader))));
            match applied {
                Ok(applied) => Ok(Json(Changed { stand: Stand::default(), applied })),
                Err(refusal) => {
                    let code = match refusal {
                        Refusal::TakenOver => Code::StaleTrader,
                        Refusal::NotFound { .. } => Code::NotFound,
                        _ => Code::Refused,
                    };
                    Err(Failure::new(code, refusal.to_string()))
                }
            }
        };
        let trader = move |Path(trader): Path<TraderId>| async move { tells.trader(&trader) };
        let manager = move |Path(manager): Path<ManagerId>| async move { lists.manager(&manager) };
        Router::new()
            .route("/v1/sessions", post(renew))
            .route("/v1/traders/{trader}", get(trader))
            .route("/v1/traders/{trader}/sessions", post(open))
            .route("/v1/traders/{trader}/attachments", post(attach))
            .route("/v1/managers/{manager}", get(manager))
    }

    fn renew(&self, headers: &HeaderMap) -> Result<Json<SessionOpened>, Failure> {
        let held = headers["authorization"].to_str().unwrap().trim_start_matches("Bearer ");
        let key_of = |node| (node == NodeId(1)).then(|| key().verifying_key());
        let claims = verify(held, key_of, CLUSTER, tradewind_node::clock::now())
            .map_err(|bad| Failure::new(Code::Unauthorized, bad.to_string()))?;
        Ok(Json(self.opened(claims.customer.as_str(), held.to_owned(), claims.expires_at)))
    }

    fn trader(&self, trader: &TraderId) -> Result<Json<One<TraderInfo>>, Failure> {
        let state = self.state.lock().unwrap();
        let none = || Failure::new(Code::NotFound, "there is no such trader");
        let row = state.machine.trader(trader).ok_or_else(none)?;
        let item = TraderInfo {
            trader: trader.clone(),
            revision: row.revision,
            spec: state.machine.trader_declaration(row),
            assignment: row.assignment.clone(),
            now: None,
            fencing: false,
            attached: None,
        };
        Ok(Json(One { stand: Stand::default(), item }))
    }

    fn manager(&self, manager: &ManagerId) -> Result<Json<One<ManagerInfo>>, Failure> {
        let state = self.state.lock().unwrap();
        let none = || Failure::new(Code::NotFound, "there is no such manager");
        let row = state.machine.manager(manager).ok_or_else(none)?;
        assert_eq!(row.state, ManagerState::Live);
        let item = ManagerInfo {
            manager: row.manager.clone(),
            implementation: row.manager.implementation.clone(),
            kind: row.manager.kind,
            location: row.location.clone(),
            address: row.address.clone(),
            incarnation: row.incarnation,
            epoch: row.epoch,
            capacity: row.capacity,
            since: row.since,
            state: ManagerStanding::Live,
            placed: Placed::default(),
            told: None,
            level: None,
            drains: Vec::new(),
        };
        Ok(Json(One { stand: Stand::default(), item }))
    }
}

/// A token of a customer's API key, spoilt as is wanted.
pub(crate) fn token(customer: &str, spoil: impl FnOnce(&mut Claims)) -> (String, Claims) {
    let now = tradewind_node::clock::now();
    let mut claims = Claims {
        customer: customer.parse().unwrap(),
        key_id: Some(KeyHash::of(&format!("{SECRET}-{customer}")).key_id()),
        session: "s".parse().unwrap(),
        cluster: CLUSTER,
        trader: None,
        issued_at: UnixNanos(now.0 - 60_000_000_000),
        expires_at: now + Duration::from_secs(3_600),
    };
    spoil(&mut claims);
    (sign(&claims, NodeId(1), &key()), claims)
}

/// One that no member has signed.
pub(crate) fn forged() -> String {
    sign(&token("acme", |_| {}).1, NodeId(1), &SigningKey::from_bytes(&[4; 32]))
}
