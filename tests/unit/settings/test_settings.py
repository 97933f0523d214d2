"""Every setting: what it may be, and that a mistake names it."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from signald.settings import settings
from signald.settings.groups import ProcessSettings
from signald.settings.setting import SettingsError
from signald.settings.settings import GROUPS, SETTINGS, Settings
from signald.tap import Options

BAD: Mapping[str, tuple[str, ...]] = {
    "PORT": ("x", "-1", "65536", "80 80", "8080.0", "0x50", "1" * 30, "٨٠"),
    "LISTEN": ("8080", "tcp:8080 nonsense", "tcp:99999", "tcp6:-1", "tcp:x", "ssl:99999:privateKey=k"),
    "ADMIN_LISTEN": ("9100", "x", "tcp:99999", "tcp:port=65536"),
    "PUBLIC_METRICS": ("maybe",),
    "METRICS_POOLS": (",", "video,", "x" * 33, "a\nb"),
    "PUBLIC_ONLINE": ("maybe",),
    "REPORTS_KEPT": ("x", "-1", "100001", "1.5"),
    "REPORT_DAYS": ("x", "0", "3651", "1.5"),
    "WORKERS": ("0", "257", "x", "-1"),
    "ALLOWED_ORIGIN": (
        *("example.com", "https://example.com/path", "https://a.example,x", "https://[::1", ",", "https://a,*"),
        *("https://example.com;", "https://a.example;https://b.example", "https://a.example https://b.example"),
        *("wss://example.com", "https://*", "https://*.com", "https://example.com:0", "https://a.*.example.com"),
    ),
    "REQUEUE_ON_PARTNER_LEAVE": ("maybe", "2", "tru"),
    "OUTCOME_RELEASES": ("a,,b", "x" * 65, "a\tb", "other", "none", ",".join(map(str, range(21)))),
    "MATCH_ANSWER_SECONDS": ("x", "-1", "3601", "nan"),
    "REMATCH_DELAY_SECONDS": ("x", "-1", "3601", "nan", "inf", "1e3", "1,5"),
    "REDIS_URL": (
        *("x", "http://localhost", "redis://localhost:port", "redis://localhost/x", "redis://", "redis://:0"),
        *("redis://localhost:0", "redis://localhost:65536", "redis://localhost/0#x", "redis://local host"),
        *("redis://:hunter2", "redis://user:hunter2", "unix://hunter2", "redis://user@host", "redis://a..b"),
        "redis://h?x=1",
    ),
    "REDIS_PREFIX": ("a b", "a*", "ä:", "x" * 65),
    "REDIS_CA_FILE": ("/does/not/exist.pem", "/"),
    "LETTERS_DIR": ("letters", "/" + "x" * 70),
    "INSTANCE_ID": ("a b", "x" * 65, "ä", "a:b", "a/b"),
    "CHALLENGE": ("maybe", "true"),
    "CHALLENGE_PER_SECOND": ("0", "-1", "x", "1.5"),
    "MAX_MSG_PER_SECOND": ("0", "-1", "x", "1.5", "1" * 30),
    "MAX_BYTES_PER_SECOND": ("-1", "x", "1.5", "64"),
    "MAX_SDP_BYTES": ("-1", "65537", "8k", "64"),
    "MAX_CANDIDATE_BYTES": ("-1", "65537", "x", "2"),
    "MATCH_KEYS": (";", "lang;", "gender=", "gender=f,,m", "x" * 33, "likes", "a=likes"),
    "MATCH_CLAIMS": (",", "age,", "x" * 33, "likes"),
    "MATCH_LIKES_SECONDS": ("-1", "x", "3601"),
    "MATCHES_PER_MINUTE": ("-1", "x"),
    "MAX_CONNECTIONS": ("-1", "all"),
    "MAX_HALF_OPEN": ("-1", "x"),
    "MAX_CONNECTIONS_PER_ADDRESS": ("-1", "x"),
    "HANDSHAKES_PER_ADDRESS_PER_SECOND": ("-1", "0.5"),
    "VIOLATIONS_PER_MINUTE": ("-1", "x"),
    "BAN_SECONDS": ("-1", "x", "1000001"),
    "HEARTBEAT_SECONDS": ("0", "0.05", "3601", "x", "-30"),
    "HANDSHAKE_TIMEOUT_SECONDS": ("0", "x", "3601"),
    "ICE_SERVERS": (
        "example.com",
        "http://example.com",
        "stun:",
        "stun:a b",
        "stun:a?transport=udp",
        "turn:a?transport=sctp",
        "[",
        "{}",
        '["stun:a"]',
        '[{"url":"stun:a"}]',
        '[{"urls":[]}]',
        '[{"urls":"turn:a","username":"u"}]',
        '[{"urls":"turn:a","credential":"hunter2"}]',
        '[{"urls":"turn:hunter2@a","username":"u","credential":"c"}]',
        *("stun:a:0", "stun:a:99999", "stun:a:", "stun:[::g]", "turn:a..b", "stun:a;stun:b", "stun:300.0.0.1"),
        '[{"urls":"turn:a","username":"","credential":""}]',
        '[{"urls":"turn:a","username":"u","credential":""}]',
        '[{"urls":"turn:a","username":"' + "u" * 509 + '","credential":"hunter2"}]',
        '[{"urls":"turn:a","username":"u","credential":["hunter2"]}]',
    ),
    "TURN_SECRET": ("hunter2", "x" * 15, "hunter2\nhunter2\nhunter2"),
    "AUTH_MODE": ("maybe", "true"),
    "JWT_SECRET": ("x", "x" * 31, "-----BEGIN PUBLIC KEY-----\nhunter2 hunter2 hunter2\n"),
    "JWT_PUBLIC_KEY_FILE": ("/does/not/exist.pem", "/", "-----BEGIN PRIVATE KEY-----\nhunter2"),
    "JWT_JWKS": (
        "/does/not/exist.json",
        "http://issuer.example/jwks",
        "https://",
        "https://user:hunter2@issuer.example/jwks",
        *("https://issuer.example/jwks#x", "https://issuer.example:0/jwks", "https://issuer.example:99999/jwks"),
        "https://issu\u00e9r.example",
        "ftp://issuer.example/jwks",
    ),
    "JWT_ALGORITHMS": ("none", "hs256", "HS256,none", "HS256,RS256", "RS256 ES256", "RS1"),
    "JWT_ISSUER": ("x" * 1025, "a\x00b"),
    "JWT_AUDIENCE": ("x" * 1025, "a\x00b"),
    "JWT_LEEWAY_SECONDS": ("-1", "601", "x"),
    "MAX_CONNECTIONS_PER_USER": ("-1", "x", "1.5"),
    "MAX_WAITING_PER_USER": ("-1", "x", "1.5"),
    "USER_OVERFLOW": ("drop",),
    "BLOCK_DAYS": ("0", "3651", "x"),
    "REPORT_WEBHOOK_URL": (
        "x",
        "http://mod.example/x",
        "https://",
        "https://u:hunter2@mod.example/x",
        *("https://m/hunter2 x", "https://m/hunter2#x", "https://m:0/hunter2", "https://m:99999/hunter2"),
        *("https://[hunter2]/", "https://m/hunter2\n/x", "https://m\u2100hunter2/x", "https://m/hunter2\u00e9"),
    ),
    "WEBHOOK_EVENTS": ("all", "report,", "report matched", "partner-left"),
    "REPORT_WEBHOOK_SECRET": ("hunter2", "whsec_hunter2", "whsec_%%%%%%%%%%%%%%%%%%%%%%%%"),
    "ADMIN_HOSTS": ("https://a.example", "a.example:443", "a b", "a,,b", "*"),
    "ADMIN_TOKENS": (
        "hunter2",
        "ada:moderator",
        "ada:moderator:",
        "ada:moderator:hunter2",
        "ada:hunter2:xxxxxxxxxxxxxxxx",
        ":operator:xxxxxxxxxxxxxxxx",
        "a b:operator:xxxxxxxxxxxxxxxx",
        "hunter2-hunter2-hunter2-hunter2-h:operator:xxxxxxxxxxxxxxxx",
        "ada:operator:hunter2 hunter2 hunter2",
        "ada:operator:xxxxxxxxxxxxxxxx,",
        "ada:operator:xxxxxxxxxxxxxxxx,ada:moderator:yyyyyyyyyyyyyyyy",
        "ada:operator:xxxxxxxxxxxxxxxx,bob:moderator:xxxxxxxxxxxxxxxx",
    ),
    "ADMIN_TOKEN": ("hunter2", "x" * 15, "hunter2 hunter2 hunter2", "hunter2\u00e9" * 4),
    "TURN_TTL": ("0", "59", "x", "1h", "2592001"),
    "DEMO": ("maybe",),
    "DRAIN_SECONDS": ("-1", "x", "3601"),
    "RESUME_SECONDS": ("-1", "x", "3601"),
    "RESUME_SECRET": ("hunter2", "x" * 15),
    "RESUME_MAX_AWAY": ("0", "x"),
    "RESUME_SESSION_MESSAGES": ("0", "x"),
    "RESUME_SESSION_BYTES": ("0", "1023", "x"),
    "RESUME_TOTAL_BYTES": ("0", "1023", "x"),
    "FAST_PATH": ("maybe",),
    "FAST_FRAMES": ("maybe",),
    "FAST_TURN": ("maybe",),
    "LOG_FULL_ADDRESSES": ("maybe",),
    "LOG_LEVEL": ("loud",),
    "LOG_FORMAT": ("xml",),
    "TRUSTED_PROXIES": ("x", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8;::1"),
    "DEBUG": ("maybe",),
}


def test_defaults() -> None:
    """An operator who sets nothing gets something else than the documentation says."""
    chosen = settings.parse({})
    assert chosen.listening.port == 8080
    assert chosen.listening.listen == ()
    assert chosen.listening.allowed_origin == frozenset()
    assert chosen.pairing.requeue_on_partner_leave is True
    assert chosen.pairing.rematch_delay_seconds == 3.0
    assert chosen.store.redis_url is None
    assert chosen.store.redis_prefix == "webrtc:"
    assert chosen.limits.max_msg_per_second == 40
    assert chosen.limits.heartbeat_seconds == 30.0
    assert chosen.limits.handshake_timeout_seconds == 10.0
    assert chosen.listening.demo is True
    assert chosen.logging.debug is False


def test_every_setting_has_bad_values_here() -> None:
    """A new setting is not checked."""
    assert set(BAD) == {setting.variable for setting in SETTINGS}


def test_defaults_need_no_environment() -> None:
    """A group that a test or another program makes without reading settings has other values than the daemon's."""
    chosen = settings.parse({"INSTANCE_ID": "me"})
    assert chosen == Settings(process=ProcessSettings(instance_id="me"))


