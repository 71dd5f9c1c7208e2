//! Who we say we are, where the user doesn't say: the machine's own name and domain.

use norelay_probe::resolve::Resolver;

/// The probe domain where none is given and the machine has none. It exists for documentation (RFC
/// 2606) and takes no mail: some servers refuse it for that alone, and the report says what that
/// costs.
pub const FALLBACK_DOMAIN: &str = "example.com";
/// The second foreign domain where none is given: no message is ever sent to it.
pub const SECOND_DOMAIN: &str = "example.net";

/// The machine's host name, where it is fully qualified.
pub fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = norelay_probe::target::host_name(name.trim()).ok()?;
    name.contains('.').then_some(name)
}

/// The domain of this machine's name that takes mail, if one does.
pub async fn own_domain(resolver: &Resolver) -> Option<String> {
    let name = host_name()?;
    let domain = psl::domain_str(&name)?.to_owned();
    let takes_mail = resolver
        .mx(&domain)
        .await
        .is_ok_and(|hosts| hosts.iter().any(|(_, host)| !host.is_empty()));
    takes_mail.then_some(domain)
}
