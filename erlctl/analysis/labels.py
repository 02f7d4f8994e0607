"""Short names of variants for legends, axes and terminals: only what differs between them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from erlctl.errors import ErlctlError, UnknownNameError

WIDTH = 40
_LEAST = 5  # characters that are left of a cut key or name: "temp…"


def labels(
    variants: Sequence[str], renamed: Mapping[str, str] | None = None, *, width: int = WIDTH
) -> dict[str, str]:
    """Return what each variant is called in a figure; no two are called alike.

    Args:
        variants: Full names, as `erlctl compare` shows them.
        renamed: Variant to the label that the user wants, which stays as it is.
        width: Characters; longer names lose their middle.

    Raises:
        ErlctlError: Two variants would be called alike.
    """
    renamed = {name: text for name, text in (renamed or {}).items() if name in variants}
    result = {**cut(_only_differences(variants), width), **renamed}
    texts = [result[variant] for variant in variants]
    twice = sorted({text for text in texts if texts.count(text) > 1})
    if twice:
        raise ErlctlError(f"two variants would both be called {twice[0]!r}",
                          fix="give every variant a label of its own")
    return {variant: result[variant] for variant in variants}


def shared(variants: Sequence[str]) -> str:
    """Return what all the names have in common and `labels` leaves out; "" if nothing."""
    return ",".join(_common([_parts(name) for name in variants]))


def parse(texts: Iterable[str], variants: Sequence[str]) -> dict[str, str]:
    """Return the mapping that `--label OLD=NEW` means; OLD is a full name or its short form.

    Raises:
        UnknownNameError: No variant is called OLD.
        ErlctlError: There is no "=".
    """
    names = {text: name for name, text in labels(variants).items()} | {v: v for v in variants}
    found = {}
    for text in texts:
        if "=" not in text:
            raise ErlctlError(f"--label {text}: expected OLD=NEW",
                              fix="write for example --label munchausen_dqn=M-DQN")
        known = [name for name in names if text.startswith(f"{name}=")]
        if not known:
            raise UnknownNameError("variant", text.rpartition("=")[0], names)
        old = max(known, key=len)
        found[names[old]] = text[len(old) + 1 :]
    return found


def cut(names: Mapping[str, str], width: int) -> dict[str, str]:
    """Return the texts of `names` cut so that they fit and stay different.

    First keys, then names, alike in all texts, so that values stay; then the middle of a text.
    """
    limits = [(width, key) for key in range(width, _LEAST - 1, -1)]
    for name_limit, key_limit in [*limits, *((key, _LEAST) for _, key in limits)]:
        short = {
            name: ", ".join(_shortened(part, key_limit if "=" in part else name_limit)
                            for part in text.split(", "))
            for name, text in names.items()
        }
        is_different = len(set(short.values())) == len(set(names.values()))
        if is_different and max(map(len, short.values()), default=0) <= width:
            return short
    for tail in range(width // 2, width):
        short = {
            name: text if len(text) <= width else f"{text[: width - 1 - tail]}…{text[-tail:]}"
            for name, text in names.items()
        }
        if len(set(short.values())) == len(set(names.values())):
            return short
    return {
        name: f"{text[: width - 1 - len(str(index))]}~{index}" if len(text) > width else text
        for index, (name, text) in enumerate(names.items())
    }


def choices(names: Sequence[str], width: int) -> list[str]:
    """Return short names of the choices of a field, in lines of at most `width` characters.

    Of mappings such as "{type: none}" only what differs is left.
    """
    shown = {name: name for name in names}
    if all(name.startswith("{") and not set(name[1:]) & set("{[") for name in names):
        shown = _without_common_key(_only_differences(
            [name.strip("{}").replace(": ", "=").replace(", ", ",") for name in names]))
    for limit in range(max(map(len, shown.values())), _LEAST, -1):
        lines = [textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
                 for text in cut(shown, limit).values()]
        if all(len(line) <= width for some in lines for line in some):
            return ["\n".join(some) for some in lines]
    return list(cut(shown, width).values())


def _without_common_key(names: Mapping[str, str]) -> dict[str, str]:
    """"type=x, a=1", "type=y" -> "x, a=1", "y": a key that is the only one in all needs no name."""
    keys = [{part.partition("=")[0] for part in text.split(", ")} for text in names.values()]
    common = set.intersection(*keys)
    if len(common) != 1:
        return dict(names)
    key = f"{common.pop()}="
    return {name: ", ".join(part.removeprefix(key) for part in text.split(", "))
            for name, text in names.items()}


def _shortened(part: str, limit: int) -> str:
    """"temperature=0.1" -> "temp…=0.1"."""
    key, equals, value = part.partition("=")
    return (key if len(key) <= limit else f"{key[: limit - 1]}…") + equals + value


def _parts(name: str) -> list[str]:
    """"x/dqn,agent.temperature=0.1" -> ["x/", "dqn", "temperature=0.1"]."""
    origin, slash, rest = name.rpartition("/")
    parts = []
    for part in rest.split(","):
        key, equals, value = part.strip().rpartition("=")
        parts.append(f"{key.rpartition('.')[2]}{equals}{value}")
    return [f"{origin}{slash}", *parts] if slash else parts


def _common(names: Sequence[Sequence[str]]) -> list[str]:
    """The parts that every name has, unless a name would be left without any."""
    if len(names) < 2:
        return []
    common = [part for part in names[0] if all(part in parts for parts in names)]
    return [] if any(set(parts) <= set(common) for parts in names) else common


def _only_differences(variants: Sequence[str]) -> dict[str, str]:
    parts = {name: _parts(name) for name in variants}
    common = _common(list(parts.values()))
    short = {}
    for name, pieces in parts.items():
        kept = [piece for piece in pieces if piece not in common]
        origin = kept.pop(0) if len(kept) > 1 and kept[0].endswith("/") else ""
        short[name] = origin + ", ".join(kept)
    # Keys that end alike (agent.alpha, network.alpha) need their whole names.
    return short if len(set(short.values())) == len(short) else {name: name for name in variants}
