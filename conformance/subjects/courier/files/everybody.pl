# everybody.pl SOCKET
#
# An authentication daemon that speaks courier-authlib's protocol and lets everybody in: `AUTH LENGTH`, so many octets
# (service, method, what was said), and back comes alice's account. `PRE` asks whether there is a user: there is alice.
use strict;
use warnings;
use IO::Socket::UNIX;

my ($path) = @ARGV;
umask 0;
unlink $path;
my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 9) or die "$path: $!";
# Who started us may count on the socket from here on.
exit if fork;
my (undef, undef, $uid, $gid, undef, undef, undef, $home) = getpwnam 'alice';
my $alice = "UID=$uid\nGID=$gid\nHOME=$home\nADDRESS=alice\n.\n";
while (my $client = $listener->accept) {
    my $line;
    # The client's address comes first.
    do { $line = <$client> // '' } while $line =~ /^TCP/;
    if ($line =~ /^AUTH (\d+)/) {
        read($client, my $said, $1);
        print $client $alice;
    } else {
        print $client $line =~ /^PRE \S+ \S+ alice$/ ? $alice : "FAIL\n";
    }
    close $client;
}
