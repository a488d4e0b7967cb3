//! The operator's program that leaders ask for implementations, and to take them away. Decides that one request is one
//! machine, however often it is made: a request's number is its key. SC: of an implementation no two are there.

use crate::{planted::Planted, world::World};
use tradewind_domain::ids::{Epoch, ImplementationId};

/// Of a hundred attempts while things break, those that fail before anything is done.
const FAILS: u64 = 15;

/// A key that no request has had.
const FRESH: u64 = 1 << 32;

impl World {
    /// One attempt of the program. Begun again under the same key it finds what it did before.
    pub(crate) fn provide(
        &self,
        request: Epoch,
        implementation: &ImplementationId,
    ) -> Result<(), String> {
        let attempt = self.attempts.get() + 1;
        self.attempts.set(attempt);
        let key = match self.planted {
            Some(Planted::AsksTwice) => Epoch(FRESH + attempt),
            _ => request,
        };
        if self.sites().iter().any(|site| site.key.get() == Some(key)) {
            return Ok(());
        }
        let next = self.sites_there.get();
        let site = self.machines.get(next).ok_or("there is no machine left")?;
        let runs = |posts: &[crate::sites::Post]| {
            posts.iter().any(|post| post.manager.implementation == *implementation)
        };
        if self.sites().iter().any(|site| !site.gone.get() && runs(site.posts())) {
            self.violation(format!("SC: {implementation} is started twice, for request {request}"));
        }
        site.request.set(Some(request));
        site.key.set(Some(key));
        site.start(implementation, self.elapsed_ms());
        self.note(&format!("{} is {implementation} for request {request}", site.name));
        self.sites_there.set(next + 1);
        Ok(())
    }

    /// Whatever was started for a request ends.
    pub(crate) fn take_away(&self, request: Epoch) {
        for site in self.sites().iter().filter(|site| site.request.get() == Some(request)) {
            self.note(&format!("{} is taken away", site.name));
            site.take_away();
        }
    }

    /// Whether an attempt fails.
    pub(crate) fn program_fails(&self, chance: &crate::chance::Chance) -> bool {
        let may = self.story.is_none() && !self.finishing.get();
        chance.percent(FAILS) && may
    }
}
