"""A caller whose secret was taken out of the configuration is refused; the others notice nothing."""

import os

import pytest
import wechat
from sdks import SNIPPETS, start


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_revoked_caller_is_refused_and_another_goes_on(snippet):
    revoked, other = start(snippet, secret=os.environ["CRM"]), start(snippet, secret=os.environ["ERP"])
    record = wechat.Record()
    with pytest.raises(Exception) as refusal:
        revoked.info("o1")
    assert refusal.value.response.status_code == 401
    assert record.calls() == []
    assert other.info("o1")["subscribe"] == 1
    assert record.calls() == [("/cgi-bin/user/info", [wechat.true_token(wechat.MAIN)])]
