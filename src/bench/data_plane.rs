//! `bench data-plane`: what one Manager costs with many services that are there and do nothing, how soon a Broker that is
//! killed has live data again, and how soon the services of a Manager that is killed run elsewhere. Decides what is
//! measured on which cluster; the services are Traders whose algos sleep. The first two stand beside their floors in the
//! same run.

mod broker;
mod floor;
mod idle;
mod moved;
mod site;

use super::{args::DataPlaneArgs, measured::hundredths};
use crate::cli::Format;
use serde::Serialize;
use site::Site;
use std::time::Duration;
use tradewind_launcher::DataDirectory;

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    idle: idle::Idle,
    /// As many frames a second as the Manager answers beats.
    echo: floor::Echo,
    /// CPU of the idle Manager by that of the echo; none where too little was used to be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    manager_by_echo: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    broker_restart: Option<broker::Restart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved: Option<moved::Moved>,
}

pub(super) async fn run(args: &DataPlaneArgs) -> anyhow::Result<()> {
    let place = |name| DataDirectory::open(args.data.as_ref().map(|data| data.join(name)));
    let site = Site::start(1, place("idle")?).await?;
    let idle = idle::measure(&site, args).await;
    site.stop().await;
    let idle = idle?;
    // Once the cluster is gone: the floor has the machine for itself.
    let (data, length) = (place("floor")?, Duration::from_secs(args.seconds));
    let echo = floor::echo(data.path(), args.services, length).await?;
    let counted = echo.cpu_percent > 0.0;
    let manager_by_echo = counted.then(|| hundredths(idle.manager_cpu_percent / echo.cpu_percent));
    let (mut broker_restart, mut moved) = (None, None);
    if args.broker_restarts + args.moved > 0 {
        let mut site = Site::start(2, place("lost")?).await?;
        let lost = async {
            if args.broker_restarts > 0 {
                broker_restart = Some(broker::restarts(&mut site, args.broker_restarts).await?);
            }
            if args.moved > 0 {
                moved = Some(moved::measure(&mut site, args.moved).await?);
            }
            anyhow::Ok(())
        };
        let lost = lost.await;
        site.stop().await;
        lost?;
    }
    let report = Report { idle, echo, manager_by_echo, broker_restart, moved };
    match args.output {
        Format::Json | Format::Jsonl => println!("{}", serde_json::to_string(&report)?),
        Format::Table => show(&report),
    }
    Ok(())
}

fn show(report: &Report) {
    let Report { idle, echo, manager_by_echo, broker_restart, moved } = report;
    println!("services            {:>10}", idle.services);
    println!("all live after      {:>10} s", idle.all_live_seconds);
    println!("Manager, idle       {:>10} % of a core", idle.manager_cpu_percent);
    println!("Manager, memory     {:>10} MiB", idle.manager_rss_mib);
    println!("services, idle      {:>10} % of a core", idle.services_cpu_percent);
    println!("status, median      {:>10} ms", idle.status_median_ms);
    println!("status, worst       {:>10} ms", idle.status_worst_ms);
    println!("echo, as many       {:>10} % of a core", echo.cpu_percent);
    if let Some(ratio) = manager_by_echo {
        println!("Manager by echo     {ratio:>10}");
    }
    for beside in &idle.beside {
        let (manager, services) = (beside.manager, beside.services);
        println!("{manager}, idle{:>10} % of a core", beside.manager_cpu_percent);
        println!("its {services:<4} services   {:>10} % of a core", beside.services_cpu_percent);
    }
    if let Some(restart) = broker_restart {
        println!("Broker back, median {:>10} ms of {} kills", restart.median_ms, restart.kills);
        println!("Broker back, worst  {:>10} ms", restart.worst_ms);
        println!("begun once, median  {:>10} ms", restart.start.median_ms);
        println!("begun once, worst   {:>10} ms", restart.start.worst_ms);
        println!("back by begun once  {:>10}", restart.median_by_start);
    }
    if let Some(moved) = moved {
        println!("moved               {:>10} services", moved.services);
        println!("first lives after   {:>10} s", moved.first_live_seconds);
        println!("all live after      {:>10} s", moved.all_live_seconds);
    }
}