def test_a_variable_belongs_to_one_theme() -> None:
    """Of two settings with one name, the second is never an option, and both change at once."""
    names = [setting.variable for setting in SETTINGS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("variable", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_value_names_the_setting(variable: str, value: str) -> None:
    """The daemon starts with a value that makes no sense, or does not say which one."""
    with pytest.raises(SettingsError) as caught:
        settings.parse({variable: value})
    text = str(caught.value)
    assert text.startswith(variable)
    assert "\n" not in text
    assert "hunter2" not in text
    option = variable.lower().replace("_", "-")
    with pytest.raises(SettingsError) as caught:
        settings.parse({}, {option: [value if variable != "LISTEN" else "8080"]})
    assert str(caught.value).startswith(f"--{option}")


@pytest.mark.parametrize("value", ["1", "true", "TRUE", "yes", "on", " true "])
def test_switch_on(value: str) -> None:
    """An operator's way to write `true` means something else."""
    assert settings.parse({"DEBUG": value}).logging.debug is True


@pytest.mark.parametrize("value", ["0", "false", "False", "no", "off"])
def test_switch_off(value: str) -> None:
    """An operator's way to write `false` means something else."""
    assert settings.parse({"REQUEUE_ON_PARTNER_LEAVE": value}).pairing.requeue_on_partner_leave is False


def test_empty_counts_as_not_set() -> None:
    """A container platform that passes on empty variables makes the start fail."""
    assert settings.parse({setting.variable: " " for setting in SETTINGS}).listening.port == 8080


def test_white_space_is_no_part() -> None:
    """A line end behind a value, from a file of secrets, makes the start fail."""
    chosen = settings.parse({"PORT": " 80\n", "ALLOWED_ORIGIN": " https://a.example , https://b.example ,"})
    assert chosen.listening.port == 80
    assert chosen.listening.allowed_origin == {"https://a.example", "https://b.example"}


@pytest.mark.parametrize("variable", [setting.variable for setting in SETTINGS])
def test_quotes_are_named(variable: str) -> None:
    """Docker passes on the quotes in a file of variables, systemd does not, and the error lets the operator guess."""
    for quote in "\"'":
        with pytest.raises(SettingsError, match="is in quotes"):
            settings.parse({variable: f"{quote}1{quote}"})


def test_certificates_need_tls() -> None:
    """The operator names certificates, and believes that the password goes over TLS."""
    with pytest.raises(SettingsError, match=r"^REDIS_CA_FILE: .*no TLS"):
        settings.parse({"REDIS_URL": "redis://store", "REDIS_CA_FILE": __file__})
    settings.parse({"REDIS_URL": "rediss://store", "REDIS_CA_FILE": __file__})
    with pytest.raises(SettingsError, match=r"^LETTERS_DIR: .*no REDIS_URL"):
        settings.parse({"LETTERS_DIR": "/run/letters"})


def test_all_origins() -> None:
    """Who writes `*` lets nobody in."""
    assert settings.parse({"ALLOWED_ORIGIN": "*"}).listening.allowed_origin == frozenset()


def test_options_win() -> None:
    """An option on the command line is ignored."""
    chosen = settings.parse({"PORT": "1", "DEBUG": "true"}, {"port": ["2"]})
    assert (chosen.listening.port, chosen.logging.debug) == (2, True)
    assert settings.parse({"LISTEN": "tcp:1 tcp:2"}, {"listen": ["tcp:3", "tcp:4"]}).listening.listen == (
        "tcp:3",
        "tcp:4",
    )
    assert settings.parse({"LISTEN": "tcp:1 tcp:2"}).listening.listen == ("tcp:1", "tcp:2")


def test_a_bad_variable_does_not_matter_under_an_option() -> None:
    """What is not used stops the start."""
    assert settings.parse({"PORT": "x"}, {"port": ["2"]}).listening.port == 2


def test_others_variables_are_ignored() -> None:
    """The environment of the machine stops the start."""
    settings.parse({"PATH": "/bin", "LANG": "C", "port": "x"})


def test_instance_id_is_random_by_default() -> None:
    """Two instances have the same name in the store and the logs."""
    assert len({settings.parse({}).process.instance_id for _ in range(20)}) == 20
    assert settings.parse({"INSTANCE_ID": "web-1.a_B"}).process.instance_id == "web-1.a_B"


def test_tokens_and_their_keys() -> None:
    """An operator who sets a key and forgets the mode opens the server to all; or tokens are checked by a wrong key."""
    secret, url = {"JWT_SECRET": "s" * 32}, {"JWT_JWKS": "https://issuer.example/jwks"}
    on = {"AUTH_MODE": "Required"}
    for keys in ({}, secret | url, secret | url | {"JWT_PUBLIC_KEY_FILE": __file__}):
        with pytest.raises(SettingsError, match=r"^AUTH_MODE=required: set exactly one"):
            settings.parse(on | keys)
    for keys in (secret, url):
        with pytest.raises(SettingsError, match=r"^JWT_\w+ is set, but AUTH_MODE is off"):
            settings.parse(keys)
    with pytest.raises(SettingsError, match=r"^JWT_ALGORITHMS: HS256.* not for public keys"):
        settings.parse(on | url | {"JWT_ALGORITHMS": "HS256"})
    assert settings.parse(on | url | {"JWT_ALGORITHMS": "ES256, ES384,"}).identity.jwt_algorithms == {"ES256", "ES384"}
    assert settings.parse(on | {"JWT_JWKS": "http://127.0.0.1:1/jwks"}).identity.jwt_jwks == "http://127.0.0.1:1/jwks"
    assert settings.parse(on | secret).identity.auth_mode == "required"


def test_turn_needs_a_password() -> None:
    """Browsers throw on a TURN server without one, and no page gets a call."""
    with pytest.raises(SettingsError, match=r"^ICE_SERVERS: .*TURN_SECRET"):
        settings.parse({"ICE_SERVERS": "stun:a, turn:a"})
    with pytest.raises(SettingsError, match=r"^TURN_SECRET: .* no TURN server"):
        settings.parse({"ICE_SERVERS": "stun:a", "TURN_SECRET": "s" * 16})
    chosen = settings.parse({"ICE_SERVERS": "stun:a, turn:a", "TURN_SECRET": "s" * 16})
    assert [server.urls for server in chosen.calls.ice_servers] == [["stun:a"], ["turn:a"]]


def test_secrets_are_never_shown() -> None:
    """The store's password ends in a log, a crash report or a terminal."""
    chosen = settings.parse({"REDIS_URL": "redis://user:hunter2@localhost:6379/1"})
    assert chosen.store.redis_url is not None
    assert "hunter2" not in repr(chosen) + str(chosen.store.redis_url) + f"{chosen.store.redis_url}"
    shared = settings.parse(
        {"ICE_SERVERS": '[{"urls":"turn:a"},{"urls":"turn:b","username":"u","credential":"hunter2"}]'}
        | {"TURN_SECRET": "hunter2 hunter2 hunter2"}
        | {"AUTH_MODE": "required", "JWT_SECRET": "hunter2 hunter2 hunter2 hunter2 hunter2"}
        | {"REPORT_WEBHOOK_URL": "https://m/hunter2", "REPORT_WEBHOOK_SECRET": "hunter2 hunter2 hunter2"}
        | {"ADMIN_LISTEN": "tcp:1", "ADMIN_TOKEN": "hunter2-hunter2-hunter2"}
        | {"ADMIN_TOKENS": "ada:moderator:hunter2-hunter2-hunter3"}
    )
    assert "hunter2" not in repr(shared) + repr(shared.operator.accounts) + "".join(settings.describe(shared))


def test_several_may_have_tokens() -> None:
    """Moderators share one secret, and nobody knows who has thrown whom out; or a slip makes one an operator."""
    tokens = "ada:moderator:t1-xxxxxxxxxxxxxxxx, bob:operator:t2:with:colons:xxxxx"
    chosen = settings.parse({"ADMIN_LISTEN": "tcp:1", "ADMIN_TOKENS": tokens, "ADMIN_TOKEN": "x" * 16})
    assert [(each.name, each.role.value, each.token) for each in chosen.operator.accounts] == [
        ("admin", "operator", "x" * 16),
        ("ada", "moderator", "t1-xxxxxxxxxxxxxxxx"),
        ("bob", "operator", "t2:with:colons:xxxxx"),
    ]
    assert "there may admin (operator), ada (moderator), bob (operator)" in settings.describe(chosen)
    for wrong, about in (
        ({"ADMIN_TOKENS": tokens}, "ADMIN_TOKENS: set ADMIN_LISTEN too"),
        ({"ADMIN_LISTEN": "tcp:1", "ADMIN_TOKENS": f"{tokens},x:y:z"}, r"ADMIN_TOKENS: entry 3 .* moderator, operator"),
        (
            {"ADMIN_LISTEN": "tcp:1", "ADMIN_TOKENS": tokens, "ADMIN_TOKEN": "t1-xxxxxxxxxxxxxxxx"},
            "ADMIN_TOKENS: entry 1 has the token of whoever shows ADMIN_TOKEN",
        ),
        (
            {"ADMIN_LISTEN": "tcp:1", "ADMIN_TOKENS": f"admin:moderator:{'y' * 16}", "ADMIN_TOKEN": "x" * 16},
            "ADMIN_TOKENS: entry 1 has the name of whoever shows ADMIN_TOKEN",
        ),
        (
            {"ADMIN_LISTEN": "tcp:1", "ADMIN_TOKENS": f"{tokens},admin:moderator:{'y' * 16}"},
            "ADMIN_TOKENS: entry 3 has the name of whoever shows ADMIN_TOKEN",
        ),
    ):
        with pytest.raises(SettingsError, match=rf"^{about}"):
            settings.parse(wrong)


def is_silent_about(secret: str, variables: Mapping[str, str]) -> bool:
    """Whether no error on these variables, nor what it leads to, shows a part of a secret; false if there is none."""
    with pytest.raises(SettingsError) as caught:
        settings.parse(variables)
    error: BaseException = caught.value
    assert error.__cause__ is None
    assert error.__suppress_context__
    return not any(secret[at : at + 3] in str(error) for at in range(len(secret) - 2))


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("redis://user:123#SWORDFISH@127.0.0.1:1/0", "%23"),
        ("redis://:SWORD#FISH@127.0.0.1", "%23"),
        ("redis://:SWORD/FISH@127.0.0.1", "%2F"),
        ("redis://SWORD:1/FISH@127.0.0.1", "%2F"),
        ("redis://:SWORD?FISH@127.0.0.1", "%3F"),
        ("redis://:SWORD[FISH]@127.0.0.1", "%5B"),
        ("redis://:SWORDFISH]@127.0.0.1", "%5D"),
        ("redis://:SWORD FISH@127.0.0.1", "%20"),
        ("redis://:SWORD\nFISH@127.0.0.1", "invisible"),
        ("redis://:SWORD\u200bFISH@127.0.0.1", "invisible"),
        ("redis://:SWORDFISH\u2100@127.0.0.1", "UTF-8"),
        ("redis://:SWORD%ffFISH@127.0.0.1", "%25"),
        ("redis://:SWORDFISH@127.0.0.1:0", "port"),
        ("redis://:SWORDFISH@127.0.0.1:SWORDFISH", "port"),
        ("redis://:SWORDFISH@[SWORDFISH]", "IPv6"),
        ("redis://:SWORDFISH@", "host"),
        ("redis://:SWORDFISH", "port"),
        ("redis://SWORDFISH:SWORDFISH", "port"),
        ("redis://:SWORDFISH@127.0.0.1/SWORDFISH", "database"),
        ("redis://:SWORDFISH@127.0.0.1?SWORDFISH=1", "db"),
        ("redis://SWORDFISH@127.0.0.1", "no password"),
        ("http://:SWORDFISH@127.0.0.1", "redis://"),
        ("unix://:SWORD/FISH@/run/redis.sock", "%2F"),
        ("unix://:SWORDFISH", "three slashes|port"),
        ("'redis://:SWORDFISH@127.0.0.1'", "quotes"),
        ('"redis://:SWORDFISH@127.0.0.1"', "quotes"),
        ("redis://:SWORDFISH\udcff@127.0.0.1", "UTF-8"),
        ("SWORDFISH", "redis://"),
    ],
)
def test_what_is_wrong_with_the_address_of_the_store(url: str, hint: str) -> None:
    """The password is in the error; or a part of it is taken for the host, and is in the log from then on."""
    with pytest.raises(SettingsError, match=hint):
        settings.parse({"REDIS_URL": url})
    assert is_silent_about("SWORDFISH", {"REDIS_URL": url})


