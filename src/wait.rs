//! `tradewind wait`: asks again and again until it is so. Decides how often, and with what it ends when it is not; what
//! counts as so stands in `judge`.

mod judge;

use crate::{
    cli::{
        resource::Format,
        wait::{Awaited, OfImplementation, OfManager, OfMember, WaitArgs},
    },
    exit::{Over, Usage},
    resource::{Asker, say},
};
use clap::ValueEnum;
use judge::{DrainGoal, Verdict};
use serde::de::DeserializeOwned;
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tradewind_domain::ids::DrainTarget;
use tradewind_protocol::{
    Code, Problem,
    control::Stand,
    drains::{DRAINS, DrainView, Drains},
    members::{MemberInfo, Members},
    resources::One,
};

/// Short beside what is waited for, long beside one question.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// One question, also shortly before the end.
const ASK_WITHIN: Duration = Duration::from_secs(2);
const ASK_WITHIN_MIN: Duration = Duration::from_millis(200);

pub(crate) async fn run(args: &WaitArgs, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let (what, how) = (&args.what, args.what.how());
    let name = named(what)?;
    let asker = Asker::new(&how.whom);
    let until = Instant::now() + how.timeout;
    let mut drain_seen = false;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let within = left.clamp(ASK_WITHIN_MIN, ASK_WITHIN);
        let looked = tokio::select! {
            looked = look(&asker, what, within, &mut drain_seen) => looked,
            () = stop.cancelled() => return Err(Over::TimedOut(format!("{name}: not waited for any longer")).into()),
        };
        let over = match looked {
            Ok(Verdict::Holds(item)) => {
                match asker.output {
                    Format::Table => say(&format!("{name}\n"))?,
                    Format::Json => say(&format!("{item:#}\n"))?,
                    Format::Jsonl => say(&format!("{item}\n"))?,
                }
                return Ok(ExitCode::SUCCESS);
            }
            Ok(Verdict::Never(why)) => return Err(Over::Never(why).into()),
            Ok(Verdict::Not(why)) => {
                let within = how.timeout.as_secs_f64();
                Over::TimedOut(format!("{name}: not within {within} s, {why}")).into()
            }
            Err(problem) => match problem.code {
                // A leader may come.
                Code::NoLeader | Code::Unavailable | Code::Unknown | Code::RequestTimeout => {
                    Over::NoLeader(problem).into()
                }
                _ => return Err(problem.into()),
            },
        };
        if Instant::now() >= until {
            return Err(over);
        }
        tokio::select! {
            () = sleep(LOOK_EVERY.min(until.saturating_duration_since(Instant::now()))) => {}
            () = stop.cancelled() => {}
        }
    }
}

