"""Write every manual page to manual/pages."""

from __future__ import annotations

from manual.pages import PAGES, all_pages


def main() -> None:
    """Write what has changed."""
    pages = all_pages()
    for path in PAGES.iterdir():
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = PAGES / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(path.name)


if __name__ == "__main__":
    main()
