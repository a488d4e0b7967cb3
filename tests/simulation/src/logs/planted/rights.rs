//! Rights as a machine would give them that forgets who had them before: to copies of Traders that their customers run
//! themselves, and to ledgers and their copies. Decides which rows become wrong; which sentence must find them is told beside
//! the others.

use super::LogBug;
use tradewind_domain::{
    control::{Machine, Row, row::BrokerRow},
    ids::{Epoch, Fence},
    trading::copies::Held,
};

/// Of a copy that attached.
pub(super) fn attached(bug: LogBug, rows: &mut [Row], before: &Machine) -> bool {
    rows.iter_mut().any(|row| {
        let Row::Attachment(row) = row else { return false };
        let Some(old) = before.attachment(&row.trader) else { return false };
        let held = &mut row.attachment;
        match bug {
            LogBug::RightOfCopyBack => {
                held.epoch = Epoch(old.epoch.0 - 1);
                true
            }
            _ => {
                let other = if old.copy.is_some() { None } else { "another".parse().ok() };
                (held.epoch, held.copy) = (old.epoch, other);
                true
            }
        }
    })
}

/// Of a ledger with a copy.
pub(super) fn of_ledgers(bug: LogBug, rows: &mut [Row], before: &Machine, own: Epoch) -> bool {
    let right = Fence { epoch: own, ..before.fence(own) };
    let mut counts = None;
    let spoiled = rows.iter_mut().any(|row| {
        let Row::Copies(row) = row else { return false };
        let old = before.copies(&row.account).and_then(|row| row.view.as_ref());
        let (Some(view), Some(old)) = (&mut row.view, old) else { return false };
        match bug {
            LogBug::CopyBeside => {
                view.naming.holder = Some(view.live.at.clone());
                view.naming.since = right;
                true
            }
            LogBug::FromAPart => {
                let fits = !old.whole && view.successor.is_none();
                if let Some(at) = view.naming.holder.clone().filter(|_| fits) {
                    view.successor = Some(Held { at, right });
                }
                view.successor.is_some() && fits
            }
            // The Broker is given to another, and the ledger that counts stays.
            _ => {
                counts = view.naming.holder.clone().map(|to| (row.account.clone(), to));
                counts.is_some()
            }
        }
    });
    let Some((account, to)) = counts else { return spoiled };
    rows.iter_mut().any(|row| match row {
        Row::Broker(BrokerRow { account: of, shard: 0, assignment: Some(held) })
            if *of == account =>
        {
            (held.manager, held.epoch) = (to.clone(), own);
            true
        }
        _ => false,
    })
}
