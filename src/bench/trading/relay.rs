//! A relay: the least that a hop of an order can do. Decides that every frame is parsed as what the trade link carries
//! and written anew, in both directions; the last relay of a chain answers. The floor of an order's round trip.

use super::peers;
use futures_util::{SinkExt as _, StreamExt as _};
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};
use tradewind_domain::{
    ids::{OrderId, VenueOrderId},
    trading::Order,
};
use tradewind_protocol::trade::{CommandAnswer, OrderCommand, TradeDown, TradeUp};

type Socket = WebSocketStream<TcpStream>;

/// As on every link of ours: tungstenite fills the whole buffer with zeros before each read.
pub(super) fn config() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(8 << 10)
}

pub(super) async fn run(to: Option<SocketAddr>) -> anyhow::Result<()> {
    let listener = peers::listen(None).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = serve(stream, to).await {
                eprintln!("a relay's connection has ended: {error:#}");
            }
        });
    }
}

async fn serve(stream: TcpStream, to: Option<SocketAddr>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut from = accept_async_with_config(stream, Some(config())).await?;
    match to {
        Some(to) => pass_on(from, dial(to).await?).await,
        None => {
            while let Some(Message::Text(text)) = from.next().await.transpose()? {
                let answer = answer(serde_json::from_str(&text)?)?;
                let answer = serde_json::to_string(&answer)?;
                from.send(Message::text(answer)).await?;
            }
            Ok(())
        }
    }
}

/// A connection to a relay, or to another peer.
pub(in crate::bench) async fn dial(to: SocketAddr) -> anyhow::Result<Socket> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let url = format!("ws://{to}/");
    Ok(client_async_with_config(url, stream, Some(config())).await?.0)
}

async fn pass_on(mut from: Socket, mut to: Socket) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            frame = from.next() => {
                let Some(Message::Text(text)) = frame.transpose()? else { return Ok(()) };
                let frame: TradeDown = serde_json::from_str(&text)?;
                to.send(Message::text(serde_json::to_string(&frame)?)).await?;
            }
            frame = to.next() => {
                let Some(Message::Text(text)) = frame.transpose()? else { return Ok(()) };
                let frame: TradeUp = serde_json::from_str(&text)?;
                from.send(Message::text(serde_json::to_string(&frame)?)).await?;
            }
        }
    }
}

/// The order as a Broker would have accepted it, without a ledger.
fn answer(frame: TradeDown) -> anyhow::Result<TradeUp> {
    let TradeDown::Command { request, principal, command, .. } = frame else {
        anyhow::bail!("only orders are relayed");
    };
    let OrderCommand::Submit { account: Some(account), order: new } = command else {
        anyhow::bail!("only submits with an account are relayed");
    };
    let customer = principal.customer;
    let venue_order_id = VenueOrderId::of(&account, &customer, &new.client_order_id);
    let order_id = OrderId { account, venue_order_id };
    let order = Order::accepted(order_id, customer, "sim".parse()?, &new, crate::clock::now());
    let order = Box::new(order);
    Ok(TradeUp::Answer { request, answer: CommandAnswer::Order { order, created: true } })
}
