//! Commands on a link. Decides over which shard one goes, that it waits a moment while none stands, and what it is told when
//! it surely was not sent; numbers and deadlines of those that were are `hop::requests`' work.

use super::{Acts, Task};
use crate::{
    gateway::trade_link::{
        Reply,
        pipes::{MAIN, Shard},
    },
    hop::{unavailable, unknown},
    limits,
};
use tradewind_domain::{time::Monotonic, trading::shards::shard_of};
use tradewind_protocol::{
    Problem,
    trade::{CommandAnswer, OrderCommand, Principal, TradeDown},
};

pub(super) struct Held {
    pub(super) until: Monotonic,
    pub(super) principal: Principal,
    pub(super) command: OrderCommand,
    pub(super) reply: Reply,
}

impl Task {
    /// The shard a command goes over. A new order goes over its instrument's; what names an account alone, as an order's id
    /// does, over the main one. Each of them knows all routes: while that one is away another does it.
    fn way(&self, command: &OrderCommand) -> Option<Shard> {
        let own = match command {
            OrderCommand::Submit { order, .. } => shard_of(&order.instrument, &self.serving),
            OrderCommand::Cancel { .. }
            | OrderCommand::Get { .. }
            | OrderCommand::List { .. }
            | OrderCommand::Fills { .. }
            | OrderCommand::Replace { .. }
            | OrderCommand::Positions { .. }
            | OrderCommand::CancelAllAfter { .. }
            | OrderCommand::Tighten { .. } => MAIN,
        };
        self.over(own)
    }

    /// That shard, or another while it is away.
    pub(super) fn over(&self, own: Shard) -> Option<Shard> {
        let mut standing = self.pipes.up().intersection(&self.serving).copied();
        Some(own).filter(|own| self.pipes.up().contains(own)).or_else(|| standing.next())
    }

    /// Sends a command, or holds it while the Market is away, or answers that it was surely not sent.
    pub(super) fn command(&mut self, held: Held, now: Monotonic) {
        let Some(shard) = self.way(&held.command) else {
            if held.until > now && self.held.len() < limits::HELD {
                self.held.push_back(held);
            } else {
                answer(held.reply, unavailable("the Market is not reached at the moment"));
            }
            return;
        };
        let Held { principal, command, reply, .. } = held;
        match self.requests.begin(shard, reply, now) {
            Ok(request) => {
                let fence = (self.fence)();
                let frame = TradeDown::Command { request, fence, principal, command, routed: None };
                self.send(shard, frame);
            }
            Err(reply) => answer(reply, unavailable("too many commands on their way")),
        }
    }

    pub(super) fn retry_held(&mut self, now: Monotonic) {
        for held in std::mem::take(&mut self.held) {
            self.command(held, now);
        }
    }

    /// What was on its way over a shard that is lost.
    pub(super) fn commands_lost(&mut self, shard: Shard) {
        for reply in self.requests.lost(&shard) {
            answer(reply, unknown("the Market was lost before it answered"));
        }
    }

    pub(super) fn commands_tick(&mut self, now: Monotonic) {
        let within = self.waits.answer;
        for reply in self.requests.expired(now) {
            answer(reply, unknown(format!("the Market has not answered within {within:?}")));
        }
        while self.held.front().is_some_and(|held| held.until <= now) {
            if let Some(held) = self.held.pop_front() {
                answer(held.reply, unavailable("the Market is not reached at the moment"));
            }
        }
    }

    pub(super) fn send(&mut self, shard: Shard, frame: TradeDown) {
        if let Err(request) = self.pipes.send(shard, frame)
            && let Some(reply) = self.requests.end(request)
        {
            answer(reply, unavailable("the link to the Market is busy or lost"));
        }
    }

    /// An answer to one of them, for whoever asked.
    pub(super) fn answered(&mut self, request: u64, answer: CommandAnswer) -> Acts {
        if let Some(reply) = self.requests.end(request) {
            // Whoever asked may be gone by now.
            let _ = reply.send(answer);
        }
        Vec::new()
    }
}

pub(super) fn answer(reply: Reply, problem: Problem) {
    // Whoever asked may be gone by now.
    let _ = reply.send(CommandAnswer::Problem { problem });
}
