//! The task that keeps a self-managed Trader attached at the TraderManager of its customer. Decides where it dials and when
//! again, and what ends it; the right itself is given by the group, and stays while the connection is lost.

use crate::{
    attachment::{Attachment, Ended, Now, Said, TraderEvent},
    dial::{self, NotOpened, Socket},
    error::Error,
    home::{Homes, Way},
    requests::{Failed, Requests},
};
use futures_util::{SinkExt as _, StreamExt as _};
use std::{
    collections::VecDeque,
    iter,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at},
};
use tokio_tungstenite::tungstenite::Message;
use tradewind_protocol::{
    Code, Problem, Retry,
    attach::{ATTACH, FromTrader, ToTrader, Wish},
    domain::{
        ids::{CopyId, TraderId},
        limits::HEARTBEAT_EVERY,
    },
    session::SessionOpened,
};

/// How long a first attachment is waited for: Brokers that refuse the copies before are part of it.
const ATTACHED_WITHIN: Duration = Duration::from_secs(30);
/// Letting one in may take an election.
const LET_IN_WITHIN: Duration = Duration::from_secs(8);
/// Without a frame for so long the TraderManager is gone: each beat is answered.
const DEAD_AFTER: Duration = Duration::from_secs(5);
/// A connection that ended sooner was no success.
const LIVED: Duration = HEARTBEAT_EVERY;
/// Events that wait for an algo that wants to see them.
const EVENTS: usize = 64;

/// What the task has, and what it was told.
pub(crate) struct Attaching {
    pub(crate) requests: Requests,
    pub(crate) api_key: String,
    pub(crate) trader: TraderId,
    /// In the order of preference.
    pub(crate) members: Vec<String>,
    /// Of the API key alone; the one with the right is the session's.
    pub(crate) token: String,
    /// Where to dial, in this order; when none is left a member is asked.
    pub(crate) managers: VecDeque<String>,
}

struct Task {
    attaching: Attaching,
    copy: CopyId,
    /// It was told that it is attached: from now on it takes nobody's place.
    again: bool,
    /// Where it was attached, for the time in which no member answers.
    known: Vec<String>,
    now: watch::Sender<Now>,
    events: broadcast::Sender<TraderEvent>,
    said: watch::Receiver<Said>,
    heard_pause: Arc<AtomicBool>,
    /// Where it belongs, by what MarketManagers say.
    home: Way,
}

/// Why a connection, or an attempt at one, ended.
enum End {
    /// The session was dropped.
    Closed,
    Lost(String),
    /// It belongs at one of these, by the word of the group; if there is none, a member knows.
    Go(Vec<String>),
    /// It belongs there, by the word of a MarketManager.
    Leave(String),
    Ended(Ended, String),
}

/// Attaches for the first time, and goes on until the session is dropped. Returns once there is a right and what to trade
/// with.
pub(crate) async fn start(attaching: Attaching) -> Result<Attachment, Error> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| {
        Error::Configuration(format!("the system gives no randomness: {error}"))
    })?;
    let copy = CopyId::new(&format!("{:032x}", u128::from_be_bytes(random)))?;
    let (publish, mut now) = watch::channel(Now::default());
    let (events, received) = broadcast::channel(EVENTS);
    let (say, said) = watch::channel(Said::default());
    let trader = attaching.trader.clone();
    let heard_pause = Arc::new(AtomicBool::new(false));
    let homes = Homes::default();
    let task = Task {
        attaching,
        copy,
        again: false,
        known: Vec::new(),
        now: publish,
        events,
        said,
        heard_pause: heard_pause.clone(),
        home: Way::of(&homes),
    };
    let (refuse, refused) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        if let Err(problem) = task.run().await {
            let _ = refuse.send(problem);
        }
    });
    let said = Arc::new(say);
    let attachment =
        Attachment { trader, now: now.clone(), events: received, said, heard_pause, homes };
    let settled = |now: &Now| now.access.is_some() || now.ended.is_some();
    let ready = timeout(ATTACHED_WITHIN, now.wait_for(settled)).await;
    let ended = ready.map(|ready| ready.map(|now| now.ended.clone()));
    match ended {
        Ok(Ok(None)) => return Ok(attachment),
        Ok(Ok(Some((_, detail)))) => {
            return Err(Error::Refused(Box::new(Problem::new(Code::StaleTrader, detail))));
        }
        // The task is over; what it has to say comes after that.
        Ok(Err(_)) => {
            if let Ok(problem) = refused.await {
                return Err(Error::Refused(problem));
            }
        }
        Err(_) => {}
    }
    let last = attachment.now.borrow().last.clone();
    let within_ms = ATTACHED_WITHIN.as_millis();
    Err(Error::Unreachable { whom: "TraderManager", within_ms, last })
}

