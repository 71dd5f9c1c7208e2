//! As whom a server sees us: read from its answer to EHLO, and from the trace that it put into a message that came back.

use std::net::IpAddr;

use crate::{report::Report, smtp::Stage, token::Role};

/// The address that a server took a path's connections to come from, where it told.
#[must_use]
pub fn seen_as(report: &Report, path: u8) -> Option<IpAddr> {
    let traces = report.receipts.iter().map(|(_, receipt)| receipt);
    let traces = traces.filter(|receipt| receipt.token.path == path && receipt.token.role == Role::Recipient);
    // Our message has no trace: the oldest is of the server that it was given to.
    let oldest = traces.filter_map(|receipt| receipt.received.last());
    oldest.map(|field| field.to_text()).find_map(|field| in_trace(&field)).or_else(|| in_hello(report, path))
}

/// What the server saw, and whence we came, where the two differ so that it matters: it saw an address of a private
/// network, or its own.
pub(super) fn misseen(report: &Report, path: u8) -> Option<(IpAddr, IpAddr)> {
    let seen = seen_as(report, path)?.to_canonical();
    let target = report.paths.get(usize::from(path))?.way.address.to_canonical();
    let ours =
        report.dialogues.values().filter(|dialogue| dialogue.path == path).find_map(|dialogue| dialogue.local)?;
    let ours = ours.ip().to_canonical();
    let is_odd = (is_private(seen) && !is_private(target)) || seen == target || seen.is_loopback();
    (seen != ours && is_odd).then_some((seen, ours))
}

fn in_hello(report: &Report, path: u8) -> Option<IpAddr> {
    report.dialogues.values().filter(|dialogue| dialogue.path == path).find_map(|dialogue| {
        let hello = dialogue.exchanges.iter().find(|exchange| {
            matches!(exchange.stage, Stage::Ehlo | Stage::Helo)
                && exchange.reply.as_ref().is_some_and(crate::smtp::Reply::is_positive)
        })?;
        let said = hello.sent.as_ref().map(|(_, line)| line.to_text()).unwrap_or_default();
        let line = hello.reply.as_ref()?.lines.first()?.to_text();
        // A literal that we introduced ourselves with comes back as it was said.
        literals(&line).filter(|(_, literal)| !said.contains(literal)).map(|(address, _)| address).last()
    })
}

/// The client's address in a `Received` field (RFC 5321 section 4.4): the last in the part before `by`, the HELO name's aside.
fn in_trace(field: &str) -> Option<IpAddr> {
    let client = field.split(" by ").next()?;
    let said = client.find("helo=").map(|start| client[start..].split([')', ' ']).next().unwrap_or_default());
    let client = client.replace(said.unwrap_or("\n"), "");
    literals(&client).map(|(address, _)| address).last()
}

/// The addresses in brackets of either kind, with their literal.
fn literals(text: &str) -> impl Iterator<Item = (IpAddr, &str)> {
    text.split(['[', '(']).skip(1).filter_map(|rest| {
        let literal = &rest[..rest.find([']', ')'])?];
        let address = literal.strip_prefix("IPv6:").unwrap_or(literal);
        address.parse().ok().map(|address| (address, literal))
    })
}

/// Whether an address is of a network that anybody may have inside (RFC 1918, 6598, 4193, 3927) or of the machine itself.
pub(super) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_found_in_a_trace() {
        for (field, expected) in [
            ("from probe.example (unknown [172.22.1.1]) by mx.example (Postfix) with ESMTP id 1", Some("172.22.1.1")),
            ("from [127.0.0.1] (probe.example [198.51.100.9]) by mx.example", Some("198.51.100.9")),
            ("from probe.example ([198.51.100.9]) by mx.example with esmtp (Exim 4.96)", Some("198.51.100.9")),
            ("from [198.51.100.9] (helo=[127.0.0.1]) by mx.example with esmtp (Exim 4.96)", Some("198.51.100.9")),
            ("from probe.example (198.51.100.9) by mx.example (10.0.0.1) with Microsoft SMTP", Some("198.51.100.9")),
            ("from probe.example (probe.example [IPv6:2001:db8::9]) by mx.example", Some("2001:db8::9")),
            ("by mx.example (Postfix, from userid 0)", None),
            ("from probe.example by mx.example [10.0.0.1]", None),
            ("", None),
        ] {
            assert_eq!(in_trace(field).map(|address| address.to_string()).as_deref(), expected, "{field}");
        }
    }

    #[test]
    fn private_addresses_are_told() {
        for (address, expected) in [
            ("10.1.2.3", true),
            ("172.22.1.1", true),
            ("172.32.0.1", false),
            ("100.64.0.1", true),
            ("127.0.0.1", true),
            ("198.51.100.9", false),
            ("::ffff:10.0.0.1", true),
            ("fd4d::1", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(address.parse().expect("an address")), expected, "{address}");
        }
    }
}
