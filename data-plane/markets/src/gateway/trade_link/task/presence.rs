//! Sessions that are connected, on their way to a Market. Decides that nothing of it is kept: it is told anew.

use super::{super::pipes::MAIN, Reply, Task, commands::answer};
use crate::hop::unavailable;
use tradewind_domain::{ids::AccountId, time::Monotonic};
use tradewind_protocol::trade::{Seen, TradeDown};

impl Task {
    pub(super) fn present(
        &mut self,
        account: AccountId,
        sessions: Vec<Seen>,
        reply: Reply,
        now: Monotonic,
    ) {
        let Some(shard) = self.over(MAIN) else {
            return answer(reply, unavailable("the Market is not reached at the moment"));
        };
        match self.requests.begin(shard, reply, now) {
            Ok(request) => {
                self.send(shard, TradeDown::Present { request, account, sessions });
            }
            Err(reply) => answer(reply, unavailable("too many commands on their way")),
        }
    }
}
