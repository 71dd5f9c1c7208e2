"""A mail server as people write one with aiosmtpd: passes what it takes on to the hub."""

import asyncio
import ssl
import sys

from aiosmtpd.handlers import Proxy
from aiosmtpd.smtp import SMTP, AuthResult

HERE = "/usr/local/lib/conformance"
OWN = {"target.test", "mx.target.test"}
PASSWORDS = {b"alice": b"right"}


class Guarded(Proxy):
    """What the aiosmtpd documentation does: refuses recipients elsewhere."""

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if not session.authenticated and address.rpartition("@")[2].lower() not in OWN:
            return "550 not relaying to that domain"
        envelope.rcpt_tos.append(address)
        return "250 OK"


class Strict(Proxy):
    """What norelay's remedy does: refuses what a server behind may route elsewhere, too."""

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        user, _, domain = address.rpartition("@")
        routed = any(character in user for character in "%!@:")
        if not session.authenticated and (routed or domain.lower() not in OWN):
            return "550 5.7.1 Relaying denied"
        envelope.rcpt_tos.append(address)
        return "250 OK"


class Authenticated(Proxy):
    """Refuses recipients to whoever hasn't authenticated."""

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.rcpt_tos.append(address)
        return "250 OK"


def knows(server, session, envelope, mechanism, auth_data):
    return AuthResult(success=PASSWORDS.get(auth_data.login) == auth_data.password, handled=False)


def everybody(server, session, envelope, mechanism, auth_data):
    return AuthResult(success=True)


async def main(handler, authenticator):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(f"{HERE}/certificate.pem", f"{HERE}/key.pem")

    def connection():
        return SMTP(globals()[handler]("hub.target.test", 25), hostname="mx.target.test", loop=loop,
                    authenticator=globals()[authenticator], tls_context=context)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(connection, host=None, port=25)
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