fn word(state: &impl ValueEnum) -> String {
    state.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// What is waited for, as it is told when it is so.
fn named(what: &Awaited) -> Result<String, Usage> {
    Ok(match what {
        Awaited::Leader { .. } => "a majority confirms its leader".to_owned(),
        Awaited::Member { node: None, state: OfMember::Voters(voters), .. } => {
            format!("the group has {voters} voters")
        }
        Awaited::Member { node: Some(_), state: OfMember::Voters(_), .. } => {
            return Err(Usage("voters are counted of the group: name no member".to_owned()));
        }
        Awaited::Member { node: None, .. } => {
            return Err(Usage(
                "name the member by its number, or wait for voters=NUMBER".to_owned(),
            ));
        }
        Awaited::Member { node: Some(node), state, .. } => {
            format!("member {node} is {}", format!("{state:?}").to_lowercase())
        }
        Awaited::Manager { name, state, .. } => format!("manager {name} is {}", word(state)),
        Awaited::Implementation { name, state, .. } => {
            format!("implementation {name} is {}", word(state))
        }
        Awaited::Broker { name, state, .. } => format!("broker {name} is {}", word(state)),
        Awaited::Market { name, state, .. } => format!("market {name} is {}", word(state)),
        Awaited::Trader { name, state, .. } => format!("trader {name} is {}", word(state)),
        Awaited::Customer { name, state, .. } => format!("customer {name} is {}", word(state)),
    })
}

async fn look(
    asker: &Asker,
    what: &Awaited,
    within: Duration,
    drain_seen: &mut bool,
) -> Result<Verdict, Problem> {
    Ok(match what {
        Awaited::Leader { .. } => {
            let stand: Stand = asker.control.read("/v1/revision", within).await?;
            judge::leader(&stand)
        }
        Awaited::Member { node: None, state, .. } => {
            let members: Members = asker.control.read("/v1/members", within).await?;
            judge::group(&members, *state)
        }
        Awaited::Member { node: Some(node), state, .. } => {
            let path = format!("/v1/members/{node}");
            let member: Option<MemberInfo> = there(asker.control.read(&path, within).await)?;
            judge::member(*node, member.as_ref(), *state)
        }
        Awaited::Manager { name, state, .. } => match drain_goal(*state) {
            Some(goal) => {
                let drains = drains(asker, &DrainTarget::of(name), within).await?;
                judge::drain(&name.to_string(), &drains, goal, drain_seen)
            }
            None => {
                let info = item(asker, &format!("/v1/managers/{name}"), within).await?;
                judge::manager(name, info.as_ref(), *state)
            }
        },
        Awaited::Implementation { name, state, .. } => match drain_goal_of_whole(*state) {
            Some(goal) => {
                let target = DrainTarget::Implementation(name.clone());
                let drains = drains(asker, &[target], within).await?;
                judge::drain(&name.to_string(), &drains, goal, drain_seen)
            }
            None => {
                let info = item(asker, &format!("/v1/implementations/{name}"), within).await?;
                judge::implementation(name, info.as_ref(), *state)
            }
        },
        Awaited::Broker { name, state, .. } => {
            let told = item(asker, &format!("/v1/brokers/{name}"), within).await?;
            judge::broker(name, told.as_ref(), *state)
        }
        Awaited::Market { name, state, .. } => {
            let info = item(asker, &format!("/v1/markets/{name}"), within).await?;
            judge::market(name, info.as_ref(), *state)
        }
        Awaited::Trader { name, state, .. } => {
            let info = item(asker, &format!("/v1/traders/{name}"), within).await?;
            judge::trader(name, info.as_ref(), *state)
        }
        Awaited::Customer { name, state, .. } => {
            let info = item(asker, &format!("/v1/customers/{name}"), within).await?;
            judge::customer(name, info.as_ref(), *state)
        }
    })
}

fn drain_goal(state: OfManager) -> Option<DrainGoal> {
    match state {
        OfManager::Cordoned => Some(DrainGoal::Cordoned),
        OfManager::Drained => Some(DrainGoal::Drained),
        OfManager::Dropped => Some(DrainGoal::Dropped),
        OfManager::Live | OfManager::Down | OfManager::Gone => None,
    }
}

fn drain_goal_of_whole(state: OfImplementation) -> Option<DrainGoal> {
    match state {
        OfImplementation::Cordoned => Some(DrainGoal::Cordoned),
        OfImplementation::Drained => Some(DrainGoal::Drained),
        OfImplementation::Dropped => Some(DrainGoal::Dropped),
        OfImplementation::Live | OfImplementation::Gone => None,
    }
}

/// What is not there is no problem here.
fn there<T>(read: Result<T, Problem>) -> Result<Option<T>, Problem> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(Problem { code: Code::NotFound, .. }) => Ok(None),
        Err(problem) => Err(problem),
    }
}

async fn item<T: DeserializeOwned>(
    asker: &Asker,
    path: &str,
    within: Duration,
) -> Result<Option<T>, Problem> {
    let one: Option<One<T>> = there(asker.control.read(path, within).await)?;
    Ok(one.map(|one| one.item))
}

/// Of all drains those of these targets.
async fn drains(
    asker: &Asker,
    targets: &[DrainTarget],
    within: Duration,
) -> Result<Vec<DrainView>, Problem> {
    let all: Drains = asker.control.read(DRAINS, within).await?;
    Ok(all.drains.into_iter().filter(|drain| targets.contains(&drain.row.target)).collect())
}
