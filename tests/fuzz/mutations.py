"""Files that are nearly right: values of JSON, bytes, rows and headers, changed by a seeded generator."""

import copy
import json
import math
from random import Random
from typing import Any


HOSTILE: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 1.5, -0.0, 1e308, math.nan, math.inf, -math.inf),
    *(2**31, 2**63, -(2**63) - 1, 10**30, 10**90, 10**4000),
    *("", " ", "\x00", "\ud800", "\u202e", "x" * 5000, "é", "\r\n", "..", "/", "../../x", "/x", "C:\\x", "~", "nan"),
    *("__class__", "__dict__", "{0.__class__}", "%s%n", "$(touch x)", "`x`", "!!python/object:os.system", "1e999"),
    *("float32", "bool", "torch.float16", "true", "null", "http://127.0.0.1:9/x", "file:///etc/passwd", "owner/name"),
    *([], {}, [[]], [None], [0, 0], [-1], [""], ["x"], list(range(2000)), {"": 0}, {"x": 1}, {"0": "x"}, {"a": {}}),
]
_PIECES = [
    *(b"\x00", b"\r", b"\n", b"\r\n", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b'"', b'""', b"'", b","),
    *(b"\t", b";", b"{", b"}", b"[", b"]", b":", b"\\", b"\\u", b"\\ud800", b"NaN", b"Infinity", b"-", b"1e999", b"#"),
    *(b"&a", b"*a", b"!!python/name:os.system", b"? ", b"| ", b"<<: ", b"---", b"%", b"[" * 3000, b'{"a":' * 3000),
    *(b"9" * 5000, b"x" * 5000, b" " * 300),
]


def change_json(value: Any, generator: Random, names: tuple[str, ...] = ()) -> Any:
    """
    Return JSON values with one to four changes: a value that is another one's or hostile, a key that is gone, new or
    called otherwise, a list that is longer or in another order.

    Args:
        names: keys that new ones may be called.
    """
    value = copy.deepcopy(value)
    for _ in range(generator.choice((1, 1, 1, 2, 2, 4))):
        places = list(_containers(value))
        if not places:
            return generator.choice(HOSTILE)
        # Half of the changes near the root, which most of what is read looks at.
        place = places[0] if generator.random() < 0.5 else generator.choice(places)
        value = _change_one(value, place, generator, names)
    return value


def _change_one(value: Any, place: Any, generator: Random, names: tuple[str, ...]) -> Any:
    if generator.random() < 0.02:
        return generator.choice([*HOSTILE, [value], {"x": value}])
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    if not keys or generator.random() < 0.15:
        new = copy.deepcopy(generator.choice(HOSTILE))
        if isinstance(place, dict):
            place[generator.choice((*names, "", "__class__", "new", "self", "0", "-1"))] = new
        else:
            place.append(new)
        return value
    key = generator.choice(keys)
    match generator.randrange(8):
        case 0:
            del place[key]
        case 1 if isinstance(place, dict):
            place[generator.choice((*names, f"{key}_", key.upper(), f" {key}"))] = place.pop(key)
        case 2 if isinstance(place, list):
            generator.shuffle(place)
        case 3:
            place[key] = copy.deepcopy(place[generator.choice(keys)])
        case 4 if isinstance(place[key], (int, float)) and not isinstance(place[key], bool):
            place[key] = generator.choice((-place[key], place[key] + 1, place[key] * 2**33, float(place[key])))
        case 5 if isinstance(place[key], str):
            place[key] = place[key] * generator.choice((0, 2, 300)) + generator.choice(("", "\x00", "/..", "é"))
        case 6:
            for _ in range(generator.choice((1, 5, 60))):  # what is deeper is written by `change_bytes`
                place[key] = [place[key]] if generator.random() < 0.5 else {"x": place[key]}
        case _:
            place[key] = copy.deepcopy(generator.choice(HOSTILE))
    return value


def _containers(value: Any):
    if isinstance(value, (dict, list)):
        yield value
        for each in value.values() if isinstance(value, dict) else value[:50]:
            yield from _containers(each)


def to_json(value: Any, generator: Random) -> bytes:
    """Write JSON; one file in eight has its bytes changed too."""
    text = json.dumps(value, ensure_ascii=generator.random() < 0.5, indent=generator.choice((None, 2)))
    data = text.encode("utf-8", "surrogatepass")
    return change_bytes(data, generator) if generator.random() < 0.125 else data


def change_bytes(data: bytes, generator: Random) -> bytes:
    """Return bytes with one to four changes: flipped, cut off, cut out, doubled, or with hostile ones put in."""
    changed = bytearray(data)
    for _ in range(generator.choice((1, 1, 2, 4))):
        start = generator.randint(0, len(changed))
        stop = min(len(changed), start + generator.choice((1, 2, 8, 64, 1000)))
        match generator.randrange(6):
            case 0 if changed:
                changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
            case 1:
                del changed[start:]
            case 2:
                del changed[start:stop]
            case 3:
                changed[start:start] = changed[start:stop] * generator.choice((1, 1, 50))
            case 4:
                changed[start:stop] = generator.randbytes(stop - start)
            case _:
                changed[start:start] = generator.choice(_PIECES)
    return bytes(changed)


def change_safetensors(data: bytes, generator: Random) -> bytes:
    """Return a safetensors file with another header, a header of another length than it says, or other bytes."""
    length = int.from_bytes(data[:8], "little")
    header, body = data[8 : 8 + length], data[8 + length :]
    kind = generator.randrange(8)
    if kind == 0:
        return change_bytes(data, generator)
    if kind == 1:
        lie = generator.choice(
            (0, 1, length - 1, length + 1, len(data), 2**31, 2**63, 2**64 - 1, generator.getrandbits(20))
        )
        return (lie % 2**64).to_bytes(8, "little") + header + body
    if kind == 2:
        header = change_bytes(header, generator)
    else:
        described = json.loads(header)
        if kind == 3:
            described = _lie_of_tensors(described, generator)
        else:
            described = change_json(described, generator, ("dtype", "shape", "data_offsets", "__metadata__"))
        header = json.dumps(described).encode("utf-8", "surrogatepass")
    if kind == 7:
        body = body[: generator.randint(0, len(body))]
    return len(header).to_bytes(8, "little") + header + body


def _lie_of_tensors(described: dict[str, Any], generator: Random) -> dict[str, Any]:
    """Change the dtype, shape or place of tensors by what could be right."""
    for name in generator.sample(sorted(described), min(len(described), generator.randint(1, 3))):
        tensor = described[name]
        if name == "__metadata__" or not isinstance(tensor, dict):
            continue
        match generator.randrange(4):
            case 0:
                tensor["dtype"] = generator.choice(
                    ("F64", "F32", "F16", "BF16", "F8_E4M3", "I64", "U8", "BOOL", "C64", "F4")
                )
            case 1:
                tensor["shape"] = generator.choice(
                    (
                        [],
                        [0],
                        [1, *tensor["shape"]],
                        tensor["shape"][::-1],
                        [2**32, 2**32],
                        [2**40, 0],
                        tensor["shape"][:-1],
                    )
                )
            case 2:
                start, stop = tensor["data_offsets"]
                tensor["data_offsets"] = generator.choice(
                    ([stop, start], [start + 4, stop + 4], [0, stop], [start, 2**60])
                )
            case _:
                described[generator.choice((f"{name}x", "", "backbone.x", "head.x"))] = described.pop(name)
    return described
