//! Our side of the comparison: three InfrastructureManagers as processes of this binary. Decides how the
//! leader is found and when the group is whole.

use super::{http::HttpCaller, load::Group};
use anyhow::{Context as _, bail};
use std::{
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};
use tradewind_control_client::ControlClient;
use tradewind_launcher::{Cluster, DataDirectory, Plan};
use tradewind_link::rest::Rest;
use tradewind_protocol::control::{MemberRole, Status};

const MEMBERS: u64 = 3;
const WITHIN: Duration = Duration::from_secs(5);
const WHOLE_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// A member that lags by no more is taken for caught up while writes go on.
const LAG: u64 = 500;

pub(crate) struct Members {
    pub(crate) cluster: Cluster,
    client: ControlClient,
}

impl Members {
    /// Members that run `binary`, or this program.
    pub(crate) async fn start(
        data: DataDirectory,
        binary: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let own = || std::env::current_exe().context("this program's own path");
        let binary = binary.map_or_else(own, Ok)?;
        let environment = vec![("TRADEWIND_LOG".to_string(), "warn,openraft=error".to_string())];
        let plan =
            Plan { binary, nodes: MEMBERS, implementations: 0, port_base: None, environment };
        let mut cluster = Cluster::new(&plan, data)?;
        for node in 1..=MEMBERS {
            cluster.start_member(node).await?;
        }
        let client = ControlClient::new(cluster.members(), Rest::default());
        let members = Self { cluster, client };
        members.whole().await?;
        Ok(members)
    }

    /// Waits until there is a leader and all members have what it has.
    pub(crate) async fn whole(&self) -> anyhow::Result<Status> {
        let began = Instant::now();
        loop {
            let status = self.client.status(WITHIN).await;
            if let Ok(status) = &status
                && whole(status)
            {
                return Ok(status.clone());
            }
            if began.elapsed() > WHOLE_WITHIN {
                bail!("the members did not come together within {WHOLE_WITHIN:?}: {status:?}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Node and API address of the leader.
    pub(crate) async fn leader(&self) -> anyhow::Result<(u64, SocketAddr)> {
        let status = self.client.status(WITHIN).await.context("who leads")?;
        let node = status.stand.leader.context("nobody leads")?.0;
        let members = self.cluster.infrastructure.iter();
        let found = members.into_iter().find(|member| member.node == node);
        Ok((node, found.context("the leader is none of ours")?.api_address))
    }
}

fn whole(status: &Status) -> bool {
    let last = status.stand.revision.0;
    let caught_up = |matched: Option<u64>| matched.is_some_and(|matched| matched + LAG >= last);
    let well = status.members.iter().filter(|member| {
        member.role != MemberRole::Unreachable && caught_up(member.matched.map(|matched| matched.0))
    });
    status.stand.leader.is_some()
        && status.cluster.is_some()
        && well.count() == usize::try_from(MEMBERS).unwrap_or_default()
}

impl Group for Members {
    type Caller = HttpCaller;

    async fn connect(&self, clients: u32, spread: bool) -> anyhow::Result<Vec<HttpCaller>> {
        self.whole().await?;
        let leader = self.leader().await?.1;
        let all: Vec<SocketAddr> =
            self.cluster.infrastructure.iter().map(|member| member.api_address).collect();
        let mut callers = Vec::new();
        for number in 0..clients {
            let spread_to = all.get(number as usize % all.len()).copied();
            let member = spread_to.filter(|_| spread).unwrap_or(leader);
            callers.push(HttpCaller::connect(member, number).await?);
        }
        Ok(callers)
    }

    async fn processes(&self) -> anyhow::Result<(u32, Vec<u32>)> {
        let (leader, _) = self.leader().await?;
        let pid = |node: u64| self.cluster.member_process(node).map(|process| process.pid());
        let followers = (1..=MEMBERS).filter(|node| *node != leader).filter_map(pid).collect();
        Ok((pid(leader).context("the leader has no process")?, followers))
    }
}
