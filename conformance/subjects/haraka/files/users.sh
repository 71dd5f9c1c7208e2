# users.sh: lets alice authenticate with the password `right`, under TLS.

cd /etc/haraka/config
sed -i 's/^# tls$/tls/; s/^# relay$/relay/; s/^# auth.flat_file$/auth\/flat_file/' plugins
printf '[core]\nmethods=PLAIN,LOGIN\nconstrain_sender=false\n\n[users]\nalice=right\n' > auth_flat_file.ini
cp /usr/local/lib/conformance/certificate.pem tls_cert.pem
cp /usr/local/lib/conformance/key.pem tls_key.pem
cp /usr/local/lib/conformance/dhparams.pem .
cd /
