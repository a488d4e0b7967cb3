//! An algo that its customer runs himself, on his own machine. Attached as a Trader at his TraderManager it is seen by
//! operators, paused and stopped by them, and of two copies at most one trades. Nothing of that needs a line here; this
//! one likes to say what it does, and to wait while it is paused.
//!
//!     tradewind trader put momentum --customer acme
//!     TRADEWIND_INFRASTRUCTURE=127.0.0.1:4001 TRADEWIND_API_KEY=... TRADEWIND_TRADER=momentum self_managed
use tradewind_sdk::{Error, OrderRequest, Session, Side, TraderEvent};

const INSTRUMENT: &str = "BTC/USD";
const SIZE: &str = "0.001";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let session = Session::builder().from_env()?.connect().await?;
    let Some(mut attachment) = session.attachment() else {
        eprintln!(
            "set TRADEWIND_TRADER to the name of a Trader that is declared without a command"
        );
        return Ok(());
    };
    println!("attached as {} under epoch {:?}", attachment.trader(), attachment.epoch());
    let mut quotes = session.quotes(INSTRUMENT).await?;
    let mut stopped = std::pin::pin!(session.stopped());
    let mut taken = 0_u32;
    loop {
        tokio::select! {
            () = &mut stopped => break,
            Some(event) = attachment.next() => match event {
                TraderEvent::Pause => attachment.say("paused, and flat"),
                TraderEvent::Attached { .. }
                | TraderEvent::Away { .. }
                | TraderEvent::Resume
                | TraderEvent::Ended { .. } => println!("{event:?}"),
            },
            quote = quotes.next() => {
                let Some(ask) = quote?.ask else { continue };
                if attachment.is_paused() {
                    continue;
                }
                let side = if taken.is_multiple_of(2) { Side::Buy } else { Side::Sell };
                let order = match side {
                    Side::Buy => OrderRequest::limit(INSTRUMENT, side, SIZE, ask)?,
                    Side::Sell => OrderRequest::market(INSTRUMENT, side, SIZE)?,
                };
                session.submit(&order).await?;
                taken += 1;
                attachment.say(&format!("{taken} orders"));
            }
        }
    }
    session.wind_down().await
}
