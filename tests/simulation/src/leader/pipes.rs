//! The leader's pipes, one task each: a Manager's orders down, its beats up. Decides when a Manager is told anew and
//! whether a beat is answered, as `control-plane/server` has it: only while the leadership is confirmed and the
//! registration stands.

use super::Context;
use crate::{
    planted::Planted,
    wire::{Frames, FromManager, ToManager, millis, read, told, write},
};
use std::{collections::BTreeMap, io};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::{Instant, interval, sleep, sleep_until, timeout},
};
use tradewind_domain::{
    control::{
        Desired, Machine, desired,
        desired::{TraderWanted, Work},
        plan::{Fenced, Ledgers, Proof, Registration},
        row::ManagerState,
        telling::{Part, Teller},
    },
    ids::{Epoch, Fence, Incarnation, ManagerId, Revision},
    limits::{DIAL_WITHIN, PIPE_PING_EVERY, REDIAL_FIRST, REDIAL_MAX},
    time::Monotonic,
};
use turmoil::net::{TcpStream, tcp::OwnedWriteHalf};

/// As `control-plane/server` has them.
const DESIRED_EVERY_MS: u64 = 10;
const LOOK_EVERY_MS: u64 = 20;
/// A few things each, so that there are many parts.
const PART_BYTES: usize = 512;

pub(super) struct Report {
    pub(super) of: Registration,
    pub(super) at: Monotonic,
    pub(super) proof: Proof,
    /// With a beat: what Brokers have on record.
    pub(super) fenced: Fenced,
    /// And what they say of their ledgers' copies.
    pub(super) ledgers: Ledgers,
}

/// All pipes of one leadership. Dropped, they all close.
pub(super) struct Pipes {
    context: Context,
    right: Epoch,
    reports: mpsc::Sender<Report>,
    tasks: JoinSet<()>,
    open: BTreeMap<ManagerId, (Registration, AbortHandle)>,
}

impl Pipes {
    pub(super) fn new(context: Context, right: Epoch, reports: mpsc::Sender<Report>) -> Self {
        Self { context, right, reports, tasks: JoinSet::new(), open: BTreeMap::new() }
    }

    /// Opens and closes pipes until there is one to every live Manager. Gives the registrations that are new here,
    /// and the Managers that are gone.
    pub(super) fn follow(&mut self, machine: &Machine) -> (Vec<Registration>, Vec<ManagerId>) {
        while self.tasks.try_join_next().is_some() {}
        let live = machine.managers().filter(|row| row.state == ManagerState::Live);
        let live: BTreeMap<ManagerId, Registration> =
            live.map(|row| (row.manager.clone(), Registration::from(row))).collect();
        let gone = self.open.keys().filter(|id| !live.contains_key(id)).cloned();
        let gone: Vec<ManagerId> = gone.collect();
        for manager in &gone {
            if let Some((_, task)) = self.open.remove(manager) {
                task.abort();
            }
        }
        let mut new = Vec::new();
        for (manager, of) in live {
            if self.open.get(&manager).is_some_and(|(held, _)| *held == of) {
                continue;
            }
            let pipe = Pipe {
                context: self.context.clone(),
                right: self.right,
                of: of.clone(),
                reports: self.reports.clone(),
                teller: Teller::default(),
                told: self.context.taken_for_told(&manager),
            };
            let task = self.tasks.spawn_local(pipe.run(machine.fence(self.right)));
            if let Some((_, before)) = self.open.insert(manager, (of.clone(), task)) {
                before.abort();
            }
            new.push(of);
        }
        (new, gone)
    }
}

struct Pipe {
    context: Context,
    right: Epoch,
    of: Registration,
    reports: mpsc::Sender<Report>,
    /// What the Manager knows by the connection that stands.
    teller: Teller,
    /// The same, of a leader with a bug in what it tells: it tells all each time.
    told: Option<Desired>,
}

