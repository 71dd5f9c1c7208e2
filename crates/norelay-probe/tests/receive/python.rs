//! Python's smtplib, a client that somebody else wrote, delivers to the receiver.

use norelay_core::token::TokenRole;

use super::*;

const SCRIPT: &str = r#"
import smtplib, ssl, sys
port, recipient, bounce, token = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
text = "Received: from relay\r\nSubject: test\r\nX-Norelay-Token: %s\r\n\r\n.\r\n..two\r\nbody\r\n" % token
with smtplib.SMTP("127.0.0.1", port, local_hostname="plain.example", timeout=120) as smtp:
    smtp.sendmail("a@b.example", [recipient], text)
    smtp.sendmail("", [bounce], text)
    assert smtp.verify("root")[0] == 252
    assert b"norelay" in smtp.help()
    try:
        smtp.sendmail("a@b.example", ["someone@elsewhere.example"], text)
        sys.exit("relayed for a stranger")
    except smtplib.SMTPRecipientsRefused as refused:
        assert refused.recipients["someone@elsewhere.example"][0] == 550, refused
with smtplib.SMTP("127.0.0.1", port, local_hostname="tls.example", timeout=120) as smtp:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    smtp.starttls(context=context)
    smtp.sendmail("a@b.example", [recipient.upper()], text.upper())
"#;

#[tokio::test]
async fn smtplib_delivers() {
    let receiving = receiving(config());
    let mut receipts = receiving.receipts();
    let port = receiving.local_addrs()[0].port().to_string();
    let words = [
        port,
        address(1, TokenRole::Recipient),
        address(1, TokenRole::Sender),
        address(0, TokenRole::Message),
    ];
    let python = tokio::process::Command::new("python3")
        .arg("-c")
        .arg(SCRIPT)
        .args(words)
        .output()
        .await;
    let python = python.expect("python3 is needed for this test");
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    let seen: Vec<_> = drain(&mut receipts)
        .iter()
        .map(|receipt| {
            let path = receipt.reverse_path.to_string();
            (receipt.token.role, receipt.tls, receipt.message_token, receipt.helo.to_string(), path)
        })
        .collect();
    let seen: Vec<_> = seen
        .iter()
        .map(|(role, tls, ours, helo, path)| (*role, *tls, *ours, &**helo, &**path))
        .collect();
    assert_eq!(
        seen,
        [
            (TokenRole::Recipient, false, true, "plain.example", "<a@b.example>"),
            (TokenRole::Sender, false, true, "plain.example", "<>"),
            (TokenRole::Recipient, true, true, "tls.example", "<a@b.example>"),
        ]
    );
}
