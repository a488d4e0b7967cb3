//! A client of the group: finds the leader, asks, and asks again under the same key. Decides what a client
//! takes for an answer; what it asks for is `registers`' and `managers`' business.

use crate::{chance::Chance, planted::Planted, world::World};
use std::{cell::Cell, rc::Rc, time::Duration};
use tokio::time::sleep;
use tradewind_domain::{
    control::{Command, IdempotencyKey, Outcome, Refusal, Request},
    ids::{ClientId, Revision},
    time::UnixNanos,
};
use tradewind_replication::{KnownLeader, ProposeError, Proposed};

pub(crate) struct Caller {
    pub(crate) world: Rc<World>,
    pub(crate) chance: Chance,
    name: ClientId,
    n: Cell<u64>,
    /// Whom it asks next.
    target: Cell<usize>,
    /// The site it asks from, if that has links of its own.
    site: Option<usize>,
    /// The group's time, and when in the run a member has told it.
    time: Cell<Option<(UnixNanos, Duration)>>,
}

/// The end of a command, as far as its client knows.
pub(crate) struct Heard {
    pub(crate) outcome: Option<Outcome>,
    /// The entry that decided it, if no attempt before can have been it.
    pub(crate) judged_at: Option<Revision>,
    pub(crate) key: IdempotencyKey,
}

const KEY_FROM_FUTURE: Outcome = Outcome::Refused { refusal: Refusal::KeyFromFuture };

/// In a client's clock the run begins here.
const EPOCH_NANOS: u64 = 1_700_000_000_000_000_000;

impl Caller {
    pub(crate) fn new(world: &Rc<World>, name: &str, chance: Chance) -> Option<Self> {
        let name = ClientId::new(name).ok()?;
        let (n, target, time) = (Cell::new(0), Cell::new(0), Cell::new(None));
        Some(Self { world: world.clone(), chance, name, n, target, site: None, time })
    }

    pub(crate) fn at_site(self, site: usize) -> Self {
        Self { site: Some(site), ..self }
    }

    pub(crate) async fn pause(&self, ms: std::ops::Range<u64>) {
        sleep(Duration::from_millis(self.chance.within(ms))).await;
    }

    /// Dated by the group's time once a member has told it, as the client of `control-plane` does.
    pub(crate) fn key(&self) -> IdempotencyKey {
        self.n.set(self.n.get() + 1);
        let elapsed = turmoil::sim_elapsed().unwrap_or_default();
        let issued_at = match self.time.get() {
            Some((told, at)) => told + elapsed.saturating_sub(at),
            None => UnixNanos(EPOCH_NANOS) + elapsed,
        };
        IdempotencyKey { client: self.name.clone(), issued_at, n: self.n.get() }
    }

    /// Whom to ask now: now and then anybody, also one that leads no more and does not know.
    pub(crate) fn target(&self) -> usize {
        if self.chance.percent(10) {
            self.anybody();
        }
        self.target.get()
    }

    pub(crate) fn anybody(&self) {
        self.target.set(self.chance.below(self.world.seats.len() as u64) as usize);
    }

    pub(crate) fn follow(&self, leader: &KnownLeader) {
        match leader {
            Some((node, _)) => match self.world.seat_of(*node) {
                Some(seat) => self.target.set(seat),
                None => self.anybody(),
            },
            None => self.anybody(),
        }
    }

    /// Asks until there is an answer, or the client gives up not knowing.
    pub(crate) async fn command(&self, key: IdempotencyKey, command: Command) -> Heard {
        let mut request = Request { key, command };
        let mut unknown = false;
        loop {
            match self.attempt(request.clone()).await {
                Some(Ok(Proposed { outcome: KEY_FROM_FUTURE, .. })) if !unknown => {
                    // Surely not done, and held to that: the clocks of the members differ by minutes.
                    self.world.history.borrow_mut().never.push(request.key);
                    request.key = self.key();
                }
                // An attempt before may be decided yet, and the log's time be minutes behind: not known.
                Some(Ok(Proposed { outcome: KEY_FROM_FUTURE, .. })) => {
                    return Heard { outcome: None, judged_at: None, key: request.key };
                }
                Some(Ok(Proposed { revision, outcome })) => {
                    let judged_at = (!unknown).then_some(revision);
                    return Heard { outcome: Some(outcome), judged_at, key: request.key };
                }
                Some(Err(ProposeError::NotLeader { leader })) => {
                    self.follow(&leader);
                    if self.gives_up_for_good(&request.key, unknown) {
                        return Heard { outcome: None, judged_at: None, key: request.key };
                    }
                }
                Some(Err(ProposeError::Stopped | ProposeError::NoTime)) => {
                    self.anybody();
                    if self.gives_up_for_good(&request.key, unknown) {
                        return Heard { outcome: None, judged_at: None, key: request.key };
                    }
                }
                Some(Err(ProposeError::TooLarge { .. })) => {
                    self.world.violation("a request was refused as too large".to_owned());
                    return Heard { outcome: None, judged_at: None, key: request.key };
                }
                Some(Err(ProposeError::Unknown)) | None => {
                    unknown = true;
                    if !self.world.finishing.get() && self.chance.percent(30) {
                        return Heard { outcome: None, judged_at: None, key: request.key };
                    }
                    if self.world.planted == Some(Planted::RetryUnderNewKey) {
                        request.key = self.key();
                    }
                    self.anybody();
                }
            }
            self.pause(2..25).await;
        }
    }

    /// Whether to leave a command that, by all answers, was never proposed; it is held to that at the end.
    fn gives_up_for_good(&self, key: &IdempotencyKey, unknown: bool) -> bool {
        let leaves = !unknown && !self.world.finishing.get() && self.chance.percent(10);
        if leaves {
            self.world.history.borrow_mut().never.push(key.clone());
        }
        leaves
    }

    /// Asks once. `None`: nobody answered.
    pub(crate) async fn attempt(&self, request: Request) -> Option<Result<Proposed, ProposeError>> {
        let ask = |replica: tradewind_replication::Replica| async move {
            (replica.propose(request).await, replica.group_time())
        };
        let target = self.target();
        if let Some(site) = self.site
            && self.world.is_cut(&self.world.sites()[site].name, &self.world.seats[target].name())
        {
            self.pause(50..200).await;
            return None;
        }
        let (answer, time) = self.world.ask(target, ask).await?;
        if let Some(time) = time {
            self.time.set(Some((time, turmoil::sim_elapsed().unwrap_or_default())));
        }
        Some(answer)
    }
}
