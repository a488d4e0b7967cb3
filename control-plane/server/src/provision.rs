//! What this member starts and takes away when a location scales. Decides when it acts on a request that names it:
//! after a round that shows that the request still stands, once a revision of it, and no longer than it stands so;
//! an operator's program is run by a confirmed leader alone. What is asked for and tried again is
//! `domain::control::scale`'s decision. Whatever it does may be repeated: a request's number is its key.

mod processes;
mod program;

use crate::{
    api::{changes::changed, provisioning},
    leader::time_of_keys,
    limits::{PROVISION_AGAIN_AFTER, PROVISION_KEEP_EVERY, PROVISION_LOOK_EVERY},
    options::Provisioning,
    service::{Change, Service},
};
use futures_util::future::join_all;
use processes::Processes;
use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};
use tradewind_domain::{
    control::{
        IdempotencyKey,
        scale::{Offered, ProvisionRow, ProvisionState, Provisioner},
    },
    ids::{ClientId, Epoch, ManagerId, ManagerKind, NodeId, ProgramId, Revision},
};
use tradewind_link::rest::Method;
use tradewind_protocol::scale::{
    PROGRAM_VERSION, ProgramRequest, ProvisionOp, ProvisionResult, TellProvisioning,
    provisioning_path,
};

/// What a member offers while it leads.
pub(crate) fn offered(node: NodeId, options: &Provisioning) -> Offered {
    let programs = options.programs.keys().cloned().collect();
    Offered { node: Some(node), process: options.process.is_some(), programs }
}

/// An attempt: a request as this revision of it has it.
type Attempt = (Epoch, Revision);

/// Never returns. Cancelled, programs under way are killed; Managers that were started go on.
pub(crate) async fn run(service: Service, options: Provisioning) {
    if options == Provisioning::default() {
        return pending().await;
    }
    let Ok(client) = format!("provision-{}", service.parts().node).parse::<ClientId>() else {
        return;
    };
    let processes = options.process.clone().map(|options| Arc::new(Processes::new(options)));
    // Above those of every earlier life.
    let asked = Arc::new(AtomicU64::new(service.parts().identity.incarnation.0 << 20));
    let worker = Worker { service, options: Arc::new(options), processes, client, asked };
    tokio::join!(worker.attempts(), worker.keep());
}

/// Whether an attempt was made, or is to be made when this member leads again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    Yes,
    No,
}

#[derive(Clone)]
struct Worker {
    service: Service,
    options: Arc<Provisioning>,
    processes: Option<Arc<Processes>>,
    client: ClientId,
    asked: Arc<AtomicU64>,
}

