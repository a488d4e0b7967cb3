//! What a refusal is about, in the words of the change that was refused: which of its names is not there, which of its parts is
//! too long, and what to do next. Decides nothing: the refusal, as it stands in the log, says neither, and what it was decided
//! on may have changed since.

use super::problems;
use tradewind_domain::{
    control::{
        Command, Machine, Refusal,
        attach::Attach,
        drain::{By, DrainCommand},
        fencing::TraderCommand,
        group::GroupCommand,
        level::LevelCommand,
        placement::RebalanceCommand,
        resource::{Declaration, Resource, ResourceChange, ResourceCommand},
        row::TraderSpec,
        scale::ScaleCommand,
    },
    ids::{CustomerId, DrainTarget, Epoch, Revision, Scope, TraderId},
    limits,
};
use tradewind_protocol::Problem;

/// The machine's refusal of this command.
pub(crate) fn refused(machine: &Machine, command: &Command, refusal: &Refusal) -> Problem {
    let mut problem = problems::refused(refusal);
    let said = match refusal {
        Refusal::NotFound { .. } => missing(machine, command),
        Refusal::TooLarge { .. } => too_large(command),
        Refusal::WrongState { .. } => target(command).map(|target| {
            format!("{}; tradewind drain {target} --show tells how far it is", problem.detail)
        }),
        Refusal::Superseded => request(command).and_then(|asked| moved_on(machine, asked)),
        _ => None,
    };
    if let Some(said) = said {
        problem.detail = said;
    }
    problem
}

fn change(command: &Command) -> Option<(&By, &ResourceChange)> {
    match command {
        Command::Resource(ResourceCommand::Audited { by, change }) => Some((by, change)),
        _ => None,
    }
}

fn target(command: &Command) -> Option<&DrainTarget> {
    let Command::Drain(command) = command else { return None };
    match command {
        DrainCommand::BeginOn { target, .. }
        | DrainCommand::Cancel { target, .. }
        | DrainCommand::Force { target, .. }
        | DrainCommand::Abandon { target, .. }
        | DrainCommand::Reschedule { target, .. } => Some(target),
        _ => None,
    }
}

/// What was told of a request of an implementation.
fn request(command: &Command) -> Option<(Epoch, Revision)> {
    match command {
        Command::Scale(
            ScaleCommand::Tell { request, revision, .. }
            | ScaleCommand::Done { request, revision }
            | ScaleCommand::Fail { request, revision, .. },
        ) => Some((*request, *revision)),
        _ => None,
    }
}

fn moved_on(machine: &Machine, (request, revision): (Epoch, Revision)) -> Option<String> {
    let row = machine.provision(request)?;
    let (state, now) = (row.state, row.revision);
    Some(if now == revision {
        format!(
            "request {request} is {state}: only of one that is releasing can be told that it is released, and of one that is \
             starting or releasing that it has failed"
        )
    } else {
        format!(
            "request {request} is {state} as of revision {now}, and this was said of revision {revision}: look again \
             (tradewind provisioning get {request}), then decide anew"
        )
    })
}

fn missing(machine: &Machine, command: &Command) -> Option<String> {
    if let Some((request, _)) = request(command) {
        return Some(format!(
            "there is no provisioning request {request}; tradewind provisioning lists those there are"
        ));
    }
    if let Some(target) = target(command) {
        return Some(match command {
            Command::Drain(DrainCommand::BeginOn { .. }) => match target {
                DrainTarget::Implementation(name) => format!(
                    "there is no implementation {name}: none of its Managers is registered; tradewind implementation ls \
                     lists those there are"
                ),
                DrainTarget::Manager(name) => format!(
                    "there is no manager {name}; tradewind manager ls lists those there are"
                ),
            },
            _ => format!("{target} is not being drained; tradewind drain lists what is"),
        });
    }
    match command {
        Command::Rebalance(_) => {
            return Some(
                "no rebalance is under way; tradewind rebalance shows what would be moved".into(),
            );
        }
        Command::Level(LevelCommand::Know { node, .. })
        | Command::Group(GroupCommand::Tell { node, .. }) => {
            return Some(format!("node {node} is not a member of this group"));
        }
        _ => {}
    }
    if let Command::Trader(TraderCommand::Attach(Attach { trader, .. })) = command {
        return machine.trader(trader).is_none().then(|| no_trader(trader));
    }
    let (_, change) = change(command)?;
    match change {
        ResourceChange::Put { what, .. } => needed(machine, what),
        ResourceChange::Delete { what, .. } => Some(not_there(machine, what)),
        ResourceChange::AddKey { customer, .. } => Some(no_customer(customer)),
        ResourceChange::RemoveKey { customer, key_id } => Some(match machine.customer(customer) {
            None => no_customer(customer),
            Some(_) => format!(
                "the customer {customer} has no key {key_id}; tradewind key ls {customer} lists those he has"
            ),
        }),
    }
}

