#!/usr/bin/env python3
"""Verifies Andon's log sink without Andon: python3 verify_log.py SINK_FOLDER VKEY

Python's standard library only. Hashes every entry, rebuilds the tree (RFC 6962) and checks every signed checkpoint (C2SP) against it; the
Ed25519 verification follows RFC 8032, section 6. Ends with 1 when anything is wrong. It looks at no WebAuthn signature inside an entry.
"""
import base64, hashlib, json, sys

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BY = 4 * pow(5, P - 2, P) % P


def recover_x(y, sign):
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - x2) % P or (x == 0 and sign):
        raise ValueError("not a point")
    return P - x if x & 1 != sign else x


def point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    x = recover_x(y, sign)
    return (x, y, 1, x * y % P)


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(n, p):
    q = (0, 1, 1, 0)
    while n:
        q, p, n = (add(q, p) if n & 1 else q), add(p, p), n >> 1
    return q


def signed(public, text, signature):
    base = point(BY.to_bytes(32, "little"))
    s = int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + text).digest(), "little") % L
    left, right = times(s, base), add(point(signature[:32]), times(h, point(public)))
    same = (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0
    return len(signature) == 64 and s < L and same


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
