//! The clues. One line each; a sample in `tests/mtas.txt` shows it.
//!
//! - The first word is the weight: much other software says the same (`Weak`), little (`Typical`),
//!   none (`Own`), or the line names the product (`Name`).
//! - `Seen` was found in the software's source, a real transcript, its makers' documents or a
//!   maintained collection of fingerprints. `Remembered` was not, and never makes anything certain.
//! - A habit stands here only if no setting of the software changes the words.

use super::{Clue, Habit, Name, Place, Weight};

macro_rules! names {
    ($($name:literal $title:literal $(from $kin:literal)? $(before $others:ident)?
       $(check $check:literal)?;)*) => {
        /// Every software that the table knows.
        pub static NAMES: &[Name] = &[$(Name {
            name: $name,
            title: $title,
            kin: names!(@kin $($kin)?),
            is_front: names!(@front $($others)?),
            check: names!(@check $($check)?),
        }),*];
    };
    (@front others) => { true };
    (@front) => { false };
    (@check $check:literal) => { Some($check) };
    (@check) => { None };
    (@kin $kin:literal) => { Some($kin) };
    (@kin) => { None };
}

macro_rules! habits {
    ($($mta:literal $place:ident [$($pattern:literal)+];)*) => {
        /// What some software always says.
        pub static HABITS: &[Habit] =
            &[$(Habit { mta: $mta, place: Place::$place, patterns: &[$($pattern),+] }),*];
    };
}