@pytest.mark.parametrize(
    ("url", "password", "where"),
    [
        ("redis://:SWORD%23FISH@h", "SWORD#FISH", "redis://h:6379/0"),
        ("redis://u:SWORD%2FFISH@h:7/1", "SWORD/FISH", "redis://h:7/1"),
        ("redis://:SWORD@FISH@h", "SWORD@FISH", "redis://h:6379/0"),
        ("redis://:SWORD:FISH@h", "SWORD:FISH", "redis://h:6379/0"),
        ("redis://:100%@h?db=3", "100%", "redis://h:6379/3"),
        ("redis://:caf\u00e9@[0::1]", "caf\u00e9", "redis://[::1]:6379/0"),
        ("REDISS://:s@H.example:/", "s", "rediss://h.example:6379/0"),
        ("unix:///run/a@b.sock?db=2", "", "unix:///run/a@b.sock?db=2"),
        ("unix://u:p@/run/redis.sock", "p", "unix:///run/redis.sock?db=0"),
    ],
)
def test_an_address_of_the_store(url: str, password: str, where: str) -> None:
    """A password that was written as it should be, or in the only way it can be meant, lets nobody in."""
    address = settings.parse({"REDIS_URL": url}).store.redis_url
    assert address is not None
    assert (address.password, str(address)) == (password, where)


