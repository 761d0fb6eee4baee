//! `[upstream]`.

use std::time::Duration;

use crate::config::section::Section;
use crate::config::value::{count, duration, path};
use crate::config::{BaseUrl, Proxy, Upstream, disk, url};

pub(super) fn upstream(section: &mut Section<'_>) -> Upstream {
    let wechat = BaseUrl { tls: true, host: "api.weixin.qq.com".to_owned(), port: 443 };
    let ca_file = section.read("ca_file", |value| {
        let file = path(value)?;
        disk::check_readable(&file).map(|()| file)
    });
    Upstream {
        base_url: section.read_or("base_url", wechat, url::base_url),
        ca_file: ca_file.ok().flatten(),
        proxy: proxy(section),
        connect_timeout: section.read_or("connect_timeout", Duration::from_secs(3), duration),
        first_byte_timeout: section.read_or("first_byte_timeout", Duration::from_secs(55), duration),
        idle_body_timeout: section.read_or("idle_body_timeout", Duration::from_secs(30), duration),
        idle_timeout: section.read_or("idle_timeout", Duration::from_secs(5), duration),
        idle_connections: section.read_or("idle_connections", 256, count(0..=65_536)),
    }
}

fn proxy(section: &mut Section<'_>) -> Option<Proxy> {
    let written = section.is_written("proxy");
    let proxy = section.read("proxy", url::proxy).ok().flatten()?;
    if written && proxy.credentials.is_some() {
        section.literal_secret("proxy");
    }
    Some(proxy)
}
