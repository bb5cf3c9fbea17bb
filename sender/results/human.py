"""Numbers as people read them: thousands by commas, large ones shortened, milliseconds to three digits."""

from __future__ import annotations


def number(value: float) -> str:
    """A count in at most nine characters: ``9,999,999``, then ``12.3 M`` and ``1.25 G``."""
    if abs(value) < 10_000_000:
        return f"{value:,.0f}"
    return _scaled(value)


def short(value: float) -> str:
    """A count or rate in at most six characters: ``9,999``, ``12.3k``, ``1.25M``."""
    return f"{value:,.0f}" if abs(value) < 9_999.5 else _scaled(value).replace(" ", "")


def size(value: float) -> str:
    """Bytes in decimal units: ``512 B``, ``1.25 MB``."""
    return f"{value:.0f} B" if abs(value) < 999.5 else f"{_scaled(value)}B"


def _scaled(value: float) -> str:
    """Three digits and a prefix."""
    for prefix in ("k", "M", "G", "T"):
        value /= 1000
        if abs(value) < 999.5:
            return f"{_three_digits(value)} {prefix}"
    return f"{value / 1000:,.0f} P"


def _three_digits(value: float) -> str:
    """A number below 1,000 with three significant digits."""
    decimals = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{decimals}f}"


def milliseconds(value: float | None) -> str:
    """Milliseconds: ``0.052``, ``1.25``, ``312``, ``12,500``; a dash for what was not measured."""
    if value is None:
        return "-"
    if value < 0.9995:
        return f"{value:.3f}"
    return _three_digits(value) if value < 999.5 else f"{value:,.0f}"


def percent(share: float) -> str:
    """A share of 1 as a percentage: ``0.25 %``."""
    return f"{share * 100:.3g} %"
