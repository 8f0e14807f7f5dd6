"""The search for secrets in the history, on throw-away repositories; no secret stands here in one piece."""

import subprocess
from pathlib import Path

import pytest

from dev.lint_history import NoHistory, is_shallow, secrets_in, secrets_of

HEX, LETTERS = "0123456789abcdef" * 2, "Ab3" * 30
SECRETS = {
    "private_key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "twilio_sid": "AC" + HEX,
    "twilio_token": "TWILIO_AUTH_TOKEN=" + HEX,
    "aws_key_id": "AKIA" + "ABCD1234" * 2,
    "aws_secret": "aws_secret_access_key = " + LETTERS[:40],
    "url_with_password": "mongodb://clinic:" + "s3cret@db.example.com/clinic",
    "jwt": ".".join(["eyJ" + LETTERS[:20]] * 2 + [LETTERS[:43]]),
    "github_token": "ghp_" + LETTERS[:36],
    "slack_token": "xoxb-" + "1234567890-abc",
    "google_key": "AIza" + LETTERS[:35],
    "sendgrid_key": "SG." + LETTERS[:22] + "." + LETTERS[:43],
    "stripe_key": "sk_live_" + LETTERS[:24],
    "package_index_token": "pypi-" + LETTERS[:60],
    "assigned_secret": 'JWT_SECRET = "' + LETTERS[:32] + '"',
}
SECRET = SECRETS["twilio_token"]


class Repository:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> None:
        who = ["-c", "user.name=Tests", "-c", "user.email=tests@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *arguments], cwd=self.root, check=True, capture_output=True)

    def commit(self, text: str, message: str = "Change it", name: str = "settings.txt") -> None:
        (self.root / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")

    def found(self) -> list[tuple[str, str, bool]]:
        """Kind, path, and whether it is committed."""
        return [(one.kind, one.path, bool(one.commit)) for one in secrets_in(self.root)]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):  # as a hook has them
        monkeypatch.delenv(name, raising=False)
    made = Repository(tmp_path)
    made.commit("PORT=5000\n")
    return made


@pytest.mark.parametrize("kind", SECRETS)
def test_each_kind_of_secret_is_known(kind: str) -> None:
    assert [found for found, _ in secrets_of(f"+ {SECRETS[kind]}")] == [kind]


@pytest.mark.parametrize(
    "line",
    [
        "JWT_SECRET=only-for-development-and-test-access",
        "otp_secret: str = field(repr=False)",
        'TOKEN_EXPIRED = "TOKEN_EXPIRED"',
        "redis://127.0.0.1:6379/0",
        "smtp://user:password@host:587",
        "    --hash=sha256:" + HEX * 2,
        "Authorization: Bearer <token>",
        "access_token = tokens.pair(person.id, session.id, session.generation)",
    ],
)
def test_what_is_no_secret_passes(line: str) -> None:
    assert list(secrets_of(line)) == []


def test_a_clean_history_passes(repository: Repository) -> None:
    repository.commit("PORT=5001\n")
    assert repository.found() == []


def test_a_secret_that_was_removed_later_is_found(repository: Repository) -> None:
    repository.commit(SECRET)
    repository.commit("PORT=5001\n")
    assert repository.found() == [("twilio_token", "settings.txt", True)]


def test_a_secret_on_another_branch_is_found(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "another")
    repository.commit(SECRET)
    repository.git("checkout", "--quiet", "main")
    assert repository.found() == [("twilio_token", "settings.txt", True)]


def test_a_secret_that_only_a_merge_brought_is_found(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "another")
    repository.commit("HOST=a\n", name="another.txt")
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--no-ff", "--no-commit", "another")
    repository.commit(SECRET)
    assert ("twilio_token", "settings.txt", True) in repository.found()


def test_a_secret_in_a_message_is_found(repository: Repository) -> None:
    repository.commit("PORT=5001\n", f"Use {SECRET}")
    assert repository.found() == [("twilio_token", "", True)]


@pytest.mark.parametrize("hidden", ["\0binary", "++ a path, perhaps"], ids=["in a binary file", "as if a header"])
def test_a_secret_in_an_odd_place_is_found(repository: Repository, hidden: str) -> None:
    repository.commit(f"{hidden} {SECRET}")
    assert [kind for kind, _, _ in repository.found()] == ["twilio_token"]


def test_a_secret_is_found_before_it_is_committed(repository: Repository) -> None:
    (repository.root / "settings.txt").write_text(SECRET)
    assert repository.found() == [("twilio_token", "settings.txt", False)]


def test_a_secret_is_found_without_any_branch(repository: Repository) -> None:
    repository.commit(SECRET)
    repository.git("checkout", "--quiet", "--detach")
    repository.git("branch", "-D", "main")
    assert repository.found() == [("twilio_token", "settings.txt", True)]


def test_a_finding_does_not_tell_the_secret(repository: Repository) -> None:
    repository.commit(SECRET)
    assert HEX not in str(secrets_in(repository.root)[0])


@pytest.mark.parametrize("begun", [False, True], ids=["no repository", "no commit"])
def test_a_tree_without_history_is_told_apart(tmp_path: Path, *, begun: bool) -> None:
    if begun:
        Repository(tmp_path)
    with pytest.raises(NoHistory):
        secrets_in(tmp_path)


def test_a_shallow_clone_is_told_apart(repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> None:
    repository.commit("PORT=5001\n")
    clone = tmp_path_factory.mktemp("clone") / "shallow"
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.root}", str(clone))
    assert (is_shallow(repository.root), is_shallow(clone)) == (False, True)
