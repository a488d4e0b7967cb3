//! Logs: to standard error, one line an event; JSON when nobody watches. Decides the form, and what is never shown.

use std::io::IsTerminal as _;
use tracing::Metadata;
use tracing_subscriber::{
    EnvFilter,
    filter::{FilterFn, LevelFilter, filter_fn},
    fmt,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// Writes at `trace` what it sends and receives, with the secrets in it: of a handshake, and of frames.
const TELLS_SECRETS: &str = "tungstenite";

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
        builder.finish().with(without_secrets()).try_init()
    } else {
        builder.json().flatten_event(true).finish().with(without_secrets()).try_init()
    };
}

/// Whatever else is to be shown. No directive of a filter holds against a longer one.
fn without_secrets() -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    filter_fn(|event: &Metadata<'_>| {
        let told = event.target().strip_prefix(TELLS_SECRETS);
        let is_its_own = told.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        !is_its_own || *event.level() <= LevelFilter::DEBUG
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    #[derive(Clone, Default)]
    struct Shown(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shown {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_sent_over_websockets_is_not_shown_whatever_is_asked_for() {
        for asked in ["trace", "tungstenite=trace", "tungstenite::handshake::client=trace"] {
            let shown = Shown::default();
            let writer = shown.clone();
            let builder = fmt().with_env_filter(EnvFilter::new(asked));
            let subscriber = builder.with_writer(move || writer.clone()).finish();
            tracing::subscriber::with_default(subscriber.with(without_secrets()), || {
                tracing::trace!(target: "tungstenite::handshake::client", "secret");
                tracing::debug!(target: "tungstenite::handshake::client", "done");
                tracing::trace!(target: "tungstenite", "secret");
                tracing::trace!(target: "tungstenite_like", "another");
            });
            let shown = String::from_utf8(shown.0.lock().unwrap().clone()).unwrap();
            assert!(shown.contains("done") && !shown.contains("secret"), "{asked}: {shown}");
            assert_eq!(shown.contains("another"), !asked.contains("::"), "{asked}: {shown}");
        }
    }
}
