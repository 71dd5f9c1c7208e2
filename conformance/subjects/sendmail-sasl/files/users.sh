# users.sh: lets alice authenticate under TLS with the password `right`; with `anybody=yes`, everybody with any. After
# sendmail.sh.

install -m 600 /usr/local/lib/conformance/key.pem /etc/mail/tls/server.key
install -m 644 /usr/local/lib/conformance/certificate.pem /etc/mail/tls/server.pem
printf 'pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\n' > /etc/mail/sasl/Sendmail.conf.2
if [ "${anybody:-}" = yes ]; then
    mkdir -p /run/everybody
    printf 'pwcheck_method: saslauthd\nsaslauthd_path: /run/everybody/mux\nmech_list: PLAIN LOGIN\n' > /etc/mail/sasl/Sendmail.conf.2
    perl /usr/local/lib/conformance/everybody.pl /run/everybody/mux
fi
mkdir -p /etc/sasl2
cp /etc/mail/sasl/Sendmail.conf.2 /etc/sasl2/Sendmail.conf
for realm in target.test mx.target.test; do
    echo right | saslpasswd2 -p -c -u "$realm" alice
done
features <<'END'
TRUST_AUTH_MECH(`PLAIN LOGIN')dnl
define(`confAUTH_MECHANISMS', `PLAIN LOGIN')dnl
define(`confAUTH_OPTIONS', `A p y')dnl
define(`confCACERT_PATH', `/etc/mail/tls')dnl
define(`confCACERT', `/etc/mail/tls/server.pem')dnl
define(`confSERVER_CERT', `/etc/mail/tls/server.pem')dnl
define(`confSERVER_KEY', `/etc/mail/tls/server.key')dnl
END
