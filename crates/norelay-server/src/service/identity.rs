//! Who the service says it is, where the settings don't say: the machine's own name and domain.

use norelay_probe::target::{self, Host, Target};

use crate::{Config, rules::names::Names, run::Identity};

/// The probe domain where none is given and the machine has none. It exists for documentation (RFC
/// 2606) and takes no mail: some servers refuse it for that alone, and the report says what that
/// costs.
const FALLBACK_DOMAIN: &str = "example.com";

/// Finds out.
pub(super) async fn find(config: &Config, names: &dyn Names) -> Identity {
    let helo = config.test.helo.clone().or_else(host_name);
    let domain_given = config.test.domain.is_some();
    let domain = match &config.test.domain {
        Some(domain) => domain.clone(),
        None => own_domain(names)
            .await
            .unwrap_or_else(|| FALLBACK_DOMAIN.to_owned()),
    };
    Identity { domain, domain_given, helo }
}

/// The machine's host name, where it is fully qualified.
pub(super) fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = target::host_name(name.trim()).ok()?;
    name.contains('.').then_some(name)
}

/// The domain of this machine's name, if it takes mail.
async fn own_domain(names: &dyn Names) -> Option<String> {
    let host = host_name()?;
    let (_, above) = host.split_once('.')?;
    for domain in [host.as_str(), above] {
        let target = Target { host: Host::MailDomain(domain.to_owned()), port: None };
        let exchangers = names.exchangers(&target).await.unwrap_or_default();
        if exchangers
            .iter()
            .any(|exchanger| exchanger.preference.is_some())
        {
            return Some(domain.to_owned());
        }
    }
    None
}
