"""Settings of other services that cannot work are named at the start, without their passwords."""

import pytest

from tests.unit.config.environment import PRODUCTION, TWILIO, Read, configuration_error

SENDER = {"EMAIL_FROM": "clinic@arthomed.example"}
SERVICE = "TWILIO_MESSAGING_SERVICE_SID"
ACCOUNT = {name: PRODUCTION[name] for name in TWILIO}
AWKWARD = ["pa/ss", "pa?ss", "pa#ss", "12/34", "hunter2/", "#hunter2"]


@pytest.mark.parametrize(
    "url",
    [
        "mail.example",
        "mail.example:587",
        "localhost",
        "user:pw@mail.example:587",
        "http://mail.example",
        "smtp+tls://mail.example",
        "smtp:mail.example",
        "smtp://",
        "smtp://:587",
        "smtp://user:pw@:587",
        "smtp://mail.example:0",
        "smtp://mail.example:70000",
        "smtp://mail.example:port",
        "smtp://mail.example/inbox",
        "smtp://mail.example?tls=1",
        "smtp://user@mail.example",
        "smtp://:pw@mail.example",
        "smtp://mail .example",
        "smtp://mail.example\n",
    ],
)
def test_an_smtp_url_that_cannot_work_is_refused(read: Read, url: str) -> None:
    assert "SMTP_URL: Must be smtp://user:password@host:587, or smtps://" in configuration_error(
        read, SMTP_URL=url, **SENDER
    )


@pytest.mark.parametrize(
    ("name", "url", "password"),
    [
        (name, url, password)
        for name, url in (
            ("SMTP_URL", "smtp://user:{}@mail.example:587"),
            ("MONGODB_URI", "mongodb://user:{}@db.example/arthomed"),
            ("MONGODB_URI", "mongodb+srv://user:{}@db.example/arthomed"),
            ("REDIS_URL", "redis://:{}@redis.example:6379/0"),
            ("REDIS_URL", "rediss://user:{}@redis.example/0"),
        )
        for password in AWKWARD
        if not (name == "MONGODB_URI" and "#" in password)
    ],
)
def test_an_unescaped_password_is_refused_with_the_remedy_and_not_repeated(
    read: Read, name: str, url: str, password: str
) -> None:
    error = configuration_error(read, **{name: url.format(password)}, **SENDER)

    assert f"{name}: " in error
    assert "write / ? # @ : % in a user name or password as %2F %3F %23 %40 %3A %25" in error
    assert "user:" not in error.replace("user:password@", "")
    assert "hunter2" not in error


@pytest.mark.parametrize("scheme", ["mongodb", "mongodb+srv"])
@pytest.mark.parametrize("password", ["pa#ss", "#hunter2"])
def test_the_password_of_mongodb_may_have_a_number_sign(read: Read, scheme: str, password: str) -> None:
    uri = f"{scheme}://user:{password}@db.example/arthomed"

    assert read(MONGODB_URI=uri).mongodb_uri == uri


@pytest.mark.parametrize(
    "url",
    [
        "smtp://localhost",
        "smtp://127.0.0.1:1025/",
        "smtps://mail.example",
        "smtp://apikey:p%2Fss%20word@mail.example:587",
        "smtp://clinic@mail.example:pw@mail.example:587",
        "smtp://[::1]:25",
        "SMTP://mail.example",
    ],
)
def test_an_smtp_url_with_scheme_and_host_is_accepted(read: Read, url: str) -> None:
    assert read(SMTP_URL=url, **SENDER).smtp_url == url


@pytest.mark.parametrize("env", [{}, PRODUCTION], ids=["development", "production"])
@pytest.mark.parametrize("sender", [{}, {"EMAIL_FROM": ""}], ids=["absent", "empty"])
def test_smtp_needs_a_sender(read: Read, env: dict[str, str], sender: dict[str, str]) -> None:
    error = configuration_error(read, **env, SMTP_URL="smtp://localhost", **sender)

    assert "EMAIL_FROM: missing, and SMTP_URL is set" in error


@pytest.mark.parametrize(
    "sender",
    [
        "Arthomed, Pune <a@b>",
        "Arthomed, Pune <clinic@arthomed.example>",
        "a@b.example, c@d.example",
        "Clinic: Pune <a@b.example>",
        "Arthomed [Pune] <a@b.example>",
        "Arthomed @ Pune <a@b.example>",
        "Arthomed a@b.example",
        "a b@c.example",
        "mailto:a@b.example",
        "a@b..example",
        "a@b.example>",
        "Arthomed <a@b.example",
        '"Arthomed <a@b.example>',
        "Arthomed <a@b.example> Pune",
        "आरोग्य@b.example",
        "a@b.example\r\nBcc: c@d.example",
        " ",
    ],
)
def test_an_email_sender_that_does_not_parse_is_refused_with_the_remedy(read: Read, sender: str) -> None:
    error = configuration_error(read, EMAIL_FROM=sender)

    assert 'EMAIL_FROM: Must be an address, or Name <address>; a name with marks in quotes: "Arthomed, Pune" <' in error


@pytest.mark.parametrize(
    "sender",
    [
        '"Arthomed, Pune" <clinic@arthomed.example>',
        "Dr. Meera Iyer <clinic@arthomed.example>",
        "Arthomed & Co <clinic@arthomed.example>",
        "आरोग्य <clinic@arthomed.example>",
        "<clinic@arthomed.example>",
    ],
)
def test_every_form_of_one_sender_is_accepted(read: Read, sender: str) -> None:
    assert read(SMTP_URL="smtp://localhost", EMAIL_FROM=sender).email_from == sender


