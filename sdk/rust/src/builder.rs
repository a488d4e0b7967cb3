//! How a session begins. Decides where the settings come from: the environment of a spawned Trader, or
//! an API key of a customer who runs his algo himself.

use crate::{
    access::Access,
    error::Error,
    history::{History, Recorder},
    requests::Requests,
    session::Session,
};
use std::{path::PathBuf, time::Duration};
use tradewind_protocol::{history::HISTORY_FILE, session::SessionOpened};

/// How long [`Builder::connect`] looks for somebody who answers.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// Settings of a session. Lists are `host:port`, in the order of preference.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    infrastructure_managers: Vec<String>,
    market_managers: Vec<String>,
    api_key: Option<String>,
    token: Option<String>,
    history: Option<PathBuf>,
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_string).collect()
}

impl Builder {
    /// Takes what the environment holds: `TRADEWIND_INFRASTRUCTURE` with `TRADEWIND_API_KEY`, or what a
    /// TraderManager sets: `TRADEWIND_MARKET_MANAGERS` with `TRADEWIND_SESSION_TOKEN`.
    pub fn from_env(mut self) -> Result<Self, Error> {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        if let Some(text) = variable("TRADEWIND_INFRASTRUCTURE") {
            self.infrastructure_managers = list(&text);
        }
        if let Some(text) = variable("TRADEWIND_MARKET_MANAGERS") {
            self.market_managers = list(&text);
        }
        self.api_key = variable("TRADEWIND_API_KEY").or(self.api_key);
        self.token = variable("TRADEWIND_SESSION_TOKEN").or(self.token);
        self.history = variable(HISTORY_FILE).map(PathBuf::from).or(self.history);
        let by_key = self.api_key.is_some() && !self.infrastructure_managers.is_empty();
        let by_token = self.token.is_some() && !self.market_managers.is_empty();
        if by_key || by_token {
            return Ok(self);
        }
        Err(Error::Configuration(
            "the environment names no session: set TRADEWIND_INFRASTRUCTURE (host:port,...) and \
             TRADEWIND_API_KEY, or run the algo as a Trader"
                .to_string(),
        ))
    }

    /// API addresses of InfrastructureManagers.
    #[must_use]
    pub fn infrastructure_managers<S: Into<String>>(
        mut self,
        addresses: impl IntoIterator<Item = S>,
    ) -> Self {
        self.infrastructure_managers = addresses.into_iter().map(Into::into).collect();
        self
    }

    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// What the algo does and sees is appended to this file, one operation a line; the same as `TRADEWIND_HISTORY`.
    #[must_use]
    pub fn history(mut self, path: impl Into<PathBuf>) -> Self {
        self.history = Some(path.into());
        self
    }

    /// Opens the session: returns once a MarketManager has said hello.
    pub async fn connect(self) -> Result<Session, Error> {
        let recorder = match &self.history {
            None => Recorder::default(),
            Some(path) => Recorder(Some(History::open(path).map_err(|error| {
                let path = path.display();
                Error::Configuration(format!("{HISTORY_FILE}={path} cannot be written: {error}"))
            })?)),
        };
        let requests = Requests::new()?;
        let mut members = self.infrastructure_managers;
        let (token, edges) = match (self.token, &self.api_key) {
            (Some(token), _) if !self.market_managers.is_empty() => (token, self.market_managers),
            (_, Some(key)) if !members.is_empty() => {
                let opened = open(&requests, &members, key).await?;
                for member in opened.infrastructure_managers {
                    if !members.contains(&member) {
                        members.push(member);
                    }
                }
                let edges = opened.market_managers.into_iter().map(|edge| edge.address);
                (opened.token, edges.collect())
            }
            _ => {
                let text = "a session needs infrastructure_managers (host:port) and an api_key";
                return Err(Error::Configuration(text.to_string()));
            }
        };
        let access = Access::new(requests.clone(), self.api_key, token, edges, members);
        Session::start(requests, recorder, access, CONNECT_WITHIN).await
    }
}

/// Opens a session at the first member that answers. There is at least one member.
async fn open(requests: &Requests, members: &[String], key: &str) -> Result<SessionOpened, Error> {
    let began = tokio::time::Instant::now();
    let mut last = String::new();
    while began.elapsed() < CONNECT_WITHIN {
        for member in members {
            match requests.open_session(member, key).await {
                Ok(opened) if !opened.market_managers.is_empty() => return Ok(opened),
                Ok(_) => last = "no MarketManager is live yet".to_string(),
                Err(problem) => match problem.refused() {
                    Ok(problem) => return Err(Error::Refused(problem)),
                    Err(text) => last = text,
                },
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let within_ms = CONNECT_WITHIN.as_millis();
    Err(Error::Unreachable { whom: "InfrastructureManager", within_ms, last })
}
