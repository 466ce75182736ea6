"""Names and paths to files; the Hub itself is a stand-in, no test uses the network."""

import logging
import socket
from pathlib import PureWindowsPath

import huggingface_hub
import pytest
from huggingface_hub.errors import (
    EntryNotFoundError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

import mobilebert.hub
from mobilebert.errors import CheckpointError, InputError
from mobilebert.hub import (
    BUNDLED_MODEL,
    BUNDLED_MODELS,
    HubOptions,
    is_bundled,
    lookup_options,
    resolve_file,
)


@pytest.fixture
def hub(monkeypatch):
    """Replace the download by an outcome: a path, or an exception."""
    calls = []

    def install(outcome):
        def download(repository, filename, **options):
            calls.append((repository, filename, options))
            if isinstance(outcome, BaseException):
                raise outcome
            return str(outcome)

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
        monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *a, **k: None)
        monkeypatch.setattr(mobilebert.hub, "_is_reachable", lambda hub: True)
        return calls

    return install


def _http_error(kind):
    error = kind.__new__(kind)
    Exception.__init__(error, "404")
    return error


def test_directory_file_and_subfolder(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "config.json").write_text("{}")
    options = HubOptions(subfolder="inner")
    assert resolve_file(tmp_path, "config.json", options) == tmp_path / "inner" / "config.json"
    assert resolve_file(tmp_path, "config.json", required=False) is None
    with pytest.raises(CheckpointError, match="There is no model.safetensors in .*; it holds"):
        resolve_file(tmp_path, "model.safetensors")


def test_the_bundled_model_needs_no_hub(hub):
    calls = hub(AssertionError("asked the Hub"))
    assert resolve_file(BUNDLED_MODEL, "config.json").is_file()
    assert calls == []


def test_a_directory_of_that_name_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / BUNDLED_MODEL).mkdir()
    assert not is_bundled(BUNDLED_MODEL)
    assert resolve_file(BUNDLED_MODEL, "config.json", required=False) is None


@pytest.mark.parametrize("name", ["../config.json", "/etc/passwd", "a/../../b"])
def test_files_outside_the_checkpoint_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="points outside"):
        resolve_file(tmp_path, name)
    with pytest.raises(InputError, match="points outside"):
        resolve_file(tmp_path, "config.json", HubOptions(subfolder=name))


def test_hub_options_arrive(hub, tmp_path):
    calls = hub(tmp_path / "config.json")
    options = HubOptions(revision="v1", token="t", cache_dir="c", local_files_only=True)
    assert resolve_file("owner/name", "config.json", options) == tmp_path / "config.json"
    ((repository, filename, given),) = calls
    assert (repository, filename) == ("owner/name", "config.json")
    assert given == {
        "revision": "v1",
        "token": "t",
        "cache_dir": "c",
        "local_files_only": True,
        "force_download": False,
    }


def test_folders_on_the_hub_are_separated_as_there(hub, monkeypatch):
    calls = hub("config.json")
    asked = []

    def cached(name, filename, **options):
        asked.append(filename)

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", cached)
    monkeypatch.setattr(mobilebert.hub, "Path", PureWindowsPath)
    options = HubOptions(subfolder="a\\b")
    place = PureWindowsPath("a\\b", "config.json")
    mobilebert.hub._from_hub("owner/name", place, options, required=True)
    mobilebert.hub._is_cached("owner/name", options)
    assert [calls[0][1], *asked] == ["a/b/config.json"] * 2


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (_http_error(RepositoryNotFoundError), "no such model: 'owner/name'"),
        (_http_error(RevisionNotFoundError), "no such revision"),
        (_http_error(EntryNotFoundError), "has no file config.json"),
        (LocalEntryNotFoundError("x"), "local_files_only=True, or the bundled model"),
        (ConnectionError("x"), "Hub is not reachable"),
        (TimeoutError("x"), "Hub is not reachable"),
    ],
)
def test_every_failure_is_one_sentence_with_a_way_out(hub, outcome, message):
    hub(outcome)
    with pytest.raises(CheckpointError, match=message):
        resolve_file("owner/name", "config.json")


def test_an_optional_file_may_be_absent_on_the_hub_but_not_unreachable(hub):
    hub(_http_error(EntryNotFoundError))
    assert resolve_file("owner/name", "added_tokens.json", required=False) is None
    hub(ConnectionError("x"))
    with pytest.raises(CheckpointError, match="not reachable"):
        resolve_file("owner/name", "added_tokens.json", required=False)


