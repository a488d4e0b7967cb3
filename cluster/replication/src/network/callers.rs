//! Who is at the door for peers. Decides who has a place there: of members one connection a lane; of numbers that
//! are nobody's few; of those that have not said who they are few others, and the newest before the oldest, so
//! that neither keeps a member out.

use super::{
    Lane,
    handshake::Hello,
    life::Life,
    standing::{Notice, Register},
};
use crate::limits::{STRANGERS_MAX, UNKNOWN_CALLERS_MAX};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;
use tradewind_domain::ids::DiskId;

/// Dropped, it ends the connection; closed, the connection has ended.
type Connection = oneshot::Sender<()>;

/// The connection of each peer and lane. A peer has one: when it calls anew its old one is lost, also where
/// nobody ever told so, and must not stay open for ever.
#[derive(Default)]
pub(crate) struct Callers(Mutex<BTreeMap<(u64, Lane), Caller>>);

struct Caller {
    disk: DiskId,
    life: Life,
    /// Whether the number was a member's.
    known: bool,
    connection: Connection,
}

impl Callers {
    fn open_now(&self) -> MutexGuard<'_, BTreeMap<(u64, Lane), Caller>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, caller| !caller.connection.is_closed());
        open
    }

    /// Open connections on each lane.
    pub(crate) fn open(&self) -> BTreeMap<&'static str, usize> {
        let mut counts: BTreeMap<_, _> = Lane::ALL.map(|lane| (lane.name(), 0)).into();
        for (_, lane) in self.open_now().keys() {
            *counts.entry(lane.name()).or_default() += 1;
        }
        counts
    }

    /// Notes a connection; what is given comes to an end when another takes its place. A number that is nobody's
    /// may find all places taken that there are for such.
    pub(super) fn take(&self, hello: &Hello, known: bool) -> Result<oneshot::Receiver<()>, Notice> {
        let mut open = self.open_now();
        let place = (hello.from, hello.lane);
        let unknown = open.iter().filter(|(held, caller)| **held != place && !caller.known);
        if !known && unknown.count() >= UNKNOWN_CALLERS_MAX {
            let reason = format!(
                "too many call under numbers that are no member's, {} among them",
                hello.from
            );
            return Err(Notice::stranger(reason));
        }
        let (connection, replaced) = oneshot::channel();
        let (disk, life) = (hello.disk, hello.life);
        open.insert(place, Caller { disk, life, known, connection });
        Ok(replaced)
    }

    /// Ends the connections of those that are not welcome any more.
    pub(super) fn show_out(&self, register: &Register) {
        let own = register.life();
        self.open_now().retain(|(from, _), caller| {
            own.conflict(caller.life).is_none() && register.judge(*from, caller.disk).is_ok()
        });
    }
}

/// Those that have not said who they are, the one that has been silent longest first.
#[derive(Default)]
pub(crate) struct Strangers(Mutex<VecDeque<Connection>>);

impl Strangers {
    /// Gives a place, which is the stranger's until it lets go of it; it ends when too many came after.
    pub(super) fn enter(&self) -> oneshot::Receiver<()> {
        let (connection, ended) = oneshot::channel();
        let mut silent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        silent.retain(|connection| !connection.is_closed());
        silent.push_back(connection);
        if silent.len() > STRANGERS_MAX {
            silent.pop_front();
        }
        ended
    }
}
