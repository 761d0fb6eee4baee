//! `[upstream]`.

use std::time::Duration;

use crate::config::section::Section;
use crate::config::value::{choice, count, duration, name_server, path};
use crate::config::{BaseUrl, NameResolver, Proxy, RESOLV_CONF, Upstream, disk, url};

/// WeChat has five entrances; more than this is a slip of the hand.
const MOST_URLS: usize = 8;

pub(super) fn upstream(section: &mut Section<'_>) -> Upstream {
    let ca_file = section.read("ca_file", |value| {
        let file = path(value)?;
        disk::check_readable(&file).map(|()| file)
    });
    Upstream {
        base_urls: base_urls(section),
        cool_down: section.read_or("cool_down", Duration::from_secs(30), duration),
        ca_file: ca_file.ok().flatten(),
        resolver: resolver(section),
        proxy: proxy(section),
        connect_timeout: section.read_or("connect_timeout", Duration::from_secs(3), duration),
        first_byte_timeout: section.read_or("first_byte_timeout", Duration::from_secs(55), duration),
        idle_body_timeout: section.read_or("idle_body_timeout", Duration::from_secs(30), duration),
        idle_timeout: section.read_or("idle_timeout", Duration::from_secs(5), duration),
        idle_connections: section.read_or("idle_connections", 256, count(0..=65_536)),
        connection_life: section.read_or("connection_life", Duration::from_secs(120), duration),
    }
}

fn base_urls(section: &mut Section<'_>) -> Vec<BaseUrl> {
    let one = section.read("base_url", url::base_url).ok().flatten();
    let several = section.items("base_urls", url::base_url).ok().flatten();
    if one.is_some() && several.is_some() {
        section.problem("base_url", "stands beside base_urls, and which one is meant? Write base_urls alone");
    }
    match (one, several) {
        (None, Some(urls)) => {
            check_several(section, &urls);
            urls
        }
        (Some(url), _) => vec![url],
        (None, None) => vec![BaseUrl { tls: true, host: "api.weixin.qq.com".to_owned(), port: 443 }],
    }
}

fn check_several(section: &mut Section<'_>, urls: &[BaseUrl]) {
    if !(1..=MOST_URLS).contains(&urls.len()) {
        section.problem("base_urls", format!("must be 1 to {MOST_URLS} URLs, in the order in which they are tried"));
    }
    for (index, url) in
        urls.iter().enumerate().filter(|(index, url)| urls.iter().position(|u| &u == url) < Some(*index))
    {
        section.problem(&format!("base_urls[{index}]"), format!("{} stands there twice", url.host));
    }
}

fn resolver(section: &mut Section<'_>) -> NameResolver {
    let dns = section.read_or("resolver", false, choice(&[("system", false), ("dns", true)]));
    let servers = section.items("name_servers", name_server).ok().flatten();
    match servers {
        Some(_) if !dns => {
            section.problem("name_servers", "are for resolver = \"dns\"");
            NameResolver::System
        }
        Some(servers) if servers.is_empty() => {
            section.problem("name_servers", format!("must name at least one; without it, {RESOLV_CONF} does"));
            NameResolver::System
        }
        servers if dns => NameResolver::Dns(servers.unwrap_or_default()),
        _ => NameResolver::System,
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
