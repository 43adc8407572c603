"""Foreign Redis: spelling of URLs, clear refusals without the password, warnings about what it does not keep."""

from __future__ import annotations

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection

from runpodkit import stack
from runpodkit.errors import ConfigError, LedgerError
from runpodkit.settings import Settings
from runpodkit.stack.foreign_redis import broker_url, client_url, without_password

WORDS = st.text("abcXYZ019-_.", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("client", "broker"),
    [
        ("unix:///run/user/7/redis.sock?db=0", "redis+socket:///run/user/7/redis.sock?virtual_host=0"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix://:pw@/run/redis.sock?db=3", "redis+socket://:pw@/run/redis.sock?virtual_host=3"),
        ("unix:///run/redis.sock?db=3&password=pw", "redis+socket://:pw@/run/redis.sock?virtual_host=3"),
        ("redis://:pw@host:6379/1", "redis://:pw@host:6379/1"),
        ("rediss://host/0", "rediss://host/0"),
    ],
)
def test_celery_has_its_own_spelling_of_sockets_only(client, broker):
    assert broker_url(client) == broker


@given(st.lists(WORDS, min_size=1, max_size=4), st.integers(0, 15), st.none() | WORDS)
def test_both_spellings_mean_the_same(folders, db, password):
    url = f"unix://{f':{password}@' if password else ''}/{'/'.join(folders)}?db={db}"

    assert client_url(broker_url(url)) == url


def test_kombu_reads_our_spelling_as_redis_py_reads_its_own(foreign_server):
    url = foreign_server("--requirepass", "pw").replace("unix:///", "unix://:pw@/").replace("db=0", "db=2")

    with Connection(broker_url(url)) as connection:
        queue = connection.SimpleQueue("words")
        queue.put("hello", serializer="json")
        queue.close()
    with redis.Redis.from_url(url) as client:
        assert client.llen("words") == 1


@given(
    st.sampled_from(
        ["redis://{}:{}@host:6379/0", "unix://{}:{}@/a.sock?db=0", "unix:///a.sock?username={}&password={}"]
    ),
    WORDS,
)
def test_a_password_is_never_shown(form, user):
    assert "s3cret" not in without_password(form.format(user, "s3cret"))


def test_a_url_without_password_is_shown_as_it_is():
    assert without_password("redis://127.0.0.1:6379/0") == "redis://127.0.0.1:6379/0"


def test_a_foreign_server_is_asked_and_then_used_as_it_is(settings, foreign_server):
    url = foreign_server()
    foreign = Settings.load(REDIS_URL=url, RUNPODKIT_HOME=settings.home)

    assert stack.ensure_redis(foreign) == stack.redis_url(foreign) == url
    assert not settings.home.exists()


def test_nobody_at_the_url_is_one_line_with_what_was_tried_and_what_to_do(settings):
    foreign = Settings.load(REDIS_URL="redis://:hush-hush@127.0.0.1:1/0")

    with pytest.raises(LedgerError) as caught:
        stack.ensure_redis(foreign)

    message = str(caught.value)
    assert message.startswith("REDIS_URL redis://•••@127.0.0.1:1/0 does not answer")
    assert "pip install 'runpodkit[local,lab]'" in message
    assert "hush" not in message
    assert "\n" not in message


def test_asking_for_the_url_alone_asks_nobody(settings):
    assert stack.redis_url(Settings.load(REDIS_URL="redis://127.0.0.1:1/0")) == "redis://127.0.0.1:1/0"


def test_a_wrong_password_is_said_to_be_one(foreign_server):
    url = foreign_server("--requirepass", "right").replace("unix:///", "unix://:wrong-one@/")

    with pytest.raises(LedgerError, match="refuses the login") as caught:
        stack.check_foreign_redis(url)
    assert "wrong-one" not in str(caught.value)


def test_a_missing_password_is_said_to_be_one(foreign_server):
    with pytest.raises(LedgerError, match="refuses the login"):
        stack.check_foreign_redis(foreign_server("--requirepass", "right"))


@pytest.mark.parametrize("text", ["http://host/", "host:6379", "redis://host:port/0"])
def test_what_is_no_redis_url_is_refused(text):
    with pytest.raises(ConfigError, match="is no Redis URL: set it like"):
        stack.check_foreign_redis(text)


def test_a_server_that_keeps_everything_gets_no_warning(foreign_server):
    assert stack.check_foreign_redis(foreign_server("--appendonly", "yes")) == []


def test_a_server_without_append_only_file_and_with_eviction_gets_both_warnings(foreign_server):
    warnings = stack.check_foreign_redis(foreign_server("--maxmemory-policy", "allkeys-lru"))

    assert len(warnings) == 2
    assert "appendonly yes" in warnings[0]
    assert "allkeys-lru" in warnings[1]


def test_a_server_that_may_not_be_asked_gets_no_warning(foreign_server):
    url = foreign_server("--user", "default", "on", "nopass", "~*", "+@all", "-info")

    assert stack.check_foreign_redis(url) == []
