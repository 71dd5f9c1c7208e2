//! A connection that gives up on a client that asks nothing or doesn't take what it is told.
//!
//! Rules:
//! - The first octet has to come within [`FIRST`]; from then on the HTTP library has its own
//!   time-outs for reading.
//! - Whenever the client's window is closed for [`STALLED`], the connection ends.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How long a client may be silent at the beginning.
const FIRST: Duration = Duration::from_secs(15);
/// How long nothing may be taken of what is written.
const STALLED: Duration = Duration::from_secs(30);

/// A stream with those time-outs.
pub(super) struct Impatient<S> {
    stream: S,
    /// Until the first octet has come.
    first: Option<Pin<Box<Sleep>>>,
    /// While the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, first: Some(Box::pin(sleep(FIRST))), stalled: None }
    }

    /// What came of writing, or that the client has taken nothing for too long.
    fn bound<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALLED)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.first = None;
            return read;
        }
        match &mut self.first {
            Some(first) => {
                ready!(first.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            None => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, octets);
        self.bound(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.bound(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bound(context, shut)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, octets);
        self.bound(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::Instant,
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_given_up() {
        let (_client, server) = duplex(16);
        let begun = Instant::now();
        let error = Impatient::new(server)
            .read_u8()
            .await
            .expect_err("nothing comes");
        assert_eq!(
            (error.kind(), begun.elapsed().as_secs()),
            (io::ErrorKind::TimedOut, FIRST.as_secs())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_begun_may_pause() {
        let (mut client, server) = duplex(16);
        let mut server = Impatient::new(server);
        client.write_all(b"G").await.expect("there is room");
        assert_eq!(server.read_u8().await.expect("it came"), b'G');
        assert!(
            tokio::time::timeout(FIRST * 100, server.read_u8())
                .await
                .is_err(),
            "the HTTP library decides now"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_takes_nothing_is_given_up_and_one_that_is_slow_is_not() {
        let (mut client, server) = duplex(16);
        let mut server = Impatient::new(server);
        let writing = tokio::spawn(async move { server.write_all(&[0; 64]).await });
        let mut octet = [0];
        for _ in 0..20 {
            sleep(STALLED / 2).await;
            client.read_exact(&mut octet).await.expect("it comes");
        }
        let begun = Instant::now();
        let error = writing
            .await
            .expect("nobody panicked")
            .expect_err("nothing is taken any more");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() <= STALLED);
    }
}
