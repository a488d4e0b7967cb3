//! A member whose state is lost, or was outvoted, and that has no snapshot of its own to make up for it. Decides
//! that Raft does not start before another member has given one: whom it asks, and what it takes. Its log and
//! its votes stay: of the log only what another entry was committed in the place of goes. It asks as long as
//! nobody answers; it may be cancelled.

use super::{
    disk::mark_removed,
    diverged,
    open::Opened,
    recover::{Lost, Proof, Recovered, failed, load, proven},
};
use crate::{
    Environment, LevelNotKnown, Options, StartError, Timing,
    limits::{ASK_AGAIN_AFTER, ROUNDS_UNSAID},
    log::LogStore,
    network::{
        handshake::Host,
        life::Life,
        peers::Peers,
        standing::{Notices, Why, Witnesses},
    },
    raft::LogId,
    records::{KnownRecord, MemberRecord},
    runtime::spawn_blocking,
    snapshot::{Sending, Shelf, SnapshotFile},
    state::{Head, Loaded, StateError, StateStore},
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tokio::time::sleep;
use tradewind_domain::{control::Machine, ids::DiskId};

/// Everything Raft starts with.
pub(super) struct Ready {
    pub(super) disk: DiskId,
    pub(super) log: LogStore,
    pub(super) store: StateStore,
    pub(super) loaded: Loaded,
    pub(super) shelf: Arc<Shelf>,
    /// Whether the state is another member's.
    pub(super) given: bool,
}

/// Who asks, and where what is given goes.
pub(super) struct Home {
    node: u64,
    cluster: String,
    directory: PathBuf,
    environment: Environment,
    timing: Timing,
}

impl Home {
    pub(super) fn of(options: &Options) -> Self {
        Self {
            node: options.node.0,
            cluster: options.cluster.clone(),
            directory: options.state_dir.clone(),
            environment: options.environment.clone(),
            timing: options.timing.clone(),
        }
    }
}

/// A snapshot of another member's, and the state it leads to.
struct Given {
    file: SnapshotFile,
    machine: Machine,
    head: Head,
}

/// Gets what is missing, and makes log and state fit each other.
pub(super) async fn made_whole(home: Home, opened: Opened) -> Result<Ready, StartError> {
    let Opened { disk, diverged, known, log, store, shelf, found } = opened;
    let given = matches!(found, Recovered::Lost(_));
    let (store, loaded) = match found {
        Recovered::Whole(loaded) => (store, *loaded),
        Recovered::Lost(lost) => {
            let file = Asking::new(&home, disk, &log, &shelf, lost, known)?.given().await?;
            let shelf = shelf.clone();
            blocking(move || install(store, &shelf, file)).await?
        }
    };
    LevelNotKnown::check(loaded.machine.level(), home.environment.knows)
        .map_err(StateError::from)?;
    if let Some(applied) = loaded.head.applied {
        let path = home.directory.join("log");
        let what = "the log cannot be made to fit the state";
        log.fit(applied).await.map_err(|source| StartError::Io { what, path, source })?;
    }
    let (on, directory) = (home.environment.disk.clone(), home.directory.clone());
    blocking(move || diverged::settle(&on, &directory, &diverged)).await?;
    Ok(Ready { disk, log, store, loaded, shelf, given })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    spawn_blocking(work).await.map_err(|error| StartError::Raft(error.to_string()))?
}

/// In the order of a snapshot that Raft installs: the file, then the rows, then what is older goes. Blocks.
fn install(
    store: StateStore,
    shelf: &Shelf,
    given: Given,
) -> Result<(StateStore, Loaded), StartError> {
    let Given { file, machine, head } = given;
    shelf.keep(file).map_err(failed("cannot keep a snapshot"))?;
    store.replace(&machine, &head)?;
    shelf.forget_old().map_err(failed("cannot remove a snapshot"))?;
    tracing::warn!(index = head.revision().0, "state rebuilt from another member's snapshot");
    Ok((store, Loaded { machine, head, set_aside: None }))
}

struct Asking<'a> {
    home: &'a Home,
    log: &'a LogStore,
    shelf: &'a Arc<Shelf>,
    lost: Lost,
    known: KnownRecord,
    /// Those who may have what is missing.
    others: BTreeMap<u64, MemberRecord>,
    peers: Peers,
    notices: Arc<Notices>,
}

impl<'a> Asking<'a> {
    fn new(
        home: &'a Home,
        disk: DiskId,
        log: &'a LogStore,
        shelf: &'a Arc<Shelf>,
        lost: Lost,
        known: KnownRecord,
    ) -> Result<Self, StartError> {
        let node = home.node;
        let has_it = |id: &u64| {
            let outvoted = lost.outvoted.as_ref();
            *id != node && outvoted.is_none_or(|outvoted| outvoted.nodes.contains(id))
        };
        let members = known.members.iter().filter(|(id, _)| has_it(id));
        let others: BTreeMap<_, _> = members.map(|(id, member)| (*id, member.clone())).collect();
        if others.is_empty() {
            return Err(lost.nobody_to_ask());
        }
        let lease = home.timing.lease();
        let host = Host { node, cluster: home.cluster.clone(), disk, lease };
        let (network, notices) = (home.environment.network.clone(), Arc::<Notices>::default());
        let life = known.incarnation.map_or(Life::Unknown, Life::Opened);
        let (life, timing) = (Arc::new(move || life), &home.timing);
        let peers = Peers::new(network, &host, notices.clone(), life, timing, Sending::default());
        Ok(Self { home, log, shelf, lost, known, others, peers, notices })
    }

