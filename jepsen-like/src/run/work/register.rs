//! Registers of the test range: write, read, compare-and-set at any member. Decides what an answer means: a refusal
//! did not happen, silence may have.

use super::{super::recorder::Ended, ANSWERED_WITHIN, Caller, Context};
use crate::plan::Timed;
use serde_json::{Value, json};
use std::time::Duration;
use tradewind_control_client::Answer;
use tradewind_link::rest::Method;
use tradewind_protocol::control::{Changed, PutRegister, RegisterAnswer};

/// After the heal each key must be read and written within this.
const HEALED_WITHIN: Duration = Duration::from_secs(30);

pub(super) async fn run(
    context: Context,
    mut caller: Caller,
    operations: Vec<Timed>,
) -> anyhow::Result<()> {
    for operation in operations {
        if context.is_time(&operation).await {
            ask(&mut caller, &operation.f, operation.value, ANSWERED_WITHIN).await;
        }
    }
    Ok(())
}

async fn ask(caller: &mut Caller, f: &str, value: Value, within: Duration) -> bool {
    let key = value.get(0).and_then(Value::as_str).unwrap_or_default().to_string();
    let path = format!("/v1/registers/{key}");
    let (client, keys) = (&caller.client, &caller.keys);
    let put = async |method, path: &str, body: PutRegister| {
        let answer: Answer<Changed> =
            client.change(method, path, &body, &keys.next(), within).await;
        match answer {
            Answer::Accepted(_) => Ended::Ok(value.clone()),
            Answer::Refused(problem) => Ended::Fail(problem.to_string()),
            Answer::Unknown(problem) => Ended::Info(problem.to_string()),
        }
    };
    let done = async {
        match f {
            "write" => {
                let body = PutRegister { value: value[1].to_string(), expected: None };
                put(Method::PUT, &path, body).await
            }
            "cas" => {
                let expected = Some(value[1][0].to_string());
                let body = PutRegister { value: value[1][1].to_string(), expected };
                put(Method::POST, &format!("{path}/cas"), body).await
            }
            _ => match client.read::<RegisterAnswer>(&path, within).await {
                Ok(answer) => {
                    // A value that nobody can have written stays visible as what it is.
                    let seen = answer.register.map(|row| {
                        row.value.parse::<i64>().map_or(json!(row.value), |number| json!(number))
                    });
                    Ended::Ok(json!([key, seen]))
                }
                Err(problem) => Ended::Fail(problem.to_string()),
            },
        }
    };
    caller.process.call(f, value.clone(), done).await
}

/// A write and a read of each key, once all is healed. The value is above all that were planned.
pub(super) async fn read_all(mut caller: Caller, keys: &[String]) {
    const ABOVE: i64 = 1_000_000_000;
    for key in keys {
        ask(&mut caller, "read", json!([key, null]), HEALED_WITHIN).await;
        ask(&mut caller, "write", json!([key, ABOVE]), HEALED_WITHIN).await;
        ask(&mut caller, "read", json!([key, null]), HEALED_WITHIN).await;
    }
}
