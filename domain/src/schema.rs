//! How names, numbers, times and amounts stand in JSON, for the document of the public interface. Decides patterns and
//! examples; what is legal is decided where each is read. Only with the feature `schema`.

use crate::{
    calendar::{Day, Exchange, MinuteOfDay},
    control::StateHash,
    ids::{
        AccountId, BrokerId, ClusterIncarnation, CopyId, CustomerId, DiskId, DrainTarget, Epoch,
        ImplementationId, Incarnation, InstrumentId, KeyHash, LocationId, ManagerId, MarketId,
        NodeId, NodeName, ProgramId, RegisterId, Revision, Scope, ServiceId, TraderId, VenueId,
    },
    money::{Notional, Quantity, Share},
    time::UnixNanos,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ObjectBuilder, Type},
    },
};

/// What derived code takes for granted.
pub(crate) mod prelude {
    pub(crate) use alloc::{format, string::String, vec, vec::Vec};
}

const NAME: &str = "^[a-z0-9][a-z0-9-]{0,62}$";
const DECIMAL: &str = r"^\d+(\.\d+)?$";

macro_rules! texts {
    ($($name:ident: $pattern:expr, $example:literal;)*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String);
                text.pattern(Some($pattern)).examples([$example]).build().into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

macro_rules! numbers {
    ($($name:ident)*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let number = ObjectBuilder::new().schema_type(Type::Integer);
                number.minimum(Some(0_f64)).build().into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

texts! {
    AccountId: NAME, "sim-1";
    CustomerId: NAME, "acme";
    CopyId: "^[!-~]{1,64}$", "0123456789abcdef0123456789abcdef";
    ImplementationId: NAME, "a1";
    LocationId: NAME, "here";
    MarketId: NAME, "crypto";
    NodeName: "^[!-~]{1,253}$", "rack-7";
    RegisterId: NAME, "r";
    ProgramId: NAME, "nomad";
    TraderId: NAME, "sample";
    VenueId: NAME, "sim";
    InstrumentId: "^[A-Z0-9/.-]{1,32}$", "BTC/USD";
    ManagerId: r"^[a-z0-9-]+\.(broker|market|trader)-manager$", "a1.trader-manager";
    ServiceId: r"^(broker\.[a-z0-9-]+\.\d+|market\.[a-z0-9-]+\.\d+|trader\.[a-z0-9-]+)$", "broker.sim-1.0";
    BrokerId: r"^[a-z0-9-]+(\.\d+)?$", "sim-1.0";
    DrainTarget: r"^[a-z0-9-]+(\.(broker|market|trader)-manager)?$", "a1";
    Scope: r"^(global|(customer|account|trader)\.[a-z0-9-]+)$", "customer.acme";
    KeyHash: "^[0-9a-f]{64}$", "5f7c2c3d2d8f3a8b0a1e9f9d1a4c6b7e8d9fa0b1c2d3e4f5061728394a5b6c7d";
    DiskId: "^[0-9a-f]{32}$", "0123456789abcdef0123456789abcdef";
    StateHash: "^[0-9a-f]{32}$", "0123456789abcdef0123456789abcdef";
    UnixNanos: r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$", "2026-11-27T18:00:00.000000000Z";
    Day: r"^\d{4}-\d\d-\d\d$", "2026-11-27";
    MinuteOfDay: r"^\d\d:\d\d$", "13:00";
    Exchange: "^XNYS$", "XNYS";
    Quantity: DECIMAL, "0.5";
    Notional: DECIMAL, "250000";
    Share: DECIMAL, "0.05";
}

numbers! { NodeId Revision Epoch Incarnation ClusterIncarnation }
