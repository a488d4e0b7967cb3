//! `tradewind broker | market | trader logs ID`: a service's words. Decides how a Manager is asked for them, and that with
//! `--follow`, each time one tells no more, the one that runs it then is asked, until the service is gone. Whom to ask is
//! `logs/search.rs`' work, where it goes on and what may be missing `logs/told.rs`'; what is told is decided there.

mod search;
mod told;

use crate::{
    cli::logs::{LogArgs, Logs},
    stopping, telemetry,
};
use anyhow::Context as _;
use search::{Place, Search};
use std::{
    io::{self, Stdout},
    process::ExitCode,
    time::Duration,
};
use told::Told;
use tradewind_domain::ids::ServiceId;
use tradewind_link::rest::{Rest, RestError};
use tradewind_protocol::{Code, problem::Retry};

const WITHIN: Duration = Duration::from_secs(5);
/// A log may say nothing for days; a connection that breaks ends the wait by itself.
const SILENT_FOR: Duration = Duration::from_secs(7 * 24 * 3_600);

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
    let search = Search { rest: &rest, service, addresses: &args.addr };
    let mut told = Told::new(io::stdout());
    let (mut place, mut looked_again) =
        if args.follow { search.first().await? } else { (search.place().await?, false) };
    loop {
        match read(&rest, &place, logs, &mut told).await {
            Ok(()) if !args.follow => return Ok(()),
            // Nobody reads any more.
            Err(Broken::Shown(error)) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(Broken::Shown(error)) => return Err(error).context("its words cannot be shown"),
            // Whoever has just got it has no word of it yet.
            Err(Broken::Told(RestError::Refused(problem)))
                if looked_again && problem.code == Code::NotFound => {}
            Err(Broken::Told(error)) if !args.follow || ends(&error) => {
                let from = || format!("no log of {service} from {}", place.address);
                return Err(error).with_context(from);
            }
            Ok(()) | Err(Broken::Told(_)) => eprintln!(
                "tradewind: {} tells no more of {service}; looking for where it runs",
                place.address
            ),
        }
        looked_again = true;
        place = search.next().await?;
    }
}

/// Whether asking again would be answered no other way: a Manager without room, or that begins, has it later.
fn ends(error: &RestError) -> bool {
    let RestError::Refused(problem) = error else { return false };
    !matches!(problem.retry, Retry::After)
}

/// Why no more came of what was asked for.
enum Broken {
    Told(RestError),
    /// It came, and could be read or shown no further.
    Shown(io::Error),
}

/// Asks for the words with their places; a Manager of an earlier build, which refuses that, for the words alone.
async fn read(
    rest: &Rest,
    place: &Place,
    logs: &Logs,
    told: &mut Told<Stdout>,
) -> Result<(), Broken> {
    let with_places = logs.args.follow;
    match read_in(rest, place, logs, told, with_places).await {
        Err(Broken::Told(RestError::Refused(problem)))
            if with_places && problem.code == Code::MalformedRequest =>
        {
            read_in(rest, place, logs, told, false).await
        }
        read => read,
    }
}

async fn read_in(
    rest: &Rest,
    place: &Place,
    Logs { service, args }: &Logs,
    told: &mut Told<Stdout>,
    places: bool,
) -> Result<(), Broken> {
    let Place { manager, address } = place;
    let what = told.query(manager, args.lines, places);
    let (of, follow) = (of(service, args), args.follow);
    let path = format!("/v1/services/{service}/logs?{what}&follow={follow}&of={of}");
    let within = if follow { SILENT_FOR } else { WITHIN };
    let (mut reading, mut not_shown) = (told.reading(manager, places), None);
    let take = |bytes: &[u8]| {
        reading.take(bytes).map_err(|error| {
            let kind = error.kind();
            not_shown = Some(error);
            io::Error::from(kind)
        })
    };
    let read = rest.download(address, &path, within, take).await.map(drop);
    reading.ends(read.is_ok());
    match not_shown {
        Some(error) => Err(Broken::Shown(error)),
        None => read.map_err(Broken::Told),
    }
}

/// Whose words.
fn of(service: &ServiceId, args: &LogArgs) -> &'static str {
    match service {
        ServiceId::Trader { .. } if !args.service => "algo",
        ServiceId::Trader { .. } | ServiceId::Broker { .. } | ServiceId::Market { .. } => "service",
    }
}
