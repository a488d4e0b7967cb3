//! `GET /v1/attach`: where Traders attach that their customers run themselves. Decides who is let in, and what whoever comes
//! to the wrong place is told; which copy has the right is asked of the group, unless it is known here that it is this one.
//! So a copy that comes back does so while the control plane is away as well.

pub(crate) mod connection;
pub(crate) mod standing;
mod whereabouts;

use crate::{attachments::Attachments, limits, manager::traders, sessions::Sessions};
use axum::{
    Router,
    extract::{ConnectInfo, State, WebSocketUpgrade},
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use standing::{Copy, admission, wanted};
use std::{net::SocketAddr, sync::Arc};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tradewind_control_client::Answer;
use tradewind_domain::{
    control::desired::{ManagerEndpoint, TraderWanted},
    ids::{CustomerId, Epoch, TraderId},
};
use tradewind_link::{Failure, json::Query, limits::READ_BUFFER_BYTES};
use tradewind_node::{clock, manager::Handle};
use tradewind_protocol::{
    Code, Problem,
    attach::{ATTACH, AttachOptions, AttachTrader, Misdirected},
    token::claims_unchecked,
};
use whereabouts::{Whereabouts, whereabouts};

/// What an attached Trader has to do with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) handle: Handle,
    pub(crate) attachments: Arc<Attachments>,
    pub(crate) sessions: Arc<Sessions>,
    /// Changes with every session that is opened.
    pub(crate) opened: watch::Receiver<u64>,
    /// Cancelled when the Manager stops.
    pub(crate) leaves: CancellationToken,
    /// Questions to the group for those who came to the wrong place.
    pub(crate) asking: Arc<Semaphore>,
}

pub(crate) fn router(door: Door) -> Router {
    Router::new().route(ATTACH, get(attach)).with_state(door)
}

async fn attach(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(options): Query<AttachOptions>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Failure> {
    let token = bearer(&headers)?;
    let copy = match door.let_in(&options, token).await {
        Ok(copy) => copy,
        Err(Refused::Problem(problem)) => return Err(problem.into()),
        Err(Refused::Misdirected(there)) => return Ok(misdirected(&options.trader, there)),
    };
    let seat = door.attachments.enter(&copy.trader, &copy.copy, peer, clock::now())?;
    tracing::info!(trader = %copy.trader, copy = %copy.copy, %peer, again = options.again, "attaches");
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(limits::ATTACHED_FRAME_BYTES)
        .max_frame_size(limits::ATTACHED_FRAME_BYTES);
    Ok(upgrade.on_upgrade(|socket| connection::run(socket, door, seat, copy)))
}

fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = value
        .and_then(|value| value.split_once(' '))
        .and_then(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()));
    token.ok_or_else(|| {
        let detail = "Authorization: Bearer TOKEN is needed; open a session with POST /v1/sessions at an \
                      InfrastructureManager";
        Problem::new(Code::Unauthorized, detail)
    })
}

/// Why somebody is not let in.
enum Refused {
    Problem(Problem),
    Misdirected(ManagerEndpoint),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

fn misdirected(trader: &TraderId, there: ManagerEndpoint) -> Response {
    let detail = format!("{trader} belongs to {}", there.manager);
    let problem = Problem::new(Code::Misdirected, detail);
    let told = Misdirected { problem: problem.clone(), reconnect_to: vec![there.address] };
    let mut response = Failure(problem).into_response();
    // The same, and where to go.
    *response.body_mut() = serde_json::to_vec(&told).unwrap_or_default().into();
    response
}

fn not_his(trader: &TraderId, customer: &CustomerId) -> Problem {
    Problem::new(Code::NotFound, format!("there is no Trader {trader} of {customer}"))
}

fn later(detail: impl Into<String>) -> Problem {
    let wait = u64::try_from(limits::ATTACH_AGAIN.as_millis()).unwrap_or(u64::MAX);
    Problem::new(Code::Unavailable, detail).retry_after_ms(wait)
}

impl Door {
    async fn let_in(&self, options: &AttachOptions, token: &str) -> Result<Copy, Refused> {
        let desired = self.handle.desired().borrow().clone();
        let desired = desired
            .ok_or_else(|| later("this TraderManager has not been told yet whom it belongs to"))?;
        let held = wanted(&desired, &options.trader);
        // Of other customers nothing is known here: whether the token is good, the group says.
        let his = |held: &&TraderWanted| {
            claims_unchecked(token).is_none_or(|claims| claims.customer == held.customer)
        };
        let Some(held) = held.filter(|held| held.is_self_managed()).filter(his) else {
            return Err(self.not_here(options, token).await);
        };
        let claims = admission(&desired).admit(token, clock::now()).map_err(|refused| {
            if let Some(bad) = refused.bad {
                tracing::warn!(%bad, "a token was refused");
            }
            *refused.problem
        })?;
        let Some(key_id) = claims.key_id.clone() else {
            let detail =
                "the token of a spawned Trader attaches nothing; open a session with an API key";
            return Err(Problem::new(Code::Forbidden, detail).into());
        };
        let epoch = match known(held, options, &key_id) {
            Some(epoch) => epoch,
            None => self.ask(options, held, key_id).await?,
        };
        let (trader, copy) = (options.trader.clone(), options.copy.clone());
        Ok(Copy { trader, copy, claims, epoch, works: None })
    }