fn no_customer(customer: &CustomerId) -> String {
    format!(
        "there is no customer {customer}: declare him first (tradewind customer put {customer})"
    )
}

fn no_trader(trader: &TraderId) -> String {
    format!("there is no trader {trader}: declare it first (tradewind trader put {trader})")
}

/// The first name in what is declared that names nothing.
fn needed(machine: &Machine, what: &Declaration) -> Option<String> {
    let of_trader = |spec: &TraderSpec| {
        machine.customer(&spec.customer).is_none().then(|| no_customer(&spec.customer))
    };
    match what {
        Declaration::Account { spec, .. } | Declaration::AccountCopies { spec, .. } => {
            let none = spec.customers.iter().find(|customer| machine.customer(customer).is_none());
            none.map(no_customer)
        }
        Declaration::Trader { spec, .. }
        | Declaration::TraderRun { spec, .. }
        | Declaration::SelfManaged { spec, .. } => of_trader(spec),
        Declaration::Route { market, .. } => Some(format!(
            "there is no market {market}: declare it first (tradewind market put {market} --route INSTRUMENT=VENUE)"
        )),
        Declaration::Risk { scope, .. } | Declaration::TradingState { scope, .. } => match scope {
            Scope::Global => None,
            Scope::Customer(customer) => Some(no_customer(customer)),
            Scope::Account(account) => Some(format!(
                "there is no account {account}: declare it first (tradewind account put {account})"
            )),
            Scope::Trader(trader) => Some(no_trader(trader)),
        },
        Declaration::Customer { .. }
        | Declaration::Market { .. }
        | Declaration::Location { .. }
        | Declaration::ExchangeDays { .. }
        | Declaration::Scale { .. } => None,
    }
}

fn not_there(machine: &Machine, what: &Resource) -> String {
    let (noun, name, list) = match what {
        Resource::Account(name) => ("account", name.to_string(), "account ls"),
        Resource::Customer(name) => ("customer", name.to_string(), "customer ls"),
        Resource::Market(name) => ("market", name.to_string(), "market ls"),
        Resource::Trader(name) => ("trader", name.to_string(), "trader ls"),
        Resource::Location(name) => ("location", name.to_string(), "location ls"),
        Resource::ExchangeDays(name) => ("operator's day of", name.to_string(), "exchange-days ls"),
        Resource::Risk(scope) => ("risk setting of", scope.to_string(), "risk ls"),
        Resource::TradingState(scope) => {
            ("trading state of", scope.to_string(), "trading-state ls")
        }
        Resource::Scale(name) => ("scaling of", name.to_string(), "scale ls"),
        Resource::Route { market, instrument } => {
            return match machine.market(market) {
                None => format!(
                    "there is no market {market}; tradewind market ls lists those there are"
                ),
                Some(_) => format!(
                    "the market {market} has no route of {instrument}; tradewind route ls {market} lists those it has"
                ),
            };
        }
    };
    format!("there is no {noun} {name}; tradewind {list} lists those there are")
}

/// A part, its size and unit, and the bound.
struct Part(&'static str, usize, &'static str, usize);

impl Part {
    fn said(&self) -> Option<String> {
        let Self(what, size, unit, most) = self;
        (size > most).then(|| format!("{what} has {size} {unit}: {most} are allowed at most"))
    }
}

