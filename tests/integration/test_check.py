"""``twistd signald --check``: an operator learns what is wrong before clients do."""

import subprocess
from pathlib import Path

from tests.integration.test_start import twistd
from tests.support.daemon import TWISTD, environment
from tests.support.ports import free_port
from tests.support.redis import LOGIN, RedisServer
from tests.support.waiting import PATIENCE_S


def test_good_settings() -> None:
    """A deployment could not tell a good configuration from a bad one."""
    done = twistd("--check", "--max-msg-per-second", "7")
    assert done.returncode == 0
    assert "7 messages a second" in done.stdout
    assert "the settings are good" in done.stdout


def test_a_bad_setting_is_named() -> None:
    """The check says yes, and the start fails."""
    done = twistd("--check", "--listen", "ssl:1:privateKey=/does/not/exist.pem")
    assert done.returncode == 1
    assert "--listen" in done.stderr


def test_a_check_stays_in_front(tmp_path: Path) -> None:
    """Without -n the answer goes to a file in the background, and a deployment takes what it sees for a yes."""
    command = [str(TWISTD), "signald", "--check"]
    done = subprocess.run(
        command, env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert "the settings are good" in done.stdout
    assert list(tmp_path.iterdir()) == []
    bad = subprocess.run([*command, "--listen=ssl:1:privateKey=/does/not/exist.pem"], env=environment(), cwd=tmp_path)
    assert bad.returncode == 1


def test_the_store_is_asked(tmp_path: Path) -> None:
    """A wrong password or a closed firewall would show when the first clients do not meet."""
    with RedisServer(tmp_path, password="open-sesame") as store:
        store.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        good = twistd("--check", REDIS_URL=f"redis://{LOGIN}@127.0.0.1:{store.port}/2")
        assert good.returncode == 0, good.stdout + good.stderr
        assert "the store answers" in good.stdout
        assert "its maxmemory-policy is allkeys-lru" in good.stdout
        bad = twistd("--check", REDIS_URL=f"redis://:sesame@127.0.0.1:{store.port}")
    assert bad.returncode == 1
    assert "WRONGPASS" in bad.stdout
    assert ":sesame" not in bad.stdout + bad.stderr
    away = twistd("--check", REDIS_URL=f"redis://127.0.0.1:{free_port()}")
    assert away.returncode == 1
    assert "the store does not answer" in away.stdout + away.stderr
