# milter.pl greylist SECONDS | milter.pl bounce
#
# A mail filter for what sendmail has no option for:
# * greylist puts off each new pair of sender and recipient for some seconds;
# * bounce accepts everything and hands it to a user who does not exist, so that the
#   sender gets a bounce. Bounces are not filtered themselves.
use strict;
use warnings;
use Sendmail::PMilter qw(:all);

my ($mode, $seconds) = @ARGV;
my $seen = '/run/greylist';
mkdir $seen;

sub put_off {
    my ($context, $recipient) = @_;
    my $pair = $context->getpriv() . ' ' . $recipient;
    my $file = "$seen/" . unpack('H*', $pair);
    if (!-e $file) {
        open my $mark, '>', $file or die "$file: $!";
        close $mark;
    }
    my $left = $seconds - (time - (stat $file)[9]);
    return SMFIS_CONTINUE if $left <= 0;
    $context->setreply(451, '4.7.1', "Greylisted, please come back in $left seconds");
    return SMFIS_TEMPFAIL;
}

sub remember {
    my ($context, $sender) = @_;
    $context->setpriv($sender);
    return SMFIS_CONTINUE;
}

my @recipients;

sub note {
    my ($context, $recipient) = @_;
    push @recipients, $recipient;
    return SMFIS_CONTINUE;
}

sub hand_over {
    my ($context) = @_;
    $context->delrcpt($_) for @recipients;
    @recipients = ();
    $context->addrcpt('<nobody-here@target.test>');
    return SMFIS_ACCEPT;
}

my %callbacks = $mode eq 'greylist'
    ? (envfrom => \&remember, envrcpt => \&put_off)
    : (envrcpt => \&note, eom => \&hand_over);
my $milter = Sendmail::PMilter->new();
$milter->setconn('inet:10025@127.0.0.1');
$milter->register($mode, \%callbacks, SMFI_CURR_ACTS);
exit 0 if fork;
$milter->main();
