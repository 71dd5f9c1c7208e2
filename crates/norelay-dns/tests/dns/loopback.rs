//! Loopback addresses that belong to one test process.
//!
//! Rules:
//! - Nothing is bound to find a free port. Binding port 0, reading the port and closing the socket
//!   leaves the port to whichever process asks next.
//! - The address itself is unshared. Each process has its own, made of its number, so every port on
//!   the address is free, stays free over restarts, and refuses connections while nobody listens.
//! - Ports come from below the range that Linux gives to clients (32768 and above) and beyond those
//!   that servers of a machine use on all its addresses.

#![allow(dead_code, reason = "each suite uses a part of it")]

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU16, Ordering},
};

/// Where the addresses begin: 127.64.0.0/10 has one for each of the 2^22 process numbers that Linux
/// has at most (`PID_MAX_LIMIT`).
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 64, 0, 0);
/// The port of the address where nobody ever listens.
const SILENT_PORT: u16 = 19_999;
/// The first port that [`own`] gives.
const FIRST_PORT: u16 = 20_000;
/// How many numbers of processes there are at most.
const PROCESSES: u32 = 1 << 22;

/// Returns an address of this process that no earlier call returned.
pub fn own() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    at(FIRST_PORT + NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Returns an address of this process where nothing listens.
pub fn unused() -> SocketAddr {
    at(SILENT_PORT)
}

fn at(port: u16) -> SocketAddr {
    let address = FIRST.to_bits() | (std::process::id() % PROCESSES);
    SocketAddr::from((Ipv4Addr::from_bits(address), port))
}
