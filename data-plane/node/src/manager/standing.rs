//! How a Manager stands with the group. Decides who is told: whoever asks for its status, and those who keep its
//! services, which tell them at once when no leader stands behind it any more.

use tokio::sync::watch;

/// For its status page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Who leads, as far as its pipe is up.
    pub(super) leader: Option<String>,
    pub(super) lease_holds: bool,
    /// How often its lease has run out in this life.
    pub(super) fences: u64,
    /// Beats that no frame has room for.
    pub(super) unsendable: u64,
}

/// Where it is told.
pub(super) struct Shown {
    standing: watch::Sender<Standing>,
    confirmed: watch::Sender<bool>,
}

impl Shown {
    /// And where it arrives: all of it, and whether the lease holds.
    pub(super) fn new() -> (Self, watch::Receiver<Standing>, watch::Receiver<bool>) {
        let (standing, shown) = watch::channel(Standing::default());
        let (confirmed, confirming) = watch::channel(false);
        (Self { standing, confirmed }, shown, confirming)
    }

    pub(super) fn lease_held(&self) -> bool {
        self.standing.borrow().lease_holds
    }

    /// A beat was too large to be sent.
    pub(super) fn unsendable(&self) {
        self.standing.send_modify(|shown| shown.unsendable += 1);
    }

    /// Those who watch are woken by a change alone.
    pub(super) fn show(&self, leader: Option<&str>, lease_holds: bool) {
        self.standing.send_if_modified(|shown| {
            if shown.leader.as_deref() == leader && shown.lease_holds == lease_holds {
                return false;
            }
            shown.fences += u64::from(shown.lease_holds && !lease_holds);
            shown.lease_holds = lease_holds;
            shown.leader = leader.map(str::to_owned);
            true
        });
        let other = |held: &mut bool| std::mem::replace(held, lease_holds) != lease_holds;
        self.confirmed.send_if_modified(other);
    }
}