@pytest.mark.parametrize("written", ["ab+c/d==", "ab%2Bc%2Fd%3D%3D"])
def test_the_password_of_sentinels(written: str) -> None:
    """A password in base64 is taken for another one, and no Sentinel answers."""
    url = f"redis+sentinel://one,two:26380/main/2?sentinel_user=u&sentinel_password={written}"
    address = settings.parse({"REDIS_URL": url}).store.redis_url
    assert address is not None
    assert (address.sentinel_user, address.sentinel_password) == ("u", "ab+c/d==")


SECRETS = [setting.variable for setting in SETTINGS if setting.secret]
AROUND = st.text(
    st.sampled_from("#/?@:[]%&=+,;'\"\\{} \t\n\x00a1.-_~*\u00e9\u2100\uff0f\u2048\ufe56\u200b\U0001f600\udcff"),
    max_size=12,
)
FORMS = (
    *("{0}{s}{1}", "redis://{s}{0}@h{1}", "redis://u:{0}{s}{1}@h:1/0", "redis://h{0}/{s}{1}", "unix://{s}{0}/x{1}"),
    *("redis+sentinel://h{0}/main?sentinel_password={s}{1}", "redis+cluster://:{s}{0}@h,{1}"),
    *("https://{s}{0}@h/{1}", "https://h{0}/{s}{1}", "https://{0}{s}{1}", "http://{s}{0}", "stun:{0}{s}{1}"),
    *('[{{"urls":"turn:a{0}","username":"{s}","credential":"{s}{1}"}}]', '[{{"urls":"{s}{0}"}}]', "whsec_{0}{s}{1}"),
)


