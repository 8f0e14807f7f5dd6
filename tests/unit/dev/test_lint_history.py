"""The search for secrets in the git history of temporary repositories. Its secrets are concatenated at run time."""

import subprocess
from pathlib import Path

import pytest

from dev.lint_history import NoHistory, find_secrets, is_shallow, secrets_in_line

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
        identity = ["-c", "user.name=Tests", "-c", "user.email=tests@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *arguments], cwd=self.root, check=True, capture_output=True)

    def commit(self, text: str, message: str = "Change it", name: str = "settings.txt") -> None:
        (self.root / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")

    def findings(self) -> list[tuple[str, str, bool]]:
        """The kind and path of each secret, and whether it is committed."""
        return [(one.kind, one.path, bool(one.commit)) for one in find_secrets(self.root)]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):  # set when git runs this test in a hook
        monkeypatch.delenv(name, raising=False)
    new = Repository(tmp_path)
    new.commit("PORT=5000\n")
    return new


@pytest.mark.parametrize("kind", SECRETS)
def test_each_kind_of_secret_is_recognised(kind: str) -> None:
    assert [found for found, _ in secrets_in_line(f"+ {SECRETS[kind]}")] == [kind]


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
def test_a_line_without_a_secret_is_accepted(line: str) -> None:
    assert list(secrets_in_line(line)) == []


def test_a_history_without_secrets_is_accepted(repository: Repository) -> None:
    repository.commit("PORT=5001\n")
    assert repository.findings() == []


def test_a_secret_that_was_removed_later_is_found(repository: Repository) -> None:
    repository.commit(SECRET)
    repository.commit("PORT=5001\n")
    assert repository.findings() == [("twilio_token", "settings.txt", True)]


def test_a_secret_on_another_branch_is_found(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "another")
    repository.commit(SECRET)
    repository.git("checkout", "--quiet", "main")
    assert repository.findings() == [("twilio_token", "settings.txt", True)]


def test_a_secret_of_a_merge_commit_is_found(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "another")
    repository.commit("HOST=a\n", name="another.txt")
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--no-ff", "--no-commit", "another")
    repository.commit(SECRET)
    assert ("twilio_token", "settings.txt", True) in repository.findings()


def test_a_secret_in_a_commit_message_is_found(repository: Repository) -> None:
    repository.commit("PORT=5001\n", f"Use {SECRET}")
    assert repository.findings() == [("twilio_token", "", True)]


@pytest.mark.parametrize("hidden", ["\0binary", "++ a path, perhaps"], ids=["binary file", "like a diff header"])
def test_a_secret_in_a_binary_file_or_a_line_like_a_diff_header_is_found(repository: Repository, hidden: str) -> None:
    repository.commit(f"{hidden} {SECRET}")
    assert [kind for kind, _, _ in repository.findings()] == ["twilio_token"]


def test_an_uncommitted_secret_is_found(repository: Repository) -> None:
    (repository.root / "settings.txt").write_text(SECRET)
    assert repository.findings() == [("twilio_token", "settings.txt", False)]


def test_a_secret_is_found_on_a_detached_head_without_branches(repository: Repository) -> None:
    repository.commit(SECRET)
    repository.git("checkout", "--quiet", "--detach")
    repository.git("branch", "-D", "main")
    assert repository.findings() == [("twilio_token", "settings.txt", True)]


def test_a_finding_does_not_print_the_whole_secret(repository: Repository) -> None:
    repository.commit(SECRET)
    assert HEX not in str(find_secrets(repository.root)[0])


@pytest.mark.parametrize("is_repository", [False, True], ids=["no repository", "no commit"])
def test_a_folder_without_commits_has_no_history(tmp_path: Path, *, is_repository: bool) -> None:
    if is_repository:
        Repository(tmp_path)
    with pytest.raises(NoHistory):
        find_secrets(tmp_path)


def test_a_shallow_clone_is_recognised(repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> None:
    repository.commit("PORT=5001\n")
    clone = tmp_path_factory.mktemp("clone") / "shallow"
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.root}", str(clone))
    assert (is_shallow(repository.root), is_shallow(clone)) == (False, True)
