//! One question to the group. Decides when the next member is asked beside a silent one, what ends the
//! asking, and when an outcome is unknown. Every member takes everything, so none needs to be found
//! first; a change repeated beside itself carries the same key and is done once.

use crate::{
    answer::Answer,
    life::{self, Life},
    limits::{ATTEMPT_WITHIN, NEXT_MEMBER_AFTER, ROUND_PAUSE, ROUND_PAUSE_MAX},
    members::Members,
    time::GroupTime,
    watch::Watch,
};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use serde::{Serialize, de::DeserializeOwned};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};
use tradewind_domain::{
    control::{IdempotencyKey, resource::Condition},
    ids::{ClusterIncarnation, Revision, TraderId},
};
use tradewind_link::rest::{Method, Rest, RestError};
use tradewind_protocol::{
    Code, Problem, Retry,
    attach::AttachTrader,
    check_in::{ManagerCheckIn, ManagerCheckedIn},
    control::{Changed, IDEMPOTENCY_KEY, Stand, Status, format_key},
    session::{OpenTraderSession, SessionOpened},
    terms::Terms,
};

mod declared;

/// Asks whichever member answers. A cheap handle: clones share what is known of the members.
#[derive(Clone)]
pub struct ControlClient {
    rest: Rest,
    members: Arc<Members>,
    time: GroupTime,
    life: Life,
}

/// A request as it goes to each member that is asked.
struct Question<'a, B> {
    method: Method,
    path: &'a str,
    headers: Vec<(String, String)>,
    body: Option<&'a B>,
}

/// What has been heard so far.
#[derive(Default)]
struct Heard {
    /// Nothing is done by being asked.
    reads: bool,
    maybe_done: bool,
    last: Option<Problem>,
}

impl Heard {
    /// One who was asked has not said what became of it. Of a read, what was said before tells more.
    fn nothing(&mut self, problem: Problem) {
        self.maybe_done |= !self.reads;
        if !self.reads || self.last.is_none() {
            self.last = Some(problem);
        }
    }

    fn end<T>(self) -> Answer<T> {
        let problem = self.last.unwrap_or_else(|| {
            let detail = "no InfrastructureManager could be reached; check their addresses";
            Problem::new(Code::Unavailable, detail)
        });
        if self.maybe_done { Answer::Unknown(problem) } else { Answer::Refused(problem) }
    }
}

/// What one attempt says about the question.
enum Attempt<T> {
    Definite(Answer<T>),
    /// Ask another member, or the same one later.
    Again {
        wait: Option<Duration>,
        answered: bool,
    },
}

impl ControlClient {
    /// `members` are addresses (host:port) of any InfrastructureManagers; the others are learnt.
    pub fn new(members: Vec<String>, rest: Rest) -> Self {
        let members = Arc::new(Members::new(members));
        Self { rest, members, time: GroupTime::default(), life: Life::Any }
    }

    /// The same, which takes no answer from whoever is in another life of the cluster, in another cluster, or no member of any.
    #[must_use]
    pub fn of(self, cluster: ClusterIncarnation) -> Self {
        Self { life: Life::Of(cluster), ..self }
    }

    /// All addresses known, the one that answered last first.
    #[must_use]
    pub fn members(&self) -> Vec<String> {
        self.members.in_order()
    }

    /// Takes over a list of the members as the group tells it.
    pub fn learn(&self, members: &[String]) {
        self.members.learn(members);
    }

    /// The group's time as its answers tell it, for a [`KeySource`](crate::KeySource) to follow.
    #[must_use]
    pub fn time(&self) -> GroupTime {
        self.time.clone()
    }

    /// Learns the group's time, so that keys are good from the first one on, whatever the clock here says.
    pub async fn learn_time(&self, within: Duration) -> Result<(), Problem> {
        self.read::<Stand>("/v1/revision?consistency=stale", within).await.map(drop)
    }

