//! A ledger and its copy brought together at a start. Decides that a Broker whose copy has joined puts nothing before it
//! knows what the copy has more: records of a former life that were on its way to both disks and came to one.

use super::{
    durable::Durable,
    pipe::{Dialler, Target, dial},
};
use crate::{
    limits::COPY_FAILED_TOLD_AFTER,
    store::{Opened, StoreError},
};
use std::future::pending;
use tradewind_domain::{ids::Fence, trading::copies::Next};
use tradewind_link::pipe::Event;
use tradewind_protocol::copies::{CopyDown, CopyUp};

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matched {
    /// Records may be put.
    Whole,
    /// The copy serves somebody else.
    Sealed,
    /// The copy of this naming has not what it had.
    Lost { since: Fence },
}

/// Until the copy was heard, for as long as that takes: without it nothing may be done. May be cancelled; what was taken
/// from the copy by then is in the journal.
pub(crate) async fn match_up(
    opened: &mut Opened,
    dialler: &Dialler,
    address: Option<String>,
) -> Result<Matched, StoreError> {
    let durable = opened.store.copies().clone();
    if durable.read(|writer| writer.may_put()) {
        return Ok(Matched::Whole);
    }
    let way = durable.read(|writer| {
        writer.greets().map(|(holder, right, since)| (holder.clone(), right, since))
    });
    // Told of an older naming than the ledger knows, it waits to be told more.
    let (Some((holder, right, since)), Some(address)) = (way, address) else {
        return pending().await;
    };
    let (sender, mut events) = dial(dialler, &Target { holder, address, right });
    let greet = || CopyDown::Greet { account: dialler.account.clone(), right };
    let mut to = 0;
    loop {
        let Some(event) = events.next().await else { return pending().await };
        // One that is down again is greeted when it is up.
        let say = |message| drop(sender.try_send(message));
        match event {
            Event::Up { .. } => say(greet()),
            Event::Down(lost) => tracing::info!(%lost, "the copy is out of reach"),
            Event::Message(CopyUp::Greeted { greeting }) => {
                match durable.with(|writer| writer.greeted(greeting)) {
                    Next::Adopt { after, to: last } => {
                        tracing::info!(after, to = last, "taking from the copy what it has more");
                        to = last;
                        say(CopyDown::Fetch { after });
                    }
                    Next::Stream { .. } => {
                        durable.with(|writer| writer.broken());
                        return Ok(Matched::Whole);
                    }
                    Next::Begin | Next::Lost => return Ok(Matched::Lost { since }),
                }
            }
            Event::Message(CopyUp::Records { first, records }) => {
                if first != opened.store.last() + 1 || records.is_empty() {
                    say(greet());
                    continue;
                }
                let wanted = (first..=to).zip(records).map(|(_, record)| record.0);
                opened.adopt(wanted.collect()).await?;
                let last = opened.store.last();
                say(if last < to { CopyDown::Fetch { after: last } } else { greet() });
            }
            Event::Message(CopyUp::Refused { by }) => {
                durable.with(|writer| writer.refused(by));
                return Ok(Matched::Sealed);
            }
            Event::Message(CopyUp::Failed { why }) => {
                tracing::error!(why, "the copy cannot be read");
                tokio::time::sleep(COPY_FAILED_TOLD_AFTER).await;
                return Ok(Matched::Lost { since });
            }
            Event::Message(CopyUp::Begun | CopyUp::Acknowledged { .. } | CopyUp::Sealed { .. }) => {
            }
        }
    }
}

/// How a ledger stands that is not at work yet.
pub(crate) fn standing(durable: &Durable) -> &'static str {
    if durable.read(|writer| writer.greets().is_some()) {
        "waiting for the copy of its ledger"
    } else {
        "waiting to be told who keeps the copy of its ledger"
    }
}
