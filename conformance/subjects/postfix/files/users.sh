# users.sh: lets alice authenticate with the password `right`; where $anybody is set, everybody with any.

mkdir -p /var/spool/postfix/private
perl /usr/local/lib/conformance/authentication.pl /var/spool/postfix/private/auth ${anybody:+everybody}
postconf -e smtpd_sasl_auth_enable=yes smtpd_sasl_type=dovecot smtpd_sasl_path=private/auth
