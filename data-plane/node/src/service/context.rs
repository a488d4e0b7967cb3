//! What a service finds in its environment. Decides the names of the variables and the service's
//! incarnation; nothing secret is ever in its arguments.

use crate::{
    incarnation,
    limits::{HOLDER_ASKED_EVERY, HOLDER_ASKED_SPREAD, HOLDER_ASKED_WITHIN},
};
use std::{env, path::PathBuf, time::Duration};
use tradewind_domain::{
    ids::{Incarnation, ServiceId},
    limits::ADOPTED_WITHIN,
};

/// The service's id.
pub const SERVICE: &str = "TRADEWIND_SERVICE";
/// Host and port of its Manager.
pub const MANAGER: &str = "TRADEWIND_MANAGER";
/// The secret that its check-in must carry.
pub const SERVICE_TOKEN: &str = "TRADEWIND_SERVICE_TOKEN";
/// The secret that whoever opens its Manager's pipe must present. A Manager of an earlier build gives none.
pub const PIPE_TOKEN: &str = "TRADEWIND_PIPE_TOKEN";
/// Where it keeps what must outlive it.
pub const STATE_DIR: &str = "TRADEWIND_STATE_DIR";
/// How many files its Manager was given to have open, before it took all that it could have: what a service runs for
/// others is given as many.
pub const OPEN_FILES: &str = "TRADEWIND_OPEN_FILES";

/// Why a service cannot start from its environment.
#[derive(Debug, thiserror::Error)]
pub enum EnvError {
    #[error("{0} is not set; services are started by their Manager, not by hand")]
    Missing(&'static str),
    #[error("{variable} is wrong: {why}")]
    Invalid { variable: &'static str, why: String },
    #[error(transparent)]
    Incarnation(#[from] incarnation::Error),
}

/// Who a service is and where its Manager is.
#[derive(Clone)]
pub struct Context {
    pub service: ServiceId,
    /// Host and port of the Manager.
    pub manager: String,
    /// Kept over restarts; below the Manager's own.
    pub state_dir: PathBuf,
    /// This life of the service: later lives have higher ones.
    pub incarnation: Incarnation,
    pub(crate) token: String,
    /// Without it whoever comes is taken for the Manager.
    pub(crate) pipe_token: Option<String>,
    /// Without a pipe from its Manager for so long it stops itself; or asks first, and again so often.
    pub(crate) adopted_within: Duration,
    pub(crate) asks_every: Duration,
    /// An answer is waited for so long.
    pub(crate) asks_within: Duration,
}

impl Context {
    /// Reads the environment that the Manager gave, creates the state directory and draws the
    /// incarnation. To be called once in a process' life.
    pub fn from_env() -> Result<Self, EnvError> {
        let read = |name| env::var(name).map_err(|_| EnvError::Missing(name));
        let service = read(SERVICE)?;
        let service = service.parse().map_err(|invalid: tradewind_domain::ids::InvalidName| {
            EnvError::Invalid { variable: SERVICE, why: invalid.to_string() }
        })?;
        let (manager, token) = (read(MANAGER)?, read(SERVICE_TOKEN)?);
        let context = Self::new(service, manager, token, PathBuf::from(read(STATE_DIR)?))?;
        Ok(Self { pipe_token: pipe_token(env::var(PIPE_TOKEN))?, ..context })
    }

    /// The same from values, of one that knows its Manager by no secret.
    pub fn new(
        service: ServiceId,
        manager: String,
        token: String,
        state_dir: PathBuf,
    ) -> Result<Self, incarnation::Error> {
        let incarnation = incarnation::next(&state_dir)?;
        // Those that lost one Manager lost it at one time.
        let spread = HOLDER_ASKED_SPREAD * (std::process::id() % 1_000) / 1_000;
        let adopted_within = match service {
            ServiceId::Trader { .. } => ADOPTED_WITHIN + spread,
            ServiceId::Broker { .. } | ServiceId::Market { .. } => ADOPTED_WITHIN,
        };
        Ok(Self {
            service,
            manager,
            state_dir,
            incarnation,
            token,
            pipe_token: None,
            adopted_within,
            asks_every: HOLDER_ASKED_EVERY + spread,
            asks_within: HOLDER_ASKED_WITHIN,
        })
    }
}

/// Without one whoever comes is let in: only a Manager that gave none means that.
fn pipe_token(read: Result<String, env::VarError>) -> Result<Option<String>, EnvError> {
    match read {
        Ok(token) => Ok(Some(token)),
        Err(env::VarError::NotPresent) => Ok(None),
        // What it holds stays out of logs.
        Err(env::VarError::NotUnicode(_)) => {
            let why = "it is not readable as text".to_owned();
            Err(EnvError::Invalid { variable: PIPE_TOKEN, why })
        }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The tokens stay out of logs.
        f.debug_struct("Context").field("service", &self.service).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_secret_that_was_not_given_means_that_none_is_asked_for() {
        let read = |told: Result<&str, env::VarError>| pipe_token(told.map(str::to_owned));
        assert!(matches!(read(Ok("secret")), Ok(Some(_))));
        assert!(matches!(read(Err(env::VarError::NotPresent)), Ok(None)));
        let wrong = read(Err(env::VarError::NotUnicode("secret".into())));
        let said = wrong.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said.contains(PIPE_TOKEN) && !said.contains("secret"), "{said}");
    }
}
