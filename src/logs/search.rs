//! Looking for the Manager that runs a service: any InfrastructureManager knows it. Decides whose word counts, and that the
//! looking ends once a leader says that there is no such service; one that is declared may be placed at any time.

use super::WITHIN;
use anyhow::{Context as _, anyhow};
use serde_json::Value;
use std::time::Duration;
use tokio::time::sleep;
use tradewind_domain::ids::{ManagerId, ServiceId};
use tradewind_link::rest::{Method, Rest, RestError};
use tradewind_protocol::{Code, Problem, control::Status, managers::OwnStatus};

/// Between two looks for where it runs now.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A Manager, and where it is asked.
pub(super) struct Place {
    pub(super) manager: ManagerId,
    pub(super) address: String,
}

/// What the group says of a service.
enum Declared {
    Yes,
    /// A leader says that there is none.
    No(Problem),
    /// Nobody could tell.
    Unknown,
}

pub(super) struct Search<'a> {
    pub(super) rest: &'a Rest,
    pub(super) service: &'a ServiceId,
    /// Those to be asked: of the group, or of the Manager itself.
    pub(super) addresses: &'a [String],
}

impl Search<'_> {
    /// The Manager that has it, and whether it was waited for; fails where nobody could say that it is declared.
    pub(super) async fn first(&self) -> anyhow::Result<(Place, bool)> {
        let why = match self.place().await {
            Ok(place) => return Ok((place, false)),
            Err(why) => why,
        };
        match self.declared().await {
            Declared::Yes => Ok((self.next().await?, true)),
            Declared::No(problem) => Err(self.gone(problem)),
            Declared::Unknown => Err(why),
        }
    }

    /// Waits for a Manager that says itself that it runs the service: others name the last one until they hear of the next,
    /// and that has told all its words. Fails once there is no such service.
    pub(super) async fn next(&self) -> anyhow::Result<Place> {
        let mut said = None;
        loop {
            sleep(LOOK_AGAIN).await;
            let why = match self.place().await {
                Ok(place) if self.runs_at(&place).await => return Ok(place),
                Ok(place) => format!("{} does not say that it runs it", place.address),
                Err(why) => format!("{why:#}"),
            };
            if let Declared::No(problem) = self.declared().await {
                return Err(self.gone(problem));
            }
            // The same reason for hours is one line.
            if said.as_ref() != Some(&why) {
                eprintln!("tradewind: still looking for where {} runs: {why}", self.service);
                said = Some(why);
            }
        }
    }

    /// The Manager that has the service, as the first tells it that can be asked.
    pub(super) async fn place(&self) -> anyhow::Result<Place> {
        let mut why = anyhow!("nobody to ask");
        for address in self.addresses {
            match self.place_by(address).await {
                Ok(place) => return Ok(place),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// The one asked, if it is a Manager that has the service or had it, or the one that the group names.
    async fn place_by(&self, address: &str) -> anyhow::Result<Place> {
        let service = self.service;
        let asked = self.get(address, "/v1/status").await;
        let told = asked.with_context(|| format!("no status from {address}"))?;
        if let Ok(own) = serde_json::from_value::<OwnStatus>(told.clone()) {
            return Ok(Place { manager: own.manager, address: address.to_owned() });
        }
        let unread = || format!("the status from {address} cannot be read");
        let status: Status = serde_json::from_value(told).with_context(unread)?;
        let runs = status.services.iter().find(|each| each.report.service == *service);
        let given_up = status.handed_back.iter().find(|row| row.service == *service);
        let manager = runs.map(|each| &each.manager).or(given_up.map(|row| &row.manager));
        let manager = manager.ok_or_else(|| {
            anyhow!("no Manager says that it runs {service}; `tradewind status` shows what runs")
        })?;
        let row = status.managers.iter().find(|row| row.manager == *manager);
        let row = row.ok_or_else(|| anyhow!("the address of {manager} is not known"))?;
        Ok(Place { manager: manager.clone(), address: row.address.clone() })
    }

    async fn runs_at(&self, place: &Place) -> bool {
        let path = format!("/v1/services/{}", self.service);
        self.get(&place.address, &path).await.is_ok()
    }

    async fn declared(&self) -> Declared {
        let (list, name) = match self.service {
            ServiceId::Broker { account, shard } => ("/v1/brokers", format!("{account}.{shard}")),
            ServiceId::Market { market, shard: _ } => ("/v1/markets", market.to_string()),
            ServiceId::Trader { trader } => ("/v1/traders", trader.to_string()),
        };
        for address in self.addresses {
            let problem = match self.get(address, &format!("{list}/{name}")).await {
                Ok(_) => return Declared::Yes,
                Err(RestError::Refused(problem)) if problem.code == Code::NotFound => problem,
                Err(_) => continue,
            };
            // One that has no such list says so of everything: a Manager, which may be asked too.
            if self.get(address, &format!("{list}?limit=1")).await.is_ok() {
                return Declared::No(problem);
            }
        }
        Declared::Unknown
    }

    fn gone(&self, problem: Problem) -> anyhow::Error {
        let gone = format!("no words of {} come: it is not declared", self.service);
        anyhow::Error::new(problem).context(gone)
    }

    async fn get(&self, address: &str, path: &str) -> Result<Value, RestError> {
        let none = None::<&()>;
        let asked = self.rest.request(Method::GET, address, path, &[], none, WITHIN).await;
        asked.map(|(_, told)| told)
    }
}
