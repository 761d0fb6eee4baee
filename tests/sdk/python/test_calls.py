"""Each SDK's calls work, WeChat sees one true token in each, and a dead token is nobody's business but wxgate's."""

import os

import pytest
import wechat
from sdks import SNIPPETS, start

OPENID = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"
INFO = "/cgi-bin/user/info"

every_sdk = pytest.mark.parametrize("snippet", SNIPPETS)


@every_sdk
def test_text_calls(snippet):
    sdk, record = start(snippet), wechat.Record()
    assert sdk.info(OPENID)["openid"] == OPENID
    assert sdk.send(OPENID, "你好")["errcode"] == 0
    token = wechat.true_token(wechat.MAIN)
    assert record.calls() == [(INFO, [token]), ("/cgi-bin/message/custom/send", [token])]


@every_sdk
def test_a_long_list(snippet):
    sdk, record = start(snippet), wechat.Record()
    followers = sdk.followers()
    assert followers["total"] == 12_000 and len(followers["data"]["openid"]) == followers["count"] == 10_000
    assert record.calls() == [("/cgi-bin/user/get", [wechat.true_token(wechat.MAIN)])]


@every_sdk
def test_an_upload_comes_back_as_it_went(snippet, tmp_path):
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(200_000))
    sdk, record = start(snippet), wechat.Record()
    assert sdk.download(sdk.upload(picture)) == picture.read_bytes()
    token = wechat.true_token(wechat.MAIN)
    assert record.calls() == [("/cgi-bin/media/upload", [token]), ("/cgi-bin/media/get", [token])]


@pytest.mark.parametrize("snippet", [name for name in SNIPPETS if name.startswith("wechatpy")])
def test_a_login_with_a_secret_that_is_not_the_accounts(snippet):
    sdk, record = start(snippet), wechat.Record()
    assert sdk.login("good-code")["session_key"]
    assert record.calls() == [("/sns/jscode2session", [])]


@every_sdk
def test_a_killed_token_is_replaced_and_the_sdk_goes_on(snippet):
    sdk = start(snippet)
    sdk.info(OPENID)
    dead, record, fetches = wechat.true_token(wechat.MAIN), wechat.Record(), wechat.fetches(wechat.MAIN)
    wechat.kill_tokens()
    for _ in range(2):
        assert sdk.info(OPENID)["openid"] == OPENID
    alive = wechat.true_token(wechat.MAIN)
    assert alive != dead
    refused, *after = record.calls()
    assert refused == (INFO, [dead])
    assert after == [("/cgi-bin/stable_token", []), (INFO, [alive]), (INFO, [alive])]
    assert wechat.fetches(wechat.MAIN) == fetches | {"stable": fetches["stable"] + 1, "minted": fetches["minted"] + 1}
    assert fetches["refused"] == 0
