//! What answers amount to.

mod story;

use norelay_core::{
    catalogue::Profile,
    check::{Verdict, findings, judge},
    event::{Event, TlsFacts},
    smtp::{Cause, End, Security, Stage},
};
use story::{Story, reply};

#[test]
fn a_refusal_acquits_only_by_relay_policy_or_by_comparison_at_the_recipient() {
    let postmaster = (Stage::Rcpt, "250 ok");
    for (answer, control, expected) in [
        ((Stage::Rcpt, "454 4.7.1 <u@probe.example>: Relay access denied"), None, Verdict::Closed),
        (
            (Stage::EndOfData, "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"),
            None,
            Verdict::Closed,
        ),
        ((Stage::Rcpt, "550 no"), None, Verdict::Inconclusive),
        ((Stage::Rcpt, "550 no"), Some(postmaster), Verdict::Closed),
        ((Stage::Rcpt, "550 5.7.1 Access denied"), Some(postmaster), Verdict::Closed),
        // A message that a filter dislikes was a message to be relayed.
        ((Stage::EndOfData, "550 no"), Some(postmaster), Verdict::Suspect),
        ((Stage::EndOfData, "554 5.7.1 spam message rejected"), Some(postmaster), Verdict::Suspect),
        ((Stage::Data, "550 Access denied"), Some(postmaster), Verdict::Suspect),
        ((Stage::Rcpt, "554 5.7.1 listed in dnsbl"), Some(postmaster), Verdict::Inconclusive),
        ((Stage::Rcpt, "450 4.2.0 Greylisted"), Some(postmaster), Verdict::Inconclusive),
        ((Stage::Rcpt, "550 Unrouteable address"), Some(postmaster), Verdict::Inconclusive),
        ((Stage::Rcpt, "250 ok"), Some(postmaster), Verdict::Suspect),
    ] {
        let mut story = Story::begin(true);
        let path =
            story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign", "ctl-postmaster"]);
        story.answered(path, "foreign-to-foreign", answer.0, answer.1);
        if let Some((stage, reply)) = control {
            story.answered(path, "ctl-postmaster", stage, reply);
        }
        assert_eq!(judge(&story.end()).verdict, expected, "{answer:?} {control:?}");
    }
}

/// Postmaster elsewhere must be refused as anybody elsewhere: another answer comes from behind the
/// relay check.
#[test]
fn postmaster_elsewhere_is_refused_as_anybody_elsewhere() {
    const DENIED: &str = "554 5.7.1 <u@probe.example>: Relay access denied";
    const UNDELIVERABLE: &str =
        "550 5.1.1 <postmaster@probe.example>: Recipient address rejected: undeliverable address";
    for (plain, answer, expected) in [
        (DENIED, DENIED, Verdict::Closed),
        (DENIED, "550 relay not permitted", Verdict::Closed),
        (
            "550 Invalid recipient: <u@probe.example>",
            "550 Invalid recipient: <postmaster@probe.example>",
            Verdict::Closed,
        ),
        ("550 5.1.1 no such user here", "550 5.1.1 User unknown", Verdict::Closed),
        ("550 no", "550 no", Verdict::Closed),
        (DENIED, UNDELIVERABLE, Verdict::Inconclusive),
        (DENIED, "550 5.7.1 Access denied", Verdict::Inconclusive),
        (DENIED, "550 no", Verdict::Inconclusive),
        (DENIED, "450 4.2.0 Greylisted", Verdict::Inconclusive),
        (DENIED, "250 ok", Verdict::Suspect),
    ] {
        let mut story = Story::begin(true);
        let tests = ["foreign-to-foreign", "postmaster-recipient", "ctl-postmaster"];
        let path = story.path("192.0.2.7", 25, Security::Plain, &tests);
        for (test, reply) in tests.into_iter().zip([plain, answer, "250 ok"]) {
            story.answered(path, test, Stage::Rcpt, reply);
        }
        assert_eq!(judge(&story.end()).verdict, expected, "{plain} {answer}");
    }
}

