"""What must hold of a page that is shown: axe, no sideways scroll, targets, text size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

AXE_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")

AXE_RUN = """
async (tags) => {
  const found = await axe.run(document, {
    runOnly: {type: "tag", values: tags}, resultTypes: ["violations"]
  });
  return found.violations.map(one => `${one.id} (${one.help}): ` +
    one.nodes.map(node => node.target.join(" ") + " " + (node.any[0]?.message ?? "")).join(" | "));
}
"""

SMALL_TARGETS = """
() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, summary")]
  .filter(one => one.checkVisibility() && !one.closest(".mfa-sr, .unseen"))
  .map(one => [one, one.getBoundingClientRect()])
  .filter(([, box]) => box.width < 24 || box.height < 24)
  .map(([one, box]) => `${one.outerHTML.slice(0, 80)}: ${box.width} × ${box.height}`)
"""

CUT_OFF = """
() => [...document.querySelectorAll(
    "h1, h2, p, a, button, label, summary, li, code, td, .mfa-input-code")]
  .filter(one => one.checkVisibility() && !one.closest(".mfa-sr, .unseen, svg"))
  .filter(one => {
    const box = one.getBoundingClientRect();
    const style = getComputedStyle(one);
    return box.left < -0.5 || box.right > innerWidth + 0.5 ||
      (style.display !== "inline" && one.scrollWidth > one.clientWidth + 1);
  })
  .map(one => `${one.localName}.${one.className}: ${one.textContent.trim().slice(0, 60)}`)
"""

SIDEWAYS = "() => document.documentElement.scrollWidth - innerWidth"


def axe_source() -> str:
    """The text of axe-core, as a package brings it."""
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


def findings(page: Any, axe: str, *, is_mail: bool = False) -> list[str]:
    """What axe has to say against the page as it is shown now. A mail has no landmarks."""
    page.evaluate(axe)
    found: list[str] = page.evaluate(AXE_RUN, list(AXE_TAGS[: -1 if is_mail else None]))
    return found


def text_size(page: Any, percent: int) -> None:
    """Show text at so many percent, as a reader's browser would."""
    page.evaluate("size => document.documentElement.style.fontSize = size", f"{percent}%")


def misfits(page: Any) -> list[str]:
    """What does not fit the width of the window."""
    over = page.evaluate(SIDEWAYS)
    found: list[str] = page.evaluate(CUT_OFF)
    return ([f"scrolls sideways by {over} px"] if over > 0 else []) + found


def small_targets(page: Any) -> list[str]:
    """What is smaller than 24 × 24 pixels (WCAG 2.5.8)."""
    found: list[str] = page.evaluate(SMALL_TARGETS)
    return found
