//! Customers who log in while their TraderManagers are drained, taken back or die. Decides what a login says: the
//! TraderManager that the session was told, under the epoch that the state named before and after it.

use super::{
    super::{
        recorder::Ended,
        stage::{PATIENCE, Stage},
    },
    ANSWERED_WITHIN, Caller, Context, cordon,
};
use crate::plan::Timed;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use tradewind_domain::ids::{ManagerId, ManagerKind};
use tradewind_protocol::resources::{CustomerInfo, One};

/// The customer may be moved between the reads: then it is asked anew.
const TRIES: usize = 5;

/// By customer: his key.
pub(super) type Keys = BTreeMap<String, String>;

pub(super) fn keys(stage: &Stage) -> Keys {
    let of = stage.algos.iter();
    of.map(|algo| (algo.customer.to_string(), algo.api_key.clone())).collect()
}

pub(super) async fn run(
    context: Context,
    mut caller: Caller,
    keys: Keys,
    operations: Vec<Timed>,
) -> anyhow::Result<()> {
    for operation in operations {
        if !context.is_time(&operation).await {
            continue;
        }
        match operation.f.as_str() {
            "login" => drop(login(&mut caller, &keys, &operation.value, ANSWERED_WITHIN).await),
            f => cordon::change(&mut caller, f, &operation.value).await?,
        }
    }
    Ok(())
}

async fn login(caller: &mut Caller, keys: &Keys, asked: &Value, within: Duration) -> bool {
    let Caller { client, process, .. } = caller;
    let customer = asked["customer"].as_str().unwrap_or_default();
    let key = keys.get(customer).map(String::as_str).unwrap_or_default();
    let path = format!("/v1/customers/{customer}");
    // Nothing is changed by any of it: what went wrong did not happen.
    let done = async {
        let mut before: Option<One<CustomerInfo>> = None;
        for _ in 0..TRIES {
            let first = match before.take() {
                Some(read) => Ok(read),
                None => client.read::<One<CustomerInfo>>(&path, within).await,
            };
            let told = client.open_session(key, within).await;
            let after = client.read::<One<CustomerInfo>>(&path, within).await;
            let (first, told, after) = match (first, told, after) {
                (Ok(first), Ok(told), Ok(after)) => (first, told, after),
                (Err(problem), ..) | (_, Err(problem), _) | (.., Err(problem)) => {
                    return Ended::Fail(problem.to_string());
                }
            };
            match (&first.item.affinity, &after.item.affinity, told.trader_manager) {
                (Some(first), Some(now), Some(manager)) if first.epoch == now.epoch => {
                    let mut value = asked.clone();
                    value["manager"] = manager.manager.to_string().into();
                    value["epoch"] = first.epoch.0.into();
                    return Ended::Ok(value);
                }
                (None, ..) | (_, None, _) | (.., None) => {
                    return Ended::Fail("no TraderManager is named".to_string());
                }
                (Some(_), Some(_), Some(_)) => before = Some(after),
            }
        }
        Ended::Fail("the customer was moved again and again".to_string())
    };
    process.call("login", asked.clone(), done).await
}

/// Everything is taken back, and then each customer can log in.
pub(super) async fn close(mut caller: Caller, stage: &Stage, keys: &Keys) -> anyhow::Result<()> {
    let status = stage.until_whole().await?;
    let managers = status.managers.iter().map(|manager| manager.manager.clone());
    let managers: Vec<ManagerId> =
        managers.filter(|manager| manager.kind == ManagerKind::TraderManager).collect();
    cordon::lift_all(&mut caller, &managers).await?;
    for customer in keys.keys() {
        let asked = json!({"customer": customer, "trader": format!("trader-of-{customer}")});
        let there = login(&mut caller, keys, &asked, PATIENCE).await;
        anyhow::ensure!(there, "{customer} cannot log in after everything was healed");
    }
    Ok(())
}