/// A port for users who authenticate refuses all others alike: that it isn't our address that it
/// dislikes, another port of the same server says.
#[test]
fn a_submission_service_may_refuse_whoever_is_no_user() {
    const RECIPIENT: &str =
        "554 5.7.1 <u@probe.example>: Recipient address rejected: Access denied";
    const CLIENT: &str = "554 5.7.1 <x.example[198.51.100.9]>: Client host rejected: Access denied";
    const AUTH: &str = "250-mx.target.example / AUTH PLAIN";
    for (port, hello, answer, postmaster, expected) in [
        (587, AUTH, RECIPIENT, "250 ok", Verdict::Closed),
        (465, AUTH, RECIPIENT, "250 ok", Verdict::Closed),
        (587, AUTH, CLIENT, "250 ok", Verdict::Closed),
        // No port for users.
        (2525, AUTH, RECIPIENT, "250 ok", Verdict::Inconclusive),
        (587, "250 mx.target.example", RECIPIENT, "250 ok", Verdict::Inconclusive),
        // It may be our address.
        (587, AUTH, RECIPIENT, CLIENT, Verdict::Inconclusive),
        (
            587,
            AUTH,
            "554 5.7.1 Client host rejected: listed in dnsbl.example",
            "250 ok",
            Verdict::Inconclusive,
        ),
        (
            587,
            AUTH,
            "450 4.7.1 Client host rejected: Access denied",
            "250 ok",
            Verdict::Inconclusive,
        ),
    ] {
        let mut story = Story::begin(true);
        let tests = ["foreign-to-foreign", "ctl-postmaster"];
        let first = story.path("192.0.2.7", 25, Security::Plain, &tests);
        story.answered(first, "foreign-to-foreign", Stage::Rcpt, "454 4.7.1 Relay access denied");
        story.answered(first, "ctl-postmaster", Stage::Rcpt, postmaster);
        let path = story.path("192.0.2.7", port, Security::Plain, &tests);
        story.server("220 mx.target.example", hello);
        for test in tests {
            story.asked(path, test, answer);
        }
        assert_eq!(judge(&story.end()).verdict, expected, "{port} {hello} {answer} {postmaster}");
    }
}

/// Where only submission ports are tested, nothing compares with them. The same words for everybody
/// are enough if AUTH is offered.
#[test]
fn submission_ports_alone_are_closed_if_nobody_may_send_without_auth() {
    const CLIENT: &str = "554 5.7.1 <x.example[198.51.100.9]>: Client host rejected: Access denied";
    let tests = ["foreign-to-foreign", "ctl-postmaster"];
    for (hello, accepted, expected) in [
        ("250-mx.target.example / AUTH PLAIN", None, Verdict::Closed),
        ("250 mx.target.example", None, Verdict::Inconclusive),
        ("250-mx.target.example / AUTH PLAIN", Some("ctl-local-nx"), Verdict::Inconclusive),
        ("250-mx.target.example / AUTH PLAIN", Some("null-sender"), Verdict::Suspect),
    ] {
        let mut story = Story::begin(true);
        story.server("220 mx.target.example", hello);
        for port in [465, 587] {
            let path = story.path("192.0.2.7", port, Security::Plain, &tests);
            for test in tests {
                story.asked(path, test, CLIENT);
            }
        }
        if let Some(test) = accepted {
            let path = story.path("192.0.2.8", 587, Security::Plain, &[test]);
            story.asked(path, test, "250 ok");
        }
        assert_eq!(judge(&story.end()).verdict, expected, "{hello} {accepted:?}");
    }
}

/// The door is shut to the name, the credentials or the header that a test tries.
#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_test_may_be_refused_in_its_own_kind() {
    let postmaster = Some((Stage::Rcpt, "250 ok"));
    for (test, answer, control, expected) in [
        ("auth-plain-random", (Stage::Auth, "535 5.7.8 no"), None, Verdict::Closed),
        ("auth-plain-random", (Stage::Auth, "504 no such mechanism"), None, Verdict::Closed),
        (
            "auth-plain-random",
            (Stage::Auth, "454 4.7.0 temporary failure"),
            None,
            Verdict::Inconclusive,
        ),
        (
            "xclient-loopback",
            (Stage::Other, "550 5.7.0 insufficient authorization"),
            None,
            Verdict::Closed,
        ),
        ("rcpt-before-mail", (Stage::Rcpt, "503 5.5.1 need MAIL"), None, Verdict::Closed),
        ("foreign-to-foreign", (Stage::Rcpt, "503 5.5.1 need MAIL"), None, Verdict::Inconclusive),
        ("no-helo", (Stage::Mail, "503 5.5.1 HELO first"), None, Verdict::Closed),
        ("helo-localhost", (Stage::Helo, "550 5.7.1 go away"), None, Verdict::Inconclusive),
        ("helo-localhost", (Stage::Helo, "550 5.7.1 go away"), postmaster, Verdict::Closed),
        (
            "helo-localhost",
            (Stage::Helo, "450 4.7.1 <localhost>: Helo command rejected: Host not found"),
            None,
            Verdict::Inconclusive,
        ),
        (
            "helo-localhost",
            (Stage::Helo, "450 4.7.1 <localhost>: Helo command rejected: Host not found"),
            postmaster,
            Verdict::Closed,
        ),
        (
            "helo-localhost",
            (Stage::Rcpt, "450 4.7.1 <localhost>: Helo command rejected: Host not found"),
            postmaster,
            Verdict::Closed,
        ),
        (
            "helo-localhost",
            (Stage::Rcpt, "450 4.2.0 Greylisted"),
            postmaster,
            Verdict::Inconclusive,
        ),
        (
            "ehlo-plain",
            (Stage::Rcpt, "450 4.7.1 Client host rejected: cannot find your hostname"),
            postmaster,
            Verdict::Inconclusive,
        ),
        ("proxy-v1-loopback", (Stage::Ehlo, "500 what?"), None, Verdict::Inconclusive),
        ("proxy-v1-loopback", (Stage::Ehlo, "500 what?"), postmaster, Verdict::Closed),
        (
            "proxy-v1-loopback",
            (Stage::Ehlo, "421 PROXY not allowed from 192.0.2.9"),
            None,
            Verdict::Inconclusive,
        ),
        (
            "proxy-v1-loopback",
            (Stage::Ehlo, "421 PROXY not allowed from 192.0.2.9"),
            postmaster,
            Verdict::Closed,
        ),
        (
            "proxy-v1-loopback",
            (Stage::Ehlo, "421 Too many connections"),
            postmaster,
            Verdict::Inconclusive,
        ),
        (
            "proxy-v1-loopback",
            (Stage::Greeting, "554 SMTP synchronization error"),
            postmaster,
            Verdict::Closed,
        ),
    ] {
        let mut story = Story::begin(false);
        let path = story.path("192.0.2.7", 25, Security::Plain, &[test, "ctl-postmaster"]);
        let before: &[_] = match answer.0 {
            Stage::Greeting => &[],
            _ => &[(Stage::Greeting, "", "220 mx.target.example")],
        };
        story.dialogue_ending(
            path,
            test,
            &[before, &[(answer.0, "…", answer.1)]].concat(),
            End::Answered,
        );
        if let Some((stage, reply)) = control {
            story.answered(path, "ctl-postmaster", stage, reply);
        }
        assert_eq!(judge(&story.end()).verdict, expected, "{test} {answer:?} {control:?}");
    }
}

