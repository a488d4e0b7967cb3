//! The least that a fan-out can do: the same frame to all connections, through tokio's broadcast channel and
//! tungstenite, and what has come together for one in one write. Decides that who lags loses frames, as in ours.

use super::{peers, source::Pace};
use anyhow::Context as _;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    net::TcpStream,
    sync::broadcast::{self, error::RecvError},
};
use tokio_tungstenite::{
    accept_async_with_config,
    tungstenite::{Message, Utf8Bytes, protocol::WebSocketConfig},
};

/// Frames that wait for one connection, and that are written together: as at our edge.
const QUEUED: usize = 1_024;
const COALESCE: usize = 256;

pub(super) async fn run(frame: String, rate: u32) -> anyhow::Result<()> {
    let listener = peers::listen(None).await?;
    let (publish, _) = broadcast::channel(QUEUED);
    let told = publish.clone();
    tokio::spawn(async move { send_all(&frame, rate, &told).await });
    loop {
        let (stream, _) = listener.accept().await?;
        // Who has connected counts from here on.
        let frames = publish.subscribe();
        tokio::spawn(async move {
            if let Err(error) = serve(stream, frames).await {
                eprintln!("a connection has ended: {error:#}");
            }
        });
    }
}

async fn send_all(
    frame: &str,
    rate: u32,
    publish: &broadcast::Sender<Utf8Bytes>,
) -> anyhow::Result<()> {
    let (before, after) = around(frame).context("the frame has no size of a bid")?;
    let mut pace = Pace::new(rate);
    loop {
        for _ in 0..pace.due().await {
            let text = format!("{before}{}{after}", crate::clock::now().0 / 1_000);
            // Without a reader it is lost.
            let _ = publish.send(text.into());
        }
    }
}

/// What stands before and after the time that a frame carries.
pub(super) fn around(frame: &str) -> Option<(&str, &str)> {
    const FIELD: &str = "\"bid_size\":\"";
    let begin = frame.find(FIELD)? + FIELD.len();
    let length = frame[begin..].find('"')?;
    Some((&frame[..begin], &frame[begin + length..]))
}

async fn serve(
    stream: TcpStream,
    mut frames: broadcast::Receiver<Utf8Bytes>,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(8 << 10);
    let (mut sink, mut asked) = accept_async_with_config(stream, Some(config)).await?.split();
    // What a subscriber says first.
    let _ = asked.next().await;
    loop {
        match frames.recv().await {
            Ok(frame) => sink.feed(Message::Text(frame)).await?,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return Ok(()),
        }
        for _ in 1..COALESCE {
            let Ok(frame) = frames.try_recv() else { break };
            sink.feed(Message::Text(frame)).await?;
        }
        sink.flush().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_apart_around_the_time_it_carries() {
        let frame = r#"{"bid":"1","bid_size":"1764307","ask":"2"}"#;
        assert_eq!(around(frame), Some((r#"{"bid":"1","bid_size":""#, r#"","ask":"2"}"#)));
        assert_eq!(around("{}"), None);
    }
}
