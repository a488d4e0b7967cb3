//! How a session begins. Decides where the settings come from: the environment of a spawned Trader, or
//! an API key of a customer who runs his algo himself, who may name the Trader that it attaches as.

use crate::{
    access::Access,
    attach::{self, Attaching},
    error::Error,
    history::{History, Recorder},
    requests::Requests,
    session::Session,
};
use std::{path::PathBuf, time::Duration};
use tradewind_protocol::{domain::ids::TraderId, history::HISTORY_FILE, session::SessionOpened};

/// How long [`Builder::connect`] looks for somebody who answers.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// Settings of a session. Lists are `host:port`, in the order of preference.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    infrastructure_managers: Vec<String>,
    market_managers: Vec<String>,
    api_key: Option<String>,
    token: Option<String>,
    trader: Option<String>,
    history: Option<PathBuf>,
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_string).collect()
}

impl Builder {
    /// Takes what the environment holds: `TRADEWIND_INFRASTRUCTURE` with `TRADEWIND_API_KEY`, and `TRADEWIND_TRADER` of
    /// one that attaches; or what a TraderManager sets: `TRADEWIND_MARKET_MANAGERS` with `TRADEWIND_SESSION_TOKEN`.
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
        self.trader = variable("TRADEWIND_TRADER").or(self.trader);
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

    /// The Trader that this algo is: one that is declared without a command, since its customer runs it himself. It is
    /// attached at his TraderManager, takes the place of any other copy, and is refused once another takes its own.
    #[must_use]
    pub fn trader(mut self, trader: impl Into<String>) -> Self {
        self.trader = Some(trader.into());
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
        let opened = match (self.token, self.api_key) {
            (Some(token), _) if !self.market_managers.is_empty() => {
                let access =
                    Access::new(requests.clone(), None, token, self.market_managers, members);
                return Session::start(requests, recorder, access, None, CONNECT_WITHIN).await;
            }
            (_, Some(key)) if !members.is_empty() => {
                (open(&requests, &members, &key, self.trader.is_none()).await?, key)
            }
            _ => {
                let text = "a session needs infrastructure_managers (host:port) and an api_key";
                return Err(Error::Configuration(text.to_string()));
            }
        };
        let (opened, key) = opened;
        for member in opened.infrastructure_managers {
            if !members.contains(&member) {
                members.push(member);
            }
        }
        let Some(trader) = self.trader else {
            let edges = opened.market_managers.into_iter().map(|edge| edge.address).collect();
            let access = Access::new(requests.clone(), Some(key), opened.token, edges, members);
            return Session::start(requests, recorder, access, None, CONNECT_WITHIN).await;
        };
        let attaching = Attaching {
            requests: requests.clone(),
            api_key: key,
            trader: TraderId::new(&trader)?,
            members: members.clone(),
            token: opened.token,
            managers: opened.trader_manager.into_iter().map(|home| home.address).collect(),
        };
        let attachment = attach::start(attaching).await?;
        let given = attachment.now.borrow().access.clone().unwrap_or_default();
        // Its token carries the right: a new one of the API key would not.
        let (token, edges) = (given.session_token, given.market_managers);
        let access = Access::new(requests.clone(), None, token, edges, members);
        Session::start(requests, recorder, access, Some(attachment), CONNECT_WITHIN).await
    }
}

/// Opens a session at the first member that answers. There is at least one member.
async fn open(
    requests: &Requests,
    members: &[String],
    key: &str,
    to_trade: bool,
) -> Result<SessionOpened, Error> {
    let began = tokio::time::Instant::now();
    let mut last = String::new();
    while began.elapsed() < CONNECT_WITHIN {
        for member in members {
            match requests.open_session(member, key).await {
                // Whoever attaches is given them then.
                Ok(opened) if !(to_trade && opened.market_managers.is_empty()) => {
                    return Ok(opened);
                }
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
