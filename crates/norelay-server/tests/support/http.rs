//! A small HTTP client for tests: one request a connection, with a deadline.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Asks, and reads the whole answer; for an event stream that ends too.
pub fn ask(to: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let mut stream = TcpStream::connect(to).expect("the service listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(120)))
        .expect("a time-out is set");
    let fields: String = headers
        .iter()
        .map(|header| format!("{header}\r\n"))
        .collect();
    let length = body.len();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: \
                    close\r\n{kind}Content-Length: {length}\r\n{fields}\r\n{body}"
    )
    .expect("the request can be written");
    read(&mut BufReader::new(stream))
}

fn read(stream: &mut BufReader<TcpStream>) -> Answer {
    let mut head = String::new();
    while stream.read_line(&mut head).expect("the head can be read") > 2 {}
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("no status: {head:?}"));
    let mut body = Vec::new();
    if head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).expect("a chunk can be read");
            let size = usize::from_str_radix(size.trim(), 16).expect("a chunk has a size");
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).expect("a chunk can be read");
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    } else {
        stream.read_to_end(&mut body).expect("the body can be read");
    }
    Answer { status, head, body: String::from_utf8_lossy(&body).into_owned() }
}

pub fn get(to: SocketAddr, path: &str) -> Answer {
    ask(to, "GET", path, &[], "")
}

pub fn post(to: SocketAddr, path: &str, body: &serde_json::Value) -> Answer {
    ask(to, "POST", path, &[], &body.to_string())
}

/// Follows a test of a service to its end. Returns the records.
pub fn follow(to: SocketAddr, id: &str) -> Vec<serde_json::Value> {
    let answer = get(to, &format!("/api/v1/tests/{id}/events"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.ends_with("event: end\ndata: {}\n\n"), "{}", answer.body);
    records(&answer)
}

/// Checks that a test of a service came to its own end, with this verdict.
pub fn is_finished(to: SocketAddr, id: &str, verdict: &str) {
    let shown = get(to, &format!("/api/v1/tests/{id}")).json();
    assert_eq!(
        (&shown["state"], &shown["verdict"]),
        (&"finished".into(), &verdict.into()),
        "{shown}"
    );
}

/// How many of these records are such events.
pub fn count(records: &[serde_json::Value], event: &str) -> usize {
    records
        .iter()
        .filter(|record| record["event"] == event)
        .count()
}

/// The records of an event stream, in order.
pub fn records(answer: &Answer) -> Vec<serde_json::Value> {
    let blocks = answer
        .body
        .split("\n\n")
        .filter(|block| block.lines().any(|line| line == "event: record"));
    let data = blocks.flat_map(|block| {
        block
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    data.map(|line| serde_json::from_str(&line).expect("a record is JSON"))
        .collect()
}
