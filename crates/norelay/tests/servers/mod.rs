//! Servers of a few lines at a port of loopback.

#![allow(dead_code, reason = "each suite looks at other things")]

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
};

/// What a server does with one connection.
pub type Serve = fn(TcpStream);

/// Serves every connection to a port of loopback that nobody else has, each in a thread.
pub fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let serve = Arc::new(serve);
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be listened on");
    let address = listener.local_addr().expect("it listens");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Greets, and answers every line, in upper case, by rule (an empty answer is none); hangs up after
/// QUIT.
pub fn answer(mut stream: TcpStream, greeting: &str, reply: impl Fn(&str) -> &'static str) {
    let _ = stream.write_all(greeting.as_bytes());
    let mut lines = BufReader::new(stream.try_clone().expect("a socket can be cloned")).lines();
    while let Some(Ok(line)) = lines.next() {
        let upper = line.to_ascii_uppercase();
        let reply = reply(&upper);
        let end = if reply.is_empty() { "" } else { "\r\n" };
        if stream
            .write_all(format!("{reply}{end}").as_bytes())
            .is_err()
            || upper == "QUIT"
        {
            return;
        }
    }
}

/// A server in order that relays nothing.
pub fn closed(stream: TcpStream) {
    answer(stream, "220 mx.example.net ESMTP Postfix\r\n", |line| {
        match line.split([' ', ':']).next() {
            Some("EHLO") => "250-mx.example.net\r\n250 PIPELINING",
            Some("RCPT") if is_own_postmaster(line) => "250 2.1.5 Ok",
            Some("RCPT") => "454 4.7.1 <x>: Relay access denied",
            Some("QUIT") => "221 2.0.0 Bye",
            _ => "250 2.1.0 Ok",
        }
    });
}

/// Whether a command in capitals names the postmaster of the server, not of the probe domain.
pub fn is_own_postmaster(line: &str) -> bool {
    line.contains("<POSTMASTER@") && !line.contains("@PROBE.TEST>")
}
