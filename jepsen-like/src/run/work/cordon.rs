//! Managers that are drained and taken back while clients work. Decides when a drain is done: when its cordon is
//! acknowledged. Taking back is done when it was accepted.

use super::{super::recorder::Ended, ANSWERED_WITHIN, Caller};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tradewind_control_client::Answer;
use tradewind_domain::{
    control::drain::DropSchedule,
    ids::{DrainTarget, ManagerId},
};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    control::Changed,
    drains::{BeginDrain, ChangeDrain, DrainTold, path_of},
};

const ASKED_AGAIN: Duration = Duration::from_millis(20);
const WHO: &str = "jepsen-like";
const WHY: &str = "a fault run";

/// Does `drain` or `undrain` of the Manager that is named.
pub(super) async fn change(caller: &mut Caller, f: &str, named: &Value) -> anyhow::Result<()> {
    let manager: ManagerId = named.as_str().unwrap_or_default().parse()?;
    let Caller { client, keys, process } = caller;
    let target = DrainTarget::Manager(manager.clone());
    let done = async {
        let key = keys.next();
        if f == "undrain" {
            let body = ChangeDrain { who: WHO.into(), why: WHY.into(), drop: None };
            let path = path_of(&target);
            return ended(
                client.change(Method::DELETE, &path, &body, &key, ANSWERED_WITHIN).await,
                named,
            );
        }
        let body = BeginDrain {
            who: WHO.into(),
            why: WHY.into(),
            deadline: None,
            drop: DropSchedule::Never,
        };
        let path = format!("/v1/managers/{manager}/drain");
        let began = client.change(Method::POST, &path, &body, &key, ANSWERED_WITHIN).await;
        let began = ended(began, named);
        if !matches!(began, Ended::Ok(_)) {
            return began;
        }
        let deadline = Instant::now() + ANSWERED_WITHIN;
        while Instant::now() < deadline {
            match client.read::<DrainTold>(&path_of(&target), ANSWERED_WITHIN).await {
                Ok(told) if told.drain.acknowledged => return began,
                Ok(_) => sleep(ASKED_AGAIN).await,
                Err(problem) => return Ended::Info(problem.to_string()),
            }
        }
        Ended::Info("the cordon was not acknowledged in time".to_string())
    };
    process.call(f, named.clone(), done).await;
    Ok(())
}

fn ended(answer: Answer<Changed>, named: &Value) -> Ended {
    match answer {
        Answer::Accepted(_) => Ended::Ok(named.clone()),
        Answer::Refused(problem) => Ended::Fail(problem.to_string()),
        Answer::Unknown(problem) => Ended::Info(problem.to_string()),
    }
}

/// Takes all of them back, so that the final reads find a cluster as it was.
pub(super) async fn lift_all(caller: &mut Caller, managers: &[ManagerId]) -> anyhow::Result<()> {
    for manager in managers {
        change(caller, "undrain", &Value::from(manager.to_string())).await?;
    }
    Ok(())
}
