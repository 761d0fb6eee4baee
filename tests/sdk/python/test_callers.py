"""Where callers are demanded, an SDK without a virtual secret gets nowhere, and two with one do."""

import os

import pytest
import wechat
from sdks import SNIPPETS, start

UNKNOWN_CALLER = -910020


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_wrong_secret_is_refused_before_wechat_hears_of_it(snippet):
    stranger, record = start(snippet, secret="0" * 32), wechat.Record()
    with pytest.raises(Exception) as refusal:
        stranger.info("o1")
    assert refusal.value.response.json()["errcode"] == UNKNOWN_CALLER
    assert record.calls() == []


@pytest.mark.parametrize("snippet", SNIPPETS)
@pytest.mark.parametrize("caller", ["CRM", "ERP"])
def test_each_caller_has_a_secret_of_its_own(snippet, caller):
    assert start(snippet, secret=os.environ[caller]).info("o1")["subscribe"] == 1
