# everybody.pl SOCKET
#
# A password check that speaks Cyrus saslauthd's protocol, and says yes to everybody: four strings come (user, password,
# service, realm), each after its length in two octets, and one goes back.
use strict;
use warnings;
use IO::Socket::UNIX;

my ($path) = @ARGV;
umask 0;
my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 9) or die "$path: $!";
# Who started us may count on the socket from here on.
exit if fork;
while (my $client = $listener->accept) {
    for (1 .. 4) {
        last unless read($client, my $length, 2) == 2;
        read($client, my $string, unpack 'n', $length);
    }
    print $client pack('n/a', 'OK');
    close $client;
}