/// What takes connections and greets nobody may wait for a proxy's header, until one was sent.
#[test]
fn what_greets_nobody_may_wait_for_a_proxys_header() {
    let silent = || End::Interrupted(Cause::TimedOut { stage: Stage::Greeting });
    let closing = || {
        let reply = story::reply("421 4.3.2 no PROXY header");
        End::Interrupted(Cause::Closing { stage: Stage::Greeting, reply })
    };
    let closed = || End::Interrupted(Cause::Disconnected { stage: Stage::Greeting, error: None });
    let exim = [
        (Stage::Greeting, "", "220 mx ESMTP"),
        (Stage::Ehlo, "x", "503 Command refused, required Proxy negotiation failed"),
    ];
    for (tests, lines, after_ms, end, expected) in [
        (&["foreign-to-foreign"][..], &[][..], 60_000, silent(), true),
        (&["foreign-to-foreign"], &[], 5_000, closing(), true),
        (&["foreign-to-foreign"], &[], 5_000, closed(), true),
        (&["foreign-to-foreign"], &[], 3, closing(), false),
        (&["foreign-to-foreign"], &exim, 3, End::Answered, true),
        (
            &["foreign-to-foreign"],
            &exim[..1],
            60_000,
            End::Interrupted(Cause::TimedOut { stage: Stage::Ehlo }),
            false,
        ),
        (&["foreign-to-foreign", "proxy-v1-loopback"], &[], 60_000, silent(), false),
    ] {
        let mut story = Story::begin(false);
        let path = story.path("192.0.2.7", 25, Security::Plain, tests);
        for test in tests {
            story.dialogue_taking(path, test, lines, after_ms, end.clone());
        }
        let report = story.end();
        let steps = norelay_core::advice::steps(&report, &judge(&report));
        assert_eq!(
            steps[0].options == "--profile thorough",
            expected,
            "{tests:?} {lines:?} {after_ms} {end:?}: {steps:?}"
        );
    }
}

/// Exim calls a user whom nobody has unrouteable, as it does a domain that takes no mail: only the
/// same words for both say that a recipient was taken for a local one.
#[test]
fn a_recipient_is_taken_for_nobody_where_the_words_are_the_same() {
    const UNROUTEABLE: &str = "550 Unrouteable address";
    for (test, nobody, expected) in [
        ("route-via-foreign", UNROUTEABLE, Verdict::Closed),
        ("percent-domain", UNROUTEABLE, Verdict::Closed),
        ("route-via-foreign", "550 5.1.1 User unknown", Verdict::Inconclusive),
        // It is at the probe domain, which may be what can't be routed.
        ("foreign-to-foreign", UNROUTEABLE, Verdict::Inconclusive),
        ("source-route-domain", UNROUTEABLE, Verdict::Inconclusive),
    ] {
        let mut story = Story::begin(true);
        let path =
            story.path("192.0.2.7", 25, Security::Plain, &[test, "ctl-local-nx", "ctl-postmaster"]);
        story.answered(path, test, Stage::Rcpt, UNROUTEABLE);
        story.answered(path, "ctl-local-nx", Stage::Rcpt, nobody);
        story.answered(path, "ctl-postmaster", Stage::Rcpt, "250 ok");
        assert_eq!(judge(&story.end()).verdict, expected, "{test} {nobody}");
    }
}

