//! How a Trader is run, beside its command: environment, working directory, limits, restarts. Decides what is legal to
//! declare of it, and that a Trader without a row of its own is run as by default; doing it is left to the Traders
//! themselves. Values of the environment are in the state, in backups and in what is told: a secret is a reference.

mod wish;

pub use wish::Turn;

#[cfg(feature = "schema")]
#[allow(unused_imports)]
use crate::schema::prelude::*;
use crate::{
    control::{
        event::EventKind,
        machine::Machine,
        refusal::Refusal,
        row::{Row, TraderRow, TraderSpec, TraderWish},
    },
    ids::{CustomerId, Revision, TraderId},
    limits,
};
use alloc::{collections::BTreeMap, string::String, vec, vec::Vec};
use serde::{Deserialize, Serialize};

/// The beginning of the names that Tradewind gives values to.
pub const RESERVED: &str = "TRADEWIND_";

/// One value of an algo's environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum EnvironmentValue {
    /// As it stands here. It is in the state and told to everybody who may read it: never a secret.
    Value(String),
    /// Where its Trader finds it at each start: `file:/PATH`, `env:NAME` (of the TraderManager), `exec:/PROGRAM
    /// [ARGUMENT ...]` (what it writes to its standard output), `credential:NAME` (of systemd).
    From(String),
}

/// What one copy of an algo may use. What is not named is not limited beyond what its TraderManager is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TraderLimits {
    /// Address space of each of its processes (`RLIMIT_AS`).
    #[serde(default)]
    pub memory_mib: Option<u32>,
    /// Descriptors of each of its processes (`RLIMIT_NOFILE`).
    #[serde(default)]
    pub open_files: Option<u32>,
    /// How far it steps back for others: 0 to 19.
    #[serde(default)]
    pub nice: Option<u8>,
}

/// What follows on a copy's end that nobody asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum RestartPolicy {
    /// Another copy, however it ended.
    Always,
    /// Another copy after a failure; after exit status 0 it is completed.
    #[default]
    OnFailure,
    /// Nothing: it is completed, or failed.
    Never,
}

/// The order of the fields is the order in records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraderRun {
    pub environment: BTreeMap<String, EnvironmentValue>,
    /// Where it is started; absolute. Without it where its TraderManager was.
    pub directory: Option<String>,
    pub limits: TraderLimits,
    pub restart: RestartPolicy,
    /// Another number, another copy: the one that runs is ended in order, and what is completed runs again.
    pub restarts: u64,
}

/// How a Trader is run, where it is not as by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraderRunRow {
    pub trader: TraderId,
    pub run: TraderRun,
}

/// A Trader as operators declare it: in JSON and TOML only, what is not named is as by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TraderDeclaration {
    pub customer: CustomerId,
    /// Program and arguments. `tradewind` names the Manager's own binary. Without one the customer runs it himself, and
    /// attaches it to his TraderManager.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    #[serde(default)]
    pub state: TraderWish,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, EnvironmentValue>,
    /// Where it is started; absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: TraderLimits,
    #[serde(default, skip_serializing_if = "is_default")]
    pub restart: RestartPolicy,
    /// Another number, another copy.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restarts: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl TraderDeclaration {
    #[must_use]
    pub fn of(spec: TraderSpec, run: TraderRun) -> Self {
        let TraderSpec { customer, command, state } = spec;
        let TraderRun { environment, directory, limits, restart, restarts } = run;
        Self { customer, command, state, environment, directory, limits, restart, restarts }
    }

    #[must_use]
    pub fn parts(self) -> (TraderSpec, TraderRun) {
        let Self { customer, command, state, environment, directory, limits, restart, restarts } =
            self;
        let run = TraderRun { environment, directory, limits, restart, restarts };
        (TraderSpec { customer, command, state }, run)
    }
}

/// Why a Trader cannot be run so. Names are told only where they are legal, and so short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum TraderFault {
    #[error(
        "a variable's name has letters, digits and '_', no digit first, and at most {} bytes",
        limits::VARIABLE_NAME_BYTES
    )]
    Name,
    #[error("{name}: names that begin with TRADEWIND_ are given by Tradewind itself")]
    Reserved { name: String },
    #[error("{name}: a value has at most {} bytes and no NUL", limits::VARIABLE_BYTES)]
    Value { name: String },
    #[error(
        "{name}: a reference reads file:/PATH, env:NAME, exec:/PROGRAM [ARGUMENT ...] or credential:NAME, and does not \
         name what is Tradewind's own"
    )]
    Reference { name: String },
    #[error(
        "an environment has at most {} variables, and {} bytes in all",
        limits::VARIABLES,
        limits::ENVIRONMENT_BYTES
    )]
    Environment,
    #[error("a working directory is an absolute path of at most {} bytes", limits::PATH_BYTES)]
    Directory,
    #[error(
        "memory_mib is {} to {}",
        limits::TRADER_MEMORY_MIB.0,
        limits::TRADER_MEMORY_MIB.1
    )]
    Memory,
    #[error("open_files is {} to {}", limits::TRADER_FILES.0, limits::TRADER_FILES.1)]
    OpenFiles,
    #[error("nice is 0 to {}: a Trader steps back, it does not push ahead", limits::NICE_MAX)]
    Nice,
    #[error(
        "without a command its customer runs it himself: environment, directory, limits and restarts are his, not \
         declared"
    )]
    SelfManaged,
}

