# sending.sh: for clients inside, a list of sender domains, as images for sending have it.

echo 'target.test OK' > /etc/postfix/allowed_senders
printf '%s from_inside\n' 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 > /etc/postfix/inside
postconf -e 'mynetworks = 127.0.0.0/8' 'smtpd_restriction_classes = from_inside' \
    'from_inside = check_sender_access texthash:/etc/postfix/allowed_senders' \
    'smtpd_relay_restrictions = check_client_access cidr:/etc/postfix/inside, permit_mynetworks, reject_unauth_destination'