/// Blacklists often spare postmaster: what is said to everybody else as well is about us, unless it
/// speaks of the recipient.
#[test]
fn what_all_but_postmaster_are_told_is_no_denial() {
    const ACCESS: &str = "550 Access denied";
    const RECIPIENT: &str = "550 5.4.1 <x@y>: Recipient address rejected: Access denied";
    for (answer, nobody, expected) in [
        (ACCESS, "550 5.1.1 User unknown", Verdict::Closed),
        // The route at the own domain was taken for a user whom nobody has, and whoever asks
        // plainly is told another thing.
        ("454 4.7.1 Relay access denied", ACCESS, Verdict::Closed),
        (ACCESS, "250 ok", Verdict::Closed),
        (ACCESS, ACCESS, Verdict::Inconclusive),
        (
            "550 <u@probe.example>: go away",
            "550 <x@target.example>: go away",
            Verdict::Inconclusive,
        ),
        ("554 5.7.1 Weiterleitung nicht gestattet", "550 5.1.1 User unknown", Verdict::Closed),
        // Microsoft's, for a domain that isn't the tenant's as for a user whom nobody has.
        (RECIPIENT, RECIPIENT, Verdict::Closed),
        ("454 4.7.1 Relay access denied", "454 4.7.1 Relay access denied", Verdict::Closed),
    ] {
        let mut story = Story::begin(true);
        let tests = ["foreign-to-foreign", "percent-domain", "ctl-local-nx", "ctl-postmaster"];
        let path = story.path("192.0.2.7", 25, Security::Plain, &tests);
        story.answered(path, "foreign-to-foreign", Stage::Rcpt, answer);
        let local = if nobody.starts_with("250") { answer } else { nobody };
        story.answered(path, "percent-domain", Stage::Rcpt, local);
        story.answered(path, "ctl-local-nx", Stage::Rcpt, nobody);
        story.answered(path, "ctl-postmaster", Stage::Rcpt, "250 ok");
        assert_eq!(judge(&story.end()).verdict, expected, "{answer} {nobody}");
    }
}

/// The same words and X.1.1 for both say so where the refusal is put off as well; a greylist says
/// them to everybody.
#[test]
fn a_recipient_may_be_taken_for_nobody_for_now() {
    const UNKNOWN: &str = "450 4.1.1 <x@target.example>: Recipient address rejected: User unknown \
                           in local recipient table";
    for (test, answer, nobody, expected) in [
        (
            "srs0-forged",
            UNKNOWN,
            "450 4.1.1 <y>: Recipient address rejected: User unknown in local recipient table",
            Verdict::Closed,
        ),
        (
            "srs0-forged",
            UNKNOWN,
            "450 4.2.0 <y>: Recipient address rejected: Greylisted",
            Verdict::Inconclusive,
        ),
        (
            "srs0-forged",
            "450 mailbox unavailable",
            "450 mailbox unavailable",
            Verdict::Inconclusive,
        ),
        ("srs0-forged", "450 4.2.0 Greylisted", "450 4.2.0 Greylisted", Verdict::Inconclusive),
        ("foreign-to-foreign", UNKNOWN, UNKNOWN, Verdict::Inconclusive),
    ] {
        let mut story = Story::begin(true);
        let path =
            story.path("192.0.2.7", 25, Security::Plain, &[test, "ctl-local-nx", "ctl-postmaster"]);
        story.answered(path, test, Stage::Rcpt, answer);
        story.answered(path, "ctl-local-nx", Stage::Rcpt, nobody);
        story.answered(path, "ctl-postmaster", Stage::Rcpt, "250 ok");
        assert_eq!(judge(&story.end()).verdict, expected, "{test} {answer} {nobody}");
    }
}

/// What stands below the refusal of a user whom nobody has, stands below every refusal and is about
/// none.
#[test]
fn what_stands_below_every_refusal_is_no_reason() {
    const FOOTER: &str = "If you have been blocked in error, call 555 at 12:30:45";
    let nobody =
        format!("550 5.1.1 <x@target.example>: User unknown. {}", FOOTER.replace("30:45", "31:06"));
    let blocked =
        format!("554 5.7.1 Service unavailable; Client host [198.51.100.9] blocked. {FOOTER}");
    for (answer, nobody, expected) in [
        (
            format!("554 5.7.1 <u@probe.example>: Relay access denied. {FOOTER}"),
            &nobody,
            Verdict::Closed,
        ),
        (
            format!("454 4.7.1 <u@probe.example>: Relay access denied. {FOOTER}"),
            &nobody,
            Verdict::Closed,
        ),
        (
            format!("554-5.7.1 <u@probe.example>: Relay access denied / 554 5.7.1 {FOOTER}"),
            &nobody,
            Verdict::Closed,
        ),
        // What is left must say it.
        (format!("554 5.7.1 <u@probe.example>: No. {FOOTER}"), &nobody, Verdict::Inconclusive),
        (blocked.clone(), &nobody, Verdict::Inconclusive),
        (
            format!("554 5.7.1 Relay access denied: {}", &blocked[10..]),
            &nobody,
            Verdict::Inconclusive,
        ),
        // Whoever is blocked is so everywhere.
        (
            format!("554 5.7.1 <u@probe.example>: Relay access denied. {FOOTER}"),
            &blocked,
            Verdict::Inconclusive,
        ),
    ] {
        let mut story = Story::begin(true);
        let path =
            story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign", "ctl-local-nx"]);
        story.answered(path, "foreign-to-foreign", Stage::Rcpt, &answer);
        story.answered(path, "ctl-local-nx", Stage::Rcpt, nobody);
        assert_eq!(judge(&story.end()).verdict, expected, "{answer} {nobody}");
    }
}

