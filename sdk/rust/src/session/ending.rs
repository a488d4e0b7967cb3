//! How an algo ends. Decides when it is asked to, and when nothing of it is left: no order open, every fill seen.

use super::{REPEAT_AFTER, Session};
use crate::{
    attachment::{Attachment, Ended, until_ended},
    error::Error,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};
use tradewind_protocol::domain::limits;

impl Session {
    /// Resolves when the process is asked to stop (SIGTERM, as a TraderManager does, or Ctrl-C), and when it is attached no
    /// longer: it was stopped, or another copy has taken over.
    pub async fn stopped(&self) {
        let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            // Without signals nobody can ask; the process ends by a kill.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = until_ended(self.attachment.as_ref()) => {}
        }
    }

    /// Cancels what is open, waits for each order's end and for every fill that was made. Within
    /// `limits::TRADER_WINDS_DOWN_WITHIN`; what is open then stays open. If another copy has taken over it does nothing: the
    /// orders are that one's now.
    pub async fn wind_down(&self) -> Result<(), Error> {
        let taken_over = |attachment: &Attachment| attachment.ended() == Some(Ended::TakenOver);
        if self.attachment.as_ref().is_some_and(taken_over) {
            return Ok(());
        }
        let within = limits::TRADER_WINDS_DOWN_WITHIN;
        let wound_down = timeout(within, self.end_all()).await.unwrap_or_else(|_| {
            let last = self.progress.borrow().last_failure.clone();
            Err(Error::StillOpen { within_ms: within.as_millis(), last })
        });
        self.record("wind-down", serde_json::Value::Null, &wound_down);
        wound_down
    }

    async fn end_all(&self) -> Result<(), Error> {
        loop {
            let open = self.open_orders().await?;
            if open.is_empty() {
                break;
            }
            for order in open {
                self.cancel(&order.order_id).await?;
            }
            sleep(REPEAT_AFTER).await;
        }
        let mut progress = self.progress.clone();
        let seen = progress.borrow_and_update().whole_heartbeats;
        // The next one may have been sent before the last order ended; the one after it was not.
        let whole = progress.wait_for(|progress| progress.whole_heartbeats > seen + 1);
        whole.await.map(|_| ()).map_err(|_| Error::Closed)
    }
}
