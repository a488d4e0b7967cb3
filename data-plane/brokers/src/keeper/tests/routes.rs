//! Claims about orders that come by earlier routes than a Broker has heard of.
#![allow(clippy::unwrap_used)]

use super::*;
use tradewind_protocol::trade::Routed;

fn routed(market: &str, epoch: u64) -> Option<Routed> {
    let fence = Fence { cluster: ClusterIncarnation(1), epoch: Epoch(epoch) };
    Some(Routed { market: MarketId::new(market).unwrap(), fence })
}

impl Desk {
    async fn by(&self, routed: Option<Routed>, command: OrderCommand) -> CommandAnswer {
        let principal = Principal { customer: acme(), trader: None, session: None };
        let command = Command { fence: fence(), principal, command, routed };
        match self.ledger.command(command).await.unwrap().await.unwrap() {
            Reply::Answer(answer) => answer,
            Reply::FillsOf(_) => panic!("nobody asked for fills"),
        }
    }
}

fn submit(name: &str) -> OrderCommand {
    OrderCommand::Submit { account: None, order: resting(name) }
}

fn question(name: &str) -> OrderCommand {
    let client_order_id = Some(ClientOrderId::new(name).unwrap());
    OrderCommand::List { account: account(), client_order_id, open: false }
}

#[tokio::test]
async fn once_a_market_was_told_that_an_order_is_not_here_none_comes_by_its_earlier_routes() {
    // given
    let desk = Desk::open(&SimulatedDisk::new(1)).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    let first = desk.by(routed("crypto", 4), submit("o-1")).await;
    assert!(matches!(first, CommandAnswer::Order { created: true, .. }), "{first:?}");
    // when
    let answer = desk.by(routed("crypto", 5), question("o-2")).await;
    assert_eq!(answer, CommandAnswer::Orders { orders: Vec::new() });
    // then
    let late = desk.by(routed("crypto", 4), submit("o-2")).await;
    let CommandAnswer::Problem { problem } = late else { panic!("{late:?}") };
    assert_eq!((problem.code, problem.status), (Code::Unavailable, 503));
    assert!(problem.detail.contains("crypto"), "{problem}");
    eventually("the first alone is sent", || (link.submits().len() == 1).then_some(())).await;
    // what stands here is found, whoever asks
    let again = desk.by(routed("crypto", 4), submit("o-1")).await;
    assert!(matches!(again, CommandAnswer::Order { created: false, .. }), "{again:?}");
    // and a Market of another name, and one that knows the routes of now, are not held back
    for (routed, name) in
        [(routed("equities", 1), "o-3"), (routed("crypto", 5), "o-4"), (None, "o-5")]
    {
        let answer = desk.by(routed, submit(name)).await;
        assert!(matches!(answer, CommandAnswer::Order { created: true, .. }), "{answer:?}");
    }
    desk.close().await;
}
