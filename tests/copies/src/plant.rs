//! What can be wrong with the code, one thing at a time. Decides nothing else: where it is planted stands with the
//! step it spoils.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// Orders are sent when they are on the Broker's own disk.
    SentBeforeTheCopyHasIt,
    /// The copy holder goes on for the Broker that it had when it was sealed.
    AcknowledgedAfterTheSeal,
    /// A copy that is being filled is called whole, and continued from.
    CatchUpTakenAsComplete,
    /// A Broker that does not reach its copy goes on by itself.
    SingleOnItsOwn,
    /// The joining record goes to both disks at once.
    JoinsBeforeItIsOnTheOwnDisk,
    /// A seal is answered before it is on the disk.
    SealNotSynced,
    /// A successor acts as soon as it has loaded.
    ActsBeforeItIsLive,
    /// A copy that lost its disk is filled again under the same naming.
    FilledAgainUnderOneNaming,
    /// A new life of the Broker puts records before it has greeted its copy.
    PutsBeforeItHasGreeted,
    /// The leader names another copy while a successor loads the one before.
    NamedWhileItIsContinued,
    /// Whoever has loaded goes live, whether the succession was given up or not.
    LiveThoughGivenUp,
    /// A copy that was lost is not replaced.
    NobodyNamedForALostCopy,
}

impl Plant {
    pub const ALL: [Self; 12] = [
        Self::SentBeforeTheCopyHasIt,
        Self::AcknowledgedAfterTheSeal,
        Self::CatchUpTakenAsComplete,
        Self::SingleOnItsOwn,
        Self::JoinsBeforeItIsOnTheOwnDisk,
        Self::SealNotSynced,
        Self::ActsBeforeItIsLive,
        Self::FilledAgainUnderOneNaming,
        Self::PutsBeforeItHasGreeted,
        Self::NamedWhileItIsContinued,
        Self::LiveThoughGivenUp,
        Self::NobodyNamedForALostCopy,
    ];
}
