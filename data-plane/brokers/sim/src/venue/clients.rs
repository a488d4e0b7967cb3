//! Who is connected. Decides who is to be told what, and that a client which does not keep up is cut.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::ws::Utf8Bytes;
use tradewind_domain::ids::{AccountId, InstrumentId};

use super::queue::QueueSender;
use crate::limits::SUBSCRIPTIONS;

/// Numbers a connection for as long as this process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientNumber(pub(super) u64);

pub(super) struct Client {
    queue: QueueSender,
    account: Option<AccountId>,
    subscriptions: BTreeSet<InstrumentId>,
}

impl Client {
    pub(super) fn new(queue: QueueSender) -> Self {
        Self { queue, account: None, subscriptions: BTreeSet::new() }
    }
}

#[derive(Default)]
pub(super) struct Clients(BTreeMap<ClientNumber, Client>);

impl Clients {
    pub(super) fn join(&mut self, number: ClientNumber, client: Client) {
        self.0.insert(number, client);
    }

    pub(super) fn leave(&mut self, number: ClientNumber) {
        self.0.remove(&number);
    }

    /// False if the client had logged in before.
    pub(super) fn log_in(&mut self, number: ClientNumber, account: &AccountId) -> bool {
        let client = self.0.get_mut(&number).filter(|client| client.account.is_none());
        client.is_some_and(|client| client.account.replace(account.clone()).is_none())
    }

    pub(super) fn account(&self, number: ClientNumber) -> Option<AccountId> {
        self.0.get(&number)?.account.clone()
    }

    /// False if the client has as many subscriptions as it may have.
    pub(super) fn subscribe(&mut self, number: ClientNumber, instrument: &InstrumentId) -> bool {
        let Some(client) = self.0.get_mut(&number) else { return true };
        let wanted = &mut client.subscriptions;
        if wanted.len() >= SUBSCRIPTIONS && !wanted.contains(instrument) {
            return false;
        }
        wanted.insert(instrument.clone());
        true
    }

    pub(super) fn unsubscribe(&mut self, number: ClientNumber, instrument: &InstrumentId) {
        if let Some(client) = self.0.get_mut(&number) {
            client.subscriptions.remove(instrument);
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = ClientNumber> {
        self.0.keys().copied()
    }

    pub(super) fn of_account(&self, account: &AccountId) -> Vec<ClientNumber> {
        self.those(|client| client.account.as_ref() == Some(account))
    }

    pub(super) fn subscribed(&self, instrument: &InstrumentId) -> Vec<ClientNumber> {
        self.those(|client| client.subscriptions.contains(instrument))
    }

    fn those(&self, wanted: impl Fn(&Client) -> bool) -> Vec<ClientNumber> {
        self.0.iter().filter(|(_, client)| wanted(client)).map(|(number, _)| *number).collect()
    }

    /// Queues a frame. A client whose queue is full has lost it, and with it its place here.
    pub(super) fn send(&mut self, number: ClientNumber, frame: Utf8Bytes) {
        let Some(client) = self.0.get(&number) else { return };
        if !client.queue.send(frame) {
            self.0.remove(&number);
        }
    }
}