    /// Asks one after the other, again and again.
    async fn given(self) -> Result<Given, StartError> {
        let asked: Vec<_> = self.others.keys().copied().collect();
        let least = self.lost.purged.map(|id| id.index);
        tracing::error!(?least, ?asked, "state lost, it is asked for");
        let mut round = 0;
        loop {
            let mut answers = Vec::new();
            for (node, member) in &self.others {
                match self.ask(*node, member).await? {
                    Ok(given) => {
                        self.peers.close();
                        return Ok(given);
                    }
                    Err(why) => answers.push(format!("node {node}: {why}")),
                }
                self.heed_notices().await?;
            }
            if round % ROUNDS_UNSAID == 0 {
                tracing::warn!(
                    ?answers,
                    "this member waits for another one that gives it its state"
                );
            }
            round += 1;
            sleep(ASK_AGAIN_AFTER).await;
        }
    }

    /// `Err`: the next one may be asked.
    async fn ask(
        &self,
        node: u64,
        member: &MemberRecord,
    ) -> Result<Result<Given, String>, StartError> {
        let file = match self.peers.fetch(node, member, self.lost.purged, self.shelf).await {
            Ok(file) => file,
            Err(why) => return Ok(Err(why.to_string())),
        };
        let (log, lost, known) = (self.log.clone(), self.lost.clone(), self.known.clone());
        blocking(move || judged(&log, &lost, &known, file)).await
    }

    async fn heed_notices(&self) -> Result<(), StartError> {
        let told = self.notices.watch().borrow().clone();
        // Which of them vote is in the state that is lost: a majority of all must say it.
        let voters = vec![self.known.members.keys().copied().collect()];
        let witnesses = Witnesses { own: self.home.node, voters, leader: None };
        let Some(notice) = witnesses.proven(&told) else { return Ok(()) };
        if notice.why != Why::Removed {
            return Err(StartError::Unwelcome { reason: notice.reason });
        }
        let (on, node) = (self.home.environment.disk.clone(), self.home.node);
        let directory = self.home.directory.clone();
        blocking(move || {
            mark_removed(&on, &directory, node)?;
            Err(StartError::Removed { directory, node })
        })
        .await
    }
}

/// Whether a snapshot may be begun with. The inner error is about it, the outer one about this member. Blocks.
fn judged(
    log: &LogStore,
    lost: &Lost,
    known: &KnownRecord,
    file: SnapshotFile,
) -> Result<Result<Given, String>, StartError> {
    let (machine, head) = match load(&file) {
        Ok(loaded) => loaded,
        Err(why) => return Ok(Err(why.to_string())),
    };
    let index = |id: Option<LogId>| id.map(|id| id.index);
    if index(head.applied) < index(lost.purged) || head.applied.is_none() {
        return Ok(Err("its snapshot does not reach far enough".to_owned()));
    }
    let life = machine.cluster().opened();
    if known.incarnation.is_some() && known.incarnation != life {
        return Ok(Err(format!("its snapshot is of another life of the cluster, {life:?}")));
    }
    let other_log = head.applied.map(|applied| log.contradicts(applied)).transpose();
    if other_log.map_err(failed("cannot read the log"))? == Some(true) {
        return Ok(Err("its snapshot is of another log than this member's".to_owned()));
    }
    let Some(outvoted) = &lost.outvoted else { return Ok(Ok(Given { file, machine, head })) };
    let from = (machine.clone(), head.clone());
    match proven(log, from, outvoted).map_err(failed("cannot read the log"))? {
        Proof::Right(state) => {
            let (machine, head) = *state;
            Ok(Ok(Given { file, machine, head }))
        }
        Proof::None => Ok(Ok(Given { file, machine, head })),
        Proof::Wrong => Err(StartError::Reproduced { index: outvoted.index }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        raft::LeaderId,
        records::HeadRecord,
        tests::world::{now, request},
    };
    use tradewind_domain::{
        control::{Command, Stamped},
        ids::{ClusterIncarnation, Revision},
    };

    fn id(index: u64) -> LogId {
        LogId::new(LeaderId { term: 2, node_id: 1 }, index)
    }

    #[test]
    fn a_snapshot_of_another_life_or_one_that_does_not_reach_the_purge_mark_is_not_taken() {
        // given: a snapshot that reaches to 9
        let home = tempfile::tempdir().unwrap();
        let log = LogStore::open(&home.path().join("log")).unwrap();
        let shelf = Shelf::open(&home.path().join("snapshots")).unwrap();
        let mut machine = Machine::default();
        let incarnation = ClusterIncarnation(5);
        let request = request(Command::OpenCluster { incarnation });
        machine.apply(Revision(9), &Stamped { at: now(), request });
        let head = Head { applied: Some(id(9)), ..Head::default() };
        let file = shelf.build(&machine, HeadRecord::from(&head)).unwrap();
        let judge = |purged, life: Option<u64>| {
            let lost = Lost::behind(Some(id(purged)));
            let incarnation = life.map(ClusterIncarnation);
            let known = KnownRecord { incarnation, ..KnownRecord::default() };
            judged(&log, &lost, &known, file.clone()).unwrap().map(|given| given.head.revision())
        };
        // when, then
        assert_eq!(judge(9, Some(5)), Ok(Revision(9)));
        assert_eq!(judge(9, None), Ok(Revision(9)), "nothing was known of the life");
        assert!(judge(9, Some(4)).unwrap_err().contains("another life"));
        assert!(judge(10, Some(5)).unwrap_err().contains("does not reach far enough"));
    }
}
