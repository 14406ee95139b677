"""How records call what a run was made with."""

import hashlib


def reference(name: str, content: bytes) -> str:
    """A name and the start of the SHA-256 of what it stands for: `<name>@<12 digits>`."""
    return f"{name}@{hashlib.sha256(content).hexdigest()[:12]}"
