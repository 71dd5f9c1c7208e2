# users.sh: lets alice authenticate with the password `right`, or with `anybody=yes` everybody with
# any, and takes two things away that would make a scenario last minutes: the tarpit, and a connection
# to the tester that Courier keeps for its next message, when the tester who answered is gone.

echo alice:right | chpasswd
sed -i 's/^ESMTPAUTH=""/ESMTPAUTH="PLAIN LOGIN"/; s/^TARPIT=1/TARPIT=0/' /etc/courier/esmtpd
echo 0 > /etc/courier/esmtptimeoutkeepalive
if [ "${anybody:-}" = yes ]; then
    printf '#!/bin/sh\nperl /usr/local/lib/conformance/everybody.pl /run/courier/authdaemon/socket\n' \
        > /etc/init.d/courier-authdaemon
    install -d -o courier -g courier /run/courier /run/courier/authdaemon
fi