impl Worker {
    /// Begins an attempt at every request whose turn it is here, once a revision.
    async fn attempts(&self) {
        let mut begun = BTreeSet::<Attempt>::new();
        let mut attempts = JoinSet::new();
        let mut look = interval(PROVISION_LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                Some(ended) = attempts.join_next() => if let Ok((attempt, Made::No)) = ended {
                    begun.remove(&attempt);
                    // Not at once again: who leads is not settled.
                    look.reset();
                    continue;
                },
            }
            let rows = self.turns();
            begun.retain(|(request, revision)| {
                rows.iter().any(|row| row.request == *request && row.revision == *revision)
            });
            for row in rows.into_iter().filter(|row| self.is_due(row)) {
                if begun.insert((row.request, row.revision)) {
                    attempts.spawn(self.clone().attempt(row));
                }
            }
        }
    }

    /// Requests that name this member and on which something is to be done.
    fn turns(&self) -> Vec<ProvisionRow> {
        let node = self.service.parts().node;
        self.service.parts().replica.look(|_, machine| {
            let own = machine.provisions().filter(|row| row.node == Some(node));
            own.filter(|row| op(row).is_some()).cloned().collect()
        })
    }

    fn is_due(&self, row: &ProvisionRow) -> bool {
        let parts = self.service.parts();
        row.not_before <= time_of_keys(&parts.replica, &parts.clocks)
    }

    async fn attempt(self, row: ProvisionRow) -> (Attempt, Made) {
        let id = (row.request, row.revision);
        let made = tokio::select! {
            made = self.make(&row) => made,
            () = self.overtaken(&row) => Made::Yes,
        };
        (id, made)
    }

    /// Returns when the request has gone on: nothing is done any more on what it was.
    async fn overtaken(&self, row: &ProvisionRow) {
        let mut machine = self.service.parts().replica.watch_machine();
        let gone = machine.wait_for(|(_, machine)| {
            machine.provision(row.request).is_none_or(|held| held.revision != row.revision)
        });
        // An error: this member stops.
        let _ = gone.await;
    }

    fn stands(&self, row: &ProvisionRow) -> bool {
        self.service.parts().replica.look(|_, machine| {
            machine.provision(row.request).is_some_and(|held| held.revision == row.revision)
        })
    }

    async fn make(&self, row: &ProvisionRow) -> Made {
        let Some(op) = op(row) else { return Made::Yes };
        // What a member that lags believes to stand may have been given to another.
        while self.service.barrier().await.is_err() {
            sleep(PROVISION_AGAIN_AFTER).await;
        }
        if !self.stands(row) {
            return Made::Yes;
        }
        tracing::info!(request = %row.request, implementation = %row.implementation, ?op, "provisioning");
        let done = match &row.provisioner {
            Provisioner::Process { .. } => self.by_processes(row, op).await,
            Provisioner::Exec { .. } if !self.service.parts().replica.confirmed_leader() => {
                return Made::No;
            }
            Provisioner::Exec { program, arguments } => {
                self.by_program(row, op, program, arguments).await
            }
        };
        if let Err(why) = &done {
            tracing::warn!(request = %row.request, why, "provisioning failed");
        }
        let result = match (done, op) {
            (Err(why), _) => ProvisionResult::Failed { why },
            (Ok(()), ProvisionOp::Release) => ProvisionResult::Released,
            // Its Managers tell by checking in.
            (Ok(()), ProvisionOp::Provision) => return Made::Yes,
        };
        self.tell(row, result).await;
        Made::Yes
    }

    /// Until the group knows, or knows better: a refusal alone does not say that the request has gone on, as one of a
    /// key that was too old does not; this member's own state does.
    async fn tell(&self, row: &ProvisionRow, result: ProvisionResult) {
        let tell = TellProvisioning { revision: row.revision, result };
        let path = provisioning_path(row.request);
        let parts = self.service.parts();
        loop {
            let n = self.asked.fetch_add(1, Ordering::Relaxed);
            let issued_at = time_of_keys(&parts.replica, &parts.clocks);
            let key = IdempotencyKey { client: self.client.clone(), issued_at, n };
            let command = provisioning::told(row.request, &tell);
            let (method, body, forwarded) = (Method::PUT, &tell, false);
            let change = Change { method, path: &path, body, key, command, forwarded };
            match self.service.change(change, changed).await {
                Ok(_) => return,
                Err(problem) if !self.stands(row) => {
                    tracing::info!(request = %row.request, %problem, "not told: it has gone on");
                    return;
                }
                Err(problem) => {
                    tracing::info!(request = %row.request, %problem, "not told yet");
                    sleep(PROVISION_AGAIN_AFTER).await;
                }
            }
        }
    }

    async fn by_program(
        &self,
        row: &ProvisionRow,
        op: ProvisionOp,
        program: &ProgramId,
        arguments: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let Some(path) = self.options.programs.get(program) else {
            return Err(format!("this member knows no program {program}"));
        };
        let request = ProgramRequest {
            version: PROGRAM_VERSION,
            op,
            request: row.request,
            cluster: self.service.parts().cluster.clone(),
            incarnation: self.service.life().unwrap_or_default(),
            location: row.location.clone(),
            implementation: row.implementation.clone(),
            join: self.service.member_addresses(),
            arguments: arguments.clone(),
            deadline_seconds: row.deadline_seconds,
        };
        program::run(self.options.leash.as_deref(), path, &request).await
    }

    async fn by_processes(&self, row: &ProvisionRow, op: ProvisionOp) -> Result<(), String> {
        let Some(processes) = &self.processes else {
            return Err("this member starts no processes: --provision-process is not set".into());
        };
        match op {
            ProvisionOp::Release => processes.stop(&row.implementation).await,
            ProvisionOp::Provision => {
                processes.provide(row, &self.service.member_addresses()).await
            }
        }
    }

    /// Looks after what runs on this machine: starts again what has ended by itself, and ends what another member
    /// was asked for since.
    async fn keep(&self) {
        let Some(processes) = &self.processes else { return pending().await };
        let mut look = interval(PROVISION_KEEP_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let (own, strays) = self.on_this_machine();
            if own.is_empty() && strays.is_empty() || self.service.barrier().await.is_err() {
                continue;
            }
            // As it is after the round.
            let (own, strays) = self.on_this_machine();
            let members = self.service.member_addresses();
            for (row, kinds) in own {
                processes.revive(&row, &kinds, &members).await;
            }
            let running = processes.all_running().await;
            let runs = |row: &ProvisionRow| running.contains(row.implementation.as_str());
            // All at once: those that take their time keep the others waiting no longer than one does.
            let ends = strays.into_iter().filter(runs).map(|row| end(processes.clone(), row));
            join_all(ends).await;
        }
    }

    /// What is to run here, with the kinds of its Managers that are registered and not being drained: one that was
    /// dropped is to stay away. And what is not to run here, if it does.
    fn on_this_machine(&self) -> (Vec<(ProvisionRow, Vec<ManagerKind>)>, Vec<ProvisionRow>) {
        let node = self.service.parts().node;
        let machine = self.service.machine().1;
        let (mut own, mut strays) = (Vec::new(), Vec::new());
        for row in machine.provisions() {
            match (&row.provisioner, row.state) {
                (Provisioner::Exec { .. }, _) => {}
                (Provisioner::Process { .. }, ProvisionState::There) if row.node == Some(node) => {
                    let there = ManagerKind::ALL.into_iter().filter(|kind| {
                        let implementation = row.implementation.clone();
                        let manager = ManagerId { implementation, kind: *kind };
                        machine.manager(&manager).is_some() && machine.cordon(&manager).is_none()
                    });
                    own.push((row.clone(), there.collect()));
                }
                (Provisioner::Process { .. }, ProvisionState::Released) => strays.push(row.clone()),
                (Provisioner::Process { .. }, _) if row.node.is_some_and(|held| held != node) => {
                    strays.push(row.clone());
                }
                (Provisioner::Process { .. }, _) => {}
            }
        }
        (own, strays)
    }
}

async fn end(processes: Arc<Processes>, row: ProvisionRow) {
    if let Err(why) = processes.stop(&row.implementation).await {
        tracing::warn!(implementation = %row.implementation, why, "it was not ended");
    }
}

/// What is to be done on a request by the member that it names.
fn op(row: &ProvisionRow) -> Option<ProvisionOp> {
    match row.state {
        ProvisionState::Starting => Some(ProvisionOp::Provision),
        ProvisionState::Releasing => Some(ProvisionOp::Release),
        ProvisionState::Asked
        | ProvisionState::Failed
        | ProvisionState::There
        | ProvisionState::Retiring
        | ProvisionState::Released => None,
    }
}
