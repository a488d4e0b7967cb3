//! Algos that connect while MarketManagers are drained and taken back. Decides what a connection is: a WebSocket on
//! which the MarketManager has said hello, of a session that has not been anywhere before: one that comes back to
//! where it was is nothing new. Each goes to one MarketManager after the other, in an order of its own.

use super::{
    super::{
        recorder::Ended,
        stage::{PATIENCE, Stage},
    },
    ANSWERED_WITHIN, Caller, Context as Run, cordon,
};
use crate::plan::Timed;
use anyhow::{Context as _, anyhow};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Error as WsError, Message, client::IntoClientRequest as _, http},
};
use tradewind_control_client::ControlClient;
use tradewind_domain::ids::{ManagerId, ManagerKind};

/// The MarketManagers there are, and the key of somebody who may connect.
#[derive(Clone)]
pub(super) struct Doors {
    managers: Vec<(ManagerId, String)>,
    api_key: String,
}

/// What became of one attempt.
enum Attempt {
    Taken,
    /// It surely was not taken.
    Refused(String),
    NotKnown(String),
}

impl Doors {
    pub(super) async fn find(stage: &Stage) -> anyhow::Result<Self> {
        let status = stage.until_whole().await?;
        let markets = status
            .managers
            .iter()
            .filter(|manager| manager.manager.kind == ManagerKind::MarketManager);
        let managers: Vec<_> =
            markets.map(|manager| (manager.manager.clone(), manager.address.clone())).collect();
        let algo = stage.algos.first().ok_or_else(|| anyhow!("nobody has a key"))?;
        let doors = Self { managers, api_key: algo.api_key.clone() };
        doors.open(&stage.client).await?;
        Ok(doors)
    }

    /// Waits until each of them takes a connection: the members' public keys come with the beats.
    async fn open(&self, client: &ControlClient) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        for (manager, address) in &self.managers {
            loop {
                let opened = client.open_session(&self.api_key, PATIENCE).await;
                let opened = opened.map_err(|problem| anyhow!("no session: {problem}"))?;
                if matches!(attempt(address, &opened.token).await, Attempt::Taken) {
                    break;
                }
                anyhow::ensure!(Instant::now() < deadline, "{manager} takes no connection");
                sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    pub(super) fn managers(&self) -> Vec<ManagerId> {
        self.managers.iter().map(|(manager, _)| manager.clone()).collect()
    }
}

async fn attempt(address: &str, token: &str) -> Attempt {
    let dialled = async {
        let stream = match TcpStream::connect(address).await {
            Ok(stream) => stream,
            Err(error) => return Attempt::Refused(error.to_string()),
        };
        let Ok(mut request) = format!("ws://{address}/v1/stream").into_client_request() else {
            return Attempt::Refused(format!("{address} is no address"));
        };
        let Ok(bearer) = http::HeaderValue::from_str(&format!("Bearer {token}")) else {
            return Attempt::Refused("the token is no header".to_string());
        };
        request.headers_mut().insert(http::header::AUTHORIZATION, bearer);
        let mut socket = match client_async(request, stream).await {
            Ok((socket, _)) => socket,
            Err(WsError::Http(answer)) => {
                return Attempt::Refused(format!("answered {}", answer.status()));
            }
            Err(error) => return Attempt::NotKnown(error.to_string()),
        };
        match socket.next().await {
            Some(Ok(Message::Text(told))) if says_hello(told.as_str()) => {
                // Whether it hears the close or the reset is its affair.
                let _ = socket.close(None).await;
                Attempt::Taken
            }
            Some(Ok(_)) => Attempt::NotKnown("its first frame was no hello".to_string()),
            Some(Err(error)) => Attempt::NotKnown(error.to_string()),
            None => Attempt::NotKnown("it ended before a hello".to_string()),
        }
    };
    let late = Attempt::NotKnown("no hello in time".to_string());
    timeout(ANSWERED_WITHIN, dialled).await.unwrap_or(late)
}

fn says_hello(frame: &str) -> bool {
    serde_json::from_str::<Value>(frame).is_ok_and(|told| told["type"] == "hello")
}

pub(super) async fn run(
    context: Run,
    mut caller: Caller,
    doors: Doors,
    operations: Vec<Timed>,
) -> anyhow::Result<()> {
    for operation in operations {
        if !context.is_time(&operation).await {
            continue;
        }
        match operation.f.as_str() {
            "connect" => connect(&mut caller, &doors, &operation.value).await,
            f => cordon::change(&mut caller, f, &operation.value).await?,
        }
    }
    Ok(())
}

async fn connect(caller: &mut Caller, doors: &Doors, asked: &Value) {
    let number = asked["conn"].as_u64().unwrap_or_default();
    let mut order: Vec<_> = doors.managers.iter().collect();
    let first = usize::try_from(number).unwrap_or_default() % order.len().max(1);
    order.rotate_left(first);
    let done = async {
        let opened = match caller.client.open_session(&doors.api_key, ANSWERED_WITHIN).await {
            Ok(opened) => opened,
            Err(problem) => return Ended::Fail(problem.to_string()),
        };
        let (mut refused, mut not_known) = (Vec::new(), Vec::new());
        for (manager, address) in order {
            match attempt(address, &opened.token).await {
                Attempt::Taken => {
                    return Ended::Ok(json!({"conn": number, "manager": manager.to_string()}));
                }
                Attempt::Refused(why) => refused.push(format!("{manager}: {why}")),
                Attempt::NotKnown(why) => not_known.push(format!("{manager}: {why}")),
            }
        }
        if not_known.is_empty() {
            Ended::Fail(refused.join("; "))
        } else {
            Ended::Info(not_known.join("; "))
        }
    };
    caller.process.call("connect", asked.clone(), done).await;
}

/// Everything is taken back, and then each MarketManager takes connections.
pub(super) async fn close(mut caller: Caller, doors: &Doors) -> anyhow::Result<()> {
    cordon::lift_all(&mut caller, &doors.managers()).await?;
    doors.open(&caller.client).await.context("after everything was taken back")
}
