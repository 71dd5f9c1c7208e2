//! One connection: moves octets and time between the socket and norelay-smtp's receiver, and knows
//! no SMTP.

use std::{io, sync::Arc, time::Duration};

use norelay_core::smtp::{ReceivedMessage, Receiver, ReceiverEvent};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use super::{AdmittedClient, Shared};

/// Octets that are read at once. This bounds the replies that one read can ask for.
const PORTION: usize = 4096;
/// How long a TLS handshake may take: it is at most three round trips.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the last reply and the close may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Octets that a client may still send after the last reply. Only then the connection is reset,
/// which may lose that reply.
const MAX_DISCARDED: usize = 256 * 1024;

/// What follows when the octets have been moved.
enum Next {
    /// The TLS handshake.
    Handshake,
    /// Nothing: the dialogue is over.
    Nothing,
}

/// The dialogue of one connection, its clock, and what all connections share.
struct Connection {
    receiver: Receiver,
    started: Instant,
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
    is_stopping: bool,
}

/// Serves a client until the dialogue ends. An error ends this connection only.
pub(super) async fn serve(
    client: AdmittedClient,
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
) {
    let AdmittedClient { mut stream, peer, patience, _slot } = client;
    // Replies are short and the client waits for each, so Nagle's algorithm would only delay them.
    let _ = stream.set_nodelay(true);
    let offers_tls = shared.limits.may_offer_tls(peer.ip());
    let receiver = Receiver::new(shared.reception.clone(), peer, patience, offers_tls);
    let mut connection =
        Connection { receiver, started: Instant::now(), shared, stopped, is_stopping: false };
    connection.receiver.start(Duration::ZERO);
    if let Ok(Next::Handshake) = connection.converse(&mut stream).await {
        let acceptor = connection.shared.tls.clone();
        match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(mut secured)) => {
                connection
                    .receiver
                    .handle_secured(connection.started.elapsed());
                let _ = connection.converse(&mut secured).await;
            }
            _ => connection
                .shared
                .limits
                .remember_failed_handshake(peer.ip()),
        }
    }
}

/// Closes our direction, and reads on for a while. A close with unread input resets the connection,
/// and the client would lose the reply that says why (RFC 1122 section 4.2.2.13).
async fn close(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    portion: &mut [u8],
) -> io::Result<()> {
    stream.shutdown().await?;
    let mut discarded = 0;
    while discarded < MAX_DISCARDED {
        match stream.read(portion).await? {
            0 => break,
            length => discarded += length,
        }
    }
    Ok(())
}

impl Connection {
    /// Moves octets until the dialogue ends or asks for a handshake.
    async fn converse(
        &mut self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> io::Result<Next> {
        let mut portion = vec![0; PORTION];
        loop {
            // A message is kept before its 250 is sent: RFC 5321 section 6.1 makes the receiver
            // responsible for a message with the 250.
            let asks_for_handshake = self.take_events().await?;
            self.send(stream).await?;
            if asks_for_handshake {
                return Ok(Next::Handshake);
            }
            let Some(deadline) = self.deadline() else {
                if !self.is_stopping {
                    let _ = timeout(CLOSE_TIMEOUT, close(stream, &mut portion)).await;
                }
                return Ok(Next::Nothing);
            };
            tokio::select! {
                // A stop and the deadline go before input, so that a flood of input can't delay
                // them.
                biased;
                Ok(_) = self.stopped.wait_for(|stopped| *stopped), if !self.is_stopping => {
                    self.is_stopping = true;
                    self.receiver.stop();
                }
                () = tokio::time::sleep_until(deadline) => {
                    self.receiver.handle_timeout(self.started.elapsed());
                }
                read = stream.read(&mut portion) => match read? {
                    0 => self.receiver.handle_disconnect(),
                    length => {
                        let now = self.started.elapsed();
                        self.receiver.handle_input(now, &portion[..length]);
                    }
                },
            }
        }
    }

    /// Keeps what arrived. Returns true if the client asked for the handshake.
    async fn take_events(&mut self) -> io::Result<bool> {
        let mut asks_for_handshake = false;
        while let Some(event) = self.receiver.poll_event() {
            match event {
                ReceiverEvent::Secure => asks_for_handshake = true,
                ReceiverEvent::Arrived(message) => self.keep(message).await?,
                // The octets in the clear that follow STARTTLS end the dialogue that asked for the
                // handshake.
                ReceiverEvent::Ended(_) => asks_for_handshake = false,
            }
        }
        Ok(asks_for_handshake)
    }

    /// Makes receipts of a message, keeps the receipts, and hands them to the subscribers.
    async fn keep(&self, message: ReceivedMessage) -> io::Result<()> {
        let shared = self.shared.clone();
        // Searching a text and writing a file would hold up the other connections of this thread.
        let receipts = tokio::task::spawn_blocking(move || {
            if shared.reception.is_for_postmaster(&message) {
                shared.keeper.keep_for_postmaster(&message)?;
            }
            shared.keeper.keep(shared.reception.receipts(&message))
        });
        self.shared.keeper.announce(receipts.await??).await
    }

    async fn send(&mut self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let output = self.receiver.poll_transmit();
        // After the end of the dialogue there is no deadline of its own for the last reply.
        let deadline = self
            .deadline()
            .unwrap_or_else(|| Instant::now() + CLOSE_TIMEOUT);
        let sending = async {
            stream.write_all(&output).await?;
            stream.flush().await
        };
        timeout_at(deadline, sending).await?
    }

    fn deadline(&self) -> Option<Instant> {
        self.receiver
            .poll_timeout()
            .and_then(|after| self.started.checked_add(after))
    }
}
