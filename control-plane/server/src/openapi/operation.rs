//! One operation of the interface, put together from what it takes, gives and refuses. Decides how the headers that
//! many share are described, and that examples are the golden samples of the protocol: they are known to be right.

use super::shared;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tradewind_domain::{
    calendar::Exchange,
    ids::{
        AccountId, BrokerId, CustomerId, DrainTarget, Epoch, ImplementationId, InstrumentId,
        LocationId, ManagerId, MarketId, NodeId, RegisterId, Revision, Scope, TraderId,
    },
};
use tradewind_protocol::{
    Code, Problem,
    control::{Consistency, Stand},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Content, ContentBuilder, HttpMethod, Ref, RefOr, Required, Response, ResponseBuilder,
        Schema,
        path::{self, OperationBuilder, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::{AllOfBuilder, ArrayBuilder, ObjectBuilder, Type},
        security::SecurityRequirement,
    },
};

const SAMPLES: [&str; 9] = [
    include_str!("../../../../protocol/golden/resources.jsonl"),
    include_str!("../../../../protocol/golden/control.jsonl"),
    include_str!("../../../../protocol/golden/members.jsonl"),
    include_str!("../../../../protocol/golden/drains.jsonl"),
    include_str!("../../../../protocol/golden/events.jsonl"),
    include_str!("../../../../protocol/golden/check_in.jsonl"),
    include_str!("../../../../protocol/golden/rebalance.jsonl"),
    include_str!("../../../../protocol/golden/scale.jsonl"),
    include_str!("../../../../protocol/golden/attach.jsonl"),
];

type Schemas = Vec<(String, RefOr<Schema>)>;

pub(crate) struct Operation {
    path: &'static str,
    method: HttpMethod,
    builder: OperationBuilder,
    schemas: Schemas,
    refuses: Vec<Code>,
}

/// The first golden sample of a message; of what only members say to each other there is none.
fn sample(message: &str) -> Option<Value> {
    if message == "tell_member" {
        let public_key = "0".repeat(64);
        return Some(json!({ "api_address": "10.0.0.1:4001", "public_key": public_key }));
    }
    let lines = SAMPLES.iter().flat_map(|file| file.lines());
    let mut samples = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    samples.find(|sample| sample["message"] == message).map(|mut sample| sample["body"].take())
}

fn typed(schema: RefOr<Schema>, example: Option<Value>) -> Content {
    ContentBuilder::new().schema(Some(schema)).example(example).build()
}

impl Operation {
    fn new(path: &'static str, method: HttpMethod, id: &str, tag: &str, summary: &str) -> Self {
        let builder = OperationBuilder::new().operation_id(Some(id)).tag(tag);
        let builder = builder.summary(Some(summary));
        let new = Self { path, method, builder, schemas: Vec::new(), refuses: Vec::new() };
        new.named()
    }

    pub(super) fn get(path: &'static str, id: &str, tag: &str, summary: &str) -> Self {
        Self::new(path, HttpMethod::Get, id, tag, summary)
    }

    /// A change; it has a key.
    pub(super) fn change(
        path: &'static str,
        method: HttpMethod,
        id: &str,
        tag: &str,
        summary: &str,
    ) -> Self {
        let mut change = Self::new(path, method, id, tag, summary);
        change.builder = change.builder.parameter_ref(shared::parameter_ref(shared::KEY));
        change.refuses(&[
            Code::MalformedRequest,
            Code::IdempotencyKeyMissing,
            Code::KeyExpired,
            Code::KeyFromFuture,
            // Its key was used for another change.
            Code::Conflict,
            Code::NoLeader,
            Code::Unknown,
        ])
    }

    /// A session: nothing is changed by it, so it has no key.
    pub(super) fn post(path: &'static str, id: &str, tag: &str, summary: &str) -> Self {
        Self::new(path, HttpMethod::Post, id, tag, summary)
    }

    pub(super) fn about(mut self, text: &str) -> Self {
        self.builder = self.builder.description(Some(text));
        self
    }

