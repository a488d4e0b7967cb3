//! Streaming a ledger to its copy, for as long as its Broker works. Decides what goes out next; up to where anything may
//! go, and what follows a greeting, is the `Writer`'s word. Records are read from the journal, which shows those under
//! way to its own disk too: both disks work at once. May be cancelled: the pipe closes.

use super::{
    durable::Durable,
    pipe::{Dialler, Target, dial},
};
use crate::limits::{COPY_FAILED_TOLD_AFTER, COPY_FRAME_BYTES, COPY_UNDER_WAY};
use tokio::sync::watch;
use tradewind_domain::{control::desired::CopiesWanted, ids::Fence, trading::copies::Next};
use tradewind_journal::{Journal, ReadError};
use tradewind_link::pipe::{Event, SendError, Sender};
use tradewind_node::service::StateReporter;
use tradewind_protocol::copies::{CopyDown, CopyUp, LedgerStatus, RecordBytes};

/// What a stream is made of.
pub(crate) struct Stream {
    pub(crate) dialler: Dialler,
    pub(crate) durable: Durable,
    pub(crate) journal: Journal,
    /// As it was told last; without anything nothing of copies is told upward either.
    pub(crate) wanted: watch::Receiver<Option<CopiesWanted>>,
    pub(crate) reporter: StateReporter,
}

/// Which connection: another one is needed when any of it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    target: Target,
    since: Fence,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Not greeted yet, or to be filled anew.
    Waiting,
    /// Up to this record everything was sent.
    Sent(u64),
}

impl Stream {
    /// For ever.
    pub(crate) async fn run(mut self) {
        let mut changes = self.durable.changes();
        let mut lost = None;
        loop {
            self.tell(lost);
            let way = self.way().filter(|way| lost != Some(way.since));
            let found = match way {
                Some(way) => self.keep(way, &mut changes).await,
                None => {
                    tokio::select! {
                        _ = changes.changed() => {}
                        changed = self.wanted.changed() => if changed.is_err() { return },
                    }
                    None
                }
            };
            lost = found.or(lost);
        }
    }

    fn address(&self) -> Option<String> {
        self.wanted.borrow().as_ref().and_then(|wanted| wanted.address.clone())
    }

    fn way(&self) -> Option<Way> {
        let address = self.address()?;
        self.durable.read(|writer| {
            let (holder, right, since) = writer.greets()?;
            let target = Target { holder: holder.clone(), address, right };
            Some(Way { target, since })
        })
    }

    /// Whether this connection is still the one to be kept.
    fn stands(&self, way: &Way) -> bool {
        let address = self.address();
        self.durable.read(|writer| {
            writer.naming().since == way.since
                && writer.right() == way.target.right
                && address.as_ref() == Some(&way.target.address)
        })
    }

