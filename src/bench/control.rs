//! `bench control`: writes and reads at several numbers of clients, ours and the rival's in turn, then
//! kills and planned stops of the leader. Decides the order.

use super::{
    args::{ControlArgs, Endpoint},
    failover,
    load::{self, Group as _, Operation},
    members::Members,
    report::{self, Report, Run},
};
use crate::cli::Format;
use anyhow::{Context as _, bail};
use std::{path::PathBuf, time::Duration};
use tradewind_launcher::DataDirectory;

pub(crate) async fn run(args: &ControlArgs) -> anyhow::Result<()> {
    if cfg!(not(feature = "compare-etcd")) && args.compare.is_some() {
        bail!(
            "this binary cannot speak to etcd: build it with `--features compare-etcd` (that needs protoc, \
             Debian package protobuf-compiler)"
        );
    }
    let mut report = Report { runs: loads(args).await?, ..Report::default() };
    if args.failover > 0 {
        let members = Members::start(directory(args, "failover")?, args.binary.clone()).await?;
        let (killed, handed_over) = failover::ours(members, args.failover).await?;
        report.failover_ms = Some(killed);
        report.transfer_ms = Some(handed_over);
        #[cfg(feature = "compare-etcd")]
        if args.compare.is_some() {
            let data = directory(args, "failover-etcd")?;
            let etcd = failover::etcd(data.path(), args.failover).await?;
            if let Some(killed) = &mut report.failover_ms {
                killed.etcd = Some(Box::new(etcd));
            }
        }
    }
    match args.output {
        Format::Json | Format::Jsonl => println!("{}", serde_json::to_string(&report)?),
        Format::Table => print!("{}", report::table(&report)?),
    }
    Ok(())
}

/// A directory for one group of members: below the one named, or one that goes with its owner.
fn directory(args: &ControlArgs, name: &str) -> anyhow::Result<DataDirectory> {
    let named: Option<PathBuf> = args.data.as_ref().map(|data| data.join(name));
    let data = DataDirectory::open(named)?;
    let kind = rustix::fs::statfs(data.path()).context("the file system of the data")?.f_type;
    if kind == TMPFS {
        bail!(
            "{} is in memory: nothing is durable there; name a directory on a disk with --data",
            data.path().display()
        );
    }
    Ok(data)
}

/// The magic number of tmpfs, from statfs(2).
const TMPFS: rustix::fs::FsWord = 0x0102_1994;

async fn loads(args: &ControlArgs) -> anyhow::Result<Vec<Run>> {
    let ours = Members::start(directory(args, "tradewind")?, args.binary.clone()).await?;
    load::fill(&mut ours.connect(1, false).await?).await?;
    #[cfg(feature = "compare-etcd")]
    let rival = Rival::start(args).await?;
    let (spread, length) = (args.endpoint == Endpoint::Any, Duration::from_secs(args.seconds));
    let mut runs = Vec::new();
    for clients in &args.clients {
        for operation in [Operation::Write, Operation::Read] {
            let tradewind = load::measure(&ours, operation, *clients, spread, length).await?;
            let (op, clients) = (operation.name(), *clients);
            #[cfg_attr(not(feature = "compare-etcd"), allow(unused_mut))]
            let mut run = Run { op, clients, tradewind, etcd: None, ratio: None };
            #[cfg(feature = "compare-etcd")]
            if let Some(rival) = &rival {
                let etcd = load::measure(&rival.etcd, operation, clients, spread, length).await?;
                run.ratio = Some(super::measured::Ratio::of(&run.tradewind, &etcd));
                run.etcd = Some(etcd);
            }
            runs.push(run);
        }
    }
    #[cfg(feature = "compare-etcd")]
    drop(rival);
    ours.cluster.stop().await;
    Ok(runs)
}

/// etcd and its data, which goes after it.
#[cfg(feature = "compare-etcd")]
struct Rival {
    etcd: super::etcd::Etcd,
    _data: DataDirectory,
}

#[cfg(feature = "compare-etcd")]
impl Rival {
    async fn start(args: &ControlArgs) -> anyhow::Result<Option<Self>> {
        if args.compare.is_none() {
            return Ok(None);
        }
        let data = directory(args, "etcd")?;
        let etcd = super::etcd::Etcd::start(data.path(), None).await?;
        load::fill(&mut etcd.connect(1, false).await?).await?;
        Ok(Some(Self { etcd, _data: data }))
    }
}