@pytest.mark.parametrize("account", ["something", "AC0", "SK" + "0" * 32, "AC" + "g" * 32, "AC" + "0" * 33])
def test_a_twilio_account_that_cannot_be_is_refused(read: Read, account: str) -> None:
    error = configuration_error(read, **{**ACCOUNT, "TWILIO_ACCOUNT_SID": account})

    assert "TWILIO_ACCOUNT_SID: Must be AC and 32 hexadecimal digits." in error


@pytest.mark.parametrize("token", ["something", "a token" * 5, "0" * 31, "<your-auth-token-of-the-console>"])
def test_a_twilio_token_that_cannot_be_is_refused_and_not_repeated(read: Read, token: str) -> None:
    error = configuration_error(read, **{**ACCOUNT, "TWILIO_AUTH_TOKEN": token})

    assert "TWILIO_AUTH_TOKEN: Must be the 32 letters and digits of Twilio's console." in error
    assert token not in error


@pytest.mark.parametrize("number", ["9876543210", "919876543210", "+91 98765 43210", "+0123456789", "+91", "1234"])
def test_a_twilio_number_that_cannot_be_is_refused(read: Read, number: str) -> None:
    error = configuration_error(read, **{**ACCOUNT, "TWILIO_PHONE_NUMBER": number})

    assert "TWILIO_PHONE_NUMBER: Must be a number such as +15005550006" in error


@pytest.mark.parametrize("number", ["+15005550006", "+919876543210", "56767", "ARTHMD", "Arthomed 1"])
def test_twilio_sends_from_a_number_a_short_code_or_a_sender_id(read: Read, number: str) -> None:
    found = read(**{**ACCOUNT, "TWILIO_PHONE_NUMBER": number}).twilio

    assert found is not None
    assert found.phone_number == number


def test_a_twilio_messaging_service_that_cannot_be_is_refused(read: Read) -> None:
    assert f"{SERVICE}: Must be MG and 32 hexadecimal digits." in configuration_error(
        read, **ACCOUNT, **{SERVICE: "AC" + "0" * 32}
    )


@pytest.mark.parametrize("absent", TWILIO)
def test_an_incomplete_twilio_account_is_refused_everywhere(read: Read, absent: str) -> None:
    error = configuration_error(read, **{name: value for name, value in ACCOUNT.items() if name != absent})

    [line] = [line for line in error.splitlines() if "TWILIO" in line]
    assert line.startswith(f"  {absent}")
    assert line.endswith(": missing")


@pytest.mark.parametrize("name", ["TWILIO_API_URL", "FCM_API_URL", "S3_ENDPOINT_URL"])
@pytest.mark.parametrize("url", ["api.twilio.com", "ftp://a.example", "https://", "http:// a"])
def test_an_address_of_a_service_without_scheme_or_host_is_refused(read: Read, name: str, url: str) -> None:
    assert f"{name}: Must begin with http:// or https:// and name a host." in configuration_error(read, **{name: url})


@pytest.mark.parametrize("path", ["/abc", "/0/1", "/-1", "/0?db=x@y"])
def test_a_redis_url_with_a_database_that_cannot_be_is_refused(read: Read, path: str) -> None:
    assert "REDIS_URL: Must be redis://" in configuration_error(read, REDIS_URL=f"redis://127.0.0.1:6379{path}")


@pytest.mark.parametrize("scheme", ["redis+srv", "mongodb", "unix"])
def test_a_redis_url_of_another_kind_is_refused(read: Read, scheme: str) -> None:
    assert "REDIS_URL: Must begin with redis://." in configuration_error(read, REDIS_URL=f"{scheme}://127.0.0.1/0")


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1",
        "redis://:p%2Fss@redis.example:6379/15",
        "rediss://user:pw@redis.example/0?ssl_cert_reqs=required",
        "redis://[::1]:6379/0",
    ],
)
def test_a_redis_url_is_accepted(read: Read, url: str) -> None:
    assert read(REDIS_URL=url).redis_url == url


@pytest.mark.parametrize("uri", ["mongodb://", "mongodb://db:99999/x", "mongodb://db/x?fooBar=1", "mongodbs://db/x"])
def test_a_mongodb_uri_that_cannot_be_is_refused(read: Read, uri: str) -> None:
    assert "MONGODB_URI: Must be" in configuration_error(read, MONGODB_URI=uri)


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://a:1,b:2,c/clinic?replicaSet=rs0&tls=true",
        "mongodb+srv://user:p%40ss@cluster0.example/clinic?retryWrites=true&w=majority&srvMaxHosts=2",
    ],
)
def test_a_mongodb_uri_is_accepted(read: Read, uri: str) -> None:
    assert read(MONGODB_URI=uri).mongodb_uri == uri


class TestWarnings:
    """Settings without which production works, but not fully."""

    def test_production_without_smtp_and_dlt_id_starts_with_warnings(self, read: Read) -> None:
        env = {name: value for name, value in PRODUCTION.items() if name != "DLT_ENTITY_ID"}

        assert read(**env).warnings == [
            "SMTP_URL is not set: no e-mail is sent",
            "DLT_ENTITY_ID is not set: carriers in India may not deliver SMS",
        ]

    def test_complete_settings_have_no_warnings(self, read: Read) -> None:
        assert read(**PRODUCTION, SMTP_URL="smtps://mail.example", **SENDER).warnings == []

    def test_development_has_no_warnings(self, read: Read) -> None:
        assert read().warnings == []
