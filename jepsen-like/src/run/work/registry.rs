//! Managers that are played: they check in by REST and have no process. Decides what a check-in means: a new life
//! acquires an epoch, the same life holds it, or was taken for down meanwhile and is registered anew.

use super::{super::recorder::Ended, ANSWERED_WITHIN, Caller, Context};
use crate::plan::Timed;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use tradewind_control_client::Answer;
use tradewind_domain::{
    control::level::FeatureLevel,
    ids::{Incarnation, ManagerId},
};
use tradewind_protocol::check_in::ManagerCheckIn;

/// Nobody listens there: the leader's pipe is refused, which proves that no process has the registration.
const NOBODY: &str = "127.0.0.1:1";
const HEALED_WITHIN: Duration = Duration::from_secs(30);
/// Above all lives that were planned.
const LAST_LIFE: usize = 1_000_000_000;

/// By key: the life this process registered last, and its epoch.
type Held = BTreeMap<String, (String, u64)>;

pub(super) async fn run(
    context: Context,
    mut caller: Caller,
    operations: Vec<Timed>,
) -> anyhow::Result<()> {
    let mut held = Held::new();
    for operation in operations {
        if context.is_time(&operation).await {
            let key = operation.value[0].as_str().unwrap_or_default().to_string();
            match operation.f.as_str() {
                "acquire" => {
                    let life = operation.value[1].as_str().unwrap_or_default();
                    acquire(&mut caller, &key, life, &mut held, ANSWERED_WITHIN).await?;
                }
                "check-in" => check_in(&mut caller, &key, &mut held).await?,
                _ => drop(read(&mut caller, &key, ANSWERED_WITHIN).await?),
            }
        }
    }
    Ok(())
}

fn manager(key: &str) -> anyhow::Result<ManagerId> {
    Ok(format!("played-{key}.broker-manager").parse()?)
}

fn told(key: &str, life: &str) -> anyhow::Result<ManagerCheckIn> {
    Ok(ManagerCheckIn {
        manager: manager(key)?,
        location: "played".parse()?,
        address: NOBODY.to_string(),
        incarnation: Incarnation(life.parse()?),
        capacity: 1,
        services: Vec::new(),
        disk: None,
        node: None,
        level: Some(FeatureLevel::KNOWN),
    })
}

async fn acquire(
    caller: &mut Caller,
    key: &str,
    life: &str,
    held: &mut Held,
    within: Duration,
) -> anyhow::Result<()> {
    let Caller { client, keys, process } = caller;
    let told = told(key, life)?;
    let done = async {
        match client.check_in(&told, &keys.next(), within).await {
            Answer::Accepted(checked_in) => {
                let epoch = checked_in.fence.epoch.0;
                held.insert(key.to_string(), (life.to_string(), epoch));
                Ended::Ok(json!([key, epoch]))
            }
            Answer::Refused(problem) => Ended::Fail(problem.to_string()),
            Answer::Unknown(problem) => Ended::Info(problem.to_string()),
        }
    };
    process.call("acquire", json!([key, life]), done).await;
    Ok(())
}

/// Of the life that this process registered last; without one there is nothing to ask.
async fn check_in(caller: &mut Caller, key: &str, held: &mut Held) -> anyhow::Result<()> {
    let Some((life, epoch)) = held.get(key).cloned() else { return Ok(()) };
    let Caller { client, keys, process } = caller;
    let told = told(key, &life)?;
    let asked = json!([key, [life, epoch]]);
    let done = async {
        match client.check_in(&told, &keys.next(), ANSWERED_WITHIN).await {
            Answer::Accepted(checked_in) if checked_in.fence.epoch.0 == epoch => {
                Ended::Ok(asked.clone())
            }
            Answer::Accepted(checked_in) => {
                let anew = checked_in.fence.epoch.0;
                held.insert(key.to_string(), (life.clone(), anew));
                Ended::Info(format!("registered anew under epoch {anew}"))
            }
            Answer::Refused(problem) => {
                held.remove(key);
                Ended::Fail(problem.to_string())
            }
            Answer::Unknown(problem) => Ended::Info(problem.to_string()),
        }
    };
    process.call("check-in", asked.clone(), done).await;
    Ok(())
}

async fn read(caller: &mut Caller, key: &str, within: Duration) -> anyhow::Result<bool> {
    let Caller { client, process, .. } = caller;
    let manager = manager(key)?;
    let done = async {
        match client.status(within).await {
            Ok(status) => {
                let row = status.managers.iter().find(|row| row.manager == manager);
                let seen = row.map(|row| json!([row.incarnation.0.to_string(), row.epoch.0]));
                Ended::Ok(json!([key, seen]))
            }
            Err(problem) => Ended::Fail(problem.to_string()),
        }
    };
    Ok(process.call("read", json!([key, Value::Null]), done).await)
}

/// A read and a new life of each Manager, once all is healed.
pub(super) async fn read_all(mut caller: Caller, keys: &[String]) -> anyhow::Result<()> {
    let mut held = Held::new();
    for (n, key) in keys.iter().enumerate() {
        read(&mut caller, key, HEALED_WITHIN).await?;
        let life = (LAST_LIFE + n).to_string();
        acquire(&mut caller, key, &life, &mut held, HEALED_WITHIN).await?;
        read(&mut caller, key, HEALED_WITHIN).await?;
    }
    Ok(())
}