def test_a_tokenizer_downloaded_alone_is_read_offline(tmp_path):
    """The cache as huggingface_hub leaves it: files, and notes of those that there are not."""
    store = tmp_path / "models--owner--name"
    snapshot, notes = store / "snapshots" / "c0ffee", store / ".no_exist" / "c0ffee"
    for directory in (snapshot, notes, store / "refs"):
        directory.mkdir(parents=True)
    (store / "refs" / "main").write_text("c0ffee")
    (snapshot / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    for name in ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
        (notes / name).touch()
    options = {"cache_dir": tmp_path, "local_files_only": True}
    with pytest.raises(CheckpointError, match=r"Cannot get tokenizer\.json"):
        mobilebert.MobileBertTokenizer.from_pretrained("owner/name", **options)
    (notes / "tokenizer.json").touch()
    tokenizer = mobilebert.MobileBertTokenizer.from_pretrained("owner/name", **options)
    assert tokenizer("a")["input_ids"] == [2, 5, 3]
    with pytest.raises(CheckpointError, match=r"on the Hub has no file added_tokens\.json"):
        resolve_file("owner/name", "added_tokens.json", HubOptions(**options))


@pytest.mark.parametrize("name", ["no such dir/x", "a/b/c", "", "./absent", "/absent", "a\\b"])
def test_what_can_be_no_name_is_not_asked_for(hub, name):
    calls = hub(AssertionError("asked the Hub"))
    with pytest.raises(CheckpointError, match=r"not a directory here.*mobilebert-mini-uncased"):
        resolve_file(name, "config.json") if name else resolve_file("?", "config.json")
    assert calls == []


@pytest.fixture
def probing(hub, tmp_path, monkeypatch):
    """Let the probe be the real one, and the connections it makes a list; none succeeds."""
    probe = mobilebert.hub._is_reachable
    calls = hub(tmp_path / "config.json")
    tries = []

    def no_connection(*arguments, **options):
        tries.append(arguments)
        raise OSError("no route")

    monkeypatch.setattr(mobilebert.hub, "_is_reachable", probe)
    monkeypatch.setattr(mobilebert.hub, "_reached", set())
    monkeypatch.setattr(mobilebert.hub, "_unreached", {})
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "create_connection", no_connection)
    monkeypatch.setattr("urllib.request.getproxies", lambda: {})
    return calls, tries


@pytest.mark.parametrize(
    ("proxied", "local_only"), [(None, True), ("ftp", True), ("https", False), ("all", False)]
)
def test_an_unreachable_hub_is_asked_for_its_cache_only(probing, monkeypatch, proxied, local_only):
    proxies = {proxied: "http://proxy.invalid"} if proxied else {}
    monkeypatch.setattr("urllib.request.getproxies", lambda: proxies)
    resolve_file("owner/name", "config.json")
    assert probing[0][0][2]["local_files_only"] is local_only


def test_an_unreachable_hub_is_tried_once_a_minute(probing, monkeypatch):
    calls, tries = probing
    now = 1000.0
    monkeypatch.setattr(mobilebert.hub.time, "monotonic", lambda: now)
    for _ in range(3):
        resolve_file("owner/name", "config.json")
    assert len(tries) == 1
    now += 61
    resolve_file("owner/name", "config.json")
    assert len(tries) == 2
    assert all(options["local_files_only"] for _, _, options in calls)


@pytest.mark.parametrize("proxied", [False, True])
def test_the_hub_is_not_asked_where_the_environment_forbids_it(probing, monkeypatch, proxied):
    calls, tries = probing
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    proxies = {"https": "http://proxy.invalid"} if proxied else {}
    monkeypatch.setattr("urllib.request.getproxies", lambda: proxies)
    resolve_file("owner/name", "config.json")
    assert calls[0][2]["local_files_only"]
    assert not tries


def test_what_forbids_to_ask_is_named(hub, monkeypatch):
    hub(LocalEntryNotFoundError("x"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE is set"):
        resolve_file("owner/name", "config.json")
    with pytest.raises(CheckpointError, match="local_files_only=True is set"):
        resolve_file("owner/name", "config.json", HubOptions(local_files_only=True))


def test_the_older_name_of_the_token(hub):
    calls = hub(BUNDLED_MODELS[BUNDLED_MODEL] / "config.json")
    keywords = {"use_auth_token": "secret", "resume_download": True}
    mobilebert.MobileBertConfig.from_pretrained("owner/name", **keywords)
    mobilebert.AutoConfig.from_pretrained("owner/name", **keywords)
    assert [options["token"] for _, _, options in calls] == ["secret"] * 2


@pytest.mark.parametrize("name", ["AutoTokenizer", "MobileBertTokenizer"])
def test_tokenizers_use_the_older_name_of_the_token(hub, name):
    calls = hub(_http_error(RepositoryNotFoundError))
    with pytest.raises(CheckpointError, match="no such model"):
        getattr(mobilebert, name).from_pretrained("owner/name", use_auth_token="secret")
    assert [options["token"] for _, _, options in calls] == ["secret"]


def test_proxies_are_left_to_the_environment(caplog):
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        proxies = {"https": "http://user:secret@proxy"}
        found = lookup_options({"proxies": proxies, "revision": "draft", "colour": "red"})
    assert found == (HubOptions(revision="draft"), {"colour": "red"})
    assert "HTTPS_PROXY" in caplog.text
    assert "secret" not in caplog.text
