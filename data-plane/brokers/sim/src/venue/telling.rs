//! Who is told what was done. Decides the frames and their readers; what is done wrongly with them on demand is decided
//! by `trouble`.

use axum::extract::ws::Utf8Bytes;

use super::{ClientNumber, Task, encode};
use crate::exchange::Told;
use crate::wire::FromVenue;

impl Task {
    /// The frames of what is to be told, in order.
    pub(super) fn frames(
        &mut self,
        told: Vec<Told>,
    ) -> Result<Vec<(ClientNumber, Utf8Bytes)>, serde_json::Error> {
        let mut frames = Vec::new();
        for told in self.trouble.disordered(told) {
            let (readers, frame) = match told {
                Told::Order(account, order) => {
                    (self.clients.of_account(&account), FromVenue::OrderUpdate { order })
                }
                Told::Fill(account, fill) => {
                    (self.clients.of_account(&account), FromVenue::Fill { fill })
                }
                Told::Quote { instrument, seq, quote } => (
                    self.clients.subscribed(&instrument),
                    FromVenue::Quote { instrument, seq, quote },
                ),
                Told::Trade { instrument, number, trade } => (
                    self.clients.subscribed(&instrument),
                    FromVenue::Trade { instrument, number, trade },
                ),
            };
            if readers.is_empty() {
                continue;
            }
            let times = self.trouble.times(&frame);
            let frame = encode(&frame)?;
            for _ in 0..times {
                frames.extend(readers.iter().map(|number| (*number, frame.clone())));
            }
        }
        Ok(frames)
    }
}