fn too_large(command: &Command) -> Option<String> {
    let by = match command {
        Command::Drain(
            DrainCommand::BeginOn { by, .. }
            | DrainCommand::Cancel { by, .. }
            | DrainCommand::Force { by, .. }
            | DrainCommand::Abandon { by, .. }
            | DrainCommand::Reschedule { by, .. },
        )
        | Command::Scale(ScaleCommand::Tell { by, .. }) => Some(by),
        Command::Rebalance(
            RebalanceCommand::Begin { by, .. }
            | RebalanceCommand::Cancel { by }
            | RebalanceCommand::CancelAt { by, .. },
        ) => Some(by),
        Command::Group(GroupCommand::Audited { by, .. }) => Some(by),
        _ => change(command).map(|(by, _)| by),
    };
    let mut parts = Vec::new();
    if let Some(By { who, why }) = by {
        parts.push(Part("who", who.len(), "bytes", limits::WHO_BYTES));
        parts.push(Part("why", why.len(), "bytes", limits::WHY_BYTES));
    }
    match command {
        Command::PutMember { api_address, .. } => {
            parts.push(Part("api_address", api_address.len(), "bytes", limits::ADDRESS_BYTES));
        }
        Command::Group(
            GroupCommand::Admit { address, .. } | GroupCommand::Tell { address, .. },
        ) => {
            parts.push(Part("api_address", address.api.len(), "bytes", limits::ADDRESS_BYTES));
        }
        Command::PutRegister { value, .. } => {
            parts.push(Part("value", value.len(), "bytes", limits::REGISTER_VALUE_BYTES));
        }
        Command::CheckIn { address, .. } | Command::CheckInFrom { address, .. } => {
            parts.push(Part("address", address.len(), "bytes", limits::ADDRESS_BYTES));
        }
        Command::Level(LevelCommand::CheckIn(told)) => {
            parts.push(Part("address", told.address.len(), "bytes", limits::ADDRESS_BYTES));
        }
        _ => {}
    }
    if let Some((_, ResourceChange::Put { what, .. })) = change(command) {
        parts.extend(of_declaration(what));
    }
    parts.iter().find_map(Part::said)
}

fn of_declaration(what: &Declaration) -> Vec<Part> {
    match what {
        Declaration::Account { spec, .. } | Declaration::AccountCopies { spec, .. } => vec![
            Part("adapter", spec.adapter.len(), "bytes", limits::ADDRESS_BYTES),
            Part("endpoint", spec.endpoint.len(), "bytes", limits::ADDRESS_BYTES),
            Part("customers", spec.customers.len(), "names", limits::CUSTOMERS_PER_ACCOUNT),
        ],
        Declaration::Customer { key_hashes, .. } => {
            let count = key_hashes.as_ref().map_or(0, |all| all.len());
            vec![Part("key_hashes", count, "keys", limits::KEYS_PER_CUSTOMER)]
        }
        Declaration::Market { spec, .. } => {
            vec![Part("routes", spec.routes.len(), "routes", limits::ROUTES_PER_MARKET)]
        }
        Declaration::Trader { spec, .. }
        | Declaration::TraderRun { spec, .. }
        | Declaration::SelfManaged { spec, .. } => {
            let bytes = spec.command.iter().map(String::len).sum();
            vec![
                Part("command", spec.command.len(), "words", limits::COMMAND_WORDS),
                Part("command", bytes, "bytes", limits::COMMAND_BYTES),
            ]
        }
        Declaration::Location { spec, .. } => {
            vec![Part("after_hours", spec.after_hours.len(), "hours", limits::HOURS_PER_LOCATION)]
        }
        Declaration::ExchangeDays { days, .. } => {
            vec![Part("days", days.len(), "days", limits::OPERATOR_DAYS)]
        }
        Declaration::Route { .. }
        | Declaration::Risk { .. }
        | Declaration::TradingState { .. }
        | Declaration::Scale { .. } => Vec::new(),
    }
}