macro_rules! clues {
    ($($mta:literal { $($weight:ident $known:ident $place:ident $pattern:literal $(=> $distribution:literal)?;)* })*) => {
        /// Every clue.
        pub static CLUES: &[Clue] = &[$($(Clue {
            mta: $mta,
            weight: Weight::$weight,
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
    "amazon-ses" "Amazon SES";
    "appleshare" "AppleShare IP Mail Server";
    "argosoft" "ArGoSoft Mail Server";
    "axigen" "Axigen";
    "barracuda" "Barracuda Email Security Gateway";
    "ccproxy" "CCProxy";
    "chasquid" "chasquid";
    "cisco-esa" "Cisco Secure Email Gateway (IronPort)";
    "cisco-pix" "Cisco PIX or ASA (a firewall that rewrites SMTP)";
    "citadel" "Citadel";
    "communigate" "CommuniGate Pro";
    "courier" "Courier";
    "domino" "HCL Domino";
    "dovecot" "Dovecot (its submission service)" before others
        check "`dovecot --version` prints Dovecot's version";
    "dumbster" "Dumbster (a mail catcher for tests)";
    "e-mailrelay" "E-MailRelay";
    "eims" "Eudora Internet Mail Server";
    "exchange" "Exchange Server";
    "exchange-online" "Exchange Online" from "exchange";
    "exim" "Exim" check "`exim -bV` prints Exim's version";
    "fake-smtp-server" "Fake SMTP Server (a mail catcher for tests)" from "subethasmtp";
    "firewall-1" "Check Point FireWall-1";
    "forcepoint" "Forcepoint Email Security";
    "fortimail" "FortiMail" from "sendmail";
    "fwtk" "FWTK (smap)";
    "gmail" "Gmail";
    "go-smtp" "go-smtp (maddy and others)";
    "greenmail" "GreenMail (a mail catcher for tests)";
    "groupwise" "GroupWise Internet Agent";
    "haraka" "Haraka" check "`haraka --version` prints Haraka's version";
    "heralding" "Heralding (a honeypot)";
    "hmailserver" "hMailServer";
    "ibm-i" "IBM i (its SMTP server)";
    "ibm-vm" "IBM VM SMTP";
    "icewarp" "IceWarp" from "sendmail";
    "iis" "IIS SMTP service" from "exchange";
    "imail" "IMail Server";
    "inbucket" "Inbucket (a mail catcher for tests)";
    "inetsim" "INetSim (a simulator of Internet services)";
    "james" "Apache James";
    "kerio" "Kerio Connect" from "sendmail";
    "kumomta" "KumoMTA";
    "listmanager" "Lyris ListManager";
    "mail-max" "Mail-Max";
    "mailcatcher" "MailCatcher (a mail catcher for tests)";
    "mailenable" "MailEnable";
    "mailerq" "MailerQ";
    "mailgun" "Mailgun";
    "mailhog" "MailHog (a mail catcher for tests)";
    "mailoney" "Mailoney (a honeypot)";
    "mailpit" "Mailpit (a mail catcher for tests)" from "mhale-smtpd";
    "mailsite" "MailSite";
    "mailtrap" "Mailtrap (a mail catcher for tests)";
    "mdaemon" "MDaemon" from "sendmail";
    "mercur" "MERCUR";
    "mercury" "Mercury Mail Transport System";
    "mhale-smtpd" "smtpd (a Go library: Mailpit, aws-smtp-relay and others)";
    "mimecast" "Mimecast";
    "momentum" "Momentum (Ecelerity)";
    "mox" "mox";
    "msmtpd" "msmtpd";
    "nginx" "nginx (a mail proxy)" before others
        check "`nginx -V` prints nginx's version and names its mail modules";
    "nodemailer" "smtp-server (Nodemailer)";
    "ntmail" "NTMail";
    "opensmtpd" "OpenSMTPD" check "`smtpd -h` prints OpenSMTPD's version";
    "openvms" "OpenVMS TCP/IP Services";
    "oracle-messaging" "Oracle (Sun, Netscape) Messaging Server";
    "papercut" "Papercut (a mail catcher for tests)" from "smtpserver-net";
    "pmail-server" "PMail Server";
    "post-office" "Post.Office";
    "postal" "Postal";
    "postfix" "Postfix" check "`postconf mail_version` prints Postfix's version";
    "powermta" "PowerMTA";
    "proofpoint" "Proofpoint" from "sendmail";
    "python-smtpd" "smtpd (a Python module for scripts and tests)" from "aiosmtpd";
    "qmail" "qmail";
    "qpsmtpd" "qpsmtpd" from "qmail";
    "sap" "SAP NetWeaver (its SMTP plug-in)";
    "sendmail" "sendmail" check "`sendmail -d0.1 -bt < /dev/null` prints sendmail's version";
    "slmail" "SLMail";
    "smartermail" "SmarterMail";
    "smtp4dev" "smtp4dev (a mail catcher for tests)";
    "smtpserver-net" "SmtpServer (a .NET library: Papercut and others)";
    "sonicwall" "SonicWall Email Security";
    "sophos" "Sophos";
    "stalwart" "Stalwart";
    "subethasmtp" "SubEthaSMTP (FakeSMTP and other mail catchers for tests)";
    "symantec" "Symantec Messaging Gateway";
    "tobit" "Tobit David";
    "trendmicro" "Trend Micro InterScan";
    "twisted" "Twisted (a Python library)";
    "vpop3" "VPOP3";
    "webshield" "McAfee WebShield";
    "winroute" "WinRoute";
    "winwebmail" "WinWebMail";
    "zmailer" "ZMailer";
    "zonemta" "ZoneMTA (WildDuck and others)" from "nodemailer";
}

habits! {
    "postfix" Hello ["250 {word}"];
    "postfix" Mail ["250 2.1.0 Ok" "250 Ok"];
    "postfix" Rcpt ["250 2.1.5 Ok" "250 Ok"];
    "postfix" Data ["354 End data with <CR><LF>.<CR><LF>"];
    "exim" Hello ["250 * Hello *"];
    "exim" Data ["354 Enter message, ending with \".\" on a line by itself"];
    "sendmail" Hello ["250 * Hello *, pleased to meet you"];
    "opensmtpd" Hello ["250 * Hello *, pleased to meet you"];
    "opensmtpd" Data ["354 Enter mail, end with \".\" on a line by itself"];
    "exchange" Hello ["250 * Hello [*]"];
    "nginx" Hello ["250 {word}"];
}

#[rustfmt::skip]
clues! {
    "postfix" {
        Name Seen Greeting "220 *ESMTP Postfix*";
        Name Seen Greeting "220 *ESMTP Postfix ({v})*";
        Name Seen Greeting "220 *ESMTP Postfix (Debian/GNU)*" => "debian";
        Name Seen Greeting "220 *ESMTP Postfix (Ubuntu)*" => "ubuntu";
        Name Seen Greeting "220 * ESMTP Postcow*" => "mailcow";
        Name Seen Greeting "220 * ESMTP Hi, I'm a Mail-in-a-Box*" => "mail-in-a-box";
        Name Seen Greeting "220 * ESMTP Proxmox*" => "proxmox-mail-gateway";
        Weak Seen Order "PIPELINING SIZE ENHANCEDSTATUSCODES 8BITMIME DSN";
        Weak Seen Order "PIPELINING ETRN ENHANCEDSTATUSCODES 8BITMIME DSN";
        Weak Seen Mail "250 2.1.0 Ok";
        Weak Seen Rcpt "250 2.1.5 Ok";
        Own Seen Any "454 4.7.1 <*>: Relay access denied";
        Own Seen Any "554 5.7.1 <*>: Relay access denied";
        Own Seen Any "450 4.1.8 <*>: Sender address rejected: Domain not found";
        Own Seen Any "550 5.1.1 <*>: Recipient address rejected: User unknown in * table";
        Own Seen Any "450 4.7.* Client host rejected: cannot find your*hostname, [*]";
        Own Seen Any "554 5.7.1 Service unavailable; Client host [*] blocked using *";
        Typical Seen Any "504 5.5.2 <*>: * rejected: need fully-qualified *";
        Weak Seen Any "50{n} 5.5.2 Error: command not recognized";
        Weak Seen Any "501 Syntax: EHLO hostname";
        Typical Seen Any "450 4.3.2 Service currently unavailable";
        Own Seen Any "421 4.7.0 * Error: too many errors";
        Own Seen Any "521 5.7.0 Error: I can break rules, too. Goodbye.";
        Own Seen Any "221 2.7.0 Error: I can break rules, too. Goodbye.";
        Weak Seen EndOfData "250 2.0.0 Ok: queued as *";
        Weak Seen Data "354 End data with <CR><LF>.<CR><LF>";
        Typical Seen Order "PIPELINING SIZE ENHANCEDSTATUSCODES 8BITMIME DSN CHUNKING";
        Name Seen Greeting "220 *SMTP Postfix*";
        Name Seen Greeting "220 {word} Postfix";
        Name Seen Greeting "220 *Mail-in-a-Box (Ubuntu/Postfix; *" => "mail-in-a-box";
        Name Seen Greeting "220 *ESMTP Postfix {v}";
        Own Seen Any "554 5.7.1 <*>: Recipient address rejected: Access denied";
        Own Seen Any "554 5.5.1 Error: no valid recipients";
        Weak Seen Any "530 5.7.0 Must issue a STARTTLS command first";
    }
    "exim" {
        Name Seen Greeting "220 *ESMTP Exim*";
        Name Seen Greeting "220 *ESMTP Exim {v} *";
        Name Seen Greeting "220 *ESMTP Exim {v} Ubuntu *" => "ubuntu";
        Own Seen Greeting "220 *We do not authorize the use of this system to transport \
                              unsolicited*" => "cpanel";
        Own Seen Greeting "554 SMTP synchronization error";
        Typical Seen Order "SIZE 8BITMIME PIPELINING HELP$";
        Typical Seen Order "PIPECONNECT HELP$";
        Typical Seen Order "PRDR HELP$";
        Weak Seen Rcpt "250 Accepted";
        Typical Seen Any "550 relay not permitted";
        Own Seen Any "550 Restricted characters in address";
        Own Seen Any "550 restricted characters in address" => "debian";
        Typical Seen Any "550 Sender verification failed" => "debian";
        Own Seen Any "501 <*>: sender address must contain a domain";
        Own Seen Any "501 <*>: recipient address must contain a domain";
        Own Seen Any "501 <*>: domain literals not allowed";
        Own Seen Any "501 <*>: malformed address: *";
        Own Seen Any "501 Syntactically invalid * argument(s)";
        Own Seen Any "550 Sender verify failed";
        Own Seen Any "550 *is not permitted to relay through this server*" => "cpanel";
        Own Seen Any "503 Valid RCPT command must precede DATA";
        Own Seen Data "354 Enter message, ending with \".\" on a line by itself";
        Own Seen EndOfData "250 OK id=*";
        Weak Seen Mail "250 OK";
        Name Seen Greeting "220 *Exim ESMTP Service ready*";
        Name Seen Greeting "220 *ESMTP (Exim {v})*";
        Name Seen Greeting "220 *ESMTP EXIM {v}*";
        Weak Seen Hello "250 * Hello * [*]";
        Weak Seen Any "221 * closing connection";
        Own Seen Any "503 All RCPT commands were rejected*";
    }
    "sendmail" {
        Name Seen Greeting "220 *ESMTP Sendmail*";
        Name Seen Greeting "220 *ESMTP Sendmail {v}/*";
        Name Seen Greeting "220 *ESMTP Sendmail {v}/*/Debian*" => "debian";
        Name Seen Any "214 *2.0.0 This is sendmail version {v}";
        Own Seen Greeting "421 4.3.2 Connection rate limit exceeded.";
        Own Seen Greeting "554 * ESMTP not accepting messages";
        Typical Seen Order "ENHANCEDSTATUSCODES PIPELINING 8BITMIME SIZE DELIVERBY HELP$";
        Typical Seen Mail "250 2.1.0 <*>... Sender ok";
        Typical Seen Rcpt "250 2.1.5 <*>... Recipient ok*";
        Own Seen Any "550 5.7.1 <*>... Relaying denied*";
        Own Seen Any "553 5.1.8 <*>... Domain of sender address * does not exist";
        Own Seen Any "553 5.5.4 <*>... Domain name required for sender address *";
        Own Seen Any "553 5.1.3 <*>... Invalid route address";
        Own Seen Any "550 5.1.1 <*>... User unknown";
        Weak Seen Any "221 2.0.0 * closing connection";
        Weak Seen Data "354 Enter mail, end with \".\" on a line by itself";
        Weak Seen Hello "250 * Hello * [*], pleased to meet you";
        Weak Seen EndOfData "250 2.0.0 * Message accepted for delivery";
        Name Seen Greeting "220 *Sendmail ready*";
        Name Seen Greeting "220 *Sendmail ESMTP ready*";
        Name Seen Greeting "220 *ESMTP * Sendmail {v}/*";
        Name Seen Greeting "220 *Sendmail AIX*";
        Own Seen Any "502 5.3.0 Sendmail {v} -- HELP not implemented";
        Name Seen Greeting "220 *ESMTP Debian Sendmail {v}/*" => "debian";
        Name Seen Greeting "220 *Sendmail SMI-*";
    }
    "opensmtpd" {
        Name Seen Greeting "220 * ESMTP OpenSMTPD*";
        Name Seen Any "214 *This is OpenSMTPD*";
        Typical Seen Order "8BITMIME ENHANCEDSTATUSCODES SIZE HELP$ !PIPELINING";
        Weak Seen Mail "250 2.0.0 Ok";
        Own Seen Rcpt "250 2.1.5 Destination address valid: Recipient ok";
        Typical Seen Any "550 Invalid recipient: <*>";
        Own Seen Any "{n} {n}.{n}.{n} *: Command not allowed at this point.";
        Own Seen Any "{n} {n}.{n}.{n} *: Pipelining not supported";
        Own Seen Any "553 {n}.{n}.{n} Sender address syntax error";
        Own Seen Any "501 {n}.{n}.{n} Recipient address syntax error";
        Weak Seen Hello "250 * Hello * [*], pleased to meet you";
        Weak Seen EndOfData "250 2.0.0 * Message accepted for delivery";
    }
    "exchange" {
        Name Seen Greeting "220 * Microsoft ESMTP MAIL Service ready at *";
        Name Seen Greeting "220 * MICROSOFT ESMTP MAIL SERVICE READY AT *";
        Own Seen Order "X-ANONYMOUSTLS";
        Typical Seen Order "X-EXPS";
        Typical Seen Order "XRDST";
        Typical Seen Mail "250 2.1.0 Sender OK";
        Typical Seen Rcpt "250 2.1.5 Recipient OK";
        Own Seen Any "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain";
        Own Seen Any "530 5.7.57 *Client was not authenticated*";
        Own Seen Any "530 5.7.1 Client was not authenticated";
        Own Seen Any "550 5.7.60 SMTP; Client does not have permissions to send as this sender";
        Own Seen EndOfData "250 2.6.0 <*> [InternalId=*";
        Typical Seen Any "550 5.7.1 Unable to relay*";
        Weak Seen Hello "250 * Hello [*]";
        Weak Seen Data "354 Start mail input; end with <CRLF>.<CRLF>";
        Name Seen Greeting "220 *Microsoft Exchange Internet Mail Service {v}*";
        Weak Seen Any "500 5.3.3 Unrecognized command*";
        Weak Seen Any "221 2.0.0 Service closing transmission channel";
    }
    "exchange-online" {
        Name Seen Greeting "220 *.protection.outlook.com Microsoft ESMTP MAIL Service ready at \
                               *";
        Name Seen Any "550 5.7.64 TenantAttribution; Relay Access Denied*";
        Name Seen Any "550 5.7.68 TenantInboundAttribution; *";
        Own Seen Any "5{n} *[*.prod.protection.outlook.com*]*";
    }
    "iis" {
        Name Seen Greeting "220 *Microsoft ESMTP MAIL Service, Version: {v}*";
        Own Seen Order "XEXCH50";
        Name Seen Greeting "220 *Microsoft SMTP MAIL ready at * Version: {v}*";
        Own Remembered Mail "250 2.1.0 *....Sender OK";
        Weak Seen Any "550 5.7.1 Unable to relay for *";
        Typical Seen Order "TURN SIZE ETRN PIPELINING";
    }
    "qmail" {
        Name Seen Any "214 qmail home page: *";
        Name Seen Any "214 netqmail home page: *" => "netqmail";
        Name Seen Any "214 notqmail home page: *" => "notqmail";
        Name Seen Any "252 send some mail, i'll try my best";
        Name Seen Any "451 See http*://*cr.yp.to/docs/smtplf.html.";
        Name Seen EndOfData "250 ok {n} qp {n}";
        Own Seen Any "553 sorry, that domain isn't in my list of allowed rcpthosts*";
        Own Seen Any "553 sorry, your envelope sender is in my badmailfrom list (#5.7.1)";
        Own Seen Any "553 sorry, relaying denied from your location *" => "qmail-ldap";
        Typical Seen Any "502 unimplemented (#5.5.1)";
        Typical Seen Any "503 MAIL first (#5.5.1)";
        Typical Seen Any "250 flushed";
        Weak Seen Order "=PIPELINING 8BITMIME";
        Weak Seen Data "354 go ahead";
        Weak Seen Mail "250 ok";
        Weak Seen Rcpt "250 ok";
    }
    "courier" {
        Name Seen Offer "XVERP=Courier";
        Own Seen Offer "XEXDATA";
        Own Seen Offer "XSECURITY=*";
        Own Seen Any "513 Relaying denied.";
        Own Seen Any "513 Syntax error.";
        Own Seen Any "517 Syntax error.";
        Own Seen Any "517 Sender rejected: *";
        Own Seen Any "502 ESMTP command error";
        Own Seen Any "502 Polite people say HELO first";
        Typical Seen Any "550 User <*> unknown";
        Own Seen Any "550 Unknown UUCP bang path.";
        Weak Seen Mail "250 Ok.";
        Weak Seen Rcpt "250 Ok.";
        Weak Seen Data "354 Ok.";
        Weak Seen Hello "250 {word} Ok.";
    }
    "haraka" {
        Name Seen Greeting "220 * ESMTP Haraka*";
        Name Seen Greeting "220 * ESMTP Haraka {v} ready*";
        Name Seen Greeting "220 * ESMTP Haraka/{v} ready*";
        Name Seen Hello "250 * Hello *, Haraka is at your service.";
        Name Seen Data "354 go ahead, make my day";
        Name Seen Any "221 * closing connection. Have a jolly good day.";
        Name Seen Any "252 Just try sending a mail and we'll see how it turns out...";
        Own Seen Any "550 I cannot deliver mail for <*>";
        Own Seen Any "450 I cannot deliver mail for <*>";
        Typical Seen Mail "250 sender <*> OK";
        Typical Seen Rcpt "250 recipient <*> OK";
        Weak Seen Order "PIPELINING 8BITMIME SMTPUTF8 SIZE";
        Name Seen Hello "250 Haraka says hi *";
        Own Seen Any "500 Stop wasting my time";
    }
    "hmailserver" {
        Name Seen Greeting "220 *hMailServer {v}*";
        Name Seen Greeting "220 *HMailServer ESMTP*";
        Name Seen Any "211 DATA HELO EHLO MAIL NOOP QUIT RCPT RSET SAML TURN VRFY";
        Name Seen EndOfData "250 Queued ({n}.{n} seconds)";
        Own Seen Any "550 Delivery is not allowed to this address.";
        Typical Seen Any "530 SMTP authentication is required.";
        Typical Seen Any "502 VRFY disallowed.";
        Own Seen Any "550 Invalid syntax. Syntax should be *<mailbox@domain>[crlf]";
        Typical Seen Any "550 A valid address is required.";
        Own Seen Any "554 Rejected - Message containing bare LF's.";
        Weak Seen Hello "250 Hello.";
        Typical Seen Data "354 OK, send.";
        Weak Seen Order "=SIZE HELP";
    }
    "mdaemon" {
        Name Seen Greeting "220 *ESMTP *MDaemon {v}*";
        Own Seen Any "500 What? I don't understand that.";
        Own Seen Any "250 RSET?  Well, OK.";
        Own Seen Any "221 See ya in cyberspace";
        Own Seen Greeting "421 Sorry, SMTP server too busy right now *";
        Weak Remembered Mail "250 <*>, Sender ok";
        Weak Remembered Rcpt "250 <*>, Recipient ok";
        Name Seen Greeting "220 *ESMTP MDaemon {v}*";
        Name Seen Greeting "220 *ESMTP service ready [{n}] *MDaemon v{v}*";
        Own Seen Any "250 Why is there an NOOP instruction?";
        Weak Seen Any "502 command is not active";
    }
    "mailenable" {
        Name Seen Greeting "220 * ESMTP MailEnable Service, Version: {v}*";
        Name Seen Hello "250 * [*], this server offers {n} extensions";
        Own Seen Any "503 This mail server requires authentication when attempting to send to \
                         a non-local e-mail address.*";
        Weak Seen Any "250 Requested mail action okay, completed";
        Name Seen Greeting "220 *ESMTP MailEnable Service, Version: {v}*";
    }
    "smartermail" {
        Own Remembered Any "550 Authentication is required for relay";
        Weak Remembered Mail "250 OK <*> Sender ok";
        Weak Remembered Rcpt "250 OK <*> Recipient ok";
    }
    "stalwart" {
        Name Seen Greeting "220 *Stalwart ESMTP at your service*";
        Name Seen Any "250 2.0.0 Help can be found at https://stalw.art";
        Typical Seen Any "550 5.1.2 Relay not allowed.";
        Typical Seen Any "503 5.5.1 Polite people say EHLO first.";
        Typical Seen Any "503 5.5.1 You must authenticate first.";
        Own Seen Hello "250 * you had me at *";
        Weak Seen Mail "250 2.1.0 OK";
        Weak Seen Rcpt "250 2.1.5 OK";
    }
    "james" {
        Name Seen Greeting "220 * SMTP Server (JAMES SMTP Server*) ready*";
        Name Seen Greeting "220 * SMTP Server (JAMES SMTP Server {v}) ready*";
        Name Seen Greeting "220 Apache JAMES awesome SMTP Server";
        Own Seen Any "550 5.7.1 Requested action not taken: relaying denied";
        Typical Seen Mail "250 2.1.0 Sender <*> OK";
        Typical Seen Rcpt "250 2.1.5 Recipient <*> OK";
        Typical Seen Hello "250 * Hello * [*])";
        Own Seen Any "500 Unable to process request: the command is unknown";
        Own Seen Data "354 Ok Send data ending with <CRLF>.<CRLF>";
    }
    "kerio" {
        Name Seen Greeting "220 * Kerio Connect {v}* ESMTP ready";
        Name Seen Greeting "220 * Kerio MailServer {v}* ESMTP ready";
        Own Remembered Any "550 5.7.1 Relaying to <*> denied (authentication required)";
    }
    "icewarp" {
        Name Seen Greeting "220 *SMTP IceWarp {v};*";
        Name Seen Greeting "220 *SMTP Merak {v};*";
        Own Remembered Any "550 5.7.1 *we do not relay*";
        Name Seen Greeting "220 *SMTP MERAK {v};*";
    }
    "domino" {
        Name Seen Greeting "220 *ESMTP Service (*Domino Release {v}*) ready at *";
        Typical Seen Any "252 Unable to VRFY \"*\", but will accept message and attempt delivery";
        Typical Seen Any "501 Command \"EHLO\" requires an argument";
        Own Remembered Any "554 Relay rejected for policy reasons.";
        Name Seen Greeting "220 *ESMTP Service (*Domino Build *) ready at *";
        Name Seen Greeting "220 *Lotus SMTP MTA Service Ready";
        Name Seen Greeting "220 *Lotus Notes ESMTP Server *";
    }
    "groupwise" {
        Name Seen Greeting "220 * GroupWise Internet Agent {v}*";
        Name Seen Greeting "220 * GroupWise SMTP/MIME Daemon {v}*";
    }
    "communigate" {
        Name Seen Greeting "220 * ESMTP CommuniGate Pro*";
        Name Seen Greeting "220 * ESMTP CommuniGate Pro {v}*";
        Typical Seen Greeting "220 * is glad to see you!";
        Weak Remembered Any "571 * prohibited. We do not relay";
        Weak Remembered Mail "250 * sender accepted";
    }
    "powermta" {
        Name Seen Greeting "220 * (PowerMTA(TM) v{v}) *ESMTP*";
        Typical Seen Order "XACK XMRG";
        Weak Remembered Any "550 5.7.1 relaying denied*";
    }
    "kumomta" {
        Name Seen Greeting "220 * KumoMTA*";
        Own Seen Hello "250 * Aloha *";
        Own Seen Any "550 5.7.1 relaying not permitted for *";
        Typical Seen Data "354 Send body; end with CRLF.CRLF";
    }
    "mailerq" {
        Own Remembered Greeting "220 *MailerQ*";
    }
    "barracuda" {
        Own Seen Greeting "220 * ESMTP ({hex})";
        Own Seen Greeting "554 Service unavailable; Client host [*] blocked using Barracuda \
                              Reputation;*";
        Typical Remembered Any "550 No such domain at this location (*)";
        Weak Remembered Any "550 permanent failure for one or more recipients (*:blocked)";
    }
    "fortimail" {
        Own Seen Greeting "220 * ESMTP Smtpd; *";
    }
    "cisco-esa" {
        Name Seen Greeting "220 * AsyncOS";
        Name Seen Greeting "554 Your access to this mail system has been rejected due to the \
                               sending MTA's poor reputation.*";
        Own Remembered Any "550 #5.1.0 Address rejected*";
        Weak Seen Mail "250 sender <*> ok";
        Weak Seen Rcpt "250 recipient <*> ok";
    }
    "cisco-pix" {
        Own Seen Greeting "220 {stars}";
        Own Seen Any "500 *ommand*XXXX*unrecognized*";
    }
    "sophos" {
        Weak Remembered Greeting "220 * ESMTP ready.";
    }
    "axigen" {
        Name Seen Greeting "220 * Axigen ESMTP ready";
        Name Seen Hello "250 * Axigen ESMTP hello";
    }
    "forcepoint" {
        Own Remembered Greeting "220 * ESMTP Forcepoint*";
    }
    "mimecast" {
        Own Seen Greeting "220 *.mimecast.com ESMTP; *";
        Own Seen Any "{n} * - https://community.mimecast.com/*";
    }
    "proofpoint" {
        Own Seen Greeting "220 *.pphosted.com ESMTP *";
        Own Seen Greeting "554 *Blocked - see https://*.proofpoint.com/*";
    }
    "trendmicro" {
        Own Seen Greeting "220 InterScan Version {v}*";
    }
    "gmail" {
        Name Seen Greeting "220 *ESMTP *- gsmtp";
        Own Seen Any "{n} *- gsmtp";
    }
    "chasquid" {
        Name Seen Greeting "220 * ESMTP chasquid";
        Name Seen Hello "250 * - Your hour of destiny has come.";
        Own Seen Mail "250 2.1.5 You feel like you are being watched";
        Own Seen Rcpt "250 2.1.5 You have an eerie feeling...";
        Typical Seen Any "503 5.7.1 Relay not allowed";
        Own Seen Any "502 5.5.1 You have a strange feeling for a moment, then it passes.";
        Own Seen Data "354 You suddenly realize it is unnaturally quiet";
        Own Seen Any "501 Invisible customers are not welcome!";
        Own Seen Any "221 2.0.0 Be seeing you...";
        Own Seen Any "214 2.0.0 Hoy por ti, mañana por mi";
    }
    "mox" {
        Name Seen Greeting "220 * ESMTP mox";
        Own Seen Mail "250 2.1.0 looking good";
        Own Seen Rcpt "250 2.1.0 now on the list";
        Own Seen Data "354 see you at the bare dot";
        Own Seen Any "550 5.1.1 not accepting email for domain (*";
        Own Seen Any "550 5.1.1 not accepting email for ip*";
        Weak Seen Order "PIPELINING SIZE ENHANCEDSTATUSCODES 8BITMIME LIMITS SMTPUTF8";
        Typical Seen Any "503 5.5.1 missing MAIL FROM*";
    }
    "go-smtp" {
        Own Seen Mail "250 2.0.0 Roger, accepting mail from <*>";
        Own Seen Rcpt "250 2.0.0 I'll make sure <*> gets this";
        Own Seen Data "354 2.0.0 Go ahead. End your data with <CR><LF>.<CR><LF>";
        Weak Seen Greeting "220 * ESMTP Service Ready";
        Own Seen Data "354 Go ahead. End your data with <CR><LF>.<CR><LF>";
        Weak Seen Hello "250 Hello {word}";
        Own Seen Any "502 5.5.1 Please introduce yourself first.";
        Own Seen Any "501 5.5.2 Was expecting * arg syntax of *:<address>";
        Weak Seen Any "250 2.0.0 I have successfully done nothing";
    }
    "aiosmtpd" {
        Name Seen Greeting "220 * Python SMTP {v}*";
        Weak Seen Order "SIZE 8BITMIME HELP$ !PIPELINING";
        Typical Seen Any "553 5.1.3 Error: malformed address";
        Weak Seen Any "501 Syntax: EHLO hostname";
        Typical Seen Any "500 Error: command \"*\" not recognized";
        Own Seen Any "502 5.5.1 Too many unrecognized commands, goodbye.";
    }
    "nodemailer" {
        Own Seen Hello "250 * Nice to meet you, *";
        Name Seen Any "252 Try to send something. No promises though";
        Own Seen Any "214 See https://tools.ietf.org/html/rfc5321 for details";
        Weak Seen Mail "250 Accepted";
        Own Seen Any "530 Error: authentication Required";
        Own Seen Any "538 Error: Must issue a STARTTLS command first";
        Own Seen Any "504 Error: Unrecognized authentication type";
        Own Seen Any "503 Error: send HELO/EHLO first";
        Own Seen Any "501 Error: Bad sender address syntax";
        Own Seen Any "501 Error: Bad recipient address syntax";
        Own Seen Any "421 Error: too many unauthenticated commands";
        Own Seen EndOfData "250 OK: message queued";
        Weak Seen Order "=PIPELINING 8BITMIME SMTPUTF8";
        Weak Seen Rcpt "250 Accepted";
        Weak Seen Any "503 Error: need MAIL command";
        Weak Seen Any "221 Bye";
        Typical Seen Mail "250 2.1.0 Accepted";
        Typical Seen Rcpt "250 2.1.5 Accepted";
    }
    "nginx" {
        Weak Seen Greeting "220 {word} ESMTP ready";
        Weak Seen Any "530 5.7.1 Authentication required";
        Typical Seen Any "500 5.5.1 Invalid command";
        Typical Seen Any "501 5.5.4 Invalid argument";
        Own Seen Greeting "503 5.5.0 Improper use of SMTP command pipelining";
        Typical Seen Any "451 4.3.2 Internal server error";
        Weak Seen Mail "250 2.0.0 OK";
    }
    "dovecot" {
        Name Seen Greeting "220 * Dovecot ready.";
        Name Seen Greeting "220 * Dovecot (Debian) ready." => "debian";
        Own Seen Offer "BURL imap";
        Typical Seen Any "530 5.7.0 Authentication required.";
        Typical Seen Any "535 5.7.8 Authentication failed.";
        Weak Seen Data "354 OK";
    }
    "msmtpd" {
        Name Seen Greeting "220 * ESMTP msmtpd";
        Own Seen Any "500 Expected MAIL FROM:<addr>*";
        Own Seen Any "500 Expected RCPT TO:<addr>*";
    }
    "qpsmtpd" {
        Name Seen Greeting "220 * ESMTP qpsmtpd {v} ready;*";
        Name Seen Greeting "220 * ESMTP qpsmtpd *";
        Name Seen Mail "250 <*>, sender OK - how exciting to get mail from you!";
        Typical Seen Rcpt "250 <*>, recipient ok";
        Weak Seen Hello "250 * Hi * [*]";
    }
    "mailpit" {
        Name Seen Greeting "220 * Mailpit ESMTP Service ready";
    }
    "mailhog" {
        Name Seen Greeting "220 * ESMTP MailHog";
        Typical Seen Mail "250 Sender * ok";
        Typical Seen Rcpt "250 Recipient * ok";
        Weak Seen EndOfData "250 Ok: queued as *";
        Typical Seen Any "500 Unrecognised command";
    }
    "mhale-smtpd" {
        Weak Seen Greeting "220 * ESMTP Service ready";
        Weak Seen Hello "250 {word} greets *";
        Weak Seen Mail "250 2.1.0 Ok";
        Weak Seen Rcpt "250 2.1.5 Ok";
        Own Seen Any "503 5.5.1 Bad sequence of commands (* required before *)";
        Own Seen Any "501 5.5.4 Syntax error in parameters or arguments (invalid * parameter)";
        Typical Seen Any "221 2.0.0 * ESMTP Service closing transmission channel";
    }
    "mailcatcher" {
        Own Seen Greeting "220 EventMachine SMTP Server";
        Own Seen Hello "250 Ok EventMachine SMTP Server";
        Typical Seen Order "NO-SOLICITING SIZE$";
        Typical Seen Data "354 Send it";
        Weak Seen EndOfData "250 Message accepted";
        Weak Seen Any "221 Ok";
    }
    "smtp4dev" {
        Name Seen Greeting "220 * smtp4dev ready";
        Typical Seen Hello "250 Nice to meet you.";
        Own Seen Mail "250 New message started";
        Typical Seen Rcpt "250 Recipient accepted";
        Weak Seen EndOfData "250 Mail accepted";
        Typical Seen Any "500 Command unrecognised";
    }
    "greenmail" {
        Name Seen Greeting "220 *GreenMail SMTP Service v{v} ready*";
        Own Seen Any "500 Invalid command. Must be 4 characters";
        Own Seen Any "501 Required syntax: '* *:<email@host>'";
    }
    "subethasmtp" {
        Name Seen Greeting "220 *ESMTP SubEthaSMTP*";
        Typical Seen Offer "Ok";
        Own Seen Any "553 <*> Invalid email address.";
        Typical Seen Any "500 Error: command not implemented";
        Weak Seen Any "503 5.5.1 Error: need MAIL command";
        Weak Seen Data "354 End data with <CR><LF>.<CR><LF>";
    }
    "inbucket" {
        Name Seen Greeting "220 * Inbucket SMTP ready";
        Name Seen Hello "250 Great, let's get this show on the road";
        Own Seen Mail "250 Roger, accepting mail from <*>";
        Own Seen Rcpt "250 I'll make sure <*> gets this";
        Own Seen Any "221 Goodnight and good luck";
        Typical Seen Any "550 Relay not permitted";
    }
    "smtpserver-net" {
        Own Seen Greeting "220 * v{v} ESMTP ready";
        Own Seen Hello "250 * Hello *, haven't we met before?";
        Typical Seen Data "354 end with <CRLF>.<CRLF>";
        Weak Seen Any "502 Unrecognized command";
    }
    "papercut" {
        Name Seen Greeting "220 Papercut* v{v} ESMTP ready";
    }
    "dumbster" {
        Name Seen Greeting "220 * Dumbster SMTP service ready";
        Name Seen Any "221 * Dumbster service closing transmission channel";
    }
    "python-smtpd" {
        Name Seen Greeting "220 * Python SMTP proxy version {v}*";
        Weak Seen Any "501 Syntax: EHLO hostname";
    }
    "inetsim" {
        Name Seen Greeting "220 *INetSim Mail Service ready*";
        Own Seen EndOfData "250 2.6.0 Ok: queued as *";
        Own Seen Any "500 5.5.1 Error: unknown command";
        Weak Seen Mail "250 2.1.0 Ok";
        Weak Seen Rcpt "250 2.1.5 Ok";
        Typical Seen Any "221 2.0.0 closing connection.";
    }
    "mailoney" {
        Weak Seen Greeting "220 * ESMTP Service Ready";
        Typical Seen Rcpt "250 2.1.0 OK";
        Own Seen Any "235 2.7.0 Authentication failed";
        Weak Seen Any "221 2.0.0 Goodbye";
    }
    "heralding" {
        Own Seen Order "AUTH EHLO$";
        Typical Seen Any "500 incorrect AUTH mechanism";
    }
    "twisted" {
        Own Seen Greeting "220 *NO UCE NO UBE NO RELAY PROBES*";
        Own Seen Hello "250 * Hello *, nice to meet you";
        Own Seen Any "250 I remember nothing.";
        Typical Seen Mail "250 Sender address accepted";
        Typical Seen Rcpt "250 Recipient address accepted";
        Weak Seen EndOfData "250 Delivery in progress";
        Weak Seen Data "354 Continue";
    }
    "postal" {
        Name Seen Greeting "220 * ESMTP Postal/*";
        Own Seen Hello "250 My capabilities are";
        Own Seen Any "502 Invalid/unsupported command";
        Own Seen Any "550 Route does not accept incoming messages";
        Own Seen Any "535 Mail server has been suspended";
        Typical Seen Any "530 Authentication required";
        Typical Seen Any "221 Closing Connection";
    }
    "zonemta" {
        Name Seen Greeting "220 * ESMTP Welcome to ZoneMTA! [ZoneMTA/{v}]";
        Own Seen EndOfData "250 Message queued as *";
    }
    "e-mailrelay" {
        Name Seen Greeting "220 * -- E-MailRelay V{v} -- Service ready";
        Weak Seen Hello "250 {word} says hello";
    }
    "ibm-i" {
        Name Seen Greeting "220 * running IBM AS/400 SMTP V*";
    }
    "amazon-ses" {
        Name Seen Greeting "220 email-smtp.amazonaws.com ESMTP SimpleEmailService-*";
    }
    "mailgun" {
        Name Seen Greeting "220 Mailgun Influx ready";
    }
    "citadel" {
        Name Seen Greeting "220 * ESMTP Citadel server ready.";
    }
    "imail" {
        Name Seen Greeting "220 *(IMail {v} *) NT-ESMTP Server*";
        Name Seen Greeting "220 *NT-ESMTP Server *(IMail {v} *)";
    }
    "argosoft" {
        Name Seen Greeting "220 *ArGoSoft Mail Server*, Version {v} *";
    }
    "appleshare" {
        Name Seen Greeting "220 *AppleShare IP Mail Server {v} SMTP Server Ready";
    }
    "eims" {
        Name Seen Greeting "220 *running Eudora Internet Mail Server {v}";
    }
    "ibm-vm" {
        Name Seen Greeting "220 *running IBM VM SMTP *";
    }
    "mail-max" {
        Name Seen Greeting "220 *(Mail-Max Version {v}, *) ESMTP Mail Server Ready.";
    }
    "mailsite" {
        Name Seen Greeting "220 *MailSite *SMTP Receiver *Ready";
    }
    "mercur" {
        Name Seen Greeting "220 *MERCUR SMTP-Server (v{v} *) for Windows NT ready *";
    }
    "mercury" {
        Name Seen Greeting "220 *Mercury/32 v{v} SMTP/ESMTP server ready.";
        Name Seen Greeting "220 *Mercury/32 v{v} ESMTP server ready.";
    }
    "oracle-messaging" {
        Name Seen Greeting "220 *Netscape Messaging Server *{v}*";
        Name Seen Greeting "220 *Sun Internet Mail Server sims.{v})";
    }
    "ntmail" {
        Name Seen Greeting "220 *NTMail (v{v}/*) ready for ESMTP transfer";
    }
    "openvms" {
        Name Seen Greeting "220 *V{v}, OpenVMS V*";
        Name Seen Greeting "220 *UCX V{v}, OpenVMS *";
    }
    "pmail-server" {
        Name Seen Greeting "220 *ESMTP PMailServer *; *";
    }
    "post-office" {
        Name Seen Greeting "220 *ESMTP server (post.office v{v} *) ready *";
        Name Seen Greeting "220 *ESMTP server (Post.Office v{v} *) ready *";
    }
    "sap" {
        Name Seen Greeting "220 *SAP {v}(*) ESMTP service ready";
    }
    "momentum" {
        Name Seen Greeting "220 *ESMTP ecelerity {v} *";
    }
    "slmail" {
        Name Seen Greeting "220 *SMTP Server SLmail {v} Ready ESMTP spoken here";
    }
    "symantec" {
        Name Seen Greeting "220 *ESMTP Symantec M*";
    }
    "sonicwall" {
        Name Seen Greeting "220 *ESMTP SonicWALL ({v})";
        Name Seen Greeting "220 *ESMTP SonicWall ({v})";
    }
    "vpop3" {
        Name Seen Greeting "220 *VPOP3 *SMTP Server Ready";
    }
    "webshield" {
        Name Seen Greeting "220 *WebShield *";
    }
    "listmanager" {
        Name Seen Greeting "220 *ESMTP Lyris ListManager service ready";
    }
    "winroute" {
        Name Seen Greeting "220 *ESMTP - WinRoute Pro {v}*";
    }
    "zmailer" {
        Name Seen Greeting "220 *ZMailer Server {v} *ESMTP*";
    }
    "winwebmail" {
        Name Seen Greeting "220 ESMTP on WinWebMail [{v}] ready.*";
    }
    "tobit" {
        Name Seen Greeting "220 *Service ready by David.fx (*) ESMTP Server (Tobit*";
    }
    "ccproxy" {
        Name Seen Greeting "220 CCProxy {v} SMTP Service Ready*";
    }
    "firewall-1" {
        Name Seen Greeting "220 CheckPoint FireWall-1 secure *SMTP server";
    }
    "fwtk" {
        Name Seen Greeting "220 *SMTP/smap Ready.";
    }
    "mailtrap" {
        Name Seen Greeting "220 *mailtrap.io ESMTP ready";
    }
    "fake-smtp-server" {
        Name Seen Greeting "220 *ESMTP FakeSMTPServer {v}*";
    }
}
