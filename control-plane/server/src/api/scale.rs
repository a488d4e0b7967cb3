//! How locations scale: settings of each. Decides nothing; what can work is decided in `domain::control::scale`.

use super::resources::{Items, Kind, Listed, Nothing, Seen, page};
use tradewind_domain::{
    control::{
        refusal::Noun,
        resource::{Declaration, Resource},
        scale::{ScaleRow, ScaleSpec},
    },
    ids::{LocationId, Revision},
};
use tradewind_link::{Failure, json::Json};
use tradewind_protocol::{
    control::Stand,
    resources::SelectScales,
    scale::{SCALE, ScaleInfo, scale_path},
};

pub(super) struct Scales;

fn info(row: &ScaleRow) -> ScaleInfo {
    let ScaleRow { location, spec, revision, acted_at, quiet_since, looked_at: _ } = row.clone();
    ScaleInfo { location, revision, spec, acted_at, quiet_since }
}

impl Kind for Scales {
    const NOUN: Noun = Noun::Scale;
    const ONE: &'static str = "/v1/locations/{location}/scale";
    type Id = LocationId;
    type Spec = ScaleSpec;
    type Info = ScaleInfo;
    type Options = Nothing;

    fn name(id: &LocationId) -> String {
        id.to_string()
    }

    fn path(id: &LocationId) -> String {
        scale_path(id)
    }

    fn resource(id: LocationId) -> Resource {
        Resource::Scale(id)
    }

    fn declaration(location: LocationId, spec: &ScaleSpec) -> Declaration {
        Declaration::Scale { location, spec: spec.clone() }
    }

    fn item(machine: &Seen, id: &LocationId) -> Option<(Revision, ScaleInfo)> {
        machine.scale(id).map(|row| (row.revision, info(row)))
    }
}

impl Listed for Scales {
    const LIST: &'static str = SCALE;
    type Select = SelectScales;

    fn list(machine: &Seen, select: &SelectScales, stand: Stand) -> Result<Json<Items>, Failure> {
        let behind =
            |row: &&ScaleRow| select.after.as_ref().is_none_or(|after| row.location > *after);
        let rows = machine.scales().filter(behind);
        page(stand, select, rows, |row| row.location.to_string(), |row| Some(info(row)))
    }
}