    /// The parameters of its path.
    fn named(mut self) -> Self {
        let names = self.path.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
        for name in names.map(|(name, _)| name).collect::<Vec<_>>() {
            let schema = self.name(name);
            let mut parameter = ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(schema));
            if name == "instrument" {
                let about = "Its `/` stands as `%2F`: `/v1/markets/crypto/routes/BTC%2FUSD`";
                parameter = parameter.description(Some(about));
            }
            self.builder = self.builder.parameter(parameter);
        }
        self
    }

    fn name(&mut self, name: &str) -> RefOr<Schema> {
        match name {
            "account" => self.uses::<AccountId>(),
            "customer" => self.uses::<CustomerId>(),
            "market" => self.uses::<MarketId>(),
            "instrument" => self.uses::<InstrumentId>(),
            "trader" => self.uses::<TraderId>(),
            "location" => self.uses::<LocationId>(),
            "exchange" => self.uses::<Exchange>(),
            "scope" => self.uses::<Scope>(),
            "node" => self.uses::<NodeId>(),
            "implementation" => self.uses::<ImplementationId>(),
            "manager" => self.uses::<ManagerId>(),
            "broker" => self.uses::<BrokerId>(),
            "target" => self.uses::<DrainTarget>(),
            "register" => self.uses::<RegisterId>(),
            "request" => self.uses::<Epoch>(),
            _ => String::schema(),
        }
    }

    /// A reference to a type, which stands among the components then.
    pub(super) fn uses<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(T::name()).into()
    }

    fn parameter(
        mut self,
        within: ParameterIn,
        name: &str,
        about: &str,
        schema: RefOr<Schema>,
    ) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(within)
            .required(Required::False)
            .schema(Some(schema))
            .description(Some(about));
        self.builder = self.builder.parameter(parameter);
        self
    }

    /// A field of the query string.
    pub(super) fn query<T: ToSchema>(mut self, name: &str, about: &str) -> Self {
        let schema = self.uses::<T>();
        self.parameter(ParameterIn::Query, name, about, schema)
    }

    pub(super) fn query_flag(self, name: &str, about: &str) -> Self {
        let flag = ObjectBuilder::new().schema_type(Type::Boolean).build();
        self.parameter(ParameterIn::Query, name, about, flag.into())
    }

    pub(super) fn query_number(self, name: &str, about: &str, most: u64) -> Self {
        self.parameter(ParameterIn::Query, name, about, shared::number(Some(most)))
    }

    fn shares(mut self, names: &[&str]) -> Self {
        for name in names {
            self.builder = self.builder.parameter_ref(shared::parameter_ref(name));
        }
        self
    }

    /// A read, as sure as is asked for.
    pub(super) fn reads(mut self) -> Self {
        self.uses::<Consistency>();
        self.shares(&[shared::CONSISTENCY]).refuses(&[Code::MalformedRequest, Code::NoLeader])
    }

    /// A page of a list.
    pub(super) fn pages<T: ToSchema>(self) -> Self {
        self.reads()
            .shares(&[shared::LIMIT])
            .query::<T>("after", "Only what stands behind this name: `next` of the page before")
    }

    pub(super) fn conditional(self) -> Self {
        self.shares(&shared::ON).refuses(&[Code::PreconditionFailed])
    }

    pub(super) fn audited(self) -> Self {
        self.shares(&shared::BY).refuses(&[Code::Refused])
    }

    pub(super) fn bearer(mut self) -> Self {
        let scopes: [&str; 0] = [];
        self.builder = self.builder.security(SecurityRequirement::new("key_or_token", scopes));
        self.refuses(&[Code::Unauthorized, Code::NoLeader])
    }

    pub(super) fn takes<T: ToSchema>(mut self, message: &str) -> Self {
        let schema = self.uses::<T>();
        let body = RequestBodyBuilder::new()
            .content("application/json", typed(schema, sample(message)))
            .required(Some(Required::True));
        self.builder = self.builder.request_body(Some(body.build()));
        self.refuses(&[Code::MalformedRequest, Code::BodyTooLarge, Code::UnsupportedMediaType])
    }

    pub(super) fn answers(mut self, status: u16, response: impl Into<RefOr<Response>>) -> Self {
        self.builder = self.builder.response(status.to_string(), response);
        self
    }

    fn content(self, status: u16, about: &str, content: Content, tagged: bool) -> Self {
        let mut response = ResponseBuilder::new().description(about);
        response = response.content("application/json", content);
        for name in shared::STAND.into_iter().chain(tagged.then_some(shared::TAG)) {
            response = response.header_ref(name, shared::header_ref(name));
        }
        self.answers(status, response.build())
    }

    pub(super) fn gives<T: ToSchema>(mut self, status: u16, about: &str, message: &str) -> Self {
        let schema = self.uses::<T>();
        self.content(status, about, typed(schema, sample(message)), false)
    }

    pub(super) fn gives_tagged<T: ToSchema>(mut self, about: &str, message: &str) -> Self {
        let schema = self.uses::<T>();
        self.content(200, about, typed(schema, sample(message)), true)
    }

    /// One item, and how the group stood.
    pub(super) fn gives_one<T: ToSchema>(self, message: &str) -> Self {
        self.one::<T>(message, true)
    }

    /// The same of what has no revision of its own: it is seen, not declared.
    pub(super) fn gives_seen<T: ToSchema>(self, message: &str) -> Self {
        self.one::<T>(message, false)
    }

    fn one<T: ToSchema>(mut self, message: &str, tagged: bool) -> Self {
        let (stand, item) = (self.uses::<Stand>(), self.uses::<T>());
        let item = ObjectBuilder::new().property("item", item).required("item").build();
        let one: Schema = AllOfBuilder::new().item(stand).item(item).build().into();
        self.content(200, "As it is", typed(one.into(), sample(message)), tagged)
            .refuses(&[Code::NotFound])
    }

    pub(super) fn gives_page<T: ToSchema>(mut self, message: Option<&str>) -> Self {
        let (stand, item) = (self.uses::<Stand>(), self.uses::<T>());
        let next: Schema = ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some("There may be more: `after` for what follows"))
            .build()
            .into();
        let items = ArrayBuilder::new().items(item).build();
        let list = ObjectBuilder::new().property("items", items).property("next", next);
        let list = list.required("items").required("next").build();
        let page: Schema = AllOfBuilder::new().item(stand).item(list).build().into();
        let example = message.and_then(sample);
        self.content(200, "In the order of their names", typed(page.into(), example), false)
    }

    pub(super) fn refuses(mut self, codes: &[Code]) -> Self {
        self.refuses.extend(codes);
        self
    }

    /// Its problems by their status, and what any address may answer.
    pub(super) fn made(self) -> Made {
        let Self { path, method, mut builder, mut schemas, refuses } = self;
        let mut by_status = BTreeMap::<u16, Vec<Code>>::new();
        for code in Code::ALL.iter().filter(|code| refuses.contains(code)) {
            by_status.entry(code.status()).or_default().push(*code);
        }
        let mut problems = vec![(ANY.to_owned(), problem("Any other problem".to_owned(), None))];
        builder = builder.response("default", shared::response_ref(ANY));
        for (status, codes) in by_status {
            let words: Vec<String> = codes.iter().map(word).collect();
            let name = words.join(".");
            builder = builder.response(status.to_string(), shared::response_ref(&name));
            let about = format!("`{}`", words.join("`, `"));
            problems.push((name, problem(about, codes.first().copied())));
        }
        schemas.push((Revision::name().into_owned(), Revision::schema()));
        Made { path, method, operation: builder.build(), schemas, problems }
    }
}

/// What any address may answer besides.
const ANY: &str = "problem";

fn word(code: &Code) -> String {
    let word = serde_json::to_value(code).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}

fn problem(about: String, example: Option<Code>) -> Response {
    let schema = Ref::from_schema_name(Problem::name()).into();
    let example = example.map(|code| Problem::new(code, "What happened, and what to do next."));
    let example = example.and_then(|problem| serde_json::to_value(problem).ok());
    let response = ResponseBuilder::new().description(about);
    response.content("application/problem+json", typed(schema, example)).build()
}

/// An operation, and what it refers to.
pub(super) struct Made {
    pub(super) path: &'static str,
    pub(super) method: HttpMethod,
    pub(super) operation: path::Operation,
    pub(super) schemas: Schemas,
    pub(super) problems: Vec<(String, Response)>,
}
