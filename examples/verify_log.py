#!/usr/bin/env python3
"""Verifies Andon's log sink without Andon: python3 verify_log.py SINK_FOLDER VKEY

Needs the package cryptography (PyPI, or Debian's python3-cryptography). Hashes every entry, rebuilds the tree (RFC 6962) and checks every
signed checkpoint (C2SP) against it. Ends with 1 when anything is wrong. It looks at no WebAuthn signature inside an entry.
"""
import base64, hashlib, json, sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def signed(public, text, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except InvalidSignature:
        return False
    return True


def main(folder, vkey):
    name, key_id, key = vkey.strip().split("+", 2)
    key = base64.b64decode(key)
    expected = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    assert key[0] == 1 and expected.hex() == key_id, "this is no Ed25519 verifier key"
    checkpoints = [json.loads(line) for line in open(folder + "/checkpoints.ndjson", encoding="utf-8") if line.endswith("\n")]
    wanted, roots, stack, size = {c["size"] for c in checkpoints}, {}, [], 0
    for line in open(folder + "/entries.ndjson", "rb"):
        if not line.endswith(b"\n"):
            break  # torn by a crash; the server mends it
        hash_, n, size = hashlib.sha256(b"\0" + line[:-1]).digest(), size, size + 1
        while n & 1:
            hash_, n = hashlib.sha256(b"\1" + stack.pop() + hash_).digest(), n >> 1
        stack.append(hash_)
        if size in wanted:
            root = stack[-1]
            for left in reversed(stack[:-1]):
                root = hashlib.sha256(b"\1" + left + root).digest()
            roots[size] = base64.b64encode(root).decode()
    wrong = 0
    for number, checkpoint in enumerate(checkpoints, 1):
        text, lines = checkpoint["note"].rsplit("\n\n", 1)
        origin, covers, root = text.split("\n")[:3]
        raw = [base64.b64decode(line.rsplit(" ", 1)[1]) for line in lines.split("\n") if line.startswith("\u2014 " + name + " ")]
        good = any(r[:4] == expected and signed(key[1:], (text + "\n").encode(), r[4:]) for r in raw)
        if not (good and origin == name and int(covers) == checkpoint["size"] and roots.get(checkpoint["size"]) == root):
            wrong += 1
            print(f"WRONG  checkpoint {number}, over {checkpoint['size']} entries")
    print(f"{size} entries, {len(checkpoints) - wrong} of {len(checkpoints)} checkpoints good")
    return 1 if wrong or not checkpoints else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
