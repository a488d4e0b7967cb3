//! What is said of the addresses of what operators declare.

use super::operation::Operation;
use tradewind_domain::{
    calendar::Exchange,
    control::{
        copies::AccountDeclaration,
        risk::{RiskSpec, TradingState},
        row::{LocationSpec, MarketSpec, TraderWish},
        scale::{ProvisionState, ScaleSpec},
        trader::TraderDeclaration,
    },
    ids::{
        AccountId, CustomerId, Epoch, InstrumentId, LocationId, ManagerId, MarketId, Scope,
        TraderId, VenueId,
    },
};
use tradewind_protocol::{
    Code,
    control::Changed,
    resources::{
        AccountInfo, AddKey, CustomerInfo, Declared, ExchangeDaysInfo, ExchangeDaysSpec, KeyAdded,
        KeyInfo, LocationInfo, MarketInfo, PutCustomer, RiskInfo, RouteInfo, RouteSpec, ScopeKind,
        TraderInfo, TradingStateInfo, TradingStateSpec,
    },
    scale::{PROVISIONING, ProvisioningInfo, SCALE, ScaleInfo, TellProvisioning},
};
use utoipa::{ToSchema, openapi::HttpMethod};

const TAG: &str = "resources";

/// How one kind is told: its word, in operation ids, and the messages of its samples.
struct Words {
    list: &'static str,
    one: &'static str,
    word: &'static str,
    what: &'static str,
    sample: &'static str,
    spec_sample: &'static str,
}

fn list<I: ToSchema, N: ToSchema>(words: &Words, message: Option<&str>) -> Operation {
    let summary = format!("List of {}", words.what);
    Operation::get(words.list, &format!("list_{}", words.word), TAG, &summary)
        .pages::<N>()
        .gives_page::<I>(message)
}

/// Show, declare and delete one.
fn one<I: ToSchema, S: ToSchema>(words: &Words) -> [Operation; 3] {
    let Words { one: path, word, what, sample, spec_sample, .. } = words;
    let id = |verb: &str| format!("{verb}_{word}");
    let get = Operation::get(path, &id("get"), TAG, &format!("One of the {what}"))
        .reads()
        .gives_one::<I>(sample);
    let summary = format!("Declare one of the {what}, new or in place of what is there");
    let put = Operation::change(path, HttpMethod::Put, &id("put"), TAG, &summary)
        .conditional()
        .audited()
        .takes::<S>(spec_sample)
        .gives_tagged::<Declared>("Declared; of a repeat, the first answer", "declared")
        .refuses(&[Code::NotFound]);
    let summary = format!("Delete one of the {what} that nobody needs");
    let delete = Operation::change(path, HttpMethod::Delete, &id("delete"), TAG, &summary)
        .conditional()
        .audited()
        .gives::<Changed>(200, "Deleted", "changed")
        .refuses(&[Code::NotFound, Code::InUse]);
    [get, put, delete]
}

pub(super) fn operations() -> Vec<Operation> {
    let mut all = accounts();
    all.extend(customers());
    all.extend(markets());
    all.extend(traders());
    all.extend(times());
    all.extend(risk());
    all.extend(scale());
    all
}

fn accounts() -> Vec<Operation> {
    let words = Words {
        list: "/v1/accounts",
        one: "/v1/accounts/{account}",
        word: "account",
        what: "accounts at venues",
        sample: "account",
        spec_sample: "account_spec",
    };
    let list = list::<AccountInfo, AccountId>(&words, None)
        .query::<VenueId>("venue", "At this venue")
        .query::<CustomerId>("customer", "That this customer may use")
        .query::<ManagerId>("manager", "Of which this BrokerManager has a Broker");
    let [get, put, delete] = one::<AccountInfo, AccountDeclaration>(&words);
    let release = "Also where a BrokerManager has its Broker, which is stopped; its ledger stays on that disk";
    let delete = delete.query_flag("release", release);
    vec![list, get, put.refuses(&[Code::Unsupported]), delete]
}

fn customers() -> Vec<Operation> {
    let words = Words {
        list: "/v1/customers",
        one: "/v1/customers/{customer}",
        word: "customer",
        what: "customers",
        sample: "customer",
        spec_sample: "put_customer",
    };
    let list = list::<CustomerInfo, CustomerId>(&words, None)
        .query::<ManagerId>("manager", "With this TraderManager")
        .query::<AccountId>("account", "Who may use this account");
    let keys = "/v1/customers/{customer}/keys";
    let key_list = Operation::get(keys, "list_key", TAG, "Ids of a customer's API keys")
        .reads()
        .gives_page::<KeyInfo>(Some("keys"))
        .refuses(&[Code::NotFound]);
    let add = Operation::change(keys, HttpMethod::Post, "add_key", TAG, "One API key more")
        .about("The key itself is never sent: only its hash.")
        .audited()
        .takes::<AddKey>("add_key")
        .gives::<KeyAdded>(200, "Added, or there already", "key_added")
        .refuses(&[Code::NotFound, Code::InUse]);
    let path = "/v1/customers/{customer}/keys/{key_id}";
    let remove = Operation::change(path, HttpMethod::Delete, "remove_key", TAG, "One API key less")
        .audited()
        .gives::<Changed>(200, "Removed; its sessions end", "changed")
        .refuses(&[Code::NotFound]);
    let mut all = vec![list, key_list, add, remove];
    let [get, put, delete] = one::<CustomerInfo, PutCustomer>(&words);
    all.extend([get, put.refuses(&[Code::InUse]), delete]);
    all
}

