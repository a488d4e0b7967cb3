//! The tape of the Broker that does as it is told, and who reads it.

use super::{Broker, Pipe};
use crate::world::{epoch, trade_at};
use std::collections::BTreeSet;
use tradewind_domain::{ids::InstrumentId, trading::Trade};
use tradewind_protocol::trade::TradeUp;

impl Broker {
    /// Who reads the quotes of an instrument, and who its trades.
    pub(crate) fn readers(&self, instrument: &InstrumentId) -> (Vec<String>, Vec<String>) {
        let scene = self.scene();
        let of = |reads: fn(&Pipe) -> &BTreeSet<InstrumentId>| {
            let reading = scene.pipes.values().filter(|pipe| reads(pipe).contains(instrument));
            reading.map(|pipe| pipe.from.clone()).collect()
        };
        (of(|pipe| &pipe.instruments), of(|pipe| &pipe.tapes))
    }

    /// A trade more, for whoever reads them.
    pub(crate) async fn trade(&self, instrument: &InstrumentId) -> u64 {
        self.trade_of(instrument, trade_at).await
    }

    /// The same of a trade that is made of its number.
    pub(crate) async fn trade_of(
        &self,
        instrument: &InstrumentId,
        made: impl Fn(u64) -> Trade,
    ) -> u64 {
        let _in_order = self.order.lock().await;
        let mut scene = self.scene();
        let epoch = epoch(&format!("source-{}", scene.lives));
        let last = scene.trades.entry(instrument.clone()).or_default();
        let prev = std::mem::replace(last, *last + 1);
        for pipe in scene.pipes.values().filter(|pipe| pipe.tapes.contains(instrument)) {
            let _ = pipe.sender.try_send(TradeUp::Trade {
                instrument: instrument.clone(),
                epoch: epoch.clone(),
                seq: prev + 1,
                prev,
                trade: made(prev + 1),
            });
        }
        prev + 1
    }
}
