//! What the adapter of Kraken adds to an order's round trip: the same orders over a bare WebSocket and through the
//! adapter, by turns, against the simulator in another process of this machine. Prints the medians; the target is 50 us
//! more. Run: `cargo bench -p tradewind-brokers --bench kraken -- URL KEY SECRET` beside `tradewind sim kraken --tier pro`,
//! whose URL and key they are.

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _, future::BoxFuture};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio_tungstenite::tungstenite::Message;
use tradewind_brokers::venue::{
    Connection, Dials, Event, Permission, Submission, Venue as _, kraken::Account,
};
use tradewind_domain::{
    ids::{AccountId, ClientOrderId, CustomerId, VenueOrderId},
    time::UnixNanos,
    trading::{Conditions, OrderType, Side, TimeInForce},
};
use tradewind_kraken::{
    rest::{self, Token},
    sign::Secret,
    ws::{self, private::Private},
};

/// Two are sent a turn; Kraken's counter gives back 3.75 points a second, an order that ends at once costs one.
const TURNS: u64 = 120;
const APART: Duration = Duration::from_millis(550);

type Failure = Box<dyn std::error::Error>;

/// Nobody else is at the simulator.
struct Alone;

impl Permission for Alone {
    fn granted(&self, _dials: Dials) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

fn order(number: u64) -> Result<Submission, Failure> {
    let account = AccountId::new("bench")?;
    let name = ClientOrderId::new(&format!("{}-{number}", std::process::id()))?;
    Ok(Submission {
        venue_order_id: VenueOrderId::of(&account, &CustomerId::new("bench")?, &name),
        account,
        instrument: "BTC/USD".parse()?,
        side: Side::Buy,
        order_type: OrderType::Limit,
        quantity: "0.001".parse()?,
        // Far from the market: what does not trade at once is canceled at once.
        limit_price: Some("20000".parse()?),
        time_in_force: TimeInForce::Ioc,
        conditions: Conditions::NONE,
        sent_at: now(),
        deadline: now() + Duration::from_secs(5),
    })
}

async fn token(url: &str, key: &str, secret: &str) -> Result<String, Failure> {
    let (path, nonce) = ("/0/private/GetWebSocketsToken", now().0 / 1_000);
    let body = rest::form(nonce, &[]);
    let sign = Secret::from_base64(secret)?.sign(path, &nonce.to_string(), &body);
    let request = reqwest::Client::new().post(format!("{url}{path}"));
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    let answer = request.header("API-Key", key).header("API-Sign", sign).body(body).send().await?;
    let status = answer.status().as_u16();
    Ok(rest::result::<Token>(status, &answer.text().await?)?.token)
}

async fn by_adapter(connection: &mut Connection, number: u64) -> Result<Duration, Failure> {
    let order = order(number)?;
    let id = order.venue_order_id;
    let begun = Instant::now();
    connection.link.submit(order)?;
    loop {
        match connection.events.recv().await.ok_or("the connection ended")? {
            Event::Submitted { order, result } if order == id => {
                result.map_err(|refusal| refusal.reason)?;
                return Ok(begun.elapsed());
            }
            _ => {}
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let [url, key, secret] = &arguments[..] else {
        println!("skipped: names no simulator; see the head of benches/kraken.rs");
        return Ok(());
    };
    // Before the adapter draws higher nonces.
    let token = token(url, key, secret).await?;
    let home = std::env::temp_dir().join(format!("tradewind-bench-{}", std::process::id()));
    std::fs::create_dir_all(&home)?;
    std::fs::write(home.join("key"), key)?;
    std::fs::write(home.join("secret"), secret)?;
    let at = home.display();
    let settings = format!("url={url} key=file:{at}/key secret=file:{at}/secret tier=pro");
    let account = Account::new(settings.parse()?, home.join("nonces"));
    let mut connection = account.connect(Arc::new(Alone)).await?;
    let socket = url.replace("http", "ws") + "/v2";
    let (mut bare, _) = tokio_tungstenite::connect_async(socket).await?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        with.push(by_adapter(&mut connection, turn).await?);
        tokio::time::sleep(APART / 2).await;
        let Submission { venue_order_id, deadline, .. } = order(TURNS + turn)?;
        let frame = format!(
            r#"{{"method":"add_order","params":{{"order_type":"limit","side":"buy","symbol":"BTC/USD","order_qty":0.001,"limit_price":20000,"time_in_force":"ioc","deadline":"{}","cl_ord_id":"{venue_order_id}","token":"{token}"}},"req_id":{turn}}}"#,
            tradewind_kraken::stamp::Stamp(deadline)
        );
        let begun = Instant::now();
        bare.send(Message::text(frame)).await?;
        loop {
            let Message::Text(text) = bare.next().await.ok_or("it ended")?? else { continue };
            match ws::read(&text)? {
                ws::Message::Answer(answer) if answer.req_id == Some(turn) => {
                    answer.result?;
                    break;
                }
                ws::Message::Private(_, Private::Executions(..)) => {}
                _ => {}
            }
        }
        without.push(begun.elapsed());
        tokio::time::sleep(APART / 2).await;
    }
    drop(connection);
    std::fs::remove_dir_all(home)?;
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (with, without) = (median(&mut with), median(&mut without));
    println!(
        "an order's round trip, median of {TURNS}: {with:?} through the adapter, {without:?} over a bare WebSocket, {:?} more",
        with.saturating_sub(without)
    );
    Ok(())
}