@hypothesis_settings(max_examples=1500)
@given(st.sampled_from(SECRETS), st.sampled_from(FORMS), AROUND, AROUND)
def test_no_error_shows_a_secret(variable: str, form: str, before: str, behind: str) -> None:
    """Some slip in a secret, in whatever place, writes it into the log of a container platform."""
    try:
        settings.parse({variable: form.format(before, behind, s="SWORDFISH"), "AUTH_MODE": "optional"})
    except SettingsError as error:
        shown = str(error)
        assert error.__suppress_context__ or error.__context__ is None
        assert not any("SWORDFISH"[at : at + 3] in shown for at in range(7)), shown


def test_a_long_value_is_not_shown_whole() -> None:
    """A file that was set by mistake fills the terminal."""
    with pytest.raises(SettingsError) as caught:
        settings.parse({"PORT": "x" * 100_000})
    assert len(str(caught.value)) < 200


@given(st.sampled_from([setting.variable for setting in SETTINGS]), st.text(max_size=40) | AROUND)
def test_nothing_else_is_raised(variable: str, value: str) -> None:
    """Some value ends the start with a traceback."""
    try:
        settings.parse({variable: value})
    except SettingsError as error:
        assert len(str(error).splitlines()) == 1
        assert str(error).startswith(variable)


