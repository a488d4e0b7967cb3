//! A TCP connection that says its last word. Decides what happens when a connection is dropped: its
//! writing side is closed, what still comes is read and thrown away for a moment, then it is closed.
//! Without that the kernel resets a connection with unread bytes, and the other side may lose the answer.

use crate::limits;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    time::timeout,
};

/// A TCP connection, and what is held as long as it is open (`S`: a seat among the connections).
pub(crate) struct Socket<S: Send + 'static> {
    /// `None` only while it is being dropped.
    stream: Option<TcpStream>,
    /// The other side has closed, or the connection is broken: nothing left to wait for.
    ended: bool,
    held: Option<S>,
}

impl<S: Send + 'static> Socket<S> {
    /// Takes a fresh connection and switches Nagle's algorithm off.
    pub(crate) fn new(stream: TcpStream, held: S) -> Self {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "tcp_nodelay not set");
        }
        Self { stream: Some(stream), ended: false, held: Some(held) }
    }

    fn poll_stream<T>(
        &mut self,
        poll: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let Some(stream) = self.stream.as_mut() else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let polled = poll(Pin::new(stream));
        self.ended |= matches!(polled, Poll::Ready(Err(_)));
        polled
    }
}

impl<S: Send + 'static> Drop for Socket<S> {
    fn drop(&mut self) {
        let (Some(stream), held) = (self.stream.take(), self.held.take()) else { return };
        if self.ended {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(linger(stream, held));
        }
    }
}

async fn linger<S>(mut stream: TcpStream, held: Option<S>) {
    let until_closed = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut discarded = [0_u8; 4_096];
        while stream.read(&mut discarded).await.is_ok_and(|read| read > 0) {}
    };
    let _ = timeout(limits::LINGER, until_closed).await;
    drop(held);
}

impl<S: Send + Unpin + 'static> AsyncRead for Socket<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let wanted = buf.remaining() > 0;
        let polled = this.poll_stream(|stream| stream.poll_read(cx, buf));
        if wanted && matches!(polled, Poll::Ready(Ok(()))) && buf.filled().len() == before {
            this.ended = true;
        }
        polled
    }
}

impl<S: Send + Unpin + 'static> AsyncWrite for Socket<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_stream(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_stream(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_stream(|stream| stream.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_stream(|stream| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
