# authentication.pl SOCKET [everybody]
#
# A SASL server that speaks Dovecot's authentication protocol, as Postfix asks for it: the user
# alice has the password `right`. With `everybody`, any name and password will do.
use strict;
use warnings;
use IO::Socket::UNIX;
use MIME::Base64;

my ($path, $everybody) = @ARGV;
umask 0;
my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 9) or die "$path: $!";
# Who started us may count on the socket from here on.
exit if fork;
$SIG{CHLD} = 'IGNORE';
while (my $client = $listener->accept) {
    next if fork;
    $client->autoflush(1);
    print $client "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\n",
        "SPID\t1\nCUID\t1\nCOOKIE\tabcdef\nDONE\n";
    serve($client);
    exit;
}

# Each request is a line: AUTH ID MECHANISM ... resp=INITIAL, then CONT ID ANSWER.
sub serve {
    my ($client) = @_;
    my %user;
    while (my $line = <$client>) {
        chomp $line;
        my ($verb, $id, $what) = split /\t/, $line;
        if ($verb eq 'AUTH') {
            my ($initial) = $line =~ /\tresp=(\S*)/;
            if ($what eq 'LOGIN') { print $client "CONT\t$id\tVXNlcm5hbWU6\n" }
            elsif (defined $initial) { plain($client, $id, $initial) }
            else { print $client "CONT\t$id\t\n" }
        } elsif ($verb eq 'CONT') {
            my $said = decode_base64($what // '');
            if ($said =~ /\0/) { plain($client, $id, $what) }
            elsif (exists $user{$id}) { answer($client, $id, $user{$id}, $said) }
            else { $user{$id} = $said; print $client "CONT\t$id\tUGFzc3dvcmQ6\n" }
        }
    }
}

sub plain {
    my ($client, $id, $encoded) = @_;
    my (undef, $user, $password) = split /\0/, decode_base64($encoded);
    answer($client, $id, $user // '', $password // '');
}

sub answer {
    my ($client, $id, $user, $password) = @_;
    my $known = $everybody || ($user eq 'alice' && $password eq 'right');
    print $client $known ? "OK\t$id\tuser=$user\n" : "FAIL\t$id\tuser=$user\n";
}
