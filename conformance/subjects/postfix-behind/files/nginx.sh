# nginx.sh: nginx on port 25, as a plain TCP proxy.

cat > /etc/nginx/nginx.conf <<END
load_module modules/ngx_stream_module.so;
events {}
stream {
    server {
        listen 25;
        listen [::]:25;
        proxy_pass 127.0.0.1:10025;
    }
}
END
nginx
