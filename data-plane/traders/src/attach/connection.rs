//! One Trader that is attached: its WebSocket. Decides what is told when, and what ends the connection. What it trades with is
//! its own: the end of a connection takes no right from anybody. The task may be cancelled: its seat tells the rest.

use super::{
    Door,
    standing::{Copy, Standing, standing, wanted},
    whereabouts::{Whereabouts, whereabouts},
};
use crate::{
    attachments::{Seat, Stands},
    limits,
};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use std::{convert::Infallible, future::pending, sync::Arc};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tradewind_domain::control::Desired;
use tradewind_node::clock;
use tradewind_protocol::{
    Code,
    attach::{AttachedAccess, Ended, FromTrader, ToTrader, Wish},
    stream::close,
};

/// How a connection ends.
enum End {
    /// The other side has gone, or its copy has dialled again.
    Left(String),
    /// Its last word is said, or there is none.
    Away(&'static str),
    Told(Ended, String),
}

struct Connection {
    socket: WebSocket,
    door: Door,
    seat: Seat,
    copy: Copy,
    /// What the Trader was told last.
    told: Option<Standing>,
    access: Option<AttachedAccess>,
    heard: Instant,
    /// The next frame is not read before.
    read_at: Instant,
    /// When to ask where it belongs.
    look_at: Option<Instant>,
    /// It was told where to go, and is cut then.
    leave_by: Option<Instant>,
}

/// Serves a Trader until its connection ends.
pub(crate) async fn run(socket: WebSocket, door: Door, seat: Seat, copy: Copy) {
    let now = Instant::now();
    let (told, access, look_at, leave_by) = (None, None, None, None);
    let mut connection = Connection {
        socket,
        door,
        seat,
        copy,
        told,
        access,
        heard: now,
        read_at: now,
        look_at,
        leave_by,
    };
    let end = match connection.serve().await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    let Connection { mut socket, door, seat, copy, .. } = connection;
    let why = match &end {
        End::Left(why) | End::Told(_, why) => why.clone(),
        End::Away(why) => (*why).to_owned(),
    };
    tracing::info!(trader = %copy.trader, copy = %copy.copy, why, "no longer attached");
    seat.leave(clock::now(), &why);
    door.publish();
    let said = async {
        let code = match end {
            End::Left(_) => return Ok(()),
            End::Away(_) => close::GOING_AWAY,
            End::Told(why, detail) => {
                socket.send(text(&ToTrader::Ended { why, detail })).await?;
                why.code()
            }
        };
        let reason = "see the frame before".into();
        socket.send(Message::Close(Some(CloseFrame { code, reason }))).await?;
        while let Some(Ok(_)) = socket.recv().await {}
        Ok::<_, axum::Error>(())
    };
    // One that takes nothing any more learns it when it comes back.
    let _ = timeout(limits::LAST_WORD_WITHIN, said).await;
}

fn text(frame: &ToTrader) -> Message {
    // Frames are texts and numbers: they always have a JSON form.
    Message::Text(serde_json::to_string(frame).unwrap_or_default().into())
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => pending().await,
    }
}

impl Connection {
    async fn serve(&mut self) -> Result<Infallible, End> {
        let beat_ms = u64::try_from(limits::ATTACHED_BEAT.as_millis()).unwrap_or(u64::MAX);
        let manager = self.door.handle.manager().clone();
        self.send(&ToTrader::Hello { manager, beat_ms }).await?;
        let (mut desired, mut opened) = (self.door.handle.desired(), self.door.opened.clone());
        let stops = |_| End::Away("this TraderManager stops");
        loop {
            let newest = desired.borrow_and_update().clone();
            if let Some(newest) = newest {
                self.tell(&newest).await?;
            }
            let (read_at, silent_at) = (self.read_at, self.heard + limits::ATTACHED_SILENCE);
            let socket = &mut self.socket;
            let next = async {
                sleep_until(read_at).await;
                socket.recv().await
            };
            tokio::select! {
                changed = desired.changed() => changed.map_err(stops)?,
                changed = opened.changed() => changed.map_err(stops)?,
                () = self.seat.cut.cancelled() => {
                    return Err(End::Left("its copy has dialled again".to_owned()));
                }
                () = self.door.leaves.cancelled() => {
                    self.goes(Vec::new()).await?;
                    return Err(End::Away("this TraderManager stops"));
                }
                received = timeout_at(silent_at, next) => {
                    let Ok(received) = received else {
                        let detail = format!("no beat came for {:?}", limits::ATTACHED_SILENCE);
                        return Err(End::Told(Ended::Silent, detail));
                    };
                    self.on_frame(received).await?;
                }
                () = at(self.look_at) => self.look().await?,
                () = at(self.leave_by) => return Err(End::Away("it was told where to go")),
            }
        }
    }

