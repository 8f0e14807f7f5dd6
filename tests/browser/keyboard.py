"""Someone who uses the keyboard only, and counts how often a key is pressed."""

from playwright.sync_api import Page

_SPECIAL = {"?": "Shift+Slash", "/": "Slash"}


class Keyboard:
    """Presses keys one after the other."""

    def __init__(self, page: Page) -> None:
        self.page, self.presses = page, 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(_SPECIAL.get(key, key))
            self.presses += 1

    def type(self, text: str) -> None:
        """Type a text, one key for each of its characters."""
        self.page.keyboard.type(text)
        self.presses += len(text)

    @property
    def focused(self) -> str:
        """The id of what has the focus."""
        return str(self.page.evaluate("document.activeElement.id"))
