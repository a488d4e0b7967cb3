//! Which way a command goes. Decides its account by what it names, else by the routes.

use super::{
    super::routes::{Routes, Way},
    unplaced,
};
use tradewind_domain::time::UnixNanos;
use tradewind_protocol::{
    Code, Problem,
    trade::{OrderCommand, Principal},
};

pub(super) fn way(
    routes: &Routes,
    principal: &Principal,
    command: &OrderCommand,
) -> Result<Way, Problem> {
    let account = match command {
        OrderCommand::Submit { account, order } => {
            // Whether its end is over the Broker says: it may have been accepted before that.
            let whenever = UnixNanos(0);
            order
                .check(whenever)
                .map_err(|why| Problem::new(Code::InvalidOrder, why.to_string()))?;
            return Ok(routes.way(&principal.customer, &order.instrument, account.as_ref()));
        }
        OrderCommand::Cancel { order_id }
        | OrderCommand::Get { order_id }
        | OrderCommand::Replace { order_id, .. } => &order_id.account,
        OrderCommand::List { account, .. }
        | OrderCommand::Fills { account }
        | OrderCommand::Positions { account }
        | OrderCommand::CancelAllAfter { account, .. }
        | OrderCommand::Tighten { account, .. } => account,
    };
    routes.account(account).ok_or_else(|| unplaced(account))?;
    Ok(Way { to: Ok(account.clone()), ask: Vec::new() })
}