impl Pipe {
    async fn run(mut self, fence: Fence) {
        let mut wait = REDIAL_FIRST;
        loop {
            let dialled = timeout(DIAL_WITHIN, self.dial(fence)).await;
            let cut = self.is_cut();
            self.context.stand_still().await;
            match dialled {
                Ok(Ok((to, frames, incarnation))) => {
                    wait = REDIAL_FIRST;
                    self.note_stood(incarnation);
                    self.report(Proof::Up { incarnation }).await;
                    self.serve(to, frames, incarnation == self.of.incarnation).await;
                    (self.teller, self.told) = (Teller::default(), None);
                    self.report(Proof::Down).await;
                }
                // Turmoil refuses at once what a cut swallows; a real one says nothing.
                Ok(Err(_)) if cut => sleep(DIAL_WITHIN).await,
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    self.report(Proof::Refused).await;
                }
                Ok(Err(_)) | Err(_) => {}
            }
            sleep(wait).await;
            wait = (wait * 2).min(REDIAL_MAX);
        }
    }

    fn note_stood(&self, incarnation: Incarnation) {
        if let Some((_, post)) = self.context.world.post(&self.of.manager)
            && incarnation == self.of.incarnation
        {
            post.stood.borrow_mut().insert((self.right, self.of.epoch));
        }
    }

    /// By something in between, for a process that lives.
    fn is_refused(&self) -> bool {
        let (world, seat) = (&self.context.world, self.context.seat);
        let site = world.post(&self.of.manager).map(|(site, _)| site);
        site.is_some_and(|site| world.refuses(seat, site, 0))
    }

    fn is_cut(&self) -> bool {
        let world = &self.context.world;
        let site = world.post(&self.of.manager).map(|(site, _)| site.name.as_str());
        site.is_some_and(|site| world.is_cut(&world.seats[self.context.seat].name(), site))
    }

    async fn dial(
        &self,
        fence: Fence,
    ) -> io::Result<(OwnedWriteHalf, Frames<FromManager>, Incarnation)> {
        if self.is_refused() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let stream = TcpStream::connect(self.of.address.as_str()).await?;
        let (mut from, mut to) = stream.into_split();
        write(&mut to, &ToManager::Hello { fence, to: self.of.manager.clone() }).await?;
        match read(&mut from).await? {
            FromManager::Up { incarnation } => Ok((to, Frames::of(from), incarnation)),
            FromManager::Beat { .. } => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Until the connection is gone. `own`: the registered life has accepted it.
    async fn serve(&mut self, mut to: OwnedWriteHalf, mut frames: Frames<FromManager>, own: bool) {
        let mut machine = self.context.replica.watch_machine();
        let mut ping = interval(PIPE_PING_EVERY);
        let mut due = Some(Instant::now());
        loop {
            self.context.stand_still().await;
            let wake = due.unwrap_or_else(Instant::now);
            tokio::select! {
                frame = frames.next() => match frame {
                    Some(FromManager::Beat { n, cordons, held, starting, fenced, given_up, brokers, ledgers })
                        if own =>
                    {
                        let beat = told(cordons, held, starting, given_up, brokers);
                        self.send(Proof::Beat(beat), (fenced, ledgers)).await;
                        // Only to one that was told here what it should be, and that nobody is about to expire.
                        if self.may_answer()
                            && write(&mut to, &ToManager::Answer { n }).await.is_err()
                        {
                            return;
                        }
                    }
                    Some(_) => {}
                    None => return,
                },
                _ = ping.tick() => {
                    // What refuses has ended what stood as well.
                    if self.is_refused() || write(&mut to, &ToManager::Ping).await.is_err() {
                        return;
                    }
                }
                changed = machine.changed(), if due.is_none() => match changed {
                    Ok(()) => due = Some(Instant::now() + millis(DESIRED_EVERY_MS)),
                    Err(_) => return,
                },
                () = sleep_until(wake), if due.is_some() => {
                    let (revision, state) = machine.borrow_and_update().clone();
                    let state = self.context.seen(state, self.right);
                    let Ok(told) = self.tell(revision, &state, &mut to, own).await else { return };
                    due = if told { None } else { Some(Instant::now() + millis(LOOK_EVERY_MS)) };
                }
            }
        }
    }

    fn may_answer(&self) -> bool {
        let ignored = self.context.world.planted == Some(Planted::AnsweredWhileExpiring);
        let expiring = !ignored && self.context.expiring.borrow().has(&self.of);
        !expiring && (self.teller.has_told() || self.told.is_some()) && self.still_holds()
    }

    /// Whether a lease may be renewed: this member leads for sure, and the Manager is what it was.
    fn still_holds(&self) -> bool {
        let machine = self.context.replica.machine();
        let row = machine.manager(&self.of.manager);
        let stands = row.is_some_and(|row| {
            row.state == ManagerState::Live && Registration::from(row) == self.of
        });
        let unconfirmed = self.context.world.planted == Some(Planted::LeaseUnconfirmed);
        stands && (unconfirmed || self.context.replica.confirmed_leader())
    }

    /// Sends what the Manager should run, if that is news to it. `false`: not now, try again.
    async fn tell(
        &mut self,
        revision: Revision,
        machine: &Machine,
        to: &mut OwnedWriteHalf,
        own: bool,
    ) -> io::Result<bool> {
        if !own {
            return Ok(true);
        }
        let planted = self.context.world.planted;
        if matches!(planted, Some(Planted::TwoHolders | Planted::RoutesForgotten)) {
            return self.tell_wrongly(revision, machine, to).await;
        }
        let Some(mut news) = self.teller.news(machine, revision, &self.of.manager) else {
            return Ok(true);
        };
        if !self.still_holds() {
            return Ok(false);
        }
        // Half of it is of no use: whoever breaks off here has lost the connection.
        while let Some(part) = news.part(PART_BYTES, |item| format!("{item:?}").len()) {
            write(to, &ToManager::Desired(Box::new(part))).await?;
        }
        self.teller.told(news);
        Ok(true)
    }

    /// With a bug in it.
    async fn tell_wrongly(
        &mut self,
        revision: Revision,
        machine: &Machine,
        to: &mut OwnedWriteHalf,
    ) -> io::Result<bool> {
        let Some(mut desired) = desired(machine, revision, &self.of.manager) else {
            return Ok(true);
        };
        if self.context.world.planted == Some(Planted::TwoHolders) {
            everybodys(machine, &mut desired);
        }
        if self.told.as_ref().is_some_and(|told| told.says_the_same(&desired)) {
            return Ok(true);
        }
        if !self.still_holds() {
            return Ok(false);
        }
        write(to, &ToManager::Desired(Box::new(Part::whole_of(&desired)))).await?;
        self.told = Some(desired);
        Ok(true)
    }

    async fn report(&self, proof: Proof) {
        self.send(proof, Default::default()).await;
    }

    async fn send(&self, proof: Proof, (fenced, ledgers): (Fenced, Ledgers)) {
        let (of, at) = (self.of.clone(), self.context.now());
        // The receiver goes first only when all pipes are about to close.
        let _ = self.reports.send(Report { of, at, proof, fenced, ledgers }).await;
    }
}

/// A planted bug: each TraderManager is told to run all Traders, wherever they were placed.
fn everybodys(machine: &Machine, desired: &mut Desired) {
    let Work::Traders { traders, .. } = &mut desired.work else { return };
    let all = machine.traders().filter_map(|row| {
        let held = row.assignment.as_ref()?;
        Some(TraderWanted {
            trader: row.trader.clone(),
            customer: row.spec.customer.clone(),
            fence: machine.fence(held.epoch),
            command: row.spec.command.clone(),
            run: machine.trader_run(&row.trader),
            paused: false,
            fencing: false,
            attached: None,
        })
    });
    *traders = all.collect();
}
