//! One connection of a run: its protocol, its certificate, and the question after a TLS handshake
//! that has failed.

use std::sync::Arc;

use norelay_core::{
    asking::{Handshake, PlannedDialogue, Saying},
    catalogue::Certificate,
};

use super::run::{Identities, LiveRun};
use crate::{
    drive::{SaidInSmtp, drive},
    handover::hand_over,
    network::Network,
    secure::{
        client_identity::{ClientIdentity, Identified},
        old::Inquiry,
    },
};

/// Has the dialogue. If its handshake was an inquiry that has found something, returns what the
/// server speaks, as a clause.
pub async fn have<N: Network>(run: &Arc<LiveRun<N>>, planned: &PlannedDialogue) -> Option<String> {
    match &planned.saying {
        Saying::Netstring { request, text } => {
            hand_over(&*run.network, &run.recorder, planned, request, text.clone()).await;
            None
        }
        Saying::Smtp { transaction, step_tests } => {
            talk(run, planned, (transaction.clone(), step_tests.clone())).await
        }
    }
}

async fn talk<N: Network>(
    run: &Arc<LiveRun<N>>,
    planned: &PlannedDialogue,
    said: SaidInSmtp,
) -> Option<String> {
    let (network, recorder, oversight) = (run.network.clone(), &run.recorder, &**run);
    match &planned.handshake {
        Handshake::Showing(certificate) => match run.identities.of(*certificate) {
            Some(identity) => {
                let network = Arc::new(Identified::new(network, identity));
                drive(network, recorder, oversight, planned, said).await;
            }
            None => drive(network, recorder, oversight, planned, said).await,
        },
        Handshake::Usual => drive(network, recorder, oversight, planned, said).await,
        Handshake::Answered(answer) => {
            let network = Arc::new(Inquiry::answered(network, answer));
            drive(network, recorder, oversight, planned, said).await;
        }
        Handshake::Inquiring(failure) => {
            let inquiry = Arc::new(Inquiry::new(network, failure));
            drive(inquiry.clone(), recorder, oversight, planned, said).await;
            return inquiry.found();
        }
    }
    None
}

impl Identities {
    /// Returns the certificate to show for a test. Our own certificate is made once a run.
    fn of(&self, certificate: Certificate) -> Option<Arc<ClientIdentity>> {
        match certificate {
            Certificate::Given => self.given.clone(),
            Certificate::SelfSigned => self
                .own
                .get_or_init(|| ClientIdentity::self_signed(&self.name).ok().map(Arc::new))
                .clone(),
        }
    }
}
