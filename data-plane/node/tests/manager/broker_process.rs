//! The process of a service in these tests. Decides by the account's name how it behaves.

use super::raw_pipe::RawPipe;
use std::{io::Write as _, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tradewind_domain::ids::{Incarnation, ServiceId};
use tradewind_link::rest::{HeaderMap, HeaderValue, Method, Rest};
use tradewind_node::service::{self, BoxError, Context, StateReporter};
use tradewind_protocol::{
    asks::{ConnectsAllowed, ServiceAsk},
    check_in::ServiceCheckIn,
    supervision::{Configuration, ServiceReport},
};

/// Where nobody listens.
pub(crate) const NOWHERE: &str = "127.0.0.1:1";
const WITHIN: Duration = Duration::from_secs(5);

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
    if let Some(pipe) = RawPipe::of(&context, account.as_str()) {
        pipe.serve(&context).await;
    }
    let own = context.service.clone();
    match account.as_str() {
        "crashes" => {
            say("its venue is on fire");
            return 7;
        }
        "mute" => std::future::pending::<()>().await,
        name if name.starts_with("idle") => std::future::pending::<()>().await,
        // Checked in, and nobody is where it said it is.
        "homeless" => {
            check_in(&context, own, std::process::id(), NOWHERE).await;
            std::future::pending::<()>().await;
        }
        // Checked in, and another one is where it said it is.
        name if name.starts_with("at-") => {
            let other = address_of(&context, name.trim_start_matches("at-")).await;
            check_in(&context, own, std::process::id(), &other).await;
            std::future::pending::<()>().await;
        }
        "liar" => {
            let other = "broker.good.0".parse().unwrap();
            let told = check_in(&context, other, std::process::id(), NOWHERE).await;
            say(&format!("as another: {told}"));
            let told = check_in(&context, own, std::process::id() + 1, NOWHERE).await;
            say(&format!("as another process: {told}"));
            std::future::pending::<()>().await;
        }
        "twice" => {
            let told = check_in(&context, own, std::process::id(), NOWHERE).await;
            say(&format!("first: {told}"));
        }
        "stubborn" => {
            let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
            let _ = serve(context.clone(), shutdown.clone()).await;
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
    match serve(context, shutdown).await {
        Ok(()) => 0,
        Err(error) => {
            say(&error.to_string());
            1
        }
    }
}

async fn serve(context: Context, shutdown: CancellationToken) -> Result<(), service::Error> {
    let life = context.clone();
    let work = move |configured, reporter, stop| work(life, configured, reporter, stop);
    service::run(context, axum::Router::new(), work, shutdown).await
}

/// Puts a line into its log, past the test harness.
pub(crate) fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "{words}");
}

/// The status of the answer.
pub(crate) async fn check_in(
    context: &Context,
    service: ServiceId,
    pid: u32,
    address: &str,
) -> u16 {
    let token = std::env::var(service::SERVICE_TOKEN).unwrap();
    let (incarnation, address) = (context.incarnation, address.to_string());
    let ask = ServiceCheckIn { service, token, incarnation, pid, address };
    let rest = Rest::default();
    let body = serde_json::to_vec(&ask).unwrap().into();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let path = "/v1/services/check-in";
    rest.raw(Method::POST, &context.manager, path, headers, body, WITHIN).await.unwrap().0.as_u16()
}

/// Where the service of another account is, as its Manager tells anybody.
async fn address_of(context: &Context, account: &str) -> String {
    let (rest, path) = (Rest::default(), format!("/v1/services/broker.{account}.0"));
    let asked = rest.request(Method::GET, &context.manager, &path, &[], None::<&()>, WITHIN).await;
    let (_, report): (u16, ServiceReport) = asked.unwrap();
    report.address.unwrap()
}

/// Says beside the pipe that stands what is not so: which life it is, or where; and what it was told.
async fn checks_in_anew(mut life: Context, account: &str) {
    if account == "earlier" {
        life.incarnation = Incarnation(life.incarnation.0 - 1);
    }
    let told = check_in(&life, life.service.clone(), std::process::id(), NOWHERE).await;
    say(&format!("{account}: {told}"));
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
    life: Context,
    mut configured: watch::Receiver<Option<Configuration>>,
    reporter: StateReporter,
    stop: CancellationToken,
) -> Result<(), BoxError> {
    let ServiceId::Broker { account, .. } = life.service.clone() else {
        return Err("not a Broker".into());
    };
    match account.as_str() {
        "flood" => return flood(reporter, stop).await,
        "asks" => return asks(reporter, stop).await,
        name @ ("earlier" | "elsewhere") => {
            configured.wait_for(Option::is_some).await?;
            checks_in_anew(life, name).await;
        }
        _ => {}
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
