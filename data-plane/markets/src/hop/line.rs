//! The sending end of one pipe towards the venue. Decides what waits when the pipe is busy:
//! subscriptions, in order, since they are asked for once; a command is refused instead, since it is
//! still surely not sent.

use std::collections::VecDeque;
use tradewind_link::pipe::{SendError, Sender};
use tradewind_protocol::{
    link::PRESENCE_SINCE,
    trade::{OrderCommand, TradeDown},
};

/// Subscriptions waiting beyond which no more are taken from those who ask.
const CONGESTED: usize = 1_024;

pub(crate) struct Line {
    sender: Sender<TradeDown>,
    backlog: VecDeque<TradeDown>,
    /// Spoken on the pipe that stands.
    protocol: u32,
}

impl Line {
    pub(crate) fn new(sender: Sender<TradeDown>) -> Self {
        Self { sender, backlog: VecDeque::new(), protocol: 0 }
    }

    /// The pipe stands, and this is spoken on it.
    pub(crate) fn up(&mut self, protocol: u32) {
        self.protocol = protocol;
    }

    /// Sends a frame. The number of a question comes back if it was surely not sent.
    pub(crate) fn send(&mut self, frame: TradeDown) -> Result<(), u64> {
        match frame {
            // Who does not know the frame would close the pipe.
            TradeDown::Present { request, .. } if self.protocol < PRESENCE_SINCE => Err(request),
            TradeDown::Command { request, command: OrderCommand::Submit { order, .. }, .. }
                if order.cancel_on_disconnect.is_some() && self.protocol < PRESENCE_SINCE =>
            {
                Err(request)
            }
            TradeDown::Command { request, .. } => self.sender.try_send(frame).map_err(|error| {
                tracing::debug!(request, %error, "command not sent");
                request
            }),
            TradeDown::Present { request, .. } => {
                // Told again with the next turn.
                self.sender.try_send(frame).map_err(|_| request)
            }
            TradeDown::SubscribeQuotes { .. }
            | TradeDown::UnsubscribeQuotes { .. }
            | TradeDown::SubscribeTrades { .. }
            | TradeDown::UnsubscribeTrades { .. }
            | TradeDown::SubscribePrivate { .. }
            | TradeDown::UnsubscribePrivate { .. } => {
                self.backlog.push_back(frame);
                self.flush();
                Ok(())
            }
        }
    }

    /// Sends what waits, as far as the pipe takes it.
    pub(crate) fn flush(&mut self) {
        while let Some(frame) = self.backlog.front() {
            match self.sender.try_send(frame.clone()) {
                Ok(()) => {}
                Err(SendError::Full) => return,
                // A lost pipe is told as an event, and then everything is asked for again.
                Err(SendError::NotUp) => return self.backlog.clear(),
                Err(SendError::Unsendable(reason)) => {
                    tracing::error!(reason, "subscription cannot be sent");
                }
            }
            self.backlog.pop_front();
        }
    }

    /// The pipe is lost: what waits would belong to it.
    pub(crate) fn lost(&mut self) {
        self.backlog.clear();
    }

    pub(crate) fn congested(&self) -> bool {
        self.backlog.len() >= CONGESTED
    }
}
