"""What WeChat saw: the sandbox's own record, which is the judge in every test here."""

import json
import os
from urllib.parse import parse_qs, urlsplit

import requests

MAIN = "wx0000000000sandbox"
SHOP = "wx000000000000shop"

SANDBOX = "http://127.0.0.1:8090/_sandbox"
# A listener of the gateway that hands out the true tokens. No SDK goes there.
REAL = "http://127.0.0.1:8070/cgi-bin/token"


class Record:
    """The requests that reach WeChat from now on."""

    def __init__(self):
        self.before = _requests()["total"]

    def calls(self):
        """Each request's path, and the tokens in its query. No stand-in for a credential may be anywhere in them."""
        now = _requests()
        new = now["requests"][len(now["requests"]) - (now["total"] - self.before) :]
        for stand_in in ["wxgate", "not-the-secret", os.environ["WECHAT_SECRET"]]:
            assert stand_in not in json.dumps(new), f"WeChat saw {stand_in}"
        targets = [urlsplit(request["target"]) for request in new]
        return [(target.path, parse_qs(target.query).get("access_token", [])) for target in targets]


def true_token(appid):
    """The account's access_token, as the gateway holds it."""
    return requests.get(REAL, params={"appid": appid, "secret": "-"}, timeout=20).json()["access_token"]


def fetches(appid):
    """How often WeChat was asked for the account's token, by its own books."""
    return requests.get(f"{SANDBOX}/ledger", timeout=20).json()[appid]


def kill_tokens():
    """Every token of every account is dead now; no one is told."""
    requests.post(f"{SANDBOX}/kill-tokens", timeout=20).raise_for_status()


def _requests():
    return requests.get(f"{SANDBOX}/requests", params={"last": 1000}, timeout=20).json()
