//! The pipe from a Broker to a copy holder. Decides how one says who one is; dialling again is the pipe's own.

use futures_util::FutureExt as _;
use tradewind_domain::ids::{AccountId, Fence, Incarnation, ManagerId};
use tradewind_link::pipe::{self, Events, Sender};
use tradewind_protocol::{
    copies::{COPIES_PATH, CopyDown, CopyUp},
    link::{Hello, PROTOCOL},
};

/// What pipes to copies are for, as their hellos say.
pub(crate) const PURPOSE: &str = "copy";

/// Who dials.
#[derive(Clone, Debug)]
pub(crate) struct Dialler {
    pub(crate) account: AccountId,
    pub(crate) incarnation: Incarnation,
}

/// Whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) holder: ManagerId,
    pub(crate) address: String,
    pub(crate) right: Fence,
}

/// Dials until the events are dropped.
pub(crate) fn dial(dialler: &Dialler, target: &Target) -> (Sender<CopyDown>, Events<CopyUp>) {
    let path = format!("{}{COPIES_PATH}", target.address);
    let hello = Hello {
        protocol: PROTOCOL,
        purpose: PURPOSE.to_owned(),
        // One that succeeds and the one before are not each other.
        from: format!("{}.{}", dialler.account, target.right.epoch),
        to: target.holder.to_string(),
        incarnation: dialler.incarnation,
        fence: target.right,
    };
    let path = move || {
        let path = path.clone();
        async move { Ok(path) }.boxed()
    };
    pipe::dial(path, move || hello.clone(), pipe::Options::default())
}