def value_of(chosen: Settings, option: str) -> object:
    field = option.replace("-", "_")
    (value,) = (getattr(group, field) for name in GROUPS if hasattr(group := getattr(chosen, name), field))
    return value


def options(*words: str) -> Settings:
    given = Options()
    given.parseOptions(list(words))
    return given.settings


@pytest.fixture
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.variable, raising=False)


@pytest.mark.usefixtures("_no_environment")
def test_every_setting_is_an_option(tmp_path: Path) -> None:
    """A setting cannot be given on the command line."""
    certificates = tmp_path / "ca.pem"
    certificates.write_text("")
    good = {
        "port": "81",
        "fast-frames": "false",
        "fast-turn": "false",
        "listen": "tcp:1",
        "allowed-origin": "https://a.example",
        "requeue-on-partner-leave": "false",
        "rematch-delay-seconds": "1.5",
        "redis-url": "redis://localhost",
        "redis-prefix": "x:",
        "redis-ca-file": str(certificates),
        "letters-dir": "/run/letters",
        "instance-id": "me",
        "max-msg-per-second": "7",
        "max-bytes-per-second": "70000",
        "max-sdp-bytes": "20000",
        "max-candidate-bytes": "2000",
        "matches-per-minute": "30",
        "max-connections": "500",
        "max-half-open": "50",
        "max-connections-per-address": "20",
        "handshakes-per-address-per-second": "5",
        "challenge": "auto",
        "challenge-per-second": "7",
        "violations-per-minute": "1000",
        "ban-seconds": "5",
        "heartbeat-seconds": "9",
        "handshake-timeout-seconds": "8",
        "ice-servers": "stun:a",
        "turn-secret": "s" * 16,
        "turn-ttl": "60",
        "auth-mode": "optional",
        "jwt-secret": "s" * 32,
        "jwt-public-key-file": str(certificates),
        "jwt-jwks": "https://issuer.example/jwks",
        "jwt-algorithms": "RS256, PS256",
        "jwt-issuer": "issuer",
        "jwt-audience": "audience",
        "jwt-leeway-seconds": "5",
        "max-connections-per-user": "3",
        "user-overflow": "replace",
        "block-days": "7",
        "report-webhook-url": "https://mod.example/hook",
        "report-webhook-secret": "whsec_" + "c2VjcmV0" * 5,
        "webhook-events": "matched, Ended",
        "admin-token": "t" * 16,
        "admin-tokens": "ada:moderator:" + "a" * 16,
        "admin-hosts": "admin.example.com",
        "demo": "false",
        "drain-seconds": "5",
        "match-keys": "lang;gender=f,m,x",
        "max-waiting-per-user": "3",
        "match-claims": "age,verified",
        "match-likes-seconds": "2.5",
        "match-answer-seconds": "4",
        "outcome-releases": "2026-11, beta",
        "resume-seconds": "7",
        "resume-secret": "r" * 16,
        "resume-max-away": "5",
        "resume-session-messages": "5",
        "resume-session-bytes": "4096",
        "resume-total-bytes": "8192",
        "fast-path": "false",
        "log-full-addresses": "true",
        "log-level": "warn",
        "log-format": "json",
        "trusted-proxies": "10.0.0.0/8",
        "admin-listen": "tcp:9100",
        "workers": "2",
        "public-metrics": "true",
        "metrics-pools": "video,text",
        "reports-kept": "100",
        "report-days": "7",
        "public-online": "false",
        "debug": "true",
    }
    assert set(good) == {setting.option for setting in SETTINGS}
    store = ("--redis-url", "rediss://store")  # without one there is no second worker, and no use of certificates
    needs = {"turn-secret": ["--ice-servers=turn:a"], "auth-mode": ["--jwt-secret", "s" * 32]}
    needs |= {key: ["--auth-mode=required"] for key in ("jwt-secret", "jwt-public-key-file", "jwt-jwks")}
    needs |= {
        "report-webhook-url": ["--report-webhook-secret", "s" * 16],
        "report-webhook-secret": ["--report-webhook-url=https://mod.example"],
        "webhook-events": ["--report-webhook-url=https://mod.example", "--report-webhook-secret", "s" * 16],
        "admin-token": ["--admin-listen=tcp:9100"],
        "admin-tokens": ["--admin-listen=tcp:9100"],
        "match-claims": ["--auth-mode=optional", "--jwt-secret", "s" * 32],
    }
    default = options(*store)
    for option, value in good.items():
        chosen = options(*store, *needs.get(option, ()), f"--{option}", value)
        assert value_of(chosen, option) != value_of(default, option), option


