//! A receiver of mail that takes everything: the witness's proof of arrival.
//!
//! It knows only as much SMTP as a server needs to hand a message over (RFC 5321
//! section 4.5.1), offers no extension and keeps envelopes, not messages.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Doing, Outcome};

/// An envelope that was delivered.
#[derive(Debug, Clone, Default)]
pub struct Arrival {
    /// The arguments of RCPT, as sent.
    pub forward_paths: Vec<String>,
}

/// All that has arrived so far.
#[derive(Clone, Default)]
pub struct Sink {
    arrivals: Arc<(Mutex<Vec<Arrival>>, Condvar)>,
}

impl Sink {
    /// Listens on an address, for as long as the process lives.
    pub fn listen(address: &str) -> Outcome<Self> {
        let listener = TcpListener::bind(address).doing(|| format!("listen on {address}"))?;
        let sink = Self::default();
        let accepting = sink.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sink = accepting.clone();
                // A peer that goes away in mid-dialogue has delivered nothing.
                thread::spawn(move || sink.serve(stream).ok());
            }
        });
        Ok(sink)
    }

    /// Waits until what has arrived is enough, or until the time is over.
    pub fn wait(&self, limit: Duration, enough: impl Fn(&[Arrival]) -> bool) -> Vec<Arrival> {
        let deadline = Instant::now() + limit;
        let mut arrivals = self.lock();
        while !enough(&arrivals) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let woken = self.arrivals.1.wait_timeout(arrivals, left);
            arrivals = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        arrivals.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arrival>> {
        self.arrivals
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut input = BufReader::new(stream.try_clone()?);
        let mut arrival = Arrival::default();
        stream.write_all(b"220 tester.probe.test ESMTP witness\r\n")?;
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line)? > 0 {
            let command = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            let (verb, argument) = command.split_at_checked(4).unwrap_or((&command, ""));
            let reply = match verb.to_ascii_uppercase().as_str() {
                "MAIL" => {
                    arrival = Arrival::default();
                    "250 ok"
                }
                "RCPT" => {
                    arrival.forward_paths.push(argument.into());
                    "250 ok"
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n")?;
                    skip_message(&mut input)?;
                    self.lock().push(std::mem::take(&mut arrival));
                    self.arrivals.1.notify_all();
                    "250 arrived"
                }
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n")?;
                    return Ok(());
                }
                "EHLO" | "HELO" | "RSET" | "NOOP" => "250 ok",
                _ => "502 not here",
            };
            stream.write_all(format!("{reply}\r\n").as_bytes())?;
        }
        Ok(())
    }
}

/// Reads up to the line that is a dot alone.
fn skip_message(input: &mut impl BufRead) -> std::io::Result<()> {
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 && line != b".\r\n" {
        line.clear();
    }
    Ok(())
}
