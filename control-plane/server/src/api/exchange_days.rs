//! An operator's days of an exchange, beside its table. Decides nothing.

use super::resources::{Items, Kind, Listed, Nothing, Seen, page};
use tradewind_domain::{
    calendar::Exchange,
    control::{
        refusal::Noun,
        resource::{Declaration, Resource},
        row::ExchangeRow,
    },
    ids::Revision,
};
use tradewind_link::{Failure, json::Json};
use tradewind_protocol::{
    control::Stand,
    resources::{ExchangeDaysInfo, ExchangeDaysSpec, SelectExchangeDays},
};

pub(super) struct ExchangeDays;

fn info(row: &ExchangeRow) -> ExchangeDaysInfo {
    let spec = ExchangeDaysSpec { days: row.days.clone() };
    ExchangeDaysInfo { exchange: row.exchange, revision: row.revision, spec }
}

impl Kind for ExchangeDays {
    const NOUN: Noun = Noun::Exchange;
    const ONE: &'static str = "/v1/exchange-days/{exchange}";
    type Id = Exchange;
    type Spec = ExchangeDaysSpec;
    type Info = ExchangeDaysInfo;
    type Options = Nothing;

    fn name(id: &Exchange) -> String {
        format!("{id} with days of its own")
    }

    fn path(id: &Exchange) -> String {
        format!("/v1/exchange-days/{id}")
    }

    fn resource(id: Exchange) -> Resource {
        Resource::ExchangeDays(id)
    }

    fn declaration(exchange: Exchange, spec: &ExchangeDaysSpec) -> Declaration {
        Declaration::ExchangeDays { exchange, days: spec.days.clone() }
    }

    fn item(machine: &Seen, id: &Exchange) -> Option<(Revision, ExchangeDaysInfo)> {
        machine.exchange(*id).map(|row| (row.revision, info(row)))
    }
}

impl Listed for ExchangeDays {
    const LIST: &'static str = "/v1/exchange-days";
    type Select = SelectExchangeDays;

    fn list(
        machine: &Seen,
        select: &SelectExchangeDays,
        stand: Stand,
    ) -> Result<Json<Items>, Failure> {
        let rows = machine.exchanges().filter(|row| Some(row.exchange) > select.after);
        let shown = |row: &&ExchangeRow| Some(info(row));
        page(stand, select, rows, |row| row.exchange.to_string(), shown)
    }
}
