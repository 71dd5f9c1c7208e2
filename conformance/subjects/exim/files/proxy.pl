#!/usr/bin/perl
# proxy.pl PORT: takes connections on port 25, over IPv4 and IPv6, and passes what they say to
# this machine's PORT, as a proxy does that hands on no client addresses.
use strict;
use warnings;
use IO::Select;
use IO::Socket::IP;

$SIG{CHLD} = 'IGNORE';
my ($port) = @ARGV;
my $listener = IO::Socket::IP->new(LocalHost => '::', LocalPort => 25, V6Only => 0, Listen => 50, ReuseAddr => 1)
    or die "listen: $@";
while (my $client = $listener->accept) {
    next if fork;
    my $server = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port) or exit;
    my %other = (fileno $client => $server, fileno $server => $client);
    my $ends = IO::Select->new($client, $server);
    while (my @readable = $ends->can_read) {
        for my $end (@readable) {
            exit unless sysread $end, my $octets, 65536;
            $other{fileno $end}->syswrite($octets);
        }
    }
    exit;
}
