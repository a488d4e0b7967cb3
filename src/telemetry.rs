//! Logs: to standard error, one line an event; JSON when nobody watches. Decides the form only.

use std::io::IsTerminal as _;
use tracing_subscriber::{EnvFilter, fmt};

/// Installs the log. `TRADEWIND_LOG` sets what is shown (`info`, `tradewind_link=debug`, ...).
pub(crate) fn install(default: &str) {
    let filter =
        EnvFilter::try_from_env("TRADEWIND_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        // It would be said on standard error too, by a macro that panics where nothing can be written: a full disk
        // for logs would end the process.
        .log_internal_errors(false);
    // A second installation can only come from a test; the first one stays.
    let _ = if std::io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
}
