//! How a copy that is attached stands, by what its TraderManager was told. Decides it anew from each desired state, without
//! asking anyone; what is sent of it is the connection's matter.

use tradewind_domain::{
    control::{
        Desired,
        desired::{TraderWanted, Work},
    },
    ids::{CopyId, Epoch, TraderId},
};
use tradewind_protocol::{
    admission::Admission,
    attach::{Ended, Wish},
    token::Claims,
};

/// Who is connected, as far as it counts.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) trader: TraderId,
    pub(crate) copy: CopyId,
    pub(crate) claims: Claims,
    /// Of the entry that gave it its right, or a later one.
    pub(crate) epoch: Epoch,
    /// The right that it was told to have and trades under: it goes on whatever is put on record anew.
    pub(crate) works: Option<Epoch>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Waits(&'static str),
    Attached {
        epoch: Epoch,
        wish: Wish,
    },
    Ended(Ended, String),
    /// Not here: it moved, was stopped or deleted. The group knows.
    Elsewhere,
}

pub(crate) fn wanted<'a>(desired: &'a Desired, trader: &TraderId) -> Option<&'a TraderWanted> {
    let Work::Traders { traders, .. } = &desired.work else { return None };
    traders.iter().find(|wanted| wanted.trader == *trader)
}

pub(crate) fn admission(desired: &Desired) -> Admission {
    match &desired.work {
        Work::Traders { access, .. } => Admission::new(access, desired.fence.cluster),
        Work::Brokers { .. } | Work::Markets { .. } => Admission::default(),
    }
}

pub(crate) fn standing(desired: &Desired, copy: &Copy) -> Standing {
    let Some(wanted) = wanted(desired, &copy.trader) else { return Standing::Elsewhere };
    if !wanted.is_self_managed() {
        let detail = format!("{} is run by its TraderManager from now on", copy.trader);
        return Standing::Ended(Ended::Stopped, detail);
    }
    if wanted.customer != copy.claims.customer || !admission(desired).is_good(&copy.claims) {
        let detail = "its API key is not good any more; ask the operator for one".to_owned();
        return Standing::Ended(Ended::Revoked, detail);
    }
    let held = wanted.attached.as_ref();
    match held.and_then(|held| held.copy.as_ref()) {
        Some(holder) if *holder == copy.copy => {}
        other => {
            // What was decided is on its way here, unless this is what came after it.
            let Some(held) = held.filter(|held| held.epoch > copy.epoch) else {
                return Standing::Waits("until this TraderManager is told that it is attached");
            };
            return match other {
                Some(_) => {
                    let epoch = held.epoch;
                    let detail =
                        format!("another copy has attached as {} under epoch {epoch}", copy.trader);
                    Standing::Ended(Ended::TakenOver, detail)
                }
                None => Standing::Ended(Ended::Stopped, format!("{} was stopped", copy.trader)),
            };
        }
    }
    let works = copy.works.is_some() && copy.works == held.map(|held| held.epoch);
    if wanted.fencing && !works {
        return Standing::Waits(
            "for Brokers that have not told yet that they refuse earlier copies",
        );
    }
    let wish = if wanted.paused { Wish::Pause } else { Wish::Run };
    let epoch = held.map_or(copy.epoch, |held| held.epoch);
    Standing::Attached { epoch, wish }
}

#[cfg(test)]
mod tests;