    /// What is new to the Trader of how it stands.
    async fn tell(&mut self, desired: &Arc<Desired>) -> Result<(), End> {
        let standing = standing(desired, &self.copy);
        let before = self.told.replace(standing.clone());
        let stands = match &standing {
            Standing::Waits(_) if before.as_ref() == Some(&standing) => return Ok(()),
            Standing::Waits(detail) => {
                self.send(&ToTrader::Waiting { detail: (*detail).to_owned() }).await?;
                Stands::Waits((*detail).to_owned())
            }
            Standing::Attached { epoch, wish } => {
                match before {
                    Some(Standing::Attached { epoch: same, wish: was }) if same == *epoch => {
                        if was != *wish {
                            self.send(&ToTrader::Wished { wish: *wish }).await?;
                        }
                    }
                    _ => {
                        let customer = self.copy.claims.customer.clone();
                        let (epoch, wish) = (*epoch, *wish);
                        self.send(&ToTrader::Attached { customer, epoch, wish }).await?;
                    }
                }
                self.copy.works = Some(*epoch);
                self.tell_access(desired).await?;
                Stands::Attached
            }
            Standing::Ended(why, detail) => return Err(End::Told(*why, detail.clone())),
            Standing::Elsewhere => {
                if before.as_ref() != Some(&standing) {
                    self.look_at = Some(Instant::now());
                }
                Stands::Leaves
            }
        };
        if self.seat.stands(stands) {
            self.door.publish();
        }
        Ok(())
    }

    async fn tell_access(&mut self, desired: &Desired) -> Result<(), End> {
        let wanted = wanted(desired, &self.copy.trader);
        let access = wanted
            .and_then(|wanted| self.door.sessions.access(wanted, &desired.market_managers))
            .map(|access| AttachedAccess {
                session_token: access.session_token,
                market_managers: access.market_managers,
                infrastructure_managers: access.infrastructure_managers,
            });
        let Some(access) = access.filter(|access| self.access.as_ref() != Some(access)) else {
            return Ok(());
        };
        self.access = Some(access.clone());
        self.send(&ToTrader::Access { access }).await
    }

    /// Asks the group where it belongs, and tells it.
    async fn look(&mut self) -> Result<(), End> {
        self.look_at = None;
        let stopped = |detail: String| Err(End::Told(Ended::Stopped, detail));
        let trader = self.copy.trader.clone();
        match whereabouts(self.door.handle.control(), &trader).await {
            Ok((customer, _)) if customer != self.copy.claims.customer => {
                let detail = format!("{trader} has another owner");
                Err(End::Told(Ended::Revoked, detail))
            }
            Ok((_, Whereabouts::Stopped)) => stopped(format!("{trader} was stopped")),
            Ok((_, Whereabouts::Spawned)) => {
                stopped(format!("{trader} is run by its TraderManager from now on"))
            }
            Ok((_, Whereabouts::At(there))) if there.manager != *self.door.handle.manager() => {
                self.leave_by = Some(Instant::now() + limits::GOAWAY_WITHIN);
                self.goes(vec![there.address]).await
            }
            Err(problem) if problem.code == Code::NotFound => {
                stopped(format!("{trader} was deleted"))
            }
            // On its way, or nobody knows: it trades on.
            Ok((_, Whereabouts::At(_) | Whereabouts::Nowhere)) | Err(_) => {
                if matches!(self.told, Some(Standing::Elsewhere)) {
                    self.look_at = Some(Instant::now() + limits::LOOK_AGAIN);
                }
                Ok(())
            }
        }
    }

    async fn goes(&mut self, reconnect_to: Vec<String>) -> Result<(), End> {
        let within_ms = u64::try_from(limits::GOAWAY_WITHIN.as_millis()).unwrap_or(u64::MAX);
        self.send(&ToTrader::Goaway { reconnect_to, within_ms }).await
    }

    async fn on_frame(
        &mut self,
        received: Option<Result<Message, axum::Error>>,
    ) -> Result<(), End> {
        let now = Instant::now();
        self.read_at = now + limits::ATTACHED_READ_EVERY;
        let wrong = |detail: String| Err(End::Told(Ended::Silent, detail));
        let text = match received {
            None | Some(Ok(Message::Close(_))) => {
                return Err(End::Left("it closed the connection".to_owned()));
            }
            Some(Err(error)) => return Err(End::Left(format!("its connection broke: {error}"))),
            // A library answers these: they prove no work.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Binary(_))) => return wrong("frames are JSON as text".to_owned()),
            Some(Ok(Message::Text(text))) => text,
        };
        match serde_json::from_str(&text) {
            Ok(FromTrader::Beat { n, does, says }) if says.len() <= limits::SAYS_BYTES => {
                self.heard = now;
                self.on_beat(n, does, &says).await
            }
            Ok(FromTrader::Beat { .. }) => {
                wrong(format!("what it says has more than {} bytes", limits::SAYS_BYTES))
            }
            Err(error) => wrong(format!("the frame is not a message: {error}")),
        }
    }

    async fn on_beat(&mut self, n: u64, does: Wish, says: &str) -> Result<(), End> {
        if self.seat.heard(does, says) {
            self.door.publish();
        }
        self.send(&ToTrader::BeatAnswer { n }).await
    }

    async fn send(&mut self, frame: &ToTrader) -> Result<(), End> {
        match timeout(limits::TAKEN_WITHIN, self.socket.send(text(frame))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(End::Left(format!("its connection broke: {error}"))),
            Err(_) => Err(End::Left(format!("it took nothing for {:?}", limits::TAKEN_WITHIN))),
        }
    }
}
