"""The secrets that all processes of an app share, and signatures by them: HMAC-SHA256 (RFC 2104).

They tell who has one from who has not. All who have one can sign for one another.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from duetto.errors import ConfigurationError

SECRET_BYTES_MIN = 16
"""Of a secret: a shorter one could be guessed."""


class Secrets:
    """Signs by the first of its secrets, and knows what was signed by any of them.

    So a secret is changed without a pause: the new one is added behind the old, then put first,
    then the old one is left out. Raises ConfigurationError for one that is too short, which it does
    not show.
    """

    def __init__(self, given: bytes | Sequence[bytes]) -> None:
        self._secrets = (given,) if isinstance(given, bytes) else tuple(given)
        shortest = min(map(len, self._secrets), default=0)
        if shortest < SECRET_BYTES_MIN:
            raise ConfigurationError(
                "The secret of an app is too short.",
                found=f"{shortest} bytes",
                expected=f"at least {SECRET_BYTES_MIN} bytes (SECRET_BYTES_MIN)",
                do="draw one: `secrets.token_bytes(32)`, and give it to all processes of the app",
            )

    def sign(self, purpose: bytes, data: bytes) -> bytes:
        """Return the signature of data for one purpose; it is none for another."""
        return hmac.digest(self._secrets[0], purpose + data, "sha256")

    def fits(self, purpose: bytes, data: bytes, signature: bytes) -> bool:
        """Return whether somebody who has a secret signed data for this purpose."""
        signed = purpose + data
        return any(
            hmac.compare_digest(hmac.digest(secret, signed, "sha256"), signature)
            for secret in self._secrets
        )
