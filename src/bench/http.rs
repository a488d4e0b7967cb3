//! A lean client of any API: one HTTP/1.1 connection, kept alive, one request at a time, no
//! task of its own. Decides what it takes as an answer: a status of success and a body of a told length.

use super::load::{Caller, VALUE_BYTES};
use anyhow::{Context as _, bail};
use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

/// An address may have 200 connections at a member. The loopback has many addresses.
const CLIENTS_PER_ADDRESS: u32 = 100;

pub(crate) struct HttpCaller {
    stream: TcpStream,
    /// Which client this is, as its idempotency keys say.
    name: String,
    sent: u64,
    /// The body of every write, ready to be sent.
    body: String,
    output: Vec<u8>,
    input: Vec<u8>,
}

impl HttpCaller {
    /// Client `number` of this run, connected to a member.
    pub(crate) async fn connect(member: SocketAddr, number: u32) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if member.ip().is_loopback() {
            let last = u8::try_from(1 + number / CLIENTS_PER_ADDRESS % 200)?;
            socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
        }
        let stream = socket.connect(member).await.with_context(|| format!("{member}"))?;
        stream.set_nodelay(true)?;
        let value = format!("{number:>width$}", width = VALUE_BYTES);
        Ok(Self {
            stream,
            name: format!("bench-{number}"),
            sent: 0,
            body: format!("{{\"value\":\"{value}\"}}"),
            output: Vec::new(),
            input: Vec::new(),
        })
    }

    /// Sends what is in `output`; the answer's body is then in `input`.
    async fn exchange(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.output).await?;
        self.input.clear();
        let head = loop {
            if let Some(end) = self.input.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let (status, length) = parse(&self.input[..head])?;
        while self.input.len() < head + length {
            self.more().await?;
        }
        self.input.drain(..head);
        if !(200..300).contains(&status) {
            bail!("{status}: {}", String::from_utf8_lossy(&self.input));
        }
        Ok(())
    }

    /// Posts a document; any success will do.
    pub(crate) async fn post(&mut self, path: &str, token: &str, body: &str) -> anyhow::Result<()> {
        self.output.clear();
        let length = body.len();
        write!(
            self.output,
            "POST {path} HTTP/1.1\r\nhost: tradewind\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        self.exchange().await
    }

    /// A document, of whatever size.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<&[u8]> {
        self.output.clear();
        write!(self.output, "GET {path} HTTP/1.1\r\nhost: tradewind\r\n\r\n")?;
        self.exchange().await?;
        Ok(&self.input)
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        if self.stream.read_buf(&mut self.input).await? == 0 {
            bail!("the member closed the connection");
        }
        Ok(())
    }
}

/// Status and length of the body from the head of an answer.
fn parse(head: &[u8]) -> anyhow::Result<(u16, usize)> {
    let head = std::str::from_utf8(head).context("an answer that is no HTTP")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status =
        status.and_then(|status| status.parse().ok()).context("an answer with no status")?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Ok((status, length.context("an answer with no length")?))
}

impl Caller for HttpCaller {
    async fn write(&mut self, key: u64) -> anyhow::Result<()> {
        self.sent += 1;
        // A new time for each: a key as old as this client would be older than what is remembered.
        let issued_at = crate::clock::now().0;
        self.output.clear();
        let Self { name, sent, body, output, .. } = self;
        let length = body.len();
        write!(
            output,
            "PUT /v1/registers/bench-{key} HTTP/1.1\r\nhost: tradewind\r\n\
             idempotency-key: {name}/{issued_at}/{sent}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )?;
        self.exchange().await
    }

    async fn read(&mut self, key: u64) -> anyhow::Result<()> {
        self.output.clear();
        write!(self.output, "GET /v1/registers/bench-{key} HTTP/1.1\r\nhost: tradewind\r\n\r\n")?;
        self.exchange().await?;
        if self.input.len() < VALUE_BYTES {
            bail!("no value under key {key}: {}", String::from_utf8_lossy(&self.input));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_length_are_read_from_the_head() {
        let head = b"HTTP/1.1 200 OK\r\ntradewind-term: 1\r\nContent-Length: 42\r\n\r\n";
        assert_eq!(parse(head).ok(), Some((200, 42)));
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse(b"SSH-2.0\r\n\r\n").is_err());
    }
}
