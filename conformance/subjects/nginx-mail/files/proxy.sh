# proxy.sh: a mail proxy on port 25, and its auth_http, which lets in whomever it is asked for.
# $login and $xclient are the values of smtp_auth and xclient.

cat > /etc/nginx/nginx.conf <<CONFIGURATION
load_module modules/ngx_mail_module.so;
events {}
mail {
    server_name mx.target.test;
    auth_http 127.0.0.1:8080/;
    smtp_auth $login;
    xclient $xclient;
    proxy_pass_error_message on;
    server {
        listen 25;
        listen [::]:25;
        protocol smtp;
    }
}
http {
    server {
        listen 127.0.0.1:8080;
        location / {
            add_header Auth-Status OK;
            add_header Auth-Server 127.0.0.1;
            add_header Auth-Port 10025;
            return 200;
        }
    }
}
CONFIGURATION
