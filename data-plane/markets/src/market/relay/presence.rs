//! Sessions that are connected, on their way to a Broker. Decides that what cannot be told now is not kept: it is told anew
//! with the MarketManager's next turn.

use super::{Acts, Awaited, Relay, ReplyTo, answer};
use crate::hop::{Act, unavailable};
use tradewind_domain::{ids::AccountId, time::Monotonic};
use tradewind_protocol::trade::{Seen, TradeDown};

impl Relay {
    pub(super) fn present(
        &mut self,
        reply: ReplyTo,
        account: AccountId,
        sessions: Vec<Seen>,
        now: Monotonic,
    ) -> Acts {
        if !self.up.contains(&account) {
            let detail = format!("the Broker of {account} is not reached at the moment");
            return vec![answer(reply, unavailable(detail))];
        }
        match self.requests.begin(account.clone(), Awaited::Answer(reply), now) {
            Ok(request) => {
                let frame = TradeDown::Present { request, account: account.clone(), sessions };
                vec![Act::Up { via: account, frame }]
            }
            Err(_) => vec![answer(reply, unavailable("too many commands on their way"))],
        }
    }
}
