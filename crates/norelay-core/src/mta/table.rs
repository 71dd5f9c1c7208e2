//! The clues. One line each; a sample in `tests/mtas.txt` shows it.
//!
//! `Seen` was found in the software's source, a real transcript, its makers' documents or a
//! maintained collection of fingerprints; `Remembered` was not, and never makes anything certain.

use super::{Clue, Confidence, Name, Place};

macro_rules! names {
    ($($name:literal $title:literal $(from $kin:literal)? $(before $others:ident)?;)*) => {
        /// Every software that the table knows.
        pub static NAMES: &[Name] = &[$(Name {
            name: $name,
            title: $title,
            kin: names!(@kin $($kin)?),
            is_front: names!(@front $($others)?),
        }),*];
    };
    (@front others) => { true };
    (@front) => { false };
    (@kin $kin:literal) => { Some($kin) };
    (@kin) => { None };
}

macro_rules! clues {
    ($($mta:literal { $($weight:ident $known:ident $place:ident $pattern:literal $(=> $distribution:literal)?;)* })*) => {
        /// Every clue.
        pub static CLUES: &[Clue] = &[$($(Clue {
            mta: $mta,
            weight: Confidence::$weight,
            verified: clues!(@known $known),
            place: Place::$place,
            pattern: $pattern,
            distribution: clues!(@distribution $($distribution)?),
        },)*)*];
    };
    (@known Seen) => { true };
    (@known Remembered) => { false };
    (@distribution $distribution:literal) => { Some($distribution) };
    (@distribution) => { None };
}

names! {
    "aiosmtpd" "aiosmtpd (Python)";
    "axigen" "Axigen";
    "barracuda" "Barracuda Email Security Gateway";
    "chasquid" "chasquid";
    "cisco-esa" "Cisco Secure Email Gateway (IronPort)";
    "cisco-pix" "Cisco PIX or ASA (a firewall that rewrites SMTP)";
    "communigate" "CommuniGate Pro";
    "courier" "Courier";
    "domino" "HCL Domino";
    "dovecot" "Dovecot (its submission service)" before others;
    "exchange" "Exchange Server";
    "exchange-online" "Exchange Online" from "exchange";
    "exim" "Exim";
    "forcepoint" "Forcepoint Email Security";
    "fortimail" "FortiMail" from "sendmail";
    "gmail" "Gmail";
    "go-smtp" "go-smtp (maddy and others)";
    "groupwise" "GroupWise Internet Agent";
    "haraka" "Haraka";
    "hmailserver" "hMailServer";
    "icewarp" "IceWarp" from "sendmail";
    "iis" "IIS SMTP service" from "exchange";
    "james" "Apache James";
    "kerio" "Kerio Connect" from "sendmail";
    "kumomta" "KumoMTA";
    "mailenable" "MailEnable";
    "mailerq" "MailerQ";
    "mailhog" "MailHog (a trap)";
    "mailpit" "Mailpit (a trap)";
    "mdaemon" "MDaemon" from "sendmail";
    "mimecast" "Mimecast";
    "mox" "mox";
    "msmtpd" "msmtpd";
    "nginx" "nginx (a mail proxy)" before others;
    "nodemailer" "smtp-server (Nodemailer)";
    "opensmtpd" "OpenSMTPD";
    "postfix" "Postfix";
    "powermta" "PowerMTA";
    "proofpoint" "Proofpoint" from "sendmail";
    "qmail" "qmail";
    "qpsmtpd" "qpsmtpd" from "qmail";
    "sendmail" "sendmail";
    "smartermail" "SmarterMail";
    "sophos" "Sophos";
    "stalwart" "Stalwart";
    "trendmicro" "Trend Micro InterScan";
}