    /// The right, from the group.
    async fn ask(
        &self,
        options: &AttachOptions,
        held: &TraderWanted,
        key_id: String,
    ) -> Result<Epoch, Problem> {
        let ask = AttachTrader {
            manager: self.handle.manager().clone(),
            incarnation: self.handle.incarnation(),
            copy: options.copy.clone(),
            key_id,
            takes_over: !options.again,
            replaces: held.attached.as_ref().map(|held| held.epoch),
        };
        let (control, key) = (self.handle.control(), self.handle.key());
        let answer = control.attach_trader(&options.trader, &ask, &key, limits::ATTACH_WITHIN);
        match answer.await {
            Answer::Accepted(changed) => Ok(Epoch(changed.applied.0)),
            Answer::Refused(problem)
                if matches!(problem.code, Code::StaleTrader | Code::NotFound) =>
            {
                Err(problem)
            }
            // What was decided on has changed, or nobody leads: to be tried again.
            Answer::Refused(problem) | Answer::Unknown(problem) => Err(later(problem.detail)),
        }
    }

    /// What one is told whose Trader is not to be attached here.
    async fn not_here(&self, options: &AttachOptions, token: &str) -> Refused {
        let Ok(_asking) = self.asking.try_acquire() else {
            let problem = Problem::new(Code::TooManyRequests, "too many ask where they belong");
            return problem.retry_after_ms(1_000).into();
        };
        let control = self.handle.control();
        let opened = match control.open_session(token, limits::OPEN_WITHIN).await {
            Ok(opened) => opened,
            Err(problem) => return problem.into(),
        };
        let (trader, customer) = (&options.trader, &opened.customer);
        let problem = match whereabouts(control, trader).await {
            Ok((owner, _)) if owner != *customer => not_his(trader, customer),
            Ok((_, Whereabouts::Spawned)) => {
                let detail = format!(
                    "{trader} is run by its TraderManager: declare it without a command to run it yourself"
                );
                Problem::new(Code::Refused, detail)
            }
            Ok((_, Whereabouts::Stopped)) => {
                let detail = format!("{trader} is stopped: start it (tradewind trader start)");
                Problem::new(Code::Conflict, detail)
            }
            Ok((_, Whereabouts::At(there))) if there.manager != *self.handle.manager() => {
                return Refused::Misdirected(there);
            }
            Ok((_, Whereabouts::At(_) | Whereabouts::Nowhere)) => {
                later(format!("{trader} is on its way here"))
            }
            Err(problem) if problem.code == Code::NotFound => not_his(trader, customer),
            Err(problem) => problem,
        };
        problem.into()
    }

    /// Tells what is attached here with the services.
    pub(crate) fn publish(&self) {
        let desired = self.handle.desired().borrow().clone();
        let wanted = desired.as_deref().map_or(&[][..], traders);
        self.handle.also_here(self.attachments.reports(wanted));
    }
}

/// The right that this copy is known to have.
fn known(held: &TraderWanted, options: &AttachOptions, key_id: &str) -> Option<Epoch> {
    let attached = held.attached.as_ref()?;
    let same = attached.copy.as_ref() == Some(&options.copy) && attached.key_id == key_id;
    same.then_some(attached.epoch)
}
