//! Who is let in by a token, by what a Manager was told: nobody is asked. Decides when a token is good here, and when it
//! may be a moment later; what its bearer may do is decided elsewhere.

use crate::{
    Code, Problem,
    token::{BadToken, Claims, parse_public_key, verify},
};
use ed25519_dalek::VerifyingKey;
use std::{collections::BTreeMap, time::Duration};
use tradewind_domain::{
    control::desired::{Access, CustomerAccess, Customers},
    ids::{ClusterIncarnation, CustomerId, NodeId},
    time::UnixNanos,
};

/// A token younger than this may name a customer or a key that has not reached this Manager yet.
const JUST_ISSUED: Duration = Duration::from_secs(5);

/// Keys of members and of customers, as of one desired state.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    cluster: ClusterIncarnation,
    keys: BTreeMap<NodeId, VerifyingKey>,
    customers: Customers,
}

impl Admission {
    #[must_use]
    pub fn new(access: &Access, cluster: ClusterIncarnation) -> Self {
        let keys = access.public_keys.iter();
        let keys = keys.filter_map(|listed| Some((listed.node, parse_public_key(&listed.key)?)));
        Self { cluster, keys: keys.collect(), customers: access.customers.clone() }
    }

    #[must_use]
    pub fn customer(&self, customer: &CustomerId) -> Option<&CustomerAccess> {
        self.customers.get(customer)
    }

    /// Lets the bearer of a token in, or says why not.
    pub fn admit(&self, token: &str, now: UnixNanos) -> Result<Claims, NotAdmitted> {
        self.known(self.verify(token, now)?, now)
    }

    /// Whether a member has signed the token and it still counts.
    pub fn verify(&self, token: &str, now: UnixNanos) -> Result<Claims, BadToken> {
        verify(token, |node| self.keys.get(&node).copied(), self.cluster, now)
    }

    /// Of a token that is good: whether what it names is known here.
    pub fn known(&self, claims: Claims, now: UnixNanos) -> Result<Claims, NotAdmitted> {
        if self.is_good(&claims) {
            return Ok(claims);
        }
        if now.since(claims.issued_at) < JUST_ISSUED {
            // A member has signed it moments ago: what it knows is on its way here.
            let detail = "The customer or the key of the token is not known here yet";
            return Err(NotAdmitted::good(Problem::new(Code::Unavailable, detail)));
        }
        Err(NotAdmitted::good(revoked(&claims)))
    }

    /// Whether the customer is still one and the key still his. Expiry does not end a running session.
    #[must_use]
    pub fn is_good(&self, claims: &Claims) -> bool {
        let Some(customer) = self.customers.get(&claims.customer) else { return false };
        // The token of a spawned Trader was opened with no key; its epoch is checked by the Brokers.
        claims.key_id.as_ref().is_none_or(|key| customer.key_ids.contains(key))
    }
}

/// Why a token does not let its bearer in.
#[derive(Clone, Debug)]
pub struct NotAdmitted {
    /// For the bearer: no more than what he can do.
    pub problem: Box<Problem>,
    /// For the operator alone: what is wrong with the token itself.
    pub bad: Option<BadToken>,
}

impl NotAdmitted {
    /// The token is good, and what it names is not.
    fn good(problem: Problem) -> Self {
        Self { problem: Box::new(problem), bad: None }
    }
}

impl From<BadToken> for NotAdmitted {
    fn from(bad: BadToken) -> Self {
        let unauthorized = |what: &str| {
            let next = "open a session with POST /v1/sessions at an InfrastructureManager";
            Problem::new(Code::Unauthorized, format!("{what}; {next}"))
        };
        let problem = match bad {
            // A member that has just joined: its key is on its way here.
            BadToken::UnknownKey(_) => {
                let what = "The token is not good here yet: who has signed it is not known";
                Problem::new(Code::Unavailable, what)
            }
            BadToken::Malformed | BadToken::Forged | BadToken::OtherCluster => {
                unauthorized("The token is not good here")
            }
            // Its signature is good: whoever has it knows all that it says.
            BadToken::Expired => unauthorized("The token has expired"),
        };
        Self { problem: Box::new(problem), bad: Some(bad) }
    }
}

/// What the bearer of a revoked key is told.
#[must_use]
pub fn revoked(claims: &Claims) -> Problem {
    let detail = format!("the API key or the customer {} is not known any more", claims.customer);
    Problem::new(Code::Unauthorized, detail)
}
