//! `tradewind broker | market | trader logs ID`: a service's words. Decides whom to ask: the Manager that runs it,
//! which any InfrastructureManager knows; with `--follow`, each time one tells no more, the one that runs it then. What is
//! told is decided there.

use crate::{
    cli::logs::{LogArgs, Logs},
    stopping, telemetry,
};
use anyhow::{Context as _, anyhow};
use serde_json::Value;
use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};
use tokio::time::sleep;
use tradewind_domain::ids::ServiceId;
use tradewind_link::rest::{Method, Rest, RestError};
use tradewind_node::limits::LOG_LINES;
use tradewind_protocol::{Code, control::Status, managers::OwnStatus};

const WITHIN: Duration = Duration::from_secs(5);
/// A log may say nothing for days; a connection that breaks ends the wait by itself.
const SILENT_FOR: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Between two looks for where it runs now.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(logs: Logs) -> anyhow::Result<ExitCode> {
    telemetry::install("error");
    let stop = stopping::token()?;
    match stop.run_until_cancelled(tell(&logs)).await {
        Some(told) => told.map(|()| ExitCode::SUCCESS),
        None => Ok(ExitCode::SUCCESS),
    }
}

async fn tell(logs: &Logs) -> anyhow::Result<()> {
    let (Logs { service, args }, rest) = (logs, Rest::default());
    let mut place = place(&rest, service, args).await?;
    let (mut told_at, mut looked_again): (Option<String>, bool) = (None, false);
    loop {
        let lines = lines(args, told_at.as_deref(), &place);
        match read(&rest, &place, service, args, lines).await {
            Ok(()) if !args.follow => return Ok(()),
            // Whoever has just got it has no word of it yet.
            Err(RestError::Refused(problem)) if looked_again && problem.code == Code::NotFound => {}
            Err(error) if !args.follow || matches!(error, RestError::Refused(_)) => {
                return Err(error).with_context(|| format!("no log of {service} from {place}"));
            }
            told => {
                eprintln!(
                    "tradewind: {place} tells no more of {service}; looking for where it runs"
                );
                if !matches!(told, Err(RestError::NotSent { .. })) {
                    told_at = Some(place);
                }
            }
        }
        looked_again = true;
        place = place_next(&rest, service, args).await;
    }
}

/// How many of the last lines are asked for. Where it was told last none: what it said there meanwhile stands in the log.
/// At the next place as many as usual: what it said before it was found is among them.
fn lines(args: &LogArgs, told_at: Option<&str>, place: &str) -> usize {
    match told_at {
        None => args.lines,
        Some(last) if last == place => 0,
        Some(_) => LOG_LINES,
    }
}

async fn read(
    rest: &Rest,
    place: &str,
    service: &ServiceId,
    args: &LogArgs,
    lines: usize,
) -> Result<(), RestError> {
    let of = match service {
        ServiceId::Trader { .. } if !args.service => "algo",
        ServiceId::Trader { .. } | ServiceId::Broker { .. } | ServiceId::Market { .. } => "service",
    };
    let follow = args.follow;
    let path = format!("/v1/services/{service}/logs?lines={lines}&follow={follow}&of={of}");
    let within = if follow { SILENT_FOR } else { WITHIN };
    let take = |piece: &[u8]| {
        let mut out = io::stdout().lock();
        out.write_all(piece)?;
        out.flush()
    };
    rest.download(place, &path, within, take).await.map(drop)
}

/// Waits for a Manager that says itself that it runs the service: others name the last one until they hear of the next, and
/// that has told all its words.
async fn place_next(rest: &Rest, service: &ServiceId, args: &LogArgs) -> String {
    loop {
        sleep(LOOK_AGAIN).await;
        if let Ok(place) = place(rest, service, args).await
            && runs_at(rest, &place, service).await
        {
            return place;
        }
    }
}

async fn runs_at(rest: &Rest, place: &str, service: &ServiceId) -> bool {
    let (path, none) = (format!("/v1/services/{service}"), None::<&()>);
    let asked: Result<(u16, Value), _> =
        rest.request(Method::GET, place, &path, &[], none, WITHIN).await;
    asked.is_ok()
}

/// The address of the Manager that has the service, as the first tells it that can be asked.
async fn place(rest: &Rest, service: &ServiceId, args: &LogArgs) -> anyhow::Result<String> {
    let mut why = anyhow!("nobody to ask");
    for address in &args.addr {
        match place_by(rest, service, address).await {
            Ok(place) => return Ok(place),
            Err(error) => why = error,
        }
    }
    Err(why)
}

/// The one asked, if it is a Manager that has the service or had it, or the one that the group names.
async fn place_by(rest: &Rest, service: &ServiceId, address: &str) -> anyhow::Result<String> {
    let none = None::<&()>;
    let asked: Result<(u16, Value), _> =
        rest.request(Method::GET, address, "/v1/status", &[], none, WITHIN).await;
    let (_, told) = asked.with_context(|| format!("no status from {address}"))?;
    if serde_json::from_value::<OwnStatus>(told.clone()).is_ok() {
        return Ok(address.to_owned());
    }
    let unread = || format!("the status from {address} cannot be read");
    let status: Status = serde_json::from_value(told).with_context(unread)?;
    let runs = status.services.iter().find(|each| each.report.service == *service);
    let given_up = status.handed_back.iter().find(|row| row.service == *service);
    let manager = runs.map(|each| &each.manager).or(given_up.map(|row| &row.manager));
    let manager = manager.ok_or_else(|| {
        anyhow!("no Manager says that it runs {service}; `tradewind status` shows what runs")
    })?;
    let address = status.managers.iter().find(|row| row.manager == *manager);
    let address = address.map(|row| row.address.clone());
    address.ok_or_else(|| anyhow!("the address of {manager} is not known"))
}
