"""Two accounts on one address: each SDK knows its own appid only, and gets its own account's token."""

import pytest
import wechat
from sdks import SNIPPETS, start

INFO = "/cgi-bin/user/info"


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_two_accounts_do_not_know_of_each_other(snippet):
    main, shop = start(snippet, wechat.MAIN), start(snippet, wechat.SHOP)
    # Whatever another test killed is replaced here.
    for sdk in [main, shop]:
        sdk.info("o1")
    record = wechat.Record()
    for sdk in [main, shop, main, shop]:
        sdk.info("o1")
    mains, shops = wechat.true_token(wechat.MAIN), wechat.true_token(wechat.SHOP)
    assert mains != shops
    assert record.calls() == [(INFO, [mains]), (INFO, [shops])] * 2