impl Task {
    /// Until the session is dropped or the right is gone. A problem is what refused it the first time.
    async fn run(mut self) -> Result<(), Box<Problem>> {
        let mut failures = 0_u32;
        loop {
            if self.said.has_changed().is_err() {
                return Ok(());
            }
            let began = Instant::now();
            let end = match self.next_manager().await {
                Err(failed) => self.of_member(failed)?,
                Ok(address) => match self.dial(&address).await {
                    Ok(socket) => {
                        let end = self.serve(&address, socket).await;
                        if began.elapsed() >= LIVED || matches!(end, End::Leave(_)) {
                            // It may be back at once, and knows this copy.
                            self.attaching.managers.push_front(address);
                        }
                        end
                    }
                    Err(not) => self.of_manager(&address, not)?,
                },
            };
            match end {
                End::Closed => return Ok(()),
                End::Ended(why, detail) => {
                    tracing::warn!(trader = %self.attaching.trader, ?why, detail, "no longer attached");
                    let ended = Some((why, detail.clone()));
                    self.now.send_modify(|now| now.ended = ended);
                    let _ = self.events.send(TraderEvent::Ended { why, detail });
                    // Until nobody looks any more.
                    while self.said.changed().await.is_ok() {}
                    return Ok(());
                }
                End::Leave(home) => {
                    self.lost("it belongs elsewhere");
                    let here = self.attaching.managers.pop_front();
                    self.attaching.managers = iter::once(home).chain(here).collect();
                    failures = if began.elapsed() >= LIVED { 0 } else { failures + 1 };
                }
                End::Go(managers) => {
                    self.lost("told to go elsewhere");
                    self.home.group_says(managers.first());
                    self.attaching.managers = managers.into();
                    failures = if began.elapsed() >= LIVED { 0 } else { failures + 1 };
                }
                End::Lost(reason) => {
                    failures = if began.elapsed() >= LIVED { 0 } else { failures + 1 };
                    self.lost(&reason);
                }
            }
            if failures > 0 {
                sleep(dial::pause_after(failures)).await;
            }
        }
    }

    fn lost(&self, reason: &str) {
        tracing::debug!(trader = %self.attaching.trader, reason, "not attached at the moment");
        self.now.send_modify(|now| reason.clone_into(&mut now.last));
        let _ = self.events.send(TraderEvent::Away { why: reason.to_owned() });
    }

    /// Whom to dial; of a member, if nobody is known who was not tried.
    async fn next_manager(&mut self) -> Result<String, Failed> {
        if let Some(manager) = self.attaching.managers.pop_front() {
            return Ok(manager);
        }
        let opened = match self.ask_a_member().await {
            Ok(opened) => opened,
            Err(failed) => {
                let is_refused =
                    matches!(failed, Failed::Problem(ref p) if p.retry == Retry::Never);
                if is_refused || self.known.is_empty() {
                    return Err(failed);
                }
                // Some MarketManager may know more than where it was.
                return Ok(self.home.next(&mut self.known).unwrap_or_default());
            }
        };
        let home = opened.trader_manager.map(|home| home.address);
        self.home.group_says(home.as_ref());
        self.attaching.token = opened.token;
        for member in opened.infrastructure_managers {
            if !self.attaching.members.contains(&member) {
                self.attaching.members.push(member);
            }
        }
        home.ok_or_else(|| Failed::NotSent("no TraderManager has the customer yet".to_owned()))
    }

    async fn ask_a_member(&mut self) -> Result<SessionOpened, Failed> {
        let mut last = Failed::NotSent("no InfrastructureManager is known".to_owned());
        for _ in 0..self.attaching.members.len() {
            self.attaching.members.rotate_left(1);
            let Some(member) = self.attaching.members.last() else { break };
            match self.attaching.requests.open_session(member, &self.attaching.api_key).await {
                Err(Failed::Problem(problem)) if problem.retry == Retry::Never => {
                    return Err(Failed::Problem(problem));
                }
                Err(failed) => last = failed,
                Ok(opened) => return Ok(opened),
            }
        }
        Err(last)
    }

    /// A member refuses none but those whose key is not good.
    fn of_member(&self, failed: Failed) -> Result<End, Box<Problem>> {
        match failed.refused() {
            Ok(problem) if self.again => Ok(End::Ended(Ended::Revoked, problem.to_string())),
            Ok(problem) => Err(problem),
            Err(text) => Ok(End::Lost(text)),
        }
    }

    fn of_manager(&self, address: &str, not: NotOpened) -> Result<End, Box<Problem>> {
        let NotOpened { failed, reconnect_to } = not;
        let said = failed.said(address);
        match (failed.code(), failed.refused()) {
            (Some(Code::Misdirected), _) => Ok(End::Go(reconnect_to)),
            // A member draws a new token, and says so if the key is not good.
            (Some(Code::Unauthorized), _) | (_, Err(_)) => Ok(End::Lost(said)),
            (_, Ok(problem)) if !self.again => Err(problem),
            (Some(Code::StaleTrader), Ok(_)) => Ok(End::Ended(Ended::TakenOver, said)),
            // Whoever is there now may be no TraderManager at all.
            (_, Ok(_)) if !self.home.is_by_group(address) => Ok(End::Lost(said)),
            (_, Ok(_)) => Ok(End::Ended(Ended::Stopped, said)),
        }
    }

