//! The process of a service in these tests. Decides by the account's name how it behaves.

use std::{io::Write as _, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tradewind_domain::ids::ServiceId;
use tradewind_node::service::{self, BoxError, Context, StateReporter};
use tradewind_protocol::supervision::Configuration;

pub(crate) fn main_if_spawned() {
    if std::env::var_os(service::SERVICE).is_none() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let code = runtime.block_on(run());
    // Without the test harness' own words and exit code.
    std::process::exit(code);
}

async fn run() -> i32 {
    let context = Context::from_env().unwrap();
    let ServiceId::Broker { account, .. } = context.service.clone() else { return 9 };
    let shutdown = CancellationToken::new();
    match account.as_str() {
        "crashes" => {
            let _ = writeln!(std::io::stderr(), "its venue is on fire");
            return 7;
        }
        "mute" => std::future::pending::<()>().await,
        "stubborn" => {
            let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
            let deaf = context.clone();
            let _ = service::run(deaf, axum::Router::new(), work, shutdown.clone()).await;
            std::future::pending::<()>().await;
        }
        _ => {
            let token = shutdown.clone();
            tokio::spawn(async move {
                let kind = tokio::signal::unix::SignalKind::terminate();
                tokio::signal::unix::signal(kind).unwrap().recv().await;
                token.cancel();
            });
        }
    }
    match service::run(context, axum::Router::new(), work, shutdown).await {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            1
        }
    }
}

async fn work(
    mut configured: watch::Receiver<Option<Configuration>>,
    reporter: StateReporter,
    stop: CancellationToken,
) -> Result<(), BoxError> {
    loop {
        if let Some(Configuration::Broker { wanted }) = &*configured.borrow_and_update() {
            reporter.live(format!("{} at epoch {}", wanted.account, wanted.fence.epoch));
        }
        tokio::select! {
            changed = configured.changed() => changed?,
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_secs(120)) => return Err("forgotten".into()),
        }
    }
}
