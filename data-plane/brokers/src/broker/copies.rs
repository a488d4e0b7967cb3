//! A Broker and the copies of its ledger. Decides what it waits for before it works on a ledger: that it and its copy are
//! one, or that the leader says that the ledger it has loaded counts.

use super::{Broker, Ended, Error};
use crate::{
    copies::{
        durable,
        match_up::{self, Matched, match_up},
        pipe::{Dialler, Target},
        succeed::{Loaded, succeed},
    },
    store::{Opened, Store},
};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::{
        copies::LedgerTold,
        desired::{BrokerWanted, CopiesWanted},
    },
    ids::Fence,
};
use tradewind_node::clock;
use tradewind_protocol::copies::{LedgerState, LedgerStatus};

impl Broker {
    pub(super) fn dialler(&self) -> Dialler {
        Dialler { account: self.setup.account.clone(), incarnation: self.setup.incarnation }
    }

    fn tell(&self, state: LedgerState, copies: &CopiesWanted, told: LedgerTold) {
        let holder = copies.naming.holder.clone();
        self.reporter.ledger(Some(LedgerStatus { state, holder, told }));
    }

    /// Opens the ledger, and has it and its copy be one. Markets are turned away meanwhile.
    pub(super) async fn matched(
        &mut self,
        wanted: &BrokerWanted,
        stop: &CancellationToken,
    ) -> Result<Result<Opened, Ended>, Error> {
        self.reporter.connecting("reading the ledger");
        let begun = clock::now();
        let (directory, disk) = (self.setup.directory.clone(), self.setup.disk.clone());
        let (account, told) = (self.setup.account.clone(), durable::told(wanted));
        let opened = tokio::task::spawn_blocking(move || {
            Store::open(&directory, &account, disk, clock::now(), told)
        });
        let mut opened = opened.await??;
        tracing::info!(account = %wanted.account, took = ?clock::now().since(begun), "ledger open");
        let Some(copies) = &wanted.copies else {
            self.reporter.ledger(None);
            return Ok(Ok(opened));
        };
        let durable = opened.store.copies().clone();
        self.tell(durable.state(), copies, LedgerTold::default());
        let why = match_up::standing(&durable);
        if !durable.read(|writer| writer.may_put()) {
            self.reporter.connecting(why);
        }
        let dialler = self.dialler();
        let matched = tokio::select! {
            matched = match_up(&mut opened, &dialler, copies.address.clone()) => matched?,
            ended = self.refuse(why, stop) => return Ok(Err(ended)),
        };
        match matched {
            Matched::Whole => Ok(Ok(opened)),
            Matched::Sealed => {
                drop(opened);
                Ok(Err(self.sealed(copies, stop).await))
            }
            Matched::Lost { since } => {
                drop(opened);
                let told = LedgerTold { lost: Some(since), ..LedgerTold::default() };
                self.tell(LedgerState::Single, copies, told);
                let why = "the copy of its ledger has not what it had: another one must be named";
                Ok(Err(self.waits(why, stop).await))
            }
        }
    }

    /// Another continues its ledger.
    pub(super) async fn sealed(
        &mut self,
        copies: &CopiesWanted,
        stop: &CancellationToken,
    ) -> Ended {
        self.tell(LedgerState::Sealed, copies, LedgerTold::default());
        self.waits("its ledger is sealed: it is continued elsewhere", stop).await
    }

    /// Loads the ledger that it is to continue, and waits to be told that it counts.
    pub(super) async fn succeed(
        &mut self,
        copies: CopiesWanted,
        stop: &CancellationToken,
    ) -> Result<Ended, Error> {
        let right = copies.right;
        if self.loaded != Some(right) {
            self.tell(LedgerState::Loading, &copies, LedgerTold::default());
            let why = "loading the copy of the ledger that it is to continue";
            let (Some(holder), Some(address)) = (&copies.naming.holder, &copies.address) else {
                return Ok(self.waits("the copy that it is to continue is nowhere", stop).await);
            };
            let target = Target { holder: holder.clone(), address: address.clone(), right };
            self.reporter.connecting(why);
            match self.load(&target, copies.naming.since, why, stop).await? {
                Ok(Loaded::Whole) => self.loaded = Some(right),
                Ok(Loaded::NotWhole) => {
                    let told = LedgerTold { not_whole: Some(right), ..LedgerTold::default() };
                    self.tell(LedgerState::Loading, &copies, told);
                    let why = "the copy holds a part of the ledger only";
                    return Ok(self.waits(why, stop).await);
                }
                Ok(Loaded::Superseded) => {
                    return Ok(self.waits("another is to continue the ledger", stop).await);
                }
                Err(ended) => return Ok(ended),
            }
        }
        let told = LedgerTold { loaded: Some(right), ..LedgerTold::default() };
        self.tell(LedgerState::Loading, &copies, told);
        Ok(self.waits("waiting to be told that its ledger counts", stop).await)
    }

    async fn load(
        &mut self,
        target: &Target,
        naming: Fence,
        why: &str,
        stop: &CancellationToken,
    ) -> Result<Result<Loaded, Ended>, Error> {
        let (directory, disk) = (self.setup.directory.clone(), self.setup.disk.clone());
        let dialler = self.dialler();
        tokio::select! {
            loaded = succeed(&directory, disk, &dialler, target, naming) => Ok(Ok(loaded?)),
            ended = self.refuse(why, stop) => Ok(Err(ended)),
        }
    }

    async fn waits(&mut self, why: &str, stop: &CancellationToken) -> Ended {
        tracing::warn!(why, "not serving");
        self.reporter.connecting(why);
        self.refuse(why, stop).await
    }
}