    async fn dial(&self, address: &str) -> Result<Socket, NotOpened> {
        let Attaching { trader, token, .. } = &self.attaching;
        let again = if self.again { "&again=true" } else { "" };
        let path = format!("{ATTACH}?trader={trader}&copy={}{again}", self.copy.as_str());
        match timeout(LET_IN_WITHIN, dial::open(address, &path, token)).await {
            Ok(opened) => opened,
            Err(_) => {
                let text = format!("{address}: not let in within {LET_IN_WITHIN:?}");
                Err(NotOpened::of(text))
            }
        }
    }

    /// Beats and listens until the connection ends.
    async fn serve(&mut self, address: &str, mut socket: Socket) -> End {
        let mut every = interval(HEARTBEAT_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut n, mut heard) = (0_u64, Instant::now());
        let again_at = self.home.again_at();
        loop {
            let received = tokio::select! {
                _ = every.tick() => None,
                changed = self.said.changed() => match changed {
                    // Told with the next beat.
                    Ok(()) => continue,
                    Err(_) => {
                        // The server notices by itself if it does not take the close.
                        let _ = timeout(DEAD_AFTER, socket.close(None)).await;
                        return End::Closed;
                    }
                },
                there = self.home.leaves(address, again_at) => return End::Leave(there),
                received = timeout_at(heard + DEAD_AFTER, socket.next()) => Some(received),
            };
            let Some(received) = received else {
                n += 1;
                if let Err(reason) = self.beat(&mut socket, n).await {
                    return End::Lost(reason);
                }
                continue;
            };
            let text = match received {
                Err(_) => return End::Lost(format!("{address} is silent for {DEAD_AFTER:?}")),
                Ok(None | Some(Ok(Message::Close(_)))) => {
                    return End::Lost(format!("{address} closed the connection"));
                }
                Ok(Some(Err(error))) => return End::Lost(format!("{address}: {error}")),
                Ok(Some(Ok(Message::Text(text)))) => text,
                Ok(Some(Ok(_))) => continue,
            };
            heard = Instant::now();
            match serde_json::from_str(&text) {
                Ok(frame) => {
                    if let Some(end) = self.take(address, frame) {
                        return end;
                    }
                }
                // A newer server may say what this SDK does not know: not an error.
                Err(error) => tracing::debug!(%error, "a frame is not known"),
            }
        }
    }

    async fn beat(&mut self, socket: &mut Socket, n: u64) -> Result<(), String> {
        let says = self.said.borrow_and_update().says.clone();
        let paused = self.heard_pause.load(Ordering::Relaxed);
        let does = if paused { Wish::Pause } else { Wish::Run };
        let frame = FromTrader::Beat { n, does, says };
        let text = serde_json::to_string(&frame).map_err(|error| error.to_string())?;
        match timeout(DEAD_AFTER, socket.send(Message::text(text))).await {
            Ok(sent) => sent.map_err(|error| error.to_string()),
            Err(_) => Err(format!("took nothing for {DEAD_AFTER:?}")),
        }
    }

    fn take(&mut self, address: &str, frame: ToTrader) -> Option<End> {
        match frame {
            ToTrader::Attached { epoch, wish, .. } => {
                self.again = true;
                if !self.known.iter().any(|known| known == address) {
                    self.known.push(address.to_owned());
                }
                tracing::info!(trader = %self.attaching.trader, %epoch, address, "attached");
                self.now.send_modify(|now| now.epoch = Some(epoch));
                let trader_manager = address.to_owned();
                let _ = self.events.send(TraderEvent::Attached { epoch, trader_manager });
                self.wished(wish);
            }
            ToTrader::Access { access } => {
                self.now.send_modify(|now| now.access = Some(access));
            }
            ToTrader::Wished { wish } => self.wished(wish),
            ToTrader::Waiting { detail } => {
                let last = format!("{address}: it waits {detail}");
                self.now.send_modify(|now| now.last = last);
            }
            ToTrader::Goaway { reconnect_to, .. } => return Some(End::Go(reconnect_to)),
            ToTrader::Ended { why: Ended::Silent, detail } => return Some(End::Lost(detail)),
            ToTrader::Ended { why, detail } => return Some(End::Ended(why, detail)),
            ToTrader::Hello { .. } | ToTrader::BeatAnswer { .. } => {}
        }
        None
    }

    fn wished(&self, wish: Wish) {
        let before = self.now.borrow().wish;
        self.now.send_modify(|now| now.wish = Some(wish));
        let event = match (before, wish) {
            (Some(Wish::Pause), Wish::Run) => TraderEvent::Resume,
            (None | Some(Wish::Run), Wish::Pause) => TraderEvent::Pause,
            (None | Some(Wish::Run), Wish::Run) | (Some(Wish::Pause), Wish::Pause) => return,
        };
        let _ = self.events.send(event);
    }
}