#[rustfmt::skip]
clues! {
    "postfix" {
        Certain Seen Greeting "220 *ESMTP Postfix*";
        Certain Seen Greeting "220 *ESMTP Postfix ({v})*";
        Certain Seen Greeting "220 *ESMTP Postfix (Debian/GNU)*" => "debian";
        Certain Seen Greeting "220 *ESMTP Postfix (Ubuntu)*" => "ubuntu";
        Certain Seen Greeting "220 * ESMTP Postcow*" => "mailcow";
        Certain Seen Greeting "220 * ESMTP Hi, I'm a Mail-in-a-Box*" => "mail-in-a-box";
        Certain Seen Greeting "220 * ESMTP Proxmox*" => "proxmox-mail-gateway";
        Likely Seen Order "PIPELINING SIZE ENHANCEDSTATUSCODES 8BITMIME DSN";
        Likely Seen Order "PIPELINING ETRN ENHANCEDSTATUSCODES 8BITMIME DSN";
        Possible Seen Mail "250 2.1.0 Ok";
        Possible Seen Rcpt "250 2.1.5 Ok";
        Likely Seen Any "454 4.7.1 <*>: Relay access denied";
        Likely Seen Any "554 5.7.1 <*>: Relay access denied";
        Likely Seen Any "450 4.1.8 <*>: Sender address rejected: Domain not found";
        Likely Seen Any "550 5.1.1 <*>: Recipient address rejected: User unknown in * table";
        Likely Seen Any "450 4.7.* Client host rejected: cannot find your*hostname, [*]";
        Likely Seen Any "554 5.7.1 Service unavailable; Client host [*] blocked using *";
        Likely Seen Any "504 5.5.2 <*>: * rejected: need fully-qualified *";
        Likely Seen Any "50{n} 5.5.2 Error: command not recognized";
        Likely Seen Any "501 Syntax: EHLO hostname";
        Likely Seen Any "450 4.3.2 Service currently unavailable";
        Likely Seen Any "421 4.7.0 * Error: too many errors";
        Likely Seen Any "521 5.7.0 Error: I can break rules, too. Goodbye.";
        Likely Seen Any "221 2.7.0 Error: I can break rules, too. Goodbye.";
        Likely Seen EndOfData "250 2.0.0 Ok: queued as *";
        Possible Seen Data "354 End data with <CR><LF>.<CR><LF>";
    }
    "exim" {
        Certain Seen Greeting "220 *ESMTP Exim*";
        Certain Seen Greeting "220 *ESMTP Exim {v} *";
        Certain Seen Greeting "220 *ESMTP Exim {v} Ubuntu *" => "ubuntu";
        Likely Seen Greeting "220 *We do not authorize the use of this system to transport \
                              unsolicited*" => "cpanel";
        Likely Seen Greeting "554 SMTP synchronization error";
        Likely Seen Order "SIZE 8BITMIME PIPELINING HELP$";
        Likely Seen Order "PIPECONNECT HELP$";
        Likely Seen Order "PRDR HELP$";
        Likely Seen Rcpt "250 Accepted";
        Likely Seen Any "550 relay not permitted";
        Likely Seen Any "550 Restricted characters in address";
        Likely Seen Any "550 restricted characters in address" => "debian";
        Likely Seen Any "550 Sender verification failed" => "debian";
        Likely Seen Any "501 <*>: sender address must contain a domain";
        Likely Seen Any "501 <*>: recipient address must contain a domain";
        Likely Seen Any "501 <*>: domain literals not allowed";
        Likely Seen Any "501 <*>: malformed address: *";
        Likely Seen Any "501 Syntactically invalid * argument(s)";
        Likely Seen Any "550 Sender verify failed";
        Likely Seen Any "550 *is not permitted to relay through this server*" => "cpanel";
        Likely Seen Any "503 Valid RCPT command must precede DATA";
        Likely Seen Data "354 Enter message, ending with \".\" on a line by itself";
        Likely Seen EndOfData "250 OK id=*";
        Possible Seen Mail "250 OK";
    }
    "sendmail" {
        Certain Seen Greeting "220 *ESMTP Sendmail*";
        Certain Seen Greeting "220 *ESMTP Sendmail {v}/*";
        Certain Seen Greeting "220 *ESMTP Sendmail {v}/*/Debian*" => "debian";
        Certain Seen Any "214 *2.0.0 This is sendmail version {v}";
        Likely Seen Greeting "421 4.3.2 Connection rate limit exceeded.";
        Likely Seen Greeting "554 * ESMTP not accepting messages";
        Likely Seen Order "ENHANCEDSTATUSCODES PIPELINING 8BITMIME SIZE DELIVERBY HELP$";
        Likely Seen Mail "250 2.1.0 <*>... Sender ok";
        Likely Seen Rcpt "250 2.1.5 <*>... Recipient ok*";
        Likely Seen Any "550 5.7.1 <*>... Relaying denied*";
        Likely Seen Any "553 5.1.8 <*>... Domain of sender address * does not exist";
        Likely Seen Any "553 5.5.4 <*>... Domain name required for sender address *";
        Likely Seen Any "553 5.1.3 <*>... Invalid route address";
        Likely Seen Any "550 5.1.1 <*>... User unknown";
        Likely Seen Any "221 2.0.0 * closing connection";
        Likely Seen Data "354 Enter mail, end with \".\" on a line by itself";
        Possible Seen Hello "250 * Hello * [*], pleased to meet you";
        Possible Seen EndOfData "250 2.0.0 * Message accepted for delivery";
    }
    "opensmtpd" {
        Certain Seen Greeting "220 * ESMTP OpenSMTPD*";
        Certain Seen Any "214 *This is OpenSMTPD*";
        Likely Seen Order "8BITMIME ENHANCEDSTATUSCODES SIZE HELP$ !PIPELINING";
        Likely Seen Mail "250 2.0.0 Ok";
        Likely Seen Rcpt "250 2.1.5 Destination address valid: Recipient ok";
        Possible Seen Any "550 Invalid recipient: <*>";
        Likely Seen Any "{n} {n}.{n}.{n} *: Command not allowed at this point.";
        Likely Seen Any "{n} {n}.{n}.{n} *: Pipelining not supported";
        Likely Seen Any "553 {n}.{n}.{n} Sender address syntax error";
        Likely Seen Any "501 {n}.{n}.{n} Recipient address syntax error";
        Possible Seen Hello "250 * Hello * [*], pleased to meet you";
        Possible Seen EndOfData "250 2.0.0 * Message accepted for delivery";
    }
    "exchange" {
        Certain Seen Greeting "220 * Microsoft ESMTP MAIL Service ready at *";
        Certain Seen Greeting "220 * MICROSOFT ESMTP MAIL SERVICE READY AT *";
        Likely Seen Order "X-ANONYMOUSTLS";
        Likely Seen Order "X-EXPS";
        Likely Seen Order "XRDST";
        Likely Seen Mail "250 2.1.0 Sender OK";
        Likely Seen Rcpt "250 2.1.5 Recipient OK";
        Likely Seen Any "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain";
        Likely Seen Any "530 5.7.57 *Client was not authenticated*";
        Likely Seen Any "530 5.7.1 Client was not authenticated";
        Likely Seen Any "550 5.7.60 SMTP; Client does not have permissions to send as this sender";
        Likely Seen EndOfData "250 2.6.0 <*> [InternalId=*";
        Possible Seen Any "550 5.7.1 Unable to relay*";
        Possible Seen Hello "250 * Hello [*]";
        Possible Seen Data "354 Start mail input; end with <CRLF>.<CRLF>";
    }
    "exchange-online" {
        Certain Seen Greeting "220 *.protection.outlook.com Microsoft ESMTP MAIL Service ready at \
                               *";
        Certain Seen Any "550 5.7.64 TenantAttribution; Relay Access Denied*";
        Certain Seen Any "550 5.7.68 TenantInboundAttribution; *";
        Likely Seen Any "5{n} *[*.prod.protection.outlook.com*]*";
    }
    "iis" {
        Certain Seen Greeting "220 *Microsoft ESMTP MAIL Service, Version: {v}*";
        Likely Seen Order "XEXCH50";
    }
    "qmail" {
        Certain Seen Any "214 qmail home page: *";
        Certain Seen Any "214 netqmail home page: *" => "netqmail";
        Certain Seen Any "214 notqmail home page: *" => "notqmail";
        Certain Seen Any "252 send some mail, i'll try my best";
        Certain Seen Any "451 See http*://*cr.yp.to/docs/smtplf.html.";
        Certain Seen EndOfData "250 ok {n} qp {n}";
        Likely Seen Any "553 sorry, that domain isn't in my list of allowed rcpthosts*";
        Likely Seen Any "553 sorry, your envelope sender is in my badmailfrom list (#5.7.1)";
        Likely Seen Any "553 sorry, relaying denied from your location *" => "qmail-ldap";
        Likely Seen Any "502 unimplemented (#5.5.1)";
        Likely Seen Any "503 MAIL first (#5.5.1)";
        Likely Seen Any "250 flushed";
        Likely Seen Order "=PIPELINING 8BITMIME";
        Likely Seen Data "354 go ahead";
        Possible Seen Mail "250 ok";
        Possible Seen Rcpt "250 ok";
    }
    "courier" {
        Certain Seen Offer "XVERP=Courier";
        Likely Seen Offer "XEXDATA";
        Likely Seen Offer "XSECURITY=*";
        Likely Seen Any "513 Relaying denied.";
        Likely Seen Any "513 Syntax error.";
        Likely Seen Any "517 Syntax error.";
        Likely Seen Any "517 Sender rejected: *";
        Likely Seen Any "502 ESMTP command error";
        Likely Seen Any "502 Polite people say HELO first";
        Likely Seen Any "550 User <*> unknown";
        Likely Seen Any "550 Unknown UUCP bang path.";
        Possible Seen Mail "250 Ok.";
        Possible Seen Rcpt "250 Ok.";
        Likely Seen Data "354 Ok.";
    }
    "haraka" {
        Certain Seen Greeting "220 * ESMTP Haraka*";
        Certain Seen Greeting "220 * ESMTP Haraka {v} ready*";
        Certain Seen Greeting "220 * ESMTP Haraka/{v} ready*";
        Certain Seen Hello "250 * Hello *, Haraka is at your service.";
        Certain Seen Data "354 go ahead, make my day";
        Certain Seen Any "221 * closing connection. Have a jolly good day.";
        Certain Seen Any "252 Just try sending a mail and we'll see how it turns out...";
        Likely Seen Any "550 I cannot deliver mail for <*>";
        Likely Seen Any "450 I cannot deliver mail for <*>";
        Likely Seen Mail "250 sender <*> OK";
        Likely Seen Rcpt "250 recipient <*> OK";
        Possible Seen Order "PIPELINING 8BITMIME SMTPUTF8 SIZE";
    }
    "hmailserver" {
        Certain Seen Greeting "220 *hMailServer {v}*";
        Certain Seen Greeting "220 *MailServer ESMTP*";
        Certain Seen Any "211 DATA HELO EHLO MAIL NOOP QUIT RCPT RSET SAML TURN VRFY";
        Certain Seen EndOfData "250 Queued ({n}.{n} seconds)";
        Likely Seen Any "550 Delivery is not allowed to this address.";
        Likely Seen Any "530 SMTP authentication is required.";
        Likely Seen Any "502 VRFY disallowed.";
        Likely Seen Any "550 Invalid syntax. Syntax should be *<mailbox@domain>[crlf]";
        Likely Seen Any "550 A valid address is required.";
        Likely Seen Any "554 Rejected - Message containing bare LF's.";
        Likely Seen Hello "250 Hello.";
        Likely Seen Data "354 OK, send.";
        Possible Seen Order "=SIZE HELP";
    }
    "mdaemon" {
        Certain Seen Greeting "220 *ESMTP *MDaemon {v}*";
        Likely Seen Any "500 What? I don't understand that.";
        Likely Seen Any "250 RSET?  Well, OK.";
        Likely Seen Any "221 See ya in cyberspace";
        Likely Seen Greeting "421 Sorry, SMTP server too busy right now *";
        Possible Remembered Mail "250 <*>, Sender ok";
        Possible Remembered Rcpt "250 <*>, Recipient ok";
    }
    "mailenable" {
        Certain Seen Greeting "220 * ESMTP MailEnable Service, Version: {v}*";
        Certain Seen Hello "250 * [*], this server offers {n} extensions";
        Likely Seen Any "503 This mail server requires authentication when attempting to send to \
                         a non-local e-mail address.*";
        Possible Seen Any "250 Requested mail action okay, completed";
    }
    "smartermail" {
        Likely Remembered Any "550 Authentication is required for relay";
        Possible Remembered Mail "250 OK <*> Sender ok";
        Possible Remembered Rcpt "250 OK <*> Recipient ok";
    }
    "stalwart" {
        Certain Seen Greeting "220 *Stalwart ESMTP at your service*";
        Certain Seen Any "250 2.0.0 Help can be found at https://stalw.art";
        Likely Seen Any "550 5.1.2 Relay not allowed.";
        Likely Seen Any "503 5.5.1 Polite people say EHLO first.";
        Likely Seen Any "503 5.5.1 You must authenticate first.";
        Likely Seen Hello "250 * you had me at *";
        Possible Seen Mail "250 2.1.0 OK";
        Possible Seen Rcpt "250 2.1.5 OK";
    }
    "james" {
        Certain Seen Greeting "220 * SMTP Server (JAMES SMTP Server*) ready*";
        Certain Seen Greeting "220 * SMTP Server (JAMES SMTP Server {v}) ready*";
        Certain Seen Greeting "220 Apache JAMES awesome SMTP Server";
        Likely Seen Any "550 5.7.1 Requested action not taken: relaying denied";
        Likely Seen Mail "250 2.1.0 Sender <*> OK";
        Likely Seen Rcpt "250 2.1.5 Recipient <*> OK";
        Likely Seen Hello "250 * Hello * [*])";
    }
    "kerio" {
        Certain Seen Greeting "220 * Kerio Connect {v}* ESMTP ready";
        Certain Seen Greeting "220 * Kerio MailServer {v}* ESMTP ready";
        Likely Remembered Any "550 5.7.1 Relaying to <*> denied (authentication required)";
    }
    "icewarp" {
        Certain Seen Greeting "220 *SMTP IceWarp {v};*";
        Certain Seen Greeting "220 *SMTP Merak {v};*";
        Likely Remembered Any "550 5.7.1 *we do not relay*";
    }
    "domino" {
        Certain Seen Greeting "220 *ESMTP Service (*Domino Release {v}*) ready at *";
        Likely Seen Any "252 Unable to VRFY \"*\", but will accept message and attempt delivery";
        Likely Seen Any "501 Command \"EHLO\" requires an argument";
        Likely Remembered Any "554 Relay rejected for policy reasons.";
    }
    "groupwise" {
        Certain Seen Greeting "220 * GroupWise Internet Agent {v}*";
    }
    "communigate" {
        Certain Seen Greeting "220 * ESMTP CommuniGate Pro*";
        Certain Seen Greeting "220 * ESMTP CommuniGate Pro {v}*";
        Likely Seen Greeting "220 * is glad to see you!";
        Possible Remembered Any "571 * prohibited. We do not relay";
        Possible Remembered Mail "250 * sender accepted";
    }
    "powermta" {
        Certain Seen Greeting "220 * (PowerMTA(TM) v{v}) *ESMTP*";
        Likely Seen Order "XACK XMRG";
        Possible Remembered Any "550 5.7.1 relaying denied*";
    }
    "kumomta" {
        Certain Seen Greeting "220 * KumoMTA*";
        Certain Seen Hello "250 * Aloha *";
        Likely Seen Any "550 5.7.1 relaying not permitted for *";
        Likely Seen Data "354 Send body; end with CRLF.CRLF";
    }
    "mailerq" {
        Likely Remembered Greeting "220 *MailerQ*";
    }
    "barracuda" {
        Certain Seen Greeting "220 * ESMTP ({hex})";
        Likely Seen Greeting "554 Service unavailable; Client host [*] blocked using Barracuda \
                              Reputation;*";
        Likely Remembered Any "550 No such domain at this location (*)";
        Possible Remembered Any "550 permanent failure for one or more recipients (*:blocked)";
    }
    "fortimail" {
        Certain Seen Greeting "220 * ESMTP Smtpd; *";
    }
    "cisco-esa" {
        Likely Seen Greeting "220 * AsyncOS";
        Certain Seen Greeting "554 Your access to this mail system has been rejected due to the \
                               sending MTA's poor reputation.*";
        Likely Remembered Any "550 #5.1.0 Address rejected*";
        Possible Seen Mail "250 sender <*> ok";
        Possible Seen Rcpt "250 recipient <*> ok";
    }
    "cisco-pix" {
        Certain Seen Greeting "220 {stars}";
        Likely Seen Any "500 *ommand*XXXX*unrecognized*";
    }
    "sophos" {
        Possible Remembered Greeting "220 * ESMTP ready.";
    }
    "axigen" {
        Certain Seen Greeting "220 * Axigen ESMTP ready";
        Certain Seen Hello "250 * Axigen ESMTP hello";
    }
    "forcepoint" {
        Possible Remembered Greeting "220 * ESMTP Forcepoint*";
    }
    "mimecast" {
        Likely Seen Greeting "220 *.mimecast.com ESMTP; *";
        Likely Seen Any "{n} * - https://community.mimecast.com/*";
    }
    "proofpoint" {
        Likely Seen Greeting "220 *.pphosted.com ESMTP *";
        Likely Seen Greeting "554 *Blocked - see https://*.proofpoint.com/*";
    }
    "trendmicro" {
        Likely Seen Greeting "220 InterScan Version {v}*";
    }
    "gmail" {
        Certain Seen Greeting "220 *ESMTP *- gsmtp";
        Likely Seen Any "{n} *- gsmtp";
    }
    "chasquid" {
        Certain Seen Greeting "220 * ESMTP chasquid";
        Certain Seen Hello "250 * - Your hour of destiny has come.";
        Certain Seen Mail "250 2.1.5 You feel like you are being watched";
        Certain Seen Rcpt "250 2.1.5 You have an eerie feeling...";
        Likely Seen Any "503 5.7.1 Relay not allowed";
        Likely Seen Any "502 5.5.1 You have a strange feeling for a moment, then it passes.";
    }
    "mox" {
        Certain Seen Greeting "220 * ESMTP mox";
        Certain Seen Mail "250 2.1.0 looking good";
        Certain Seen Rcpt "250 2.1.0 now on the list";
        Certain Seen Data "354 see you at the bare dot";
        Likely Seen Any "550 5.1.1 not accepting email for domain (*";
    }
    "go-smtp" {
        Likely Seen Mail "250 2.0.0 Roger, accepting mail from <*>";
        Likely Seen Rcpt "250 2.0.0 I'll make sure <*> gets this";
        Likely Seen Data "354 2.0.0 Go ahead. End your data with <CR><LF>.<CR><LF>";
        Possible Seen Greeting "220 * ESMTP Service Ready";
    }
    "aiosmtpd" {
        Certain Seen Greeting "220 * Python SMTP*";
        Certain Seen Greeting "220 * Python SMTP {v}";
        Likely Seen Order "SIZE 8BITMIME HELP$ !PIPELINING";
        Likely Seen Any "553 5.1.3 Error: malformed address";
    }
    "nodemailer" {
        Likely Seen Hello "250 * Nice to meet you, *";
        Certain Seen Any "252 Try to send something. No promises though";
        Likely Seen Any "214 See https://tools.ietf.org/html/rfc5321 for details";
        Likely Seen Mail "250 Accepted";
        Likely Seen Any "530 Error: authentication Required";
        Likely Seen Any "538 Error: Must issue a STARTTLS command first";
        Likely Seen Any "504 Error: Unrecognized authentication type";
        Likely Seen Any "503 Error: send HELO/EHLO first";
        Likely Seen Any "501 Error: Bad sender address syntax";
        Likely Seen Any "501 Error: Bad recipient address syntax";
        Likely Seen Any "421 Error: too many unauthenticated commands";
        Likely Seen EndOfData "250 OK: message queued";
        Possible Seen Order "=PIPELINING 8BITMIME SMTPUTF8";
        Possible Seen Rcpt "250 Accepted";
        Possible Seen Any "503 Error: need MAIL command";
        Possible Seen Any "221 Bye";
    }
    "nginx" {
        Likely Seen Greeting "220 * ESMTP ready";
        Likely Seen Any "530 5.7.1 Authentication required";
        Likely Seen Any "500 5.5.1 Invalid command";
        Likely Seen Any "501 5.5.4 Invalid argument";
        Likely Seen Greeting "503 5.5.0 Improper use of SMTP command pipelining";
        Likely Seen Any "451 4.3.2 Internal server error";
        Likely Seen Mail "250 2.0.0 OK";
    }
    "dovecot" {
        Certain Seen Greeting "220 * Dovecot ready.";
        Certain Seen Greeting "220 * Dovecot (Debian) ready." => "debian";
        Likely Seen Offer "BURL imap";
        Likely Seen Any "530 5.7.0 Authentication required.";
        Likely Seen Any "535 5.7.8 Authentication failed.";
        Possible Seen Data "354 OK";
    }
    "msmtpd" {
        Certain Seen Greeting "220 * ESMTP msmtpd";
        Likely Seen Any "500 Expected MAIL FROM:<addr>*";
        Likely Seen Any "500 Expected RCPT TO:<addr>*";
    }
    "qpsmtpd" {
        Certain Seen Greeting "220 * ESMTP qpsmtpd {v} ready;*";
        Certain Seen Greeting "220 * ESMTP qpsmtpd *";
        Certain Seen Mail "250 <*>, sender OK - how exciting to get mail from you!";
        Likely Seen Rcpt "250 <*>, recipient ok";
        Possible Seen Hello "250 * Hi * [*]";
    }
    "mailpit" {
        Certain Seen Greeting "220 * Mailpit ESMTP Service ready";
        Likely Seen Hello "250 * greets *";
    }
    "mailhog" {
        Certain Seen Greeting "220 * ESMTP MailHog";
        Likely Seen Mail "250 Sender * ok";
    }
}
