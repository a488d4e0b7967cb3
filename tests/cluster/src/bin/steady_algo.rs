//! An algo for claims about Traders: orders all the time, and puts on record when it asked and what it was told, a line
//! each, in the file that STEADY_FILE names. It never gives up: that its time is over others must see to. Spawned, or run by
//! its customer: with TRADEWIND_API_KEY it attaches.
#![allow(clippy::unwrap_used)]

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    time::Duration,
};
use tradewind_protocol::token::claims_unchecked;
use tradewind_sdk::{OrderError, OrderRequest, Session, Side};
use tradewind_tests_cluster::copies::{Answer, Line, now};

/// Far below the market: it rests until it is canceled.
const PRICE: &str = "20000";

fn note(file: &mut File, line: &Line) {
    let mut text = serde_json::to_vec(line).unwrap();
    text.push(b'\n');
    file.write_all(&text).unwrap();
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let path = variable("STEADY_FILE");
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    let claims = claims_unchecked(&variable("TRADEWIND_SESSION_TOKEN"));
    let given = claims.and_then(|claims| claims.trader).map(|trader| trader.epoch.0);
    let trader = variable("TRADEWIND_TRADER");
    let line = |epoch, sent, answer| Line { trader: trader.clone(), epoch, sent, answer };
    if let Some(epoch) = given {
        note(&mut file, &line(epoch, now(), Answer::Started));
    }
    let session = Session::builder().from_env().unwrap().connect().await.unwrap();
    let attached = session.attachment().and_then(|attachment| attachment.epoch());
    let epoch = given.or(attached.map(|epoch| epoch.0)).unwrap_or_default();
    let line = |sent, answer| line(epoch, sent, answer);
    if given.is_none() {
        note(&mut file, &line(now(), Answer::Started));
    }
    // That it runs must be enough: what fences the copies before it is not to be its first order.
    tokio::time::sleep(Duration::from_secs(1)).await;
    loop {
        let request =
            OrderRequest::limit("BTC/USD", Side::Buy, "0.001", PRICE.parse().unwrap()).unwrap();
        let sent = now();
        match session.submit(&request).await {
            Ok(order) => {
                note(&mut file, &line(sent, Answer::Accepted));
                let sent = now();
                let canceled = session.cancel(&order.order_id).await.is_ok();
                note(&mut file, &line(sent, Answer::Cancel { accepted: canceled }));
            }
            Err(OrderError::Refused { problem, .. }) => {
                let code = format!("{:?}", problem.code);
                note(&mut file, &line(sent, Answer::Refused { code }));
            }
            Err(OrderError::Unknown { .. }) => note(&mut file, &line(sent, Answer::Unknown)),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
