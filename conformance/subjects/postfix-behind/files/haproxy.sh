# haproxy.sh [SERVER OPTIONS]: HAProxy on port 25, as its manual balances any TCP service.

cat > /etc/haproxy/haproxy.cfg <<END
defaults
    mode tcp
    timeout connect 5s
    timeout client 1m
    timeout server 1m
frontend smtp
    bind :25
    bind [::]:25 v6only
    default_backend postfix
backend postfix
    server postfix 127.0.0.1:10025 $proxy
END
haproxy -D -f /etc/haproxy/haproxy.cfg