/// A server that hangs up with its refusal leaves no session whose state could be at fault.
#[test]
fn whoever_is_hung_up_on_with_a_denial_has_his_answer() {
    let closed = || Cause::Disconnected { stage: Stage::Data, error: None };
    for (test, answer, cause, expected) in [
        (
            "data-after-refused",
            "521 5.7.1 <u@probe.example>: Relay access denied",
            closed(),
            Verdict::Closed,
        ),
        ("data-after-refused", "550 relay not permitted", closed(), Verdict::Closed),
        ("data-after-refused", "550 no", closed(), Verdict::Inconclusive),
        (
            "data-after-refused",
            "554 5.7.1 blocked using dnsbl.example",
            closed(),
            Verdict::Inconclusive,
        ),
        ("data-after-refused", "454 4.7.1 Relay access denied", closed(), Verdict::Inconclusive),
        ("data-after-refused", "250 ok", closed(), Verdict::Inconclusive),
        ("data-after-refused", "550 relay not permitted", Cause::Stopped, Verdict::Inconclusive),
    ] {
        let mut story = Story::begin(false);
        let path = story.path("192.0.2.7", 25, Security::Plain, &[test]);
        let lines = [
            (Stage::Greeting, "", "220 mx"),
            (Stage::Mail, "MAIL FROM:<s@probe.example>", "250 ok"),
            (Stage::Rcpt, "RCPT TO:<u@probe.example>", answer),
        ];
        story.attempts(path, test, &lines, End::Interrupted(cause));
        assert_eq!(judge(&story.end()).verdict, expected, "{test} {answer}");
    }
}

/// Whoever is denied, asks for DATA, is refused, and is hung up on when he asks for the same again,
/// has it too: chasquid bears two errors.
#[test]
fn whoever_is_hung_up_on_as_he_asks_again_has_his_answer() {
    const AGAIN: &str = "RCPT TO:<u@probe.example>";
    let denied = "550 5.7.1 Relaying denied";
    for (first, data, last, expected) in [
        (denied, "503 5.5.1 no recipients", AGAIN, Verdict::Closed),
        ("250 ok", "503 5.5.1 no recipients", AGAIN, Verdict::Inconclusive),
        (denied, "354 go on", AGAIN, Verdict::Inconclusive),
        ("550 5.1.1 User unknown", "503 5.5.1 no recipients", AGAIN, Verdict::Inconclusive),
        // Another recipient, of whom nothing is known.
        (denied, "503 5.5.1 no recipients", "RCPT TO:<v@probe.example>", Verdict::Inconclusive),
    ] {
        let mut story = Story::begin(false);
        let path = story.path("192.0.2.7", 25, Security::Plain, &["data-after-refused"]);
        let bye = reply("421 4.5.0 Too many errors, bye");
        let lines = [
            (Stage::Greeting, "", "220 mx"),
            (Stage::Mail, "MAIL FROM:<s@probe.example>", "250 ok"),
            (Stage::Rcpt, AGAIN, first),
            (Stage::Data, "DATA", data),
            (Stage::Rcpt, last, "421 4.5.0 Too many errors, bye"),
        ];
        let end = End::Interrupted(Cause::Closing { stage: Stage::Rcpt, reply: bye });
        story.attempts(path, "data-after-refused", &lines, end);
        assert_eq!(judge(&story.end()).verdict, expected, "{first} {data} {last}");
    }
}

/// Where others asked before on the same connection, it was they who used up the server's patience:
/// alone, the test gets further.
#[test]
fn whoever_is_hung_up_on_behind_others_has_no_answer() {
    const RCPT: (Stage, &str, &str) =
        (Stage::Rcpt, "RCPT TO:<u@probe.example>", "550 5.7.1 Relaying denied");
    const DATA: (Stage, &str, &str) = (Stage::Data, "DATA", "503 5.5.1 no recipients");
    for (last, is_shared, expected) in [
        (&[RCPT, DATA, RCPT][..], false, Verdict::Closed),
        (&[RCPT, DATA, RCPT], true, Verdict::Inconclusive),
        (&[RCPT], false, Verdict::Closed),
        (&[RCPT], true, Verdict::Inconclusive),
    ] {
        let mut story = Story::begin(false);
        let path = story.path("192.0.2.7", 25, Security::Plain, &["data-after-refused"]);
        let before = [
            (Stage::Greeting, "", "220 mx"),
            (Stage::Mail, "MAIL FROM:<s@probe.example>", "250 ok"),
        ];
        let cause = Cause::Disconnected { stage: Stage::Rcpt, error: None };
        story.attempts(
            path,
            "data-after-refused",
            &[&before, last].concat(),
            End::Interrupted(cause),
        );
        if is_shared {
            story.shared_with("null-sender");
        }
        assert_eq!(judge(&story.end()).verdict, expected, "{} {is_shared}", last.len());
    }
}

