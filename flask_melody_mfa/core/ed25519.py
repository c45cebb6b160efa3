"""Whether 32 bytes are a sound Ed25519 public key (RFC 8032 §5.1.3).

A point of small order would accept forged signatures; one that is not on the curve is no key.
"""

from __future__ import annotations

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def is_sound(key: bytes) -> bool:
    """A canonical point on the curve whose order is not small."""
    point = decompress(key)
    if point is None:
        return False
    for _ in range(3):  # 8 is the cofactor: eight times a point of small order is the neutral one
        point = double(point)
    return point != (0, 1)


def decompress(key: bytes) -> tuple[int, int] | None:
    """The point (x, y) of an encoding, or None."""
    if len(key) != 32:
        return None
    number = int.from_bytes(key, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P == -u % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if v * x * x % P != u or (x == 0 and sign):
        return None
    return (x if x & 1 == sign else P - x, y)


def double(point: tuple[int, int]) -> tuple[int, int]:
    """Twice a point."""
    x, y = point
    product = D * x * x % P * y % P * y % P
    return (
        2 * x * y * pow(1 + product, -1, P) % P,
        (y * y + x * x) * pow(1 - product, -1, P) % P,
    )