def test_the_help_tells_every_setting() -> None:
    """An operator does not find a setting, or learns nothing of it."""
    text = " ".join(Options().getUsage(80).split())
    for setting in SETTINGS:
        assert f"--{setting.option}= " in text
        assert setting.help.replace("`", "") in text.replace("- ", "-")
    assert text.count("May be given more than once.") == 2
    for general in ("--check ", "--help ", "--version ", "Each option is also an environment variable"):
        assert general in text


@pytest.mark.usefixtures("_no_environment")
def test_bare_switches() -> None:
    """`--debug` swallows the next option."""
    chosen = options("--debug", "--port", "81")
    assert (chosen.logging.debug, chosen.listening.port) == (True, 81)
    assert options("--port", "81", "--debug").logging.debug is True
    assert options("--debug=false").logging.debug is False
    assert options("--debug", "false").logging.debug is False


@pytest.mark.usefixtures("_no_environment")
def test_option_over_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line does not win."""
    monkeypatch.setenv("PORT", "1")
    assert options().listening.port == 1
    assert options("--port", "2").listening.port == 2
    assert options("--listen", "tcp:1", "--listen", "unix:/run/x").listening.listen == ("tcp:1", "unix:/run/x")


@pytest.mark.usefixtures("_no_environment")
def test_mistakes_end_with_one_line() -> None:
    """The operator gets a traceback, or all of the help, in place of what is wrong."""
    assert not set(BAD) & set(os.environ)
    for words in (["--port", "x"], ["--heartbeat-seconds=0"], ["--listen", "8080"]):
        with pytest.raises(SystemExit) as caught:
            options(*words)
        assert isinstance(caught.value.code, str)
        assert caught.value.code.startswith(f"signald: {words[0].partition('=')[0]}")
        assert "\n" not in caught.value.code


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"LISTEN": "tcp:8080", "ADMIN_LISTEN": "tcp:8080"}, "ADMIN_LISTEN='tcp:8080' is where LISTEN='tcp:8080'"),
        ({"ADMIN_LISTEN": "tcp:8080:interface=127.0.0.1"}, "is where PORT='8080'"),
        ({"PORT": "9101", "ADMIN_LISTEN": "tcp:port=9101:interface=\\:\\:1"}, "is where PORT='9101'"),
        ({"LISTEN": "ssl:443:privateKey=k tcp6:443"}, "LISTEN='tcp6:443'"),
        ({"LISTEN": "unix:/run/a", "ADMIN_LISTEN": "unix:address=/run/a:mode=660"}, "ADMIN_LISTEN='unix:address"),
    ],
)
def test_one_place_is_opened_once(given: dict[str, str], words: str) -> None:
    """The start fails, or the operator's API is on the public port and the check has said that all is well."""
    with pytest.raises(SettingsError, match=re.escape(words)):
        settings.parse(given)


def test_different_places_are_no_mistake() -> None:
    """A good configuration is refused."""
    for listen, admin in (
        ("tcp:8080:interface=192.0.2.1", "tcp:8080:interface=127.0.0.1"),
        ("tcp:8080:interface=127.0.0.1 tcp6:8080:interface=\\:\\:1", "tcp:8081"),
        ("tcp:0", "tcp:0"),
        ("systemd:domain=INET:index=0", "systemd:domain=INET:index=1"),
        ("unix:/run/a", "unix:/run/b"),
    ):
        assert settings.parse({"LISTEN": listen, "ADMIN_LISTEN": admin})