/// What is refused for want of TLS is about TLS: it counts where the same was asked under it, on
/// the same port.
#[test]
fn what_wants_tls_is_no_denial_unless_it_is_asked_under_tls() {
    const PLAIN: &[&str] = &["foreign-to-foreign"];
    const BOTH: &[&str] = &["foreign-to-foreign", "auth-plain-random"];
    const AT_MAIL: Stage = Stage::Mail;
    const AT_AUTH: Stage = Stage::Auth;
    for (stage, answer, twin, expected) in [
        (AT_MAIL, "530 5.7.0 Must issue a STARTTLS command first", None, Verdict::Inconclusive),
        (AT_MAIL, "538 Error: Must issue a STARTTLS command first", None, Verdict::Inconclusive),
        (
            AT_MAIL,
            "538 5.7.11 Encryption required for requested authentication mechanism",
            None,
            Verdict::Inconclusive,
        ),
        (AT_MAIL, "538 no", None, Verdict::Inconclusive),
        (AT_MAIL, "538 no", Some((25, BOTH)), Verdict::Closed),
        (AT_MAIL, "538 no", Some((587, BOTH)), Verdict::Inconclusive),
        (AT_MAIL, "530 5.7.0 Authentication required", None, Verdict::Closed),
        (AT_AUTH, "530 5.7.0 Must issue a STARTTLS command first", None, Verdict::Inconclusive),
        (AT_AUTH, "538 no", None, Verdict::Inconclusive),
        (AT_AUTH, "538 no", Some((25, BOTH)), Verdict::Closed),
        // Any password may do there.
        (AT_AUTH, "538 no", Some((25, PLAIN)), Verdict::Inconclusive),
        (AT_AUTH, "535 5.7.8 no", None, Verdict::Closed),
    ] {
        let mut story = Story::begin_with(false, Profile::Standard);
        let path = story.path("192.0.2.7", 25, Security::Plain, BOTH);
        let denied = "554 5.7.1 <u@probe.example>: Relay access denied";
        match stage {
            AT_MAIL => BOTH
                .iter()
                .for_each(|test| story.answered(path, test, Stage::Mail, answer)),
            _ => {
                story.answered(path, "foreign-to-foreign", Stage::Rcpt, denied);
                let lines =
                    [(Stage::Greeting, "", "220 mx"), (Stage::Auth, "AUTH PLAIN AGEAYg==", answer)];
                story.dialogue_ending(path, "auth-plain-random", &lines, End::Answered);
            }
        }
        if let Some((port, tests)) = twin {
            let twin = story.path("192.0.2.7", port, Security::StartTls, tests);
            tests
                .iter()
                .for_each(|test| story.answered(twin, test, Stage::Rcpt, denied));
        }
        assert_eq!(judge(&story.end()).verdict, expected, "{stage} {answer} {twin:?}");
    }
}

/// A server that takes every recipient and refuses every message has refused what no message can be
/// sent for, too: a recipient behind one of its own, and what is asked after a refusal that there
/// isn't.
#[test]
fn what_no_message_can_ask_is_no_doubt_where_every_message_is_refused() {
    const DENIED: &str = "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain";
    const SPAM: &str = "554 5.7.1 spam message rejected";
    for (alone, shared, expected) in [
        (DENIED, Some(DENIED), Verdict::Closed),
        ("530 5.7.57 Client was not authenticated", Some(DENIED), Verdict::Closed),
        // One with several recipients might pass.
        (DENIED, None, Verdict::Suspect),
        (DENIED, Some("250 queued"), Verdict::Suspect),
        // Another message might pass.
        (SPAM, Some(SPAM), Verdict::Suspect),
        (DENIED, Some(SPAM), Verdict::Suspect),
    ] {
        let mut story = Story::begin_with(true, Profile::Standard);
        let tests = [
            "foreign-to-foreign",
            "percent-domain",
            "piggyback-recipient",
            "data-after-refused",
            "ctl-second-foreign",
        ];
        let path = story.path("192.0.2.7", 25, Security::Plain, &tests);
        for test in &tests[..3] {
            story.asked(path, test, "250 ok");
        }
        // Every recipient is taken, those for whom no message may be sent as well.
        story.asked(path, tests[4], "250 ok");
        let mail = (Stage::Mail, "MAIL FROM:<s@probe.example>", "250 ok");
        let taken = (Stage::Rcpt, "RCPT TO:<u@probe.example>", "250 ok");
        let data = (Stage::Data, "DATA", "354 go on");
        story.attempts(
            path,
            tests[3],
            &[(Stage::Greeting, "", "220 mx"), mail, taken, data],
            End::Answered,
        );
        let text = |answer| (Stage::EndOfData, "Subject: x", answer);
        let second = if shared.is_some() {
            taken
        } else {
            (Stage::Rcpt, "RCPT TO:<v@probe.example>", "550 no")
        };
        story.dialogue(path, tests[1], true, &[mail, taken, data, text(shared.unwrap_or(alone))]);
        story.dialogue(
            path,
            "percent-host",
            true,
            &[mail, taken, second, data, text(shared.unwrap_or(alone))],
        );
        story.dialogue(path, tests[0], true, &[mail, taken, data, text(alone)]);
        assert_eq!(judge(&story.end()).verdict, expected, "{alone} {shared:?}");
    }
}