    /// Watches what happens after `since`, from any member, and goes on at another one where it was; without
    /// `since` from the oldest event that the first member keeps.
    #[must_use]
    pub fn watch(&self, since: Option<Revision>) -> Watch {
        Watch::new(self.members.clone(), since)
    }

    /// A change under its key, repeated under the same key until it is answered or `within` is over.
    pub async fn change<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
        key: &IdempotencyKey,
        within: Duration,
    ) -> Answer<T> {
        self.change_on(method, path, body, key, Condition::Always, within).await
    }

    /// The same, made only if the condition of its terms holds then, in the name that they say.
    pub async fn change_on<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
        key: &IdempotencyKey,
        terms: impl Into<Terms>,
        within: Duration,
    ) -> Answer<T> {
        let mut headers = vec![(IDEMPOTENCY_KEY.to_owned(), format_key(key))];
        let terms = terms.into().headers().into_iter();
        headers.extend(terms.map(|(name, value)| (name.to_owned(), value)));
        self.ask(Question { method, path, headers, body: Some(body) }, within).await
    }

    /// A read: `path` with its query. What could not be learnt within the time is a problem.
    pub async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        within: Duration,
    ) -> Result<T, Problem> {
        let question =
            Question::<()> { method: Method::GET, path, headers: Vec::new(), body: None };
        self.ask(question, within).await.accepted()
    }

    /// Tells the group that a Manager is there. The members' addresses in the answer are kept.
    pub async fn check_in(
        &self,
        check_in: &ManagerCheckIn,
        key: &IdempotencyKey,
        within: Duration,
    ) -> Answer<ManagerCheckedIn> {
        let path = "/v1/managers/check-in";
        let answer: Answer<ManagerCheckedIn> =
            self.change(Method::POST, path, check_in, key, within).await;
        if let Answer::Accepted(checked_in) = &answer {
            self.learn(&checked_in.members);
        }
        answer
    }

    /// A session for the owner of an API key. Opening one changes nothing, so it needs no key of its own.
    pub async fn open_session(
        &self,
        api_key: &str,
        within: Duration,
    ) -> Result<SessionOpened, Problem> {
        let headers = vec![("authorization".to_owned(), format!("Bearer {api_key}"))];
        let path = "/v1/sessions";
        let question = Question::<()> { method: Method::POST, path, headers, body: None };
        self.opened(self.ask(question, within).await)
    }

    /// A session for a Trader that a TraderManager was given.
    pub async fn open_trader_session(
        &self,
        trader: &TraderId,
        open: &OpenTraderSession,
        within: Duration,
    ) -> Result<SessionOpened, Problem> {
        let path = &format!("/v1/traders/{trader}/sessions");
        let question =
            Question { method: Method::POST, path, headers: Vec::new(), body: Some(open) };
        self.opened(self.ask(question, within).await)
    }

    fn opened(&self, answer: Answer<SessionOpened>) -> Result<SessionOpened, Problem> {
        let opened = answer.accepted()?;
        self.learn(&opened.infrastructure_managers);
        Ok(opened)
    }

    /// The right of a copy that its customer runs himself, asked for by the TraderManager that his Trader is with.
    pub async fn attach_trader(
        &self,
        trader: &TraderId,
        ask: &AttachTrader,
        key: &IdempotencyKey,
        within: Duration,
    ) -> Answer<Changed> {
        let path = &format!("/v1/traders/{trader}/attachments");
        self.change(Method::POST, path, ask, key, within).await
    }

    /// How the cluster stands, as any member tells it after asking the leader.
    pub async fn status(&self, within: Duration) -> Result<Status, Problem> {
        let status: Status = self.read("/v1/status", within).await?;
        let members: Vec<String> =
            status.members.iter().map(|member| member.api_address.clone()).collect();
        self.learn(&members);
        Ok(status)
    }

    /// Rounds over all members until one answers for good or the time is over.
    async fn ask<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        question: Question<'_, B>,
        within: Duration,
    ) -> Answer<T> {
        let deadline = Instant::now() + within;
        let reads = question.method == Method::GET;
        let mut heard = Heard { reads, ..Heard::default() };
        loop {
            let mut wait = ROUND_PAUSE;
            let round = self.round(&question, &mut heard, &mut wait, deadline);
            match timeout_at(deadline, round).await {
                Ok(Some(answer)) => return answer,
                Ok(None) => {}
                Err(_) => {
                    // Whoever was being asked may do it yet.
                    let detail = format!("no member answered within {within:?}");
                    heard.nothing(Problem::new(Code::Unknown, detail));
                }
            }
            if Instant::now() + wait >= deadline {
                return heard.end();
            }
            sleep(wait).await;
        }
    }

    /// Asks each member once: the next when one has said that it cannot, or beside one that is silent.
    async fn round<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        question: &Question<'_, B>,
        heard: &mut Heard,
        wait: &mut Duration,
        deadline: Instant,
    ) -> Option<Answer<T>> {
        let mut next = self.members.in_order().into_iter();
        let mut attempts = FuturesUnordered::new();
        loop {
            let started = next.next().map(|address| {
                attempts.push(self.attempt(question, address, deadline));
            });
            if started.is_none() && attempts.is_empty() {
                return None;
            }
            let silence = async {
                match started {
                    Some(()) => sleep(NEXT_MEMBER_AFTER).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some((address, result)) = attempts.next() => match self.judge(&address, result, heard) {
                    Attempt::Definite(answer) => return Some(answer),
                    Attempt::Again { wait: asked, answered } => {
                        if !answered {
                            self.members.failed(&address);
                        }
                        *wait = asked.unwrap_or(*wait).clamp(ROUND_PAUSE, ROUND_PAUSE_MAX);
                    }
                },
                () = silence => {}
            }
        }
    }

    async fn attempt<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        question: &Question<'_, B>,
        address: String,
        deadline: Instant,
    ) -> (String, Result<(u16, T), RestError>) {
        let within = ATTEMPT_WITHIN.min(deadline.saturating_duration_since(Instant::now()));
        let Question { method, path, headers, body } = question;
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let began = Instant::now();
        let asked = self.rest.told(method.clone(), &address, path, &headers, *body, within);
        let (told, result) = asked.await;
        let result = match self.life.check(&told) {
            Ok(()) => {
                self.time.told(&told, began);
                result
            }
            Err(reason) => {
                let reads = *method == Method::GET;
                life::of_a_stranger(result, &address, reason, reads)
            }
        };
        (address, result)
    }

    fn judge<T>(
        &self,
        address: &str,
        result: Result<(u16, T), RestError>,
        heard: &mut Heard,
    ) -> Attempt<T> {
        let problem = match result {
            Ok((_, value)) => {
                self.members.worked(address);
                return Attempt::Definite(Answer::Accepted(value));
            }
            Err(RestError::Refused(problem)) => problem,
            Err(error @ RestError::NotSent { .. }) => {
                heard.last = Some(Problem::new(Code::Unavailable, error.to_string()));
                return Attempt::Again { wait: None, answered: false };
            }
            Err(error @ RestError::Unknown { .. }) => {
                heard.nothing(Problem::new(Code::Unknown, error.to_string()));
                return Attempt::Again { wait: None, answered: false };
            }
        };
        match problem.retry {
            // Whether an earlier attempt was applied is what the cluster can no longer tell, or not yet.
            Retry::Never
                if matches!(problem.code, Code::KeyExpired | Code::KeyFromFuture)
                    && heard.maybe_done =>
            {
                Attempt::Definite(Answer::Unknown(problem))
            }
            Retry::Never => {
                self.members.worked(address);
                Attempt::Definite(Answer::Refused(problem))
            }
            Retry::After | Retry::SameId => {
                heard.maybe_done |= problem.retry == Retry::SameId;
                let wait = problem.retry_after_ms.map(Duration::from_millis);
                heard.last = Some(problem);
                Attempt::Again { wait, answered: true }
            }
        }
    }
}

#[cfg(test)]
mod tests;
