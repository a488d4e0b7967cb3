//! The process of a service in these tests. Decides by the account's name how it behaves.

use std::{io::Write as _, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tradewind_domain::ids::ServiceId;
use tradewind_link::rest::{HeaderMap, HeaderValue, Method, Rest};
use tradewind_node::service::{self, BoxError, Context, StateReporter};
use tradewind_protocol::{
    asks::{ConnectsAllowed, ServiceAsk},
    check_in::ServiceCheckIn,
    supervision::Configuration,
};

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
    let mut context = Context::from_env().unwrap();
    let ServiceId::Broker { account, .. } = context.service.clone() else { return 9 };
    let shutdown = CancellationToken::new();
    match account.as_str() {
        "crashes" => {
            let _ = writeln!(std::io::stderr(), "its venue is on fire");
            return 7;
        }
        "mute" => std::future::pending::<()>().await,
        name if name.starts_with("idle") => std::future::pending::<()>().await,
        // Checked in, and nobody is where it said it is.
        "homeless" => {
            check_in(&context, context.service.clone(), std::process::id(), "127.0.0.1:1").await;
            std::future::pending::<()>().await;
        }
        "liar" => {
            let other = "broker.good.0".parse().unwrap();
            let told = check_in(&context, other, std::process::id(), "127.0.0.1:1").await;
            let _ = writeln!(std::io::stderr(), "as another: {told}");
            let own = context.service.clone();
            let told = check_in(&context, own, std::process::id() + 1, "127.0.0.1:1").await;
            let _ = writeln!(std::io::stderr(), "as another process: {told}");
            std::future::pending::<()>().await;
        }
        "twice" => {
            let own = context.service.clone();
            let told = check_in(&context, own, std::process::id(), "127.0.0.1:1").await;
            let _ = writeln!(std::io::stderr(), "first: {told}");
        }
        "stubborn" => {
            let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
            let deaf = context.clone();
            let _ = service::run(deaf, axum::Router::new(), work, shutdown.clone()).await;
            std::future::pending::<()>().await;
        }
        // Of a build that knows no secret of its Manager's.
        "older" => {
            let token = std::env::var(service::SERVICE_TOKEN).unwrap();
            let Context { service, manager, state_dir, .. } = context.clone();
            context = Context::new(service, manager, token, state_dir).unwrap();
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

async fn check_in(context: &Context, service: ServiceId, pid: u32, address: &str) -> u16 {
    let token = std::env::var(service::SERVICE_TOKEN).unwrap();
    let (incarnation, address) = (context.incarnation, address.to_string());
    let ask = ServiceCheckIn { service, token, incarnation, pid, address };
    let (rest, within) = (Rest::default(), Duration::from_secs(5));
    let body = serde_json::to_vec(&ask).unwrap().into();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let path = "/v1/services/check-in";
    rest.raw(Method::POST, &context.manager, path, headers, body, within).await.unwrap().0.as_u16()
}

/// Says something else of itself as fast as it can, for as long as it runs.
async fn flood(reporter: StateReporter, stop: CancellationToken) -> Result<(), BoxError> {
    let mut n = 0_u64;
    while !stop.is_cancelled() {
        n += 1;
        reporter.live(format!("word {n}"));
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Asks its Manager, and says what it was answered.
async fn asks(reporter: StateReporter, stop: CancellationToken) -> Result<(), BoxError> {
    let allowed = ConnectsAllowed { connects: 5, within_ms: 1_000 };
    let (venue, endpoint) = ("sim".parse()?, "here".to_owned());
    let ask = ServiceAsk::Connect { venue, endpoint, allowed, dials: 1, for_data: false };
    while !stop.is_cancelled() {
        let answer = reporter.manager().ask(ask.clone(), Duration::from_secs(10)).await;
        reporter.live(format!("{answer:?}"));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn work(
    mut configured: watch::Receiver<Option<Configuration>>,
    reporter: StateReporter,
    stop: CancellationToken,
) -> Result<(), BoxError> {
    if std::env::var(service::SERVICE).is_ok_and(|id| id.contains("flood")) {
        return flood(reporter, stop).await;
    }
    if std::env::var(service::SERVICE).is_ok_and(|id| id.contains("asks")) {
        return asks(reporter, stop).await;
    }
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
