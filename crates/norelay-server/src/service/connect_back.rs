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

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use crate::{
    config::Settings,
    rules::control::{CODE_LIFE, Control},
    run::Runs,
};

/// Connections at once.
const MAX_CONNECTIONS: usize = 50;
/// How long a client may take to take what it is told.
const TIMEOUT: Duration = Duration::from_secs(10);
/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Starts to listen, where the settings say; gives the addresses.
///
/// # Errors
/// One sentence.
pub fn begin(
    config: &Settings,
    runs: &Runs,
    tasks: &mut JoinSet<()>,
) -> io::Result<Vec<SocketAddr>> {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let page: Arc<str> = format!("{}/verify", config.url.as_deref().unwrap_or_default()).into();
    let mut addresses = Vec::new();
    for address in &config.connect_back.listen {
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
        tasks.spawn(accept(listener, runs.clone(), page.clone(), places.clone()));
    }
    Ok(addresses)
}

async fn accept(listener: TcpListener, runs: Runs, page: Arc<str>, places: Arc<Semaphore>) {
    let mut stopping = runs.stopping();
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
        let (runs, page) = (runs.clone(), page.clone());
        tokio::spawn(async move {
            let telling = tell(stream, peer, runs.control(), &page);
            let _ = tokio::time::timeout(TIMEOUT, telling).await;
            drop(place);
        });
    }
}

/// Tells a client its address and a code; `page` is where the code is to be typed.
async fn tell(
    mut stream: TcpStream,
    peer: SocketAddr,
    control: &Control,
    page: &str,
) -> io::Result<()> {
    let address = peer.ip().to_canonical();
    let text = match control.code_for_address(address).await {
        Ok(Some(code)) => format!(
            "Your address is {address}.\r\nYour code is {code}\r\nIt proves for {} minutes that \
             this server is yours: type it into {page}\r\n",
            CODE_LIFE.as_mins(),
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
