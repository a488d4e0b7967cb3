//! Market data and who gets it. Decides which connection may have what, up to its limit of subscriptions; what the street
//! shows when is the recording's matter.

use super::{ClientNumber, Task, VenueError, error};
use crate::wire::{FromVenue, RefusalCode, TradesStand};
use tradewind_domain::{
    ids::{AccountId, InstrumentId},
    time::UnixNanos,
};

impl Task {
    pub(super) fn log_in(
        &mut self,
        number: ClientNumber,
        account: AccountId,
        time: UnixNanos,
    ) -> Result<(), VenueError> {
        let answer = if self.clients.log_in(number, &account) {
            FromVenue::LoggedIn { account, time, subscriptions: self.subscriptions }
        } else {
            error(RefusalCode::AlreadyLoggedIn, "a connection logs in once")
        };
        self.say(number, &answer)
    }

    pub(super) fn observe(
        &mut self,
        number: ClientNumber,
        time: UnixNanos,
    ) -> Result<(), VenueError> {
        let answer = if self.clients.observe(number) {
            FromVenue::Observing { time, subscriptions: self.subscriptions }
        } else {
            error(RefusalCode::AlreadyLoggedIn, "this connection has logged in")
        };
        self.say(number, &answer)
    }

    pub(super) fn subscribe(
        &mut self,
        number: ClientNumber,
        instrument: InstrumentId,
    ) -> Result<(), VenueError> {
        let Some((seq, quote)) = self.exchange.quote(&instrument) else {
            let traded: Vec<&str> = self.instruments.iter().map(InstrumentId::as_str).collect();
            let reason = format!("{instrument} is not traded here: {} is", traded.join(", "));
            return self.say(number, &error(RefusalCode::UnknownInstrument, &reason));
        };
        if !self.clients.subscribe(number, &instrument) {
            let reason = "this connection has all it may have";
            return self.say(number, &error(RefusalCode::TooMany, reason));
        }
        let trades = TradesStand { life: self.life, number: self.exchange.trades(&instrument) };
        let told = FromVenue::Subscribed { instrument: instrument.clone(), trades };
        self.say(number, &told)?;
        self.say(number, &FromVenue::Quote { instrument, seq, quote })
    }

    pub(super) fn unsubscribe(
        &mut self,
        number: ClientNumber,
        instrument: InstrumentId,
    ) -> Result<(), VenueError> {
        self.clients.unsubscribe(number, &instrument);
        self.say(number, &FromVenue::Unsubscribed { instrument })
    }

    /// The next step of each street.
    pub(super) fn play(&mut self) -> Result<(), VenueError> {
        self.streets.step();
        let now = self.clock.now();
        for n in 0..self.instruments.len() {
            let done =
                self.exchange.set_street(&self.instruments[n], self.streets.levels(n), now)?;
            self.finish(Vec::new(), done)?;
        }
        Ok(())
    }
}
