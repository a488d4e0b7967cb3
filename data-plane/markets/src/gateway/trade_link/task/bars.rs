//! Bars on a link. Decides whose trades are read for them, beside those that sessions read: one subscription upstream is had for
//! both. For which instruments that is, `gateway::bars` decides.

use super::{Acts, FAN_OUT, Task};
use crate::{
    clock,
    gateway::bars::{Asked, NoRoom, Told},
    hop::{ReceiverId, trades::Numbered, unavailable},
    limits::BARS_RETRY_MS,
};
use tokio::sync::oneshot;
use tradewind_domain::{ids::InstrumentId, time::Monotonic};
use tradewind_protocol::{Problem, stream::Position, trade::TradeUp};

/// The receiver of the trades that bars are made of: no session and no private stream has its number.
pub(super) const BARS: ReceiverId = ReceiverId(u64::MAX);

impl Task {
    /// A session reads the trades of an instrument that none has read before.
    pub(super) fn tape_begins(&mut self, instrument: &InstrumentId) -> Acts {
        let shard = Some(self.shard(instrument));
        let wanted = self.trades.want(FAN_OUT, instrument, shard, self.pipes.up());
        let mut acts: Acts = wanted.into_iter().collect();
        if self.bars.follow(instrument) {
            acts.extend(self.read_for_bars(instrument));
        }
        acts
    }

    /// No session reads the trades of an instrument any more.
    pub(super) fn tape_ends(&mut self, instrument: &InstrumentId) -> Acts {
        let mut acts = self.trades.unwant(FAN_OUT, instrument, self.pipes.up());
        if self.bars.leave(instrument) {
            acts.extend(self.trades.unwant(BARS, instrument, self.pipes.up()));
        }
        acts
    }

    /// Answers with the bars there are; of an instrument without any the trades are read from now on.
    pub(super) fn bars_asked(
        &mut self,
        (instrument, asked): (InstrumentId, Asked),
        reply: oneshot::Sender<Result<Told, Problem>>,
        now: Monotonic,
    ) {
        let mut acts = Vec::new();
        match self.bars.make_room(&instrument, |of| self.tapes.is_read(of), now) {
            Ok(None) => {}
            Ok(Some(dropped)) => acts.extend(self.trades.unwant(BARS, &dropped, self.pipes.up())),
            Err(NoRoom) => {
                let problem = unavailable("there is no room for the bars of one more instrument");
                let _ = reply.send(Err(problem.retry_after_ms(BARS_RETRY_MS)));
                return;
            }
        }
        if self.bars.ask(&instrument, now) {
            acts.extend(self.read_for_bars(&instrument));
        }
        // Before the answer: where the tape stands may be known.
        self.carry_out(acts);
        let away = !self.pipes.up().contains(&self.shard(&instrument));
        let told = self.bars.told(&instrument, &asked, (away, clock::unix()));
        // Whoever asked may be gone by now.
        let _ = reply.send(Ok(told));
    }

    fn read_for_bars(&mut self, instrument: &InstrumentId) -> Acts {
        let shard = Some(self.shard(instrument));
        self.trades.want(BARS, instrument, shard, self.pipes.up()).into_iter().collect()
    }

    /// What the receiver of trades for bars is told.
    pub(super) fn count(&mut self, frame: TradeUp) {
        match frame {
            TradeUp::TradesStand { instrument, epoch, seq } => {
                self.bars.stand(&instrument, Position { epoch, seq }, clock::unix());
            }
            TradeUp::Trade { instrument, epoch, seq, prev, trade } => {
                let numbered = Numbered { epoch, seq, prev, trade };
                self.bars.trade(&instrument, numbered, clock::unix());
            }
            // Bars are made of nothing else.
            TradeUp::Quote { .. }
            | TradeUp::QuoteStatus { .. }
            | TradeUp::PrivateOpened { .. }
            | TradeUp::Private { .. }
            | TradeUp::PrivateStatus { .. }
            | TradeUp::PrivateClosed { .. }
            | TradeUp::Answer { .. } => {}
        }
    }
}
