# policy.pl ATTRIBUTE
#
# A policy server for Postfix (SMTPD_POLICY_README) that permits whatever has the attribute: with
# `encryption_protocol`, all that comes under TLS.
use strict;
use warnings;
use IO::Socket::INET;

my ($wanted) = @ARGV;
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1:10040', Listen => 9, ReuseAddr => 1) or die $!;
# Who started us may count on the port from here on.
exit if fork;
$SIG{CHLD} = 'IGNORE';
while (my $client = $listener->accept) {
    next if fork;
    $client->autoflush(1);
    my $permitted = 0;
    while (my $line = <$client>) {
        $permitted = 1 if $line =~ /^\Q$wanted\E=./;
        next if $line ne "\n";
        print $client 'action=', $permitted ? 'OK' : 'DUNNO', "\n\n";
        $permitted = 0;
    }
    exit;
}
