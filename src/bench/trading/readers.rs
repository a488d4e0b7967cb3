//! Many connections that read, as lean as can be: they share the machine with what they measure. Decides what counts as
//! a message, and from where its age is counted: from the time that it carries as the size of its bid.

use crate::bench::measured::Latencies;
use anyhow::{Context as _, bail, ensure};
use std::{
    cell::{Cell, RefCell},
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

/// What one read takes at most, for all connections one buffer.
const READ_BYTES: usize = 256 << 10;
/// Connections from one address of the loopback.
const PER_ADDRESS: usize = 5_000;

/// How messages are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Text frames of a WebSocket from a server; `quote` frames count.
    WebSocket,
    /// `MSG subject sid bytes` and as many bytes.
    Nats,
}

/// What all readers of a measurement have in common.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) messages: Cell<u64>,
    /// Whether ages are kept.
    pub(super) ages_kept: Cell<bool>,
    pub(super) ages: RefCell<Latencies>,
    /// A message: some reader's first.
    pub(super) first: RefCell<String>,
    /// Readers that have had one.
    pub(super) began: Cell<usize>,
    scratch: RefCell<Vec<u8>>,
}

/// Connections that read until they are dropped.
pub(super) struct Readers {
    pub(super) counted: Rc<Counted>,
    pub(super) tasks: JoinSet<anyhow::Result<()>>,
}

impl Readers {
    /// Opens `count` connections, each of which says `hello` first: to a WebSocket after its upgrade.
    pub(super) async fn open(
        to: SocketAddr,
        count: usize,
        framing: Framing,
        token: &str,
        hello: &str,
    ) -> anyhow::Result<Self> {
        let counted = Rc::new(Counted::default());
        counted.scratch.borrow_mut().resize(READ_BYTES, 0);
        let mut streams = Vec::new();
        for number in 0..count {
            let socket = TcpSocket::new_v4()?;
            let last = u8::try_from(1 + number / PER_ADDRESS)?;
            socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
            let mut stream =
                socket.connect(to).await.with_context(|| format!("reader {number}"))?;
            stream.set_nodelay(true)?;
            let rest = match framing {
                Framing::WebSocket => upgrade(&mut stream, to, token).await?,
                Framing::Nats => Vec::new(),
            };
            streams.push((stream, rest));
        }
        // Nothing is sent before that: the last would be opened in the flood of the others.
        let hello = match framing {
            Framing::WebSocket => masked(hello)?,
            Framing::Nats => hello.as_bytes().to_vec(),
        };
        let mut tasks = JoinSet::new();
        for (mut stream, rest) in streams {
            stream.write_all(&hello).await?;
            let reader = Reader { stream, rest, framing, counted: counted.clone(), began: false };
            tasks.spawn_local(reader.read());
        }
        Ok(Self { counted, tasks })
    }

    /// Waits until every reader has had a message.
    pub(super) async fn all_begun(&mut self, count: usize, within: Duration) -> anyhow::Result<()> {
        let begun = async {
            while self.counted.began.get() < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            done = tokio::time::timeout(within, begun) => {
                let began = self.counted.began.get();
                done.with_context(|| format!("{began} of {count} readers had a message"))
            }
            Some(ended) = self.tasks.join_next() => {
                ended??;
                bail!("a reader's connection was closed")
            }
        }
    }

    /// Messages in all of `length`.
    pub(super) async fn count(&mut self, length: Duration) -> anyhow::Result<u64> {
        let before = self.counted.messages.get();
        tokio::select! {
            () = tokio::time::sleep(length) => Ok(self.counted.messages.get() - before),
            Some(ended) = self.tasks.join_next() => {
                ended??;
                bail!("a reader's connection was closed")
            }
        }
    }
}

async fn upgrade(stream: &mut TcpStream, to: SocketAddr, token: &str) -> anyhow::Result<Vec<u8>> {
    let request = format!(
        "GET /v1/stream HTTP/1.1\r\nhost: {to}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         authorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        ensure!(stream.read_buf(&mut answer).await? > 0, "the upgrade was not answered");
        if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&answer[..end]).into_owned();
            ensure!(head.starts_with("HTTP/1.1 101"), "no upgrade: {head}");
            return Ok(answer.split_off(end + 4));
        }
    }
}

