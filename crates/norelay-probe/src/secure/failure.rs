//! Why a TLS handshake failed, in words that say who did what.

use std::io::{self, ErrorKind};

use rustls::{AlertDescription, Error, InvalidMessage, PeerIncompatible};

/// A clause for an error of the handshake.
pub(super) fn clause(error: &io::Error) -> String {
    match (
        error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Error>()),
        error.kind(),
    ) {
        (Some(error), _) => of_tls(error),
        (None, ErrorKind::UnexpectedEof) => {
            "the server closed the connection in the middle of it".to_owned()
        }
        (None, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
            "the server broke the connection off".to_owned()
        }
        (None, _) => error.to_string().to_lowercase(),
    }
}

fn of_tls(error: &Error) -> String {
    match error {
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::InvalidMessage(InvalidMessage::CertificatePayloadTooLarge) => {
            "the server's chain of certificates is longer than 64 kB".to_owned()
        }
        Error::InvalidMessage(
            InvalidMessage::HandshakePayloadTooLarge | InvalidMessage::MessageTooLarge,
        ) => "a message of the server's is longer than 64 kB (its certificates are probably too \
             many)"
            .to_owned(),
        Error::InvalidMessage(_) | Error::PeerSentOversizedRecord => "the server's answer is not \
            TLS"
        .to_owned(),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "the server speaks only TLS 1.1 or older".to_owned(),
        Error::PeerIncompatible(why) => format!("the server's TLS doesn't go with ours ({why:?})"),
        Error::PeerMisbehaved(how) => format!("the server broke the rules of TLS ({how:?})"),
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            "the server broke the rules of TLS (a message out of turn)".to_owned()
        }
        Error::NoCertificatesPresented => "the server showed no certificate".to_owned(),
        other => other.to_string(),
    }
}

/// RFC 8446 section 6.2.
fn of_alert(alert: AlertDescription) -> String {
    let code = u8::from(alert);
    match alert {
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => format!(
            "the server found nothing that it has in common with us (alert {code}): it may speak \
             only TLS 1.1 or \
             older, or no key exchange with forward secrecy, or it has no certificate"
        ),
        AlertDescription::ProtocolVersion => {
            format!("the server speaks neither TLS 1.2 nor TLS 1.3 (alert {code})")
        }
        AlertDescription::UnrecognisedName => {
            format!("the server does not know the name that we asked for (alert {code})")
        }
        AlertDescription::InternalError => {
            format!("something is wrong inside the server (alert {code})")
        }
        alert => format!("the server ended it with the alert {code} ({alert:?})"),
    }
}