impl TraderRun {
    /// Why it cannot be.
    #[must_use]
    pub fn fault(&self) -> Option<TraderFault> {
        let bytes = |(name, value): (&String, &EnvironmentValue)| name.len() + value.text().len();
        let large = self.environment.iter().map(bytes).sum::<usize>() > limits::ENVIRONMENT_BYTES;
        if large || self.environment.len() > limits::VARIABLES {
            return Some(TraderFault::Environment);
        }
        if let Some(fault) = self.environment.iter().find_map(|(name, value)| wrong(name, value)) {
            return Some(fault);
        }
        let legal = |path: &String| path.len() <= limits::PATH_BYTES && is_path(path);
        if !self.directory.as_ref().is_none_or(legal) {
            return Some(TraderFault::Directory);
        }
        let TraderLimits { memory_mib, open_files, nice } = self.limits;
        let within = |value: Option<u32>, (least, most): (u32, u32)| {
            value.is_none_or(|value| (least..=most).contains(&value))
        };
        if !within(memory_mib, limits::TRADER_MEMORY_MIB) {
            return Some(TraderFault::Memory);
        }
        if !within(open_files, limits::TRADER_FILES) {
            return Some(TraderFault::OpenFiles);
        }
        nice.is_some_and(|nice| nice > limits::NICE_MAX).then_some(TraderFault::Nice)
    }

    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl EnvironmentValue {
    fn text(&self) -> &str {
        match self {
            Self::Value(text) | Self::From(text) => text,
        }
    }
}

/// Where a reference leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    File(&'a str),
    /// Of the TraderManager's environment.
    Variable(&'a str),
    /// Program and arguments, with blanks between them.
    Program(&'a str),
    /// In the directory that systemd names.
    Credential(&'a str),
}

impl<'a> Reference<'a> {
    /// `None` if it is no legal reference.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        if text.len() > limits::VARIABLE_BYTES || rest.contains('\0') {
            return None;
        }
        match scheme {
            "file" => is_path(rest).then_some(Self::File(rest)),
            "exec" => is_path(rest).then_some(Self::Program(rest)),
            // What is between a service and its Manager is not the algo's.
            "env" if is_name(rest) && !rest.starts_with(RESERVED) => Some(Self::Variable(rest)),
            "credential" => {
                let legal =
                    |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
                let named = !rest.starts_with('.') && !rest.is_empty() && rest.bytes().all(legal);
                named.then_some(Self::Credential(rest))
            }
            _ => None,
        }
    }
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.len() > 1 && !text.contains('\0')
}

fn is_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= limits::VARIABLE_NAME_BYTES
        && text.bytes().all(legal)
        && text.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

fn wrong(name: &str, value: &EnvironmentValue) -> Option<TraderFault> {
    if !is_name(name) {
        return Some(TraderFault::Name);
    }
    let name = String::from(name);
    if name.starts_with(RESERVED) {
        return Some(TraderFault::Reserved { name });
    }
    match value {
        EnvironmentValue::Value(text) => {
            let bad = text.len() > limits::VARIABLE_BYTES || text.contains('\0');
            bad.then_some(TraderFault::Value { name })
        }
        EnvironmentValue::From(text) => {
            Reference::parse(text).is_none().then_some(TraderFault::Reference { name })
        }
    }
}

impl Machine {
    /// How a Trader is run; as by default where nothing else was declared.
    #[must_use]
    pub fn trader_run(&self, trader: &TraderId) -> TraderRun {
        self.tables.trader_runs.get(trader).map(|row| row.run.clone()).unwrap_or_default()
    }

    /// A Trader as it is declared.
    #[must_use]
    pub fn trader_declaration(&self, row: &TraderRow) -> TraderDeclaration {
        TraderDeclaration::of(row.spec.clone(), self.trader_run(&row.trader))
    }

    /// All of a Trader's declaration: a change of the one part or the other is one of both.
    pub(super) fn put_trader_run(
        &mut self,
        trader: TraderId,
        spec: TraderSpec,
        run: TraderRun,
        revision: Revision,
    ) -> Result<Vec<EventKind>, Refusal> {
        if let Some(fault) = run.fault() {
            return Err(Refusal::TraderNotPossible { fault });
        }
        let same_run = self.trader_run(&trader) == run;
        let mut events = self.put_trader(trader.clone(), spec, revision)?;
        if same_run {
            return Ok(events);
        }
        if run.is_default() {
            self.tables.forget_trader_run(&trader);
        } else {
            self.tables.put(Row::TraderRun(TraderRunRow { trader: trader.clone(), run }));
        }
        // What is declared has changed although the other part of it has not.
        if events.is_empty()
            && let Some(row) = self.trader(&trader).cloned()
        {
            self.tables.put(Row::Trader(TraderRow { revision, ..row }));
            events = vec![EventKind::TraderChanged { trader }];
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests;
