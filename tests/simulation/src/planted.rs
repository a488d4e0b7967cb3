//! The bugs that can be planted: in the disk, the rows, the client or the operator, never in the code under
//! test. Decides their names; each stands where it is planted. What finds none of them has proven nothing.

use crate::scene::Scene;

macro_rules! planted {
    ($($variant:ident = $name:literal,)*) => {
        /// See the module.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Planted { $($variant,)* }

        impl Planted {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The run that has what it is planted in.
            #[must_use]
            pub fn scene(self) -> Scene {
                let at = self as usize;
                if at >= Self::DeathForgotten as usize {
                    Scene::Stories
                } else if at >= Self::DrainForgotten as usize {
                    Scene::Managers
                } else if at >= Self::PromotedEarly as usize {
                    Scene::Members
                } else {
                    Scene::Group
                }
            }

            /// Whether a leader does not see what was begun before it.
            pub(crate) fn forgets(self) -> bool {
                matches!(
                    self,
                    Self::DrainForgotten
                        | Self::DeathForgotten
                        | Self::RequestForgotten
                        | Self::HandedBackForgotten
                        | Self::RebalanceForgotten
                        | Self::SuccessionForgotten
                )
            }

            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|planted| planted.name() == name)
            }
        }
    };
}

planted! {
    NoSync = "a disk that syncs nothing",
    JournalNotSynced = "appends acknowledged before they are durable",
    NamesNotSynced = "directories that are never synced",
    AckForged = "a commit counted without a majority",
    VoteNotStored = "a vote that is not persisted",
    ReplayBeyondCommitted = "replay beyond committed",
    RowsNotFlushed = "a purge above what the state has flushed and a snapshot holds",
    RowsUnordered = "half an installed snapshot: batches that reach the disk out of order",
    AnswersForgotten = "no table of answers after a restart",
    OldSnapshot = "an old snapshot installed over newer state",
    RetryUnderNewKey = "a retried command applied twice",
    ConsentForged = "a read confirmed by peers that were not asked",
    StaleLeaderRead = "a read from a deposed leader",
    StaleFollowerRead = "a read from a follower, without asking the leader",
    LeaseTooLong = "a lease read from a deposed leader: a lease relied on for too long",
    AppliedBefore = "a read of what was applied before the leader was sure",
    WatchSkips = "a watch that skips a revision",
    WatchRepeats = "a watch that repeats a revision",
    WipedUnderOldId = "a wiped node voting under its old id",
    EpochTwice = "an epoch used twice",
    PromotedEarly = "a member promoted before it has caught up",
    ForgottenEarly = "a removal told as done while the member still votes",
    TwoAtOnce = "two changes at once: a member removed while another's disk is lost",
    DrainForgotten = "a drain forgotten at a leader change",
    StalledLeaderExpires = "an expiry by a stalled leader",
    BrakeIgnored = "a brake that is not heeded",
    PlansByOwnClock = "a leader that plans by its own clock",
    TwoHolders = "two holders of a Trader",
    LeaseUnconfirmed = "a lease answered without confirmed leadership",
    AnsweredWhileExpiring = "a beat answered while its Manager is being taken for down",
    CordonConfirmedEarly = "a cordon confirmed while something is under way",
    HeldUntold = "a Manager that does not tell what it holds",
    PipeIsEnough = "a Manager that takes a pipe for a registration",
    DoorLeftOpen = "a door left open behind a cordon",
    HomeStale = "a customer's home read at a member that lags",
    FenceIgnored = "a resource that takes a lower right after a higher one",
    RefusalIsDeath = "a refused dial taken for a death",
    MissedUnasked = "a member that says it has missed whom it has not looked for",
    StartsUnasked = "a Manager that starts what it had before it has asked",
    OtherDiskUntold = "a Manager on another disk that says it has the old one",
    GoesOnAlone = "a Broker that goes on without the copy that has joined",
    AsksTwice = "an implementation asked for twice",
    DeathForgotten = "a death forgotten at a leader change",
    EvensOut = "a leader that evens out unasked",
    RequestForgotten = "a request of an implementation forgotten at a leader change",
    HandedBackForgotten = "what was handed back forgotten at a leader change",
    RoutesForgotten = "routes taken for told at a leader change",
    RebalanceForgotten = "a rebalance forgotten at a leader change",
    SuccessionForgotten = "a succession of a ledger forgotten at a leader change",
}
