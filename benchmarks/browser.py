"""A staff user at the admin, over HTTP: cookies, CSRF tokens, uploads."""

import re
from html import unescape
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from secrets import token_hex
from urllib.parse import urlencode

from benchmarks.servers import HOST, PROXY_HEADERS

CSV, XLSX = 0, 1


class Browser:
    """One session of the admin; any answer but the expected one is a RuntimeError."""

    def __init__(self, port, email, password):
        self.port, self.cookies = port, SimpleCookie()
        self.get("/admin/login/")
        self.post("/admin/login/", {"username": email, "password": password}, status=302)

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, fields, status=200, file=None):
        """Send a form, with `file` as its `import_file`; return the body of the answer."""
        fields = {**fields, "csrfmiddlewaretoken": self.cookies["csrftoken"].value}
        if file is None:
            return self.request("POST", path, urlencode(fields), "application/x-www-form-urlencoded", status)
        boundary = token_hex(16)
        parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
        parts.append(b'name="import_file"; filename="file"\r\n\r\n' + file)
        start = f"--{boundary}\r\nContent-Disposition: form-data; ".encode()
        body = b"".join(start + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()
        return self.request("POST", path, body, f"multipart/form-data; boundary={boundary}", status)

    def request(self, method, path, body=None, kind=None, expected=200):
        sent = "; ".join(f"{name}={cookie.value}" for name, cookie in self.cookies.items())
        headers = {**PROXY_HEADERS, "Cookie": sent, "Referer": f"https://{HOST}:{self.port}/"}
        connection = HTTPConnection(HOST, self.port, timeout=120)
        try:
            connection.request(method, path, body, {**headers, "Content-Type": kind} if kind else headers)
            answer = connection.getresponse()
            received = answer.read()
        finally:
            connection.close()
        if answer.status != expected:
            raise RuntimeError(f"{method} {path}: {answer.status} {received[:500]!r}")
        for cookie in answer.headers.get_all("Set-Cookie", []):
            self.cookies.load(cookie)
        return received

    def preview(self, file, file_format=CSV):
        """Upload patients; return the preview."""
        fields = {"format": file_format, "resource": 0}
        return self.post("/admin/patients/patient/import/", fields, file=file).decode()

    def confirm(self, preview):
        """Import what the preview shows."""
        action = "/admin/patients/patient/process_import/"
        form = re.search(rf'<form[^>]*action="{action}".*?</form>', preview, re.DOTALL)
        if not form:
            raise RuntimeError(f"nothing to confirm: {preview[-3000:]}")
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form[0]))
        self.post(action, {name: unescape(value) for name, value in hidden.items()}, status=302)
