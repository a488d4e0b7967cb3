//! A Trader that its customer runs himself, beside a demo that somebody watches: the demo is that customer. Decides that it
//! only looks: it says what it sees, so that operators see it, and leaves the account that is judged alone.

use super::stage::{GUEST_KEY, OWN_TRADER};
use std::time::Duration;
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep},
};
use tradewind_sdk::{Error, Session, TraderEvent};

const INSTRUMENT: &str = "BTC/USD";
const SAYS_EVERY: Duration = Duration::from_secs(1);
/// Until it is declared everywhere, and after anything that ended it.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Ends when it is dropped.
pub(crate) struct Own(JoinHandle<()>);

impl Own {
    pub(crate) fn start(members: Vec<String>) -> Self {
        Self(tokio::spawn(async move {
            loop {
                match look(&members).await {
                    // An operator has ended it.
                    Ok(()) => return,
                    Err(error) => tracing::debug!(%error, "the own Trader attaches again"),
                }
                sleep(AGAIN_AFTER).await;
            }
        }))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn look(members: &[String]) -> Result<(), Error> {
    let builder = Session::builder().infrastructure_managers(members.iter().cloned());
    let session = builder.api_key(GUEST_KEY).trader(OWN_TRADER).connect().await?;
    let Some(mut attachment) = session.attachment() else { return Ok(()) };
    let mut quotes = session.quotes(INSTRUMENT).await?;
    let mut says = interval(SAYS_EVERY);
    says.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut seen, mut last) = (0_u64, None);
    loop {
        tokio::select! {
            event = attachment.next() => match event {
                Some(TraderEvent::Ended { .. }) | None => return Ok(()),
                Some(_) => {}
            },
            quote = quotes.next() => {
                seen += 1;
                last = Some(quote?);
            }
            _ = says.tick() => {
                let bid = last.as_ref().and_then(|quote| quote.bid);
                let bid = bid.map_or("nothing".to_owned(), |bid| bid.to_string());
                attachment.say(&format!("looks on: {seen} quotes, bid {bid}"));
            }
        }
    }
}