    /// Until another connection is needed; gives the naming whose copy is lost, if it is.
    async fn keep(&mut self, way: Way, changes: &mut watch::Receiver<()>) -> Option<Fence> {
        let (sender, mut events) = dial(&self.dialler, &way.target);
        let mut at = At::Waiting;
        let lost = loop {
            self.tell(None);
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => match self.hear(event, &way, &mut at, &sender).await {
                        Ok(()) => {}
                        Err(Over::Lost) => break Some(way.since),
                        Err(Over::Refused) => break None,
                    },
                    None => break None,
                },
                _ = changes.changed() => {}
                changed = self.wanted.changed() => if changed.is_err() { break None },
            }
            if !self.stands(&way) {
                break None;
            }
            if let At::Sent(sent) = at {
                match self.pump(sent, &sender) {
                    Ok(sent) => at = At::Sent(sent),
                    Err(error) => {
                        // The keeper reads the same journal, and ends when it has failed.
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "the ledger cannot be read for its copy"
                        );
                        at = At::Waiting;
                    }
                }
            }
        };
        self.durable.with(|writer| writer.broken());
        lost
    }

    async fn hear(
        &mut self,
        event: Event<CopyUp>,
        way: &Way,
        at: &mut At,
        sender: &Sender<CopyDown>,
    ) -> Result<(), Over> {
        match event {
            Event::Up { protocol, .. } => {
                self.durable.holder_speaks(&way.target.holder, protocol);
                let (account, right) = (self.dialler.account.clone(), way.target.right);
                // One that is down again is greeted when it is up.
                let _ = sender.try_send(CopyDown::Greet { account, right });
            }
            Event::Down(_) => {
                *at = At::Waiting;
                self.durable.with(|writer| writer.broken());
            }
            Event::Message(CopyUp::Greeted { greeting }) => {
                match self.durable.with(|writer| writer.greeted(greeting)) {
                    Next::Begin => {
                        let _ = sender.try_send(CopyDown::Begin { since: way.since });
                    }
                    Next::Stream { after } => *at = At::Sent(after),
                    // Not in this life: it put nothing that the copy could have alone.
                    Next::Adopt { .. } | Next::Lost => return Err(Over::Lost),
                }
            }
            Event::Message(CopyUp::Begun) => {
                self.durable.with(|writer| writer.begun());
                *at = At::Sent(0);
            }
            Event::Message(CopyUp::Acknowledged { index }) => {
                self.durable.with(|writer| writer.acknowledged(index));
            }
            Event::Message(CopyUp::Refused { by }) => {
                tracing::warn!(by = by.epoch.0, "the copy is sealed for another");
                self.durable.with(|writer| writer.refused(by));
                return Err(Over::Refused);
            }
            Event::Message(CopyUp::Failed { why }) => {
                tracing::error!(why, holder = %way.target.holder, "the copy cannot be kept there");
                *at = At::Waiting;
                self.durable.with(|writer| writer.broken());
                // Where nobody else can keep it, it is asked of the same one again and again.
                tokio::time::sleep(COPY_FAILED_TOLD_AFTER).await;
                return Err(Over::Lost);
            }
            Event::Message(CopyUp::Records { .. } | CopyUp::Sealed { .. }) => {}
        }
        Ok(())
    }

    /// Sends what may go, as much as may be under way; gives up to where it has.
    fn pump(&self, mut sent: u64, sender: &Sender<CopyDown>) -> Result<u64, ReadError> {
        let (to, reached) = self.durable.read(|writer| (writer.streams_to(), writer.has()));
        while sent < to && sent.saturating_sub(reached) < COPY_UNDER_WAY {
            let records = self.journal.read(sent + 1..to + 1, COPY_FRAME_BYTES)?;
            if records.is_empty() {
                break;
            }
            let (first, count) = (sent + 1, records.len() as u64);
            let records = records.into_iter().map(|(_, body)| RecordBytes(body.to_vec())).collect();
            match sender.try_send(CopyDown::Append { first, records }) {
                Ok(()) => sent += count,
                // What is on its way is acknowledged first.
                Err(SendError::Full | SendError::NotUp) => break,
                Err(SendError::Unsendable(why)) => {
                    tracing::error!(why, "a record of the ledger fits no frame");
                    break;
                }
            }
        }
        Ok(sent)
    }

    fn tell(&self, lost: Option<Fence>) {
        if self.wanted.borrow().is_none() {
            self.reporter.ledger(None);
            return;
        }
        let mut status = LedgerStatus { state: self.durable.state(), ..LedgerStatus::default() };
        let joined = self.durable.read(|writer| {
            status.holder = writer.naming().holder.clone();
            writer.has_joined()
        });
        let before = self.reporter.told_of_ledger().map(|held| held.told).unwrap_or_default();
        // A connection that breaks takes nothing back of what has joined.
        status.told.joined = joined.or(before.joined);
        status.told.lost = lost.or(before.lost);
        self.reporter.ledger(Some(status));
    }
}

/// Why a connection is given up.
enum Over {
    Lost,
    Refused,
}
