# users.sh: lets alice authenticate with the password `right`, and takes two things away that would
# make a scenario last minutes: the tarpit, and a connection to the tester that Courier keeps for
# its next message, when the tester who answered is gone.

echo alice:right | chpasswd
sed -i 's/^ESMTPAUTH=""/ESMTPAUTH="PLAIN LOGIN"/; s/^TARPIT=1/TARPIT=0/' /etc/courier/esmtpd
echo 0 > /etc/courier/esmtptimeoutkeepalive
