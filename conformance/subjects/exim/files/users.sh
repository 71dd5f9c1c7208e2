# users.sh: lets alice authenticate with the password `right`.

cat >> /etc/exim4/exim4.conf.template <<'END'

alice_plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{alice}}{eq{$auth3}{right}}}}
  server_set_id = $auth2
END
