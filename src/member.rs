//! `tradewind member`: asks the group about its members and changes them. Decides the form of the answer;
//! what the program ends with stands in `exit`.

mod watch;

use crate::{
    cli::{
        Format,
        member::{Asked, MemberAction},
        resource::Reason,
    },
    clock, exit,
    resource::said,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use tradewind_control_client::{ControlClient, KeySource};
use tradewind_domain::{
    control::{IdempotencyKey, resource::Condition},
    ids::NodeId,
};
use tradewind_link::rest::{Method, Rest};
use tradewind_protocol::{
    Code, Problem,
    control::Changed,
    members::{LeaderTransferred, MemberInfo, Members, TransferLeader, VotersWanted},
};

/// One question, with its repeats.
const WITHIN: Duration = Duration::from_secs(10);
/// What time it is, before a change is asked for.
const TIME_WITHIN: Duration = Duration::from_secs(2);
/// A removal with a successor that catches up first.
const REMOVED_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(crate) async fn run(
    action: &MemberAction,
    stop: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    match action {
        MemberAction::List { asked, watch: true } => {
            Client::new(asked).watch_all(stop).await?;
        }
        MemberAction::Show { node, asked, watch: true } => {
            Client::new(asked).watch_one(NodeId(*node), stop).await?;
        }
        action => return Ok(once(action).await),
    }
    Ok(ExitCode::SUCCESS)
}

async fn once(action: &MemberAction) -> ExitCode {
    let done = match action {
        MemberAction::List { asked, .. } => Client::new(asked).list().await,
        MemberAction::Show { node, asked, .. } => Client::new(asked).show(NodeId(*node)).await,
        MemberAction::Remove { node, force, no_wait, reason, asked } => {
            Client::new(asked).remove(NodeId(*node), *force, !*no_wait, reason).await
        }
        MemberAction::Voters { voters, reason, asked } => {
            Client::new(asked).voters(u8::try_from(*voters).unwrap_or(u8::MAX), reason).await
        }
        MemberAction::Transfer { node, reason, asked } => {
            Client::new(asked).transfer(node.map(NodeId), reason).await
        }
    };
    match done {
        Ok(text) => {
            let _ = said(&text);
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("tradewind: {problem}");
            ExitCode::from(exit::of_problem(&problem))
        }
    }
}

struct Client {
    control: ControlClient,
    keys: KeySource,
    output: Format,
}

impl Client {
    fn new(asked: &Asked) -> Self {
        // The process is new for each command: its number tells its keys from others'.
        let name = format!("member-cli-{}", std::process::id());
        let client = name.parse().unwrap_or_else(|_| unreachable!("{name} is a legal name"));
        let control = ControlClient::new(asked.addr.clone(), Rest::default());
        let keys = KeySource::new(client, std::sync::Arc::new(clock::now));
        Self { keys: keys.following(control.time()), control, output: asked.output }
    }

    /// Dated by the group's time, whatever the clock here says; where nobody tells it, the change says so.
    async fn key(&self) -> IdempotencyKey {
        let _ = self.control.learn_time(TIME_WITHIN).await;
        self.keys.next()
    }

    fn told<T: Serialize>(&self, answer: &T, text: impl FnOnce() -> String) -> String {
        match self.output {
            Format::Json | Format::Jsonl => {
                serde_json::to_string(answer).map_or_else(|e| e.to_string(), |json| json + "\n")
            }
            Format::Table => text(),
        }
    }

    async fn members(&self) -> Result<Members, Problem> {
        self.control.read("/v1/members", WITHIN).await
    }

    async fn list(&self) -> Result<String, Problem> {
        let members = self.members().await?;
        if self.output == Format::Jsonl {
            let line = |member| serde_json::to_string(member).unwrap_or_default() + "\n";
            return Ok(members.members.iter().map(line).collect());
        }
        Ok(self.told(&members, || table(&members)))
    }

    async fn show(&self, node: NodeId) -> Result<String, Problem> {
        let member: MemberInfo = self.control.read(&format!("/v1/members/{node}"), WITHIN).await?;
        Ok(self.told(&member, || rows(std::slice::from_ref(&member))))
    }

    async fn remove(
        &self,
        node: NodeId,
        force: bool,
        wait: bool,
        reason: &Reason,
    ) -> Result<String, Problem> {
        let path = format!("/v1/members/{node}?force={force}");
        let changed: Changed = self.change(Method::DELETE, &path, &(), reason).await?;
        if !wait {
            return Ok(self.told(&changed, || format!("node {node} is being removed\n")));
        }
        self.gone(node).await?;
        Ok(self.told(&changed, || format!("node {node} was removed\n")))
    }

    /// Waits until the group says that there is no such member.
    async fn gone(&self, node: NodeId) -> Result<(), Problem> {
        let until = Instant::now() + REMOVED_WITHIN;
        let path = format!("/v1/members/{node}");
        loop {
            match self.control.read::<MemberInfo>(&path, WITHIN).await {
                Err(problem) if problem.code == Code::NotFound => return Ok(()),
                Err(problem) if Instant::now() >= until => return Err(problem),
                Ok(_) if Instant::now() >= until => {
                    let detail = format!(
                        "node {node} is still being removed: a successor that does not catch up, or voters \
                         that do not answer; see `tradewind member list`"
                    );
                    return Err(Problem::new(Code::Unknown, detail));
                }
                Ok(_) | Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// A change of the group, in the name of who asks.
    async fn change<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
        reason: &Reason,
    ) -> Result<T, Problem> {
        let (key, terms) = (self.key().await, reason.terms(Condition::Always));
        self.control.change_on(method, path, body, &key, terms, WITHIN).await.accepted()
    }

    async fn voters(&self, voters: u8, reason: &Reason) -> Result<String, Problem> {
        let (path, wanted) = ("/v1/members/voters-wanted", VotersWanted { voters });
        let changed: Changed = self.change(Method::PUT, path, &wanted, reason).await?;
        Ok(self.told(&changed, || format!("{voters} voters wanted\n")))
    }

    async fn transfer(&self, to: Option<NodeId>, reason: &Reason) -> Result<String, Problem> {
        let (path, transfer) = ("/v1/leader/transfer", TransferLeader { to });
        let done: LeaderTransferred = self.change(Method::POST, path, &transfer, reason).await?;
        Ok(self.told(&done, || format!("node {} leads\n", done.to)))
    }
}

fn table(members: &Members) -> String {
    let wanted = members.voters_wanted.map_or("-".to_string(), |voters| voters.to_string());
    let leader = members.stand.leader.map_or("none".to_string(), |node| node.to_string());
    let changing = if members.changing { "   voters are being changed" } else { "" };
    let mut level = members.level.map_or("-".to_string(), |level| level.to_string());
    if let Some(who) = &members.next_level_waits_for {
        level = format!("{level} (the next one waits for {who})");
    }
    format!(
        "leader {leader}   voters wanted {wanted}   level {level}{changing}\n\n{}",
        rows(&members.members)
    )
}

fn rows(members: &[MemberInfo]) -> String {
    let mut text = format!(
        "{:<6}{:<10}{:<24}{:<24}{:<10}{:>10}{:>8}{:>10}{:>7}  VERSION\n",
        "NODE", "ROLE", "API", "PEER", "DISK", "MATCHED", "LAG", "HEARD", "LEVEL"
    );
    let shown = |value: Option<u64>, unit: &str| {
        value.map_or_else(|| "-".to_string(), |value| format!("{value}{unit}"))
    };
    for member in members {
        let role = format!("{:?}", member.standing).to_lowercase();
        let disk = member.disk.as_deref().unwrap_or("-");
        let version = member.version.as_deref().unwrap_or("-");
        let level = member.level.map_or("-".to_string(), |level| level.to_string());
        let matched = shown(member.matched.map(|revision| revision.0), "");
        let (lag, heard) = (shown(member.lag, ""), shown(member.heard_ms, "ms"));
        let (node, api, peer) =
            (member.node.to_string(), &member.api_address, &member.peer_address);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{node:<6}{role:<10}{api:<24}{peer:<24}{disk:<10}{matched:>10}{lag:>8}{heard:>10}{level:>7}  {version}"
        );
    }
    text
}
