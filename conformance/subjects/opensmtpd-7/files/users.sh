# users.sh: lets alice authenticate under TLS with the password `right`, and send.

install -m 600 /usr/local/lib/conformance/key.pem /etc/smtpd.key
install -m 644 /usr/local/lib/conformance/certificate.pem /etc/smtpd.pem
sed -i "s|^listen on eth0|pki mx.target.test cert \"/etc/smtpd.pem\"\npki mx.target.test key \"/etc/smtpd.key\"\ntable users { alice = \"$(smtpctl encrypt right)\" }\nlisten on eth0 tls pki mx.target.test auth-optional <users>|" /etc/smtpd.conf
echo 'match from any auth for any action "relay"' >> /etc/smtpd.conf
