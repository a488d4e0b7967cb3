//! Sends each frame back as it came: the least that answering beats can do, without anything of ours. Decides that each
//! connection has a task of its own, as each pipe has.

use super::{peers, relay};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::accept_async_with_config;

pub(super) async fn run() -> anyhow::Result<()> {
    let listener = peers::listen(None).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = serve(stream).await {
                eprintln!("a connection to the echo has ended: {error:#}");
            }
        });
    }
}

async fn serve(stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut socket = accept_async_with_config(stream, Some(relay::config())).await?;
    while let Some(frame) = socket.next().await.transpose()? {
        if frame.is_text() {
            socket.send(frame).await?;
        }
    }
    Ok(())
}
