"""Google's REST interfaces, as far as a preflight asks them: JSON over HTTPS, with the token of one identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import google.auth
import requests
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TIMEOUT = 30.0


class FailedError(Exception):
    """What a check found wrong, where, and what to do about it."""

    def __init__(self, what: str, where: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.where, self.remedy = what, where, remedy


class RefusedError(Exception):
    """An answer that is not 2xx, or none: its status or 0, and the message that came with it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True)
class Google:
    """One identity's way to the interfaces.

    Attributes:
        token: An OAuth access token.
        endpoint: A server that stands in for all hosts, each below its own name; "" for Google's own.
    """

    token: str
    endpoint: str = ""

    def get(self, host: str, path: str, **parameters: Any) -> dict[str, Any]:
        """GET; a parameter that is a list is given several times, one that is empty not at all."""
        return self._json("GET", host, path, parameters)

    def post(self, host: str, path: str, body: Mapping[str, Any] | bytes, **parameters: Any) -> dict[str, Any]:
        """POST of JSON, or of bytes as they are."""
        return self._json("POST", host, path, parameters, body)

    def delete(self, host: str, path: str, **parameters: Any) -> None:
        self._json("DELETE", host, path, parameters)

    def lacking(self, host: str, resource: str, permissions: tuple[str, ...]) -> list[str]:
        """Those of the permissions that this identity lacks on a resource, by its testIamPermissions."""
        answer = self.post(host, f"{resource}:testIamPermissions", {"permissions": list(permissions)})
        return [name for name in permissions if name not in answer.get("permissions", ())]

    def manifest(self, host: str, path: str) -> dict[str, Any]:
        """A manifest of a container registry, of one image or of several machines' images."""
        kinds = (
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.oci.image.index.v1+json",
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.docker.distribution.manifest.list.v2+json",
        )
        return self._json("GET", host, path, {}, accept=", ".join(kinds))

    def _json(
        self,
        method: str,
        host: str,
        path: str,
        parameters: Mapping[str, Any],
        body: Mapping[str, Any] | bytes | None = None,
        accept: str = "application/json",
    ) -> dict[str, Any]:
        url = f"{self.endpoint}/{host}/{path}" if self.endpoint else f"https://{host}/{path}"
        data = {"data": body} if isinstance(body, bytes) else {"json": body}
        headers = {"Authorization": f"Bearer {self.token}", "Accept": accept}
        given = {name: value for name, value in parameters.items() if value != ""}
        try:
            response = requests.request(method, url, params=given, headers=headers, timeout=_TIMEOUT, **data)
        except requests.RequestException as error:
            raise RefusedError(0, f"no answer from {host}: {error}") from error
        if not response.ok:
            raise RefusedError(response.status_code, _message(response))
        return response.json() if response.content else {}


def _message(response: requests.Response) -> str:
    """What Google says of an error, or the first words of whatever came."""
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200] or response.reason


def sign_in(endpoint: str) -> Google:
    """The identity that this machine has, as every client library of Google's finds it.

    Raises:
        FailedError: It has none, or may not use it any more.
    """
    try:
        credentials, _ = google.auth.default(scopes=[SCOPE])
        credentials.refresh(Request())
    except GoogleAuthError as error:
        raise FailedError(
            f"there are no credentials that work: {' '.join(str(error).split())[:200]}",
            "GOOGLE_APPLICATION_CREDENTIALS, gcloud's own, this machine's account: in this order",
            "gcloud auth application-default login",
        ) from error
    return Google(credentials.token, endpoint)
