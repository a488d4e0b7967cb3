//! A sample algo: takes a little at every turn, rests an order and thinks better of it.
//! Knows nothing of failover: the SDK keeps the session. The demo's Trader is this very file.
use tradewind_sdk::{Error, OrderRequest, Session, Side};

const INSTRUMENT: &str = "BTC/USD";
const SIZE: &str = "0.001";

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Error> {
    let session = Session::builder().from_env()?.connect().await?;
    let mut quotes = session.quotes(INSTRUMENT).await?;
    let mut fills = session.fills().await?;
    let mut stopped = std::pin::pin!(session.stopped());
    let mut turn = 0_u32;
    loop {
        tokio::select! {
            () = &mut stopped => break,
            fill = fills.next() => {
                let fill = fill?;
                println!("{:?} {} {} at {}", fill.side, fill.quantity, INSTRUMENT, fill.price);
            }
            quote = quotes.next() => {
                let quote = quote?;
                let (Some(bid), Some(ask)) = (quote.bid, quote.ask) else { continue };
                turn += 1;
                match turn % 15 {
                    1 => drop(session.submit(&OrderRequest::limit(INSTRUMENT, Side::Buy, SIZE, ask)?).await?),
                    6 => drop(session.submit(&OrderRequest::market(INSTRUMENT, Side::Sell, SIZE)?).await?),
                    11 => {
                        let resting = OrderRequest::limit(INSTRUMENT, Side::Buy, SIZE, bid)?;
                        let resting = session.submit(&resting).await?;
                        session.cancel(&resting.order_id).await?;
                    }
                    _ => {}
                }
            }
        }
    }
    session.wind_down().await
}
