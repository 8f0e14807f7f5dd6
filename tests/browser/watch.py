"""What a browser complains about, and the use of a mouse where there is none."""

from playwright.sync_api import BrowserContext, ConsoleMessage

_MOUSE = "a mouse was used"
_REPORTS = f"""
const report = (event) => console.error(`CSP ${{event.violatedDirective}} ${{event.blockedURI}}`);
addEventListener("securitypolicyviolation", report);
addEventListener("pointerdown", () => console.info("{_MOUSE}"), true);
"""
_ABORTED_POLLS = ("htmx:afterRequest", "htmx:sendAbort")


class Watch:
    """Errors of scripts, violations of the content security policy, requests to other hosts, and clicks if asked."""

    def __init__(self, context: BrowserContext, *, expects_errors: bool, has_mouse: bool) -> None:
        self.problems: list[str] = []
        self._expects_errors, self._has_mouse = expects_errors, has_mouse
        context.add_init_script(_REPORTS)
        context.on("console", self._note)
        context.on("weberror", lambda error: self.problems.append(str(error.error)))
        context.on("request", lambda request: self._note_host(request.url))

    def _note(self, message: ConsoleMessage) -> None:
        if message.text.startswith(_ABORTED_POLLS):  # an action ends the poll whose answer would be from before it
            return
        if message.text == _MOUSE and not self._has_mouse:
            self.problems.append(message.text)
        is_of_request = message.text.startswith("Failed to load resource") or "Response Status Error" in message.text
        if message.type in ("error", "warning") and not (self._expects_errors and not message.text.startswith("CSP")):
            self.problems.append(message.text if not is_of_request else f"{message.text} {message.location}")

    def _note_host(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "data:")):
            self.problems.append(f"another host: {url}")
