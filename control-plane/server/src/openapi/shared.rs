//! What many operations share and refer to: parameters of changes and of reads, headers of answers. Decides how each is
//! described.

use tradewind_protocol::control::{CLUSTER, Consistency};
use utoipa::{
    PartialSchema as _, ToSchema as _,
    openapi::{
        Header, HeaderBuilder, Ref, RefOr, Required, Schema,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::{ObjectBuilder, Type},
    },
};

pub(super) const KEY: &str = "Idempotency-Key";
pub(super) const ON: [&str; 2] = ["If-Match", "If-None-Match"];
pub(super) const BY: [&str; 2] = ["tradewind-who", "tradewind-why"];
pub(super) const CONSISTENCY: &str = "consistency";
pub(super) const LIMIT: &str = "limit";
pub(super) const STAND: [&str; 5] =
    ["tradewind-term", "tradewind-revision", "tradewind-leader", "tradewind-time", CLUSTER];
pub(super) const TAG: &str = "ETag";

pub(super) fn parameter_ref(name: &str) -> Ref {
    Ref::new(format!("#/components/parameters/{name}"))
}

pub(super) fn header_ref(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}

pub(super) fn response_ref(name: &str) -> Ref {
    Ref::new(format!("#/components/responses/{name}"))
}

pub(super) fn number(most: Option<u64>) -> RefOr<Schema> {
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0_u64));
    number.maximum(most).build().into()
}

fn parameter(
    within: ParameterIn,
    name: &'static str,
    about: &str,
    schema: RefOr<Schema>,
    required: Required,
) -> (&'static str, Parameter) {
    let parameter = ParameterBuilder::new().name(name).parameter_in(within).required(required);
    (name, parameter.schema(Some(schema)).description(Some(about)).build())
}

pub(super) fn parameters() -> Vec<(&'static str, Parameter)> {
    let header = |name, about, required| {
        parameter(ParameterIn::Header, name, about, String::schema(), required)
    };
    let query =
        |name, about, schema| parameter(ParameterIn::Query, name, about, schema, Required::False);
    let (on, none) = (ON[0], ON[1]);
    let (who, why) = (BY[0], BY[1]);
    let surely = Ref::from_schema_name(Consistency::name()).into();
    vec![
        header(
            KEY,
            "`CLIENT/UNIX_NANOSECONDS/NUMBER`, such as `ops/1764266400000000000/1`: new for each change and the same for its \
             repeats; dated by `tradewind-time` of any answer",
            Required::True,
        ),
        header(
            on,
            "`\"REVISION\"`, as `ETag` had it: only if that is its revision; `*`: only if there is one",
            Required::False,
        ),
        header(none, "`*`: only if there is none", Required::False),
        header(
            who,
            "Who asks, percent-encoded UTF-8 of 256 bytes; else the client of the Idempotency-Key",
            Required::False,
        ),
        header(why, "Why, percent-encoded UTF-8 of 1,024 bytes", Required::False),
        query(CONSISTENCY, "How sure it must be; a stale answer has `age_ms`", surely),
        query(LIMIT, "So many at most; 100 if it is not said", number(Some(1_000))),
    ]
}

pub(super) fn headers() -> Vec<(&'static str, Header)> {
    let header = |name, about: &str, schema: RefOr<Schema>| {
        (name, HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build())
    };
    let [term, revision, leader, time, cluster] = STAND;
    vec![
        header(term, "The leader's term", number(None)),
        header(revision, "What the member that answered had applied", number(None)),
        header(leader, "The leader's node id, if one is known", number(None)),
        header(time, "The time the group goes by, in Unix nanoseconds", number(None)),
        header(cluster, "The life of the cluster; 0 until it is opened", number(None)),
        header(TAG, "`\"REVISION\"`, for `If-Match`", String::schema()),
    ]
}