fn markets() -> Vec<Operation> {
    let words = Words {
        list: "/v1/markets",
        one: "/v1/markets/{market}",
        word: "market",
        what: "Markets",
        sample: "market",
        spec_sample: "market_spec",
    };
    let all_markets = list::<MarketInfo, MarketId>(&words, None)
        .query::<InstrumentId>("instrument", "With a route for it")
        .query::<VenueId>("venue", "With a route that names it");
    let of_routes = Words {
        list: "/v1/markets/{market}/routes",
        one: "/v1/markets/{market}/routes/{instrument}",
        word: "route",
        what: "routes of a Market",
        sample: "route",
        spec_sample: "route_spec",
    };
    let routes = list::<RouteInfo, InstrumentId>(&of_routes, None)
        .query::<VenueId>("venue", "That it names")
        .refuses(&[Code::NotFound]);
    let mut all = vec![all_markets, routes];
    all.extend(one::<MarketInfo, MarketSpec>(&words));
    let about = "Changed live. The revision of a route is its Market's.";
    all.extend(one::<RouteInfo, RouteSpec>(&of_routes).map(|operation| operation.about(about)));
    all
}

fn traders() -> Vec<Operation> {
    let words = Words {
        list: "/v1/traders",
        one: "/v1/traders/{trader}",
        word: "trader",
        what: "Traders",
        sample: "trader",
        spec_sample: "trader_spec",
    };
    let list = list::<TraderInfo, TraderId>(&words, Some("traders"))
        .query::<CustomerId>("customer", "Of this customer")
        .query::<ManagerId>("manager", "Given to this TraderManager")
        .query::<TraderWish>("state", "What it should be");
    let mut all = vec![list];
    all.extend(one::<TraderInfo, TraderDeclaration>(&words));
    all
}

/// Hours of locations, days of exchanges.
fn times() -> Vec<Operation> {
    let locations = Words {
        list: "/v1/locations",
        one: "/v1/locations/{location}",
        word: "location",
        what: "locations' hours",
        sample: "location",
        spec_sample: "location_spec",
    };
    let days = Words {
        list: "/v1/exchange-days",
        one: "/v1/exchange-days/{exchange}",
        word: "exchange_days",
        what: "exchanges' days",
        sample: "exchange_days",
        spec_sample: "exchange_days_spec",
    };
    let all_locations = list::<LocationInfo, LocationId>(&locations, None)
        .query::<Exchange>("exchange", "Whose hours go by it");
    let mut all = vec![all_locations, list::<ExchangeDaysInfo, Exchange>(&days, None)];
    let [get, put, delete] = one::<LocationInfo, LocationSpec>(&locations);
    all.extend([get, put.refuses(&[Code::InUse]), delete]);
    all.extend(one::<ExchangeDaysInfo, ExchangeDaysSpec>(&days));
    all
}

fn scale() -> Vec<Operation> {
    let words = Words {
        list: SCALE,
        one: "/v1/locations/{location}/scale",
        word: "scale",
        what: "settings by which locations scale",
        sample: "scale",
        spec_sample: "scale_spec",
    };
    let request = "/v1/provisioning/{request}";
    let requests =
        Operation::get(PROVISIONING, "list_provisioning", TAG, "Requests of implementations")
            .pages::<Epoch>()
            .gives_page::<ProvisioningInfo>(Some("provisioning"))
            .query::<LocationId>("location", "Of this location")
            .query::<ProvisionState>("state", "In this state");
    let get = Operation::get(request, "get_provisioning", TAG, "One of the requests")
        .reads()
        .gives_one::<ProvisioningInfo>("provision");
    let about = "Told by the member that made the attempt, or by an operator who has put it right by hand: he says who he is and \
         why, and the event `provision_audited` tells it.";
    let tell = Operation::change(
        request,
        HttpMethod::Put,
        "tell_provisioning",
        TAG,
        "What came of an attempt",
    )
    .about(about)
    .audited()
    .takes::<TellProvisioning>("tell_provisioning")
    .gives::<Changed>(200, "Noted", "changed")
    .refuses(&[Code::NotFound, Code::Conflict]);
    let mut all = vec![list::<ScaleInfo, LocationId>(&words, None), requests, get, tell];
    all.extend(one::<ScaleInfo, ScaleSpec>(&words));
    all
}

fn risk() -> Vec<Operation> {
    let settings = Words {
        list: "/v1/risk",
        one: "/v1/risk/{scope}",
        word: "risk",
        what: "risk settings",
        sample: "risk",
        spec_sample: "risk_spec",
    };
    let states = Words {
        list: "/v1/trading-states",
        one: "/v1/trading-states/{scope}",
        word: "trading_state",
        what: "trading states",
        sample: "trading_state",
        spec_sample: "trading_state_spec",
    };
    let all_settings =
        list::<RiskInfo, Scope>(&settings, None).query::<ScopeKind>("kind", "What the scope names");
    let all_states = list::<TradingStateInfo, Scope>(&states, None)
        .query::<ScopeKind>("kind", "What the scope names")
        .query::<TradingState>("state", "In this state");
    let mut all = vec![all_settings, all_states];
    all.extend(one::<RiskInfo, RiskSpec>(&settings));
    let about =
        "Loosening raises `version`, tightening keeps it. One that is not active is not deleted.";
    let [get, put, delete] = one::<TradingStateInfo, TradingStateSpec>(&states);
    all.extend([get, put.about(about), delete.about(about).refuses(&[Code::Conflict])]);
    all
}
