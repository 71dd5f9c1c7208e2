# filter.pl MODE [NUMBER]
#
# A filter for what OpenSMTPD has no option for (smtpd-filters(7)):
# * greylist SECONDS puts off each new recipient for some seconds;
# * errors COUNT hangs up at the next command after so many refused commands;
# * connections COUNT allows a client so many connections at once;
# * rate COUNT allows a client so many connections in three seconds;
# * slow SECONDS greets after so many seconds.
use strict;
use warnings;

my ($mode, $number) = @ARGV;
my (%first, %errors, %open, %client);
my @started;
$| = 1;

while (my $line = <STDIN>) {
    chomp $line;
    last if $line eq 'config|ready';
}
for my $event (qw(link-connect link-disconnect protocol-server)) {
    print "register|report|smtp-in|$event\n";
}
for my $phase (qw(connect mail-from rcpt-to)) {
    print "register|filter|smtp-in|$phase\n";
}
print "register|ready\n";

while (my $line = <STDIN>) {
    chomp $line;
    my ($kind, $version, $time, $system, $event, $session, @rest) = split /\|/, $line, -1;
    if ($kind eq 'report') { report($event, $session, @rest) }
    else { answer($event, $session, @rest) }
}

sub report {
    my ($event, $session, @rest) = @_;
    if ($event eq 'link-connect') {
        # rdns|fcrdns|source|destination; the source ends with its port.
        ($client{$session} = $rest[2]) =~ s/:\d+$//;
        $open{$client{$session}}++;
    } elsif ($event eq 'link-disconnect') {
        $open{$client{$session}}--;
        delete $errors{$session};
    } elsif ($event eq 'protocol-server' && $rest[0] =~ /^[45]/) {
        $errors{$session}++;
    }
}

sub answer {
    my ($phase, $session, $token, @rest) = @_;
    print "filter-result|$session|$token|", decide($phase, $session, @rest), "\n";
}

sub decide {
    my ($phase, $session, @rest) = @_;
    if ($phase eq 'connect') { return on_connect($session) }
    if ($mode eq 'errors' && ($errors{$session} // 0) >= $number) {
        return 'disconnect|421 4.7.0 Error: too many errors';
    }
    if ($mode eq 'greylist' && $phase eq 'rcpt-to') {
        my $left = $number - (time - ($first{$rest[0]} //= time));
        return "reject|451 4.7.1 Greylisted, please come back in $left seconds" if $left > 0;
    }
    return 'proceed';
}

sub on_connect {
    my ($session) = @_;
    if ($mode eq 'slow') { sleep $number }
    if ($mode eq 'connections' && $open{$client{$session}} > $number) {
        return 'disconnect|421 4.7.0 Too many connections from your address';
    }
    if ($mode eq 'rate') {
        @started = grep { $_ > time - 3 } @started, time;
        return 'disconnect|421 4.7.0 Too many connections, slow down' if @started > $number;
    }
    return 'proceed';
}