/// A server that sends all mail for its own domain on to ours, as it is written, relays nothing for
/// that.
#[test]
fn what_is_handed_on_with_its_route_unread_is_no_proof() {
    const TOKEN: &str = "nruabcdefghijklmnopqrstuvwxyz2345672";
    for (test, came_to, expected) in [
        ("percent-domain", "<T@probe.example>", Verdict::OpenRelay),
        ("percent-domain", "<T%probe.example@probe.example>", Verdict::Suspect),
        ("percent-domain", "<T%probe.example@target.example>", Verdict::OpenRelay),
        ("quoted-at-domain", "<\"T@probe.example\"@PROBE.example>", Verdict::Suspect),
        ("quoted-at-domain", "<@target.example:T@probe.example>", Verdict::OpenRelay),
        ("bang-domain", "<probe.example!T>", Verdict::OpenRelay),
        ("srs0-forged", "<SRS0=AAAA=AA=probe.example=T@sub.probe.example>", Verdict::Suspect),
        ("route-via-foreign", "<T@probe.example>", Verdict::Suspect),
        ("route-via-foreign", "<@probe.example:T@target.example>", Verdict::OpenRelay),
        // The question itself is at our domain.
        ("quoted-local-foreign", "<\"T@target.example\"@probe.example>", Verdict::OpenRelay),
    ] {
        let mut story = Story::begin_with(true, Profile::Thorough);
        let path = story.path("192.0.2.7", 25, Security::Plain, &[test, "ctl-local-nx"]);
        story.answered(path, "ctl-local-nx", Stage::Rcpt, "250 ok");
        story.comes_to = came_to.replace('T', TOKEN);
        story.relayed(path, test, "192.0.2.7:40000", "");
        let report = story.end();
        let judgement = judge(&report);
        assert_eq!(judgement.verdict, expected, "{test} {came_to}");
        let told = findings(&report, &judgement)
            .iter()
            .any(|finding| finding.tag == "unproven_arrival");
        assert_eq!(told, expected == Verdict::Suspect, "{test} {came_to}");
    }
}

/// A server that takes one line for two answers twice: the last answer is the one about the foreign
/// recipient.
#[test]
fn a_line_that_is_taken_for_two_is_judged_by_its_last_answer() {
    for (answers, expected) in [
        (&["250 ok", "454 4.7.1 Relay access denied"][..], Verdict::Closed),
        (&["550 5.1.1 User unknown", "250 ok"], Verdict::Suspect),
        (&["250 ok", "250 ok"], Verdict::Suspect),
        (&["250 ok"], Verdict::Suspect),
        (&["555 5.5.4 Unsupported option: RCPT"], Verdict::Closed),
        // OpenSMTPD's; elsewhere such words say that it was too much.
        (&["500 5.5.1 Invalid command: Pipelining not supported"], Verdict::Closed),
        (&["450 4.7.1 Too many commands"], Verdict::Inconclusive),
        (&["550 5.7.1 Client host blocked using zen.spamhaus.org"], Verdict::Inconclusive),
    ] {
        let mut story = Story::begin(false);
        let path = story.path("192.0.2.7", 25, Security::Plain, &["bare-lf-command"]);
        let mut lines = vec![
            (Stage::Greeting, "", "220 mx"),
            (Stage::Rcpt, "RCPT TO:<a@b>\\x0aRCPT TO:<c@d>", answers[0]),
        ];
        lines.extend(answers[1..].iter().map(|answer| (Stage::Rcpt, "", *answer)));
        story.dialogue(path, "bare-lf-command", false, &lines);
        assert_eq!(judge(&story.end()).verdict, expected, "{answers:?}");
    }
}

/// A server that breaks off TLS for a client with a certificate, and for others doesn't, has
/// refused the certificate.
#[test]
fn a_certificate_may_be_refused_by_the_handshake() {
    let alert = Cause::Disconnected {
        stage: Stage::Ehlo,
        error: Some("received fatal alert: UnknownCA".to_owned()),
    };
    let silent = Cause::Disconnected { stage: Stage::Ehlo, error: None };
    let failed = Cause::TlsFailed { error: "an alert".to_owned() };
    for (test, cause, has_tls, expected) in [
        ("plain-selfsigned-clientcert", &alert, true, Verdict::Closed),
        ("plain-selfsigned-clientcert", &failed, true, Verdict::Closed),
        ("plain-selfsigned-clientcert", &silent, true, Verdict::Inconclusive),
        ("plain-selfsigned-clientcert", &failed, false, Verdict::Inconclusive),
        ("null-sender", &failed, true, Verdict::Inconclusive),
    ] {
        let mut story = Story::begin(false);
        let plain = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign", test]);
        let secured = story.path("192.0.2.7", 25, Security::StartTls, &["foreign-to-foreign"]);
        story.answered(plain, "foreign-to-foreign", Stage::Rcpt, "550 relaying denied");
        story.answered(secured, "foreign-to-foreign", Stage::Rcpt, "550 relaying denied");
        if has_tls {
            story.tell(Event::Secured { dialogue: 1, after_ms: 1, tls: TlsFacts::default() });
        }
        story.dialogue_ending(
            plain,
            test,
            &[(Stage::Greeting, "", "220 mx")],
            End::Interrupted(cause.clone()),
        );
        assert_eq!(judge(&story.end()).verdict, expected, "{test} {cause} {has_tls}");
    }
}

