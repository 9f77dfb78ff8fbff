#!/usr/bin/python3
"""An SMTP receiver for tests (aiosmtpd): STARTTLS and a login are demanded.

Usage: mail_server.py FOLDER PORTFILE CERT KEY [tls]

Each mail becomes FOLDER/N.eml, with the envelope in X- headers before it.  While FOLDER/refuse
exists it answers 451.  tls: from the first byte.
"""
import os
import socket
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

folder, port_path, cert, key = sys.argv[1:5]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
count = 0


def login(server, session, envelope, mechanism, data):
    good = data.login == b"gbill" and data.password == b"hunter2-mail"
    return AuthResult(success=good, handled=good)


class Keep:
    async def handle_DATA(self, server, session, envelope):
        global count
        if os.path.exists(folder + "/refuse"):
            return "451 try again later"
        count += 1
        name = f"{folder}/{count}.eml"
        with open(name + ".new", "wb") as f:
            f.write(f"X-From: {envelope.mail_from}\r\nX-To: {','.join(envelope.rcpt_tos)}\r\n"
                    f"X-Tls: {session.ssl is not None}\r\nX-Login: {session.authenticated}\r\n"
                    .encode() + envelope.content)
        os.rename(name + ".new", name)
        return "250 taken"


with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
options = dict(hostname="127.0.0.1", port=port, authenticator=login, auth_required=True)
if sys.argv[5:] == ["tls"]:
    options.update(ssl_context=context, auth_require_tls=False)
else:
    options.update(tls_context=context, require_starttls=True)
controller = Controller(Keep(), **options)
controller.start()
with open(port_path + ".new", "w") as f:
    f.write(str(port))
os.rename(port_path + ".new", port_path)
threading.Event().wait()
