//! Locations: when it is after hours there. Decides which are chosen.

use super::resources::{Items, Kind, Listed, Nothing, Seen, page};
use tradewind_domain::{
    calendar::Hours,
    control::{
        refusal::Noun,
        resource::{Declaration, Resource},
        row::{LocationRow, LocationSpec},
    },
    ids::{LocationId, Revision},
};
use tradewind_link::{Failure, json::Json};
use tradewind_protocol::{
    control::Stand,
    resources::{LocationInfo, SelectLocations},
};

pub(super) struct Locations;

fn info(row: &LocationRow) -> LocationInfo {
    LocationInfo { location: row.location.clone(), revision: row.revision, spec: row.spec.clone() }
}

fn chosen(row: &LocationRow, select: &SelectLocations) -> bool {
    select.exchange.is_none_or(|asked| {
        row.spec.after_hours.iter().any(|hours| match hours {
            Hours::AfterClose { exchange, .. } => *exchange == asked,
            Hours::Daily { .. } => false,
        })
    })
}

impl Kind for Locations {
    const NOUN: Noun = Noun::Location;
    const ONE: &'static str = "/v1/locations/{location}";
    type Id = LocationId;
    type Spec = LocationSpec;
    type Info = LocationInfo;
    type Options = Nothing;

    fn name(id: &LocationId) -> String {
        id.to_string()
    }

    fn path(id: &LocationId) -> String {
        format!("/v1/locations/{id}")
    }

    fn resource(id: LocationId) -> Resource {
        Resource::Location(id)
    }

    fn declaration(location: LocationId, spec: &LocationSpec) -> Declaration {
        Declaration::Location { location, spec: spec.clone() }
    }

    fn item(machine: &Seen, id: &LocationId) -> Option<(Revision, LocationInfo)> {
        machine.location(id).map(|row| (row.revision, info(row)))
    }
}

impl Listed for Locations {
    const LIST: &'static str = "/v1/locations";
    type Select = SelectLocations;

    fn list(
        machine: &Seen,
        select: &SelectLocations,
        stand: Stand,
    ) -> Result<Json<Items>, Failure> {
        let rows = machine.locations_after(select.after.as_ref());
        let shown = |row: &&LocationRow| chosen(row, select).then(|| info(row));
        page(stand, select, rows, |row| row.location.to_string(), shown)
    }
}