#[test]
fn what_is_not_offered_is_no_doubt_and_no_acquittal() {
    for (others, expected) in
        [(&["foreign-to-foreign"][..], Verdict::Closed), (&[], Verdict::Inconclusive)]
    {
        let mut story = Story::begin(false);
        let tests = [others, &["xclient-loopback"]].concat();
        let path = story.path("192.0.2.7", 25, Security::Plain, &tests);
        for test in others {
            story.answered(path, test, Stage::Rcpt, "550 relaying denied");
        }
        let lines = [
            (Stage::Greeting, "", "220 mx.target.example"),
            (Stage::Ehlo, "EHLO x", "250 mx.target.example"),
        ];
        story.dialogue_ending(
            path,
            "xclient-loopback",
            &lines,
            End::NotOffered("XCLIENT".to_owned()),
        );
        assert_eq!(judge(&story.end()).verdict, expected);
    }
}

/// Adjacent rows are worth knowing and no relaying.
#[test]
fn what_is_adjacent_is_not_scored() {
    let mut story = Story::begin(false);
    let path = story.path(
        "192.0.2.7",
        25,
        Security::Plain,
        &["foreign-to-foreign", "spoof-local-to-local"],
    );
    story.answered(path, "foreign-to-foreign", Stage::Rcpt, "550 relaying denied");
    story.answered(path, "spoof-local-to-local", Stage::Rcpt, "250 ok");
    let judgement = judge(&story.end());
    assert_eq!(judgement.verdict, Verdict::Closed);
    assert_eq!(judgement.paths[0].controls.len(), 1);
}

/// What keeps several paths from a verdict is said once.
#[test]
fn the_summary_says_each_reason_once() {
    let mut story = Story::begin(false);
    for address in ["192.0.2.7", "2001:db8::7"] {
        let path = story.path(address, 25, Security::Plain, &["foreign-to-foreign", "null-sender"]);
        story.answered(path, "foreign-to-foreign", Stage::Rcpt, "450 4.2.0 Greylisted");
        story.answered(path, "null-sender", Stage::Rcpt, "450 4.2.0 Greylisted");
    }
    let judgement = judge(&story.end());
    assert_eq!(
        judgement.summary,
        "Could not tell, because of tests 1, 3: deferred during RCPT (greylisted)."
    );
}

/// A server lets its own machine and network do what strangers may not: who asks from there learns
/// so.
#[test]
fn a_neighbour_is_no_stranger() {
    for (ours, theirs, is_nearby) in [
        ("198.51.100.9", "192.0.2.7", false),
        ("192.0.2.9", "192.0.2.7", true),
        ("192.0.2.7", "192.0.2.7", true),
        ("127.0.0.1", "127.0.0.1", true),
        ("10.1.2.3", "172.16.0.25", true),
        ("10.1.2.3", "192.0.2.7", false),
        ("2001:db8:1::9", "2001:db8:1::7", true),
        ("2001:db8:2::9", "2001:db8:1::7", false),
    ] {
        for (answer, verdict) in
            [("250 ok", Verdict::OpenRelay), ("550 5.7.1 Relaying denied", Verdict::Closed)]
        {
            let mut story = Story::begin(true);
            story.connected =
                (ours.parse::<std::net::IpAddr>().expect("an address"), 40_000).into();
            let path = story.path(theirs, 25, Security::Plain, &["foreign-to-foreign"]);
            match verdict {
                Verdict::OpenRelay => {
                    let peer =
                        std::net::SocketAddr::new(theirs.parse().expect("an address"), 50_000)
                            .to_string();
                    story.relayed(
                        path,
                        "foreign-to-foreign",
                        &peer,
                        "from tester.probe.example by mx.target.example",
                    );
                }
                _ => story.answered(path, "foreign-to-foreign", Stage::Rcpt, answer),
            }
            let report = story.end();
            let judgement = judge(&report);
            let is_found = findings(&report, &judgement)
                .iter()
                .any(|finding| finding.tag == "asked_from_nearby");
            let is_open = verdict == Verdict::OpenRelay;
            assert_eq!(judgement.verdict, verdict, "{ours} {theirs}");
            assert_eq!(is_found, is_nearby && is_open, "{ours} {theirs}");
            assert_eq!(
                judgement.summary.contains("test from outside"),
                is_found,
                "{ours} {theirs}"
            );
        }
    }
}
