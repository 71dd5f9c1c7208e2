//! Connect-back: a TCP service that tells whoever connects their own address, and a code that
//! proves it.
//!
//! Whoever can make a connection from a server, and read what comes back, has control over it: `nc
//! HOST PORT`, typed on the server, shows a code, and the code is typed into the page.
//!
//! Rules:
//! - Nothing is read from the client, so that there is nothing to attack with.
//! - A code is for one address and is kept for a short time; so many codes an hour for each
//!   network.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use crate::{
    AppState, StoreError,
    rules::{address, control},
    store::Budget,
};

/// Connections at once.
const MAX_CONNECTIONS: usize = 50;
/// How long a client may take to take what it is told.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Codes an hour for one network.
const HOURLY: u32 = 20;
/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Starts to listen, where the settings say; gives the addresses.
///
/// # Errors
/// One sentence.
pub fn begin(state: &AppState, tasks: &mut JoinSet<()>) -> io::Result<Vec<SocketAddr>> {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut addresses = Vec::new();
    for address in &state.config.connect_back.listen {
        let wrong = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!("connect-back can't listen on {address}: {error}."),
            )
        };
        let listener = std::net::TcpListener::bind(address).map_err(wrong)?;
        listener.set_nonblocking(true).map_err(wrong)?;
        let listener = TcpListener::from_std(listener).map_err(wrong)?;
        addresses.push(listener.local_addr().map_err(wrong)?);
        tasks.spawn(accept(listener, state.clone(), places.clone()));
    }
    Ok(addresses)
}

async fn accept(listener: TcpListener, state: AppState, places: Arc<Semaphore>) {
    let mut stopping = state.runs.stopping();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Who finds no place is closed at once.
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let state = state.clone();
        tokio::spawn(async move {
            let _ = tokio::time::timeout(TIMEOUT, tell(stream, peer, &state)).await;
            drop(place);
        });
    }
}

async fn tell(mut stream: TcpStream, peer: SocketAddr, state: &AppState) -> io::Result<()> {
    let address = peer.ip().to_canonical();
    let text = match code(address, state).await {
        Ok(Some(code)) => format!(
            "Your address is {address}.\r\nYour code is {code}\r\nIt proves for {} minutes that \
             this server is yours: type it into {}/verify\r\n",
            control::CODE_LIFE.as_mins(),
            state.config.url.as_deref().unwrap_or_default(),
        ),
        Ok(None) => format!(
            "Your address is {address}.\r\nToo many codes were asked for from its network: come \
             back in an hour.\r\n"
        ),
        Err(error) => {
            tracing::warn!(%error, "no connect-back code");
            format!(
                "Your address is {address}.\r\nThere is no code now: come back in a minute.\r\n"
            )
        }
    };
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

async fn code(address: std::net::IpAddr, state: &AppState) -> Result<Option<String>, StoreError> {
    let now = Timestamp::now();
    let bucket = format!("connect:{}", address::user_network(address));
    let budget = Budget { bucket, limit: HOURLY, window: SignedDuration::from_hours(1) };
    if state.store.spend(now, &[budget]).await?.is_err() {
        return Ok(None);
    }
    control::code_for_address(&state.store, address, now)
        .await
        .map(Some)
}