/// A text frame of a client: masked with zeros, which leaves it as it is.
fn masked(text: &str) -> anyhow::Result<Vec<u8>> {
    let length = u16::try_from(text.len())?.to_be_bytes();
    let mut frame = vec![0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    Ok(frame)
}

struct Reader {
    stream: TcpStream,
    /// Of a message whose end has not come.
    rest: Vec<u8>,
    framing: Framing,
    counted: Rc<Counted>,
    began: bool,
}

impl Reader {
    async fn read(mut self) -> anyhow::Result<()> {
        loop {
            self.stream.readable().await?;
            let counted = self.counted.clone();
            // Not held over an await: there is one thread.
            let mut scratch = counted.scratch.borrow_mut();
            let kept = self.rest.len();
            scratch[..kept].copy_from_slice(&self.rest);
            let read = match self.stream.try_read(&mut scratch[kept..]) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            };
            let got = &scratch[..kept + read];
            let mut from = 0;
            while let Some((message, end)) = next(&got[from..], self.framing)? {
                if let Some(message) = message {
                    self.take(message);
                }
                from += end;
            }
            self.rest.clear();
            self.rest.extend_from_slice(&got[from..]);
        }
    }

    fn take(&mut self, message: &[u8]) {
        let counted = &self.counted;
        counted.messages.set(counted.messages.get() + 1);
        if !self.began {
            self.began = true;
            counted.began.set(counted.began.get() + 1);
            *counted.first.borrow_mut() = String::from_utf8_lossy(message).into_owned();
        }
        if counted.ages_kept.get()
            && let Some(sent) = sent_at(message)
        {
            let age = (crate::clock::now().0 / 1_000).saturating_sub(sent);
            counted.ages.borrow_mut().note(Duration::from_micros(age));
        }
    }
}

/// The first message and where it ends, if its end is there; `None` in place of one that does not count.
type Next<'a> = Option<(Option<&'a [u8]>, usize)>;

fn next(bytes: &[u8], framing: Framing) -> anyhow::Result<Next<'_>> {
    match framing {
        Framing::WebSocket => next_frame(bytes),
        Framing::Nats => next_nats(bytes),
    }
}

fn next_frame(bytes: &[u8]) -> anyhow::Result<Next<'_>> {
    let [first, second, ..] = bytes else { return Ok(None) };
    ensure!(second & 0x80 == 0, "a server's frame is masked");
    let (length, head) = match second & 0x7f {
        126 if bytes.len() >= 4 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
        126 => return Ok(None),
        127 => bail!("a frame of 64 KiB is no message of ours"),
        short => (usize::from(short), 2),
    };
    let Some(payload) = bytes.get(head..head + length) else { return Ok(None) };
    ensure!(first & 0x0f != 8, "closed: {}", String::from_utf8_lossy(payload));
    let counts = first & 0x0f == 1 && payload.starts_with(b"{\"type\":\"quote\"");
    Ok(Some((counts.then_some(payload), head + length)))
}

fn next_nats(bytes: &[u8]) -> anyhow::Result<Next<'_>> {
    let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
    let line = std::str::from_utf8(&bytes[..end])?;
    ensure!(!line.starts_with("-ERR"), "{line}");
    let Some(message) = line.strip_prefix("MSG ") else { return Ok(Some((None, end + 2))) };
    let length: usize = message.rsplit(' ').next().context("a MSG with no length")?.parse()?;
    let begin = end + 2;
    let Some(payload) = bytes.get(begin..begin + length) else { return Ok(None) };
    if bytes.len() < begin + length + 2 {
        return Ok(None);
    }
    Ok(Some((Some(payload), begin + length + 2)))
}

/// The time that a message carries, in microseconds.
fn sent_at(message: &[u8]) -> Option<u64> {
    const FIELD: &[u8] = b"\"bid_size\":\"";
    let begin = message.windows(FIELD.len()).position(|part| part == FIELD)? + FIELD.len();
    let digits = message[begin..].iter().take_while(|byte| byte.is_ascii_digit());
    let time = digits.fold(0_u64, |time, byte| time.wrapping_mul(10) + u64::from(byte - b'0'));
    Some(time)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_message_is_taken_when_its_end_is_there_and_others_do_not_count() {
        let quote = br#"{"type":"quote","bid_size":"1764307000000000"}"#;
        let mut bytes = vec![0x81, u8::try_from(quote.len()).unwrap()];
        bytes.extend_from_slice(quote);
        assert_eq!(next_frame(&bytes[..20]).unwrap(), None);
        assert_eq!(next_frame(&bytes).unwrap(), Some((Some(&quote[..]), bytes.len())));
        assert_eq!(sent_at(quote), Some(1_764_307_000_000_000));
        assert_eq!(next_frame(&[0x89, 0]).unwrap(), Some((None, 2)), "a ping");
        assert!(next_frame(&[0x88, 0]).is_err(), "a close");
    }

    #[test]
    fn a_message_of_nats_is_a_line_and_as_many_bytes() {
        let bytes = b"MSG q 1 5\r\nhello\r\nPING\r\n";
        assert_eq!(next_nats(&bytes[..16]).unwrap(), None);
        assert_eq!(next_nats(bytes).unwrap(), Some((Some(&b"hello"[..]), 18)));
        assert_eq!(next_nats(&bytes[18..]).unwrap(), Some((None, 6)));
        assert!(next_nats(b"-ERR 'Slow Consumer'\r\n").is_err());
    }
}
