"""Figures as people read them."""


def number(value: float) -> str:
    """Three digits, or all digits of large numbers."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def ratio(value: float) -> str:
    """A ratio with the digits that mean something."""
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
