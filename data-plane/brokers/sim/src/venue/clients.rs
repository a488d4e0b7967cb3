//! Who is connected. Decides who is to be told what, and that a client which does not keep up is cut.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::ws::Utf8Bytes;
use tradewind_domain::ids::{AccountId, InstrumentId};

use super::queue::QueueSender;
use crate::wire::Connected;

/// Numbers a connection for as long as this process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientNumber(pub(super) u64);

pub(super) struct Client {
    queue: QueueSender,
    account: Option<AccountId>,
    /// It has asked for market data alone.
    observes: bool,
    subscriptions: BTreeSet<InstrumentId>,
    subscriptions_max: usize,
    refused: u64,
}

impl Client {
    pub(super) fn new(queue: QueueSender) -> Self {
        Self {
            queue,
            account: None,
            observes: false,
            subscriptions: BTreeSet::new(),
            subscriptions_max: 0,
            refused: 0,
        }
    }
}

pub(super) struct Clients {
    connected: BTreeMap<ClientNumber, Client>,
    /// Subscriptions that each may have.
    subscriptions: usize,
}

impl Clients {
    pub(super) fn new(subscriptions: u32) -> Self {
        let subscriptions = usize::try_from(subscriptions).unwrap_or(usize::MAX);
        Self { connected: BTreeMap::new(), subscriptions }
    }

    pub(super) fn join(&mut self, number: ClientNumber, client: Client) {
        self.connected.insert(number, client);
    }

    pub(super) fn leave(&mut self, number: ClientNumber) {
        self.connected.remove(&number);
    }

    /// False if the client had logged in before, or observes.
    pub(super) fn log_in(&mut self, number: ClientNumber, account: &AccountId) -> bool {
        let fresh = |client: &&mut Client| client.account.is_none() && !client.observes;
        let client = self.connected.get_mut(&number).filter(fresh);
        client.is_some_and(|client| client.account.replace(account.clone()).is_none())
    }

    /// False if the client had logged in before.
    pub(super) fn observe(&mut self, number: ClientNumber) -> bool {
        let client = self.connected.get_mut(&number).filter(|client| client.account.is_none());
        client.map(|client| client.observes = true).is_some()
    }

    pub(super) fn account(&self, number: ClientNumber) -> Option<AccountId> {
        self.connected.get(&number)?.account.clone()
    }

    /// False if the client has as many subscriptions as it may have.
    pub(super) fn subscribe(&mut self, number: ClientNumber, instrument: &InstrumentId) -> bool {
        let Some(client) = self.connected.get_mut(&number) else { return true };
        let wanted = &mut client.subscriptions;
        if wanted.len() >= self.subscriptions && !wanted.contains(instrument) {
            client.refused += 1;
            return false;
        }
        wanted.insert(instrument.clone());
        client.subscriptions_max = client.subscriptions_max.max(wanted.len());
        true
    }

    pub(super) fn unsubscribe(&mut self, number: ClientNumber, instrument: &InstrumentId) {
        if let Some(client) = self.connected.get_mut(&number) {
            client.subscriptions.remove(instrument);
        }
    }

    /// For the judge.
    pub(super) fn list(&self) -> Vec<Connected> {
        let told = |(number, client): (&ClientNumber, &Client)| Connected {
            number: number.0,
            account: client.account.clone(),
            subscriptions: client.subscriptions.iter().cloned().collect(),
            subscriptions_max: client.subscriptions_max,
            refused: client.refused,
        };
        self.connected.iter().map(told).collect()
    }

    /// Ends a connection. False if there is none of that number.
    pub(super) fn cut(&mut self, number: u64) -> bool {
        self.connected.remove(&ClientNumber(number)).is_some()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = ClientNumber> {
        self.connected.keys().copied()
    }

    pub(super) fn of_account(&self, account: &AccountId) -> Vec<ClientNumber> {
        self.those(|client| client.account.as_ref() == Some(account))
    }

    pub(super) fn subscribed(&self, instrument: &InstrumentId) -> Vec<ClientNumber> {
        self.those(|client| client.subscriptions.contains(instrument))
    }

    fn those(&self, wanted: impl Fn(&Client) -> bool) -> Vec<ClientNumber> {
        self.connected
            .iter()
            .filter(|(_, client)| wanted(client))
            .map(|(number, _)| *number)
            .collect()
    }

    /// Queues a frame. A client whose queue is full has lost it, and with it its place here.
    pub(super) fn send(&mut self, number: ClientNumber, frame: Utf8Bytes) {
        let Some(client) = self.connected.get(&number) else { return };
        if !client.queue.send(frame) {
            self.connected.remove(&number);
        }
    }
}
