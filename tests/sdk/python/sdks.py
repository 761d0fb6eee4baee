"""The SDKs, as docs/sdks.md sets them up, and how each is asked for the same things."""

import os
import runpy
from pathlib import Path

import wechat


class Wechatpy:
    def __init__(self, client):
        self.client = client

    def info(self, openid):
        return self.client.user.get(openid)

    def followers(self):
        return self.client.user.get_followers()

    def send(self, openid, text):
        return self.client.message.send_text(openid, text)

    def upload(self, path):
        with open(path, "rb") as file:
            return self.client.media.upload("image", file)["media_id"]

    def download(self, media_id):
        return self.client.media.download(media_id).content

    def login(self, code):
        return self.client.wxa.code_to_session(code)


class WeRoBot:
    def __init__(self, client):
        self.client = client

    def info(self, openid):
        return self.client.get_user_info(openid)

    def followers(self):
        return self.client.get_followers()

    def send(self, openid, text):
        return self.client.send_text_message(openid, text)

    def upload(self, path):
        with open(path, "rb") as file:
            return self.client.upload_media("image", file)["media_id"]

    def download(self, media_id):
        return self.client.download_media(media_id).content

    login = None  # WeRoBot has no call for it


WAYS = {"wechatpy_hosts": Wechatpy, "wechatpy_base_url": Wechatpy, "werobot_hosts": WeRoBot}

# Every snippet of the document: one that is not in WAYS is an error.
SNIPPETS = sorted(path.stem for path in Path(os.environ["SNIPPETS"]).glob("*.py"))
assert SNIPPETS == sorted(WAYS), SNIPPETS


def start(snippet, appid=wechat.MAIN, secret=None):
    """Runs a snippet as a program that has these credentials in its environment."""
    before = dict(os.environ)
    os.environ["WECHAT_APPID"] = appid
    os.environ["WECHAT_SECRET"] = secret or before["WECHAT_SECRET"]
    try:
        return WAYS[snippet](runpy.run_path(f"{before['SNIPPETS']}/{snippet}.py")["client"])
    finally:
        os.environ.clear()
        os.environ.update(before)
