//! The rules, each seen through the problems that break it.

use secrecy::ExposeSecret;

use crate::config::{Environment, Loaded, NameResolver, Store, parse};

const ACCOUNT: &str = "[[account]]\nname = 'main'\nappid = 'wx1'\nsecret = 's1'\n";

fn load(text: &str) -> Result<Loaded, String> {
    parse(text, &Environment::default()).map_err(|problems| problems.to_string())
}

/// The problems of `text` beside an account that has none.
fn problems(text: &str) -> String {
    load(&format!("{text}\n{ACCOUNT}")).unwrap_err()
}

#[track_caller]
fn assert_problem(text: &str, problem: &str) {
    let problems = problems(text);
    assert!(problems.starts_with(problem) && !problems.contains('\n'), "{text}\n{problems}");
}

#[test]
fn every_wrong_value_is_reported_at_once_with_its_key() {
    let text = "
        [listen]
        address = 'localhost'
        hosts = ['good', 'bad:80', 7]
        account = 'nobody'
        [server]
        workers = 0
        head_timeout = '5'
        head_size = '2MiB'
        [upstream]
        base_url = 'https://api.weixin.qq.com/cgi-bin'
        [heal]
        errcodes = [40001, 0, -1]
        [log]
        level = 'warning'
        [[account]]
        secret = 's'
        [[account]]
        name = 'a b'
        appid = 5
        secret = ''
        token = 'fresh'";
    let problems = load(text).unwrap_err();
    let keys: Vec<&str> = problems.lines().map(|line| line.split(": ").next().unwrap()).collect();
    let expected = [
        "listen.address",
        "listen.hosts[1]",
        "listen.hosts[2]",
        "server.workers",
        "server.head_size",
        "server.head_timeout",
        "upstream.base_url",
        "heal.errcodes[1]",
        "heal.errcodes[2]",
        "account[0].appid",
        "account[1].appid",
        "account[1].name",
        "account[1].secret",
        "account[1].token",
        "log.level",
    ];
    assert_eq!(keys, expected, "{problems}");
}

#[test]
fn name_servers_are_for_the_resolver_that_asks_them() {
    let resolver = |keys: &str| load(&format!("{keys}\n{ACCOUNT}")).unwrap().config.upstream.resolver;
    assert_eq!(resolver(""), NameResolver::System);
    assert_eq!(resolver("upstream.resolver = 'dns'"), NameResolver::Dns(Vec::new()));
    let servers = ["10.0.0.2:53", "10.0.0.2:5353", "[::1]:53", "[::1]:5353"].map(|text| text.parse().unwrap());
    let written =
        "upstream.resolver = 'dns'\nupstream.name_servers = ['10.0.0.2', '10.0.0.2:5353', '::1', '[::1]:5353']";
    assert_eq!(resolver(written), NameResolver::Dns(servers.into()));

    assert_problem("upstream.name_servers = ['10.0.0.2']", "upstream.name_servers: are for resolver = \"dns\"");
    let dns = |servers: &str| format!("upstream.resolver = 'dns'\nupstream.name_servers = {servers}");
    assert_problem(&dns("[]"), "upstream.name_servers: must name at least one");
    assert_problem(&dns("['dns.example']"), "upstream.name_servers[0]: must be the IP address of a name server");
    assert_problem("upstream.resolver = 'hosts'", "upstream.resolver: must be");
}

#[test]
fn several_upstreams_are_in_order_each_once_and_instead_of_the_one() {
    let urls = |list: &str| load(&format!("upstream.base_urls = {list}\n{ACCOUNT}")).unwrap().config.upstream.base_urls;
    let [a, b] = ["https://api2.weixin.qq.com", "http://localhost:8090"];
    let read: Vec<_> = urls(&format!("['{a}', '{b}']")).into_iter().map(|url| (url.tls, url.host, url.port)).collect();
    assert_eq!(read, [(true, "api2.weixin.qq.com".to_owned(), 443), (false, "localhost".to_owned(), 8090)]);
    assert_eq!(urls("['https://API.weixin.qq.com:443']"), load(ACCOUNT).unwrap().config.upstream.base_urls);

    assert_problem("upstream.base_urls = []", "upstream.base_urls: must be 1 to 8 URLs");
    let nine: Vec<_> = (1..=9).map(|port| format!("http://localhost:{port}")).collect();
    assert_problem(&format!("upstream.base_urls = {nine:?}"), "upstream.base_urls: must be 1 to 8 URLs");
    let twice = format!("upstream.base_urls = ['{a}', '{b}', 'https://api2.weixin.qq.com:443']");
    assert_problem(&twice, "upstream.base_urls[2]: api2.weixin.qq.com stands there twice");
    let both = format!("upstream.base_url = '{a}'\nupstream.base_urls = ['{b}']");
    assert_problem(&both, "upstream.base_url: stands beside base_urls, and which one is meant?");
    assert_problem("upstream.base_urls = ['ftp://x']", "upstream.base_urls[0]: must be a scheme and a host");
}

#[test]
fn every_unknown_key_is_reported_with_the_nearest_known_one() {
    let problems = problems("lisen = 1\n[server]\nworker = 2\nhead_tiemout = '1s'\n[hael]\n");
    for line in [
        "lisen: unknown key; did you mean \"listen\"?",
        "server.worker: unknown key; did you mean \"workers\"?",
        "server.head_tiemout: unknown key; did you mean \"head_timeout\"?",
        "hael: unknown key; did you mean \"heal\"?",
    ] {
        assert_eq!(problems.matches(line).count(), 1, "{problems}");
    }
    assert_eq!(problems.lines().count(), 4, "{problems}");
    let problems = load("[[account]]\nappid = 'wx1'\nsecret = { evn = 'X' }").unwrap_err();
    assert!(problems.contains("account[0].secret.evn: unknown key; did you mean \"env\"?"), "{problems}");
}

#[test]
fn a_section_has_its_own_shape() {
    assert_problem("server = 4", "server: must be a table: [server]");
    assert_problem("listen = []", "listen: must be at least one listener");
    assert_problem("listen = [{}, 4]", "listen[1]: must be a table: [[listen]]");
    let one = load("account = { appid = 'wx1' }").unwrap_err();
    assert!(one.starts_with("account: must be a list of tables: [[account]]"), "{one}");
}

#[test]
fn listeners_have_addresses_of_their_own() {
    let two = |one: &str, other: &str| format!("[[listen]]\naddress = '{one}'\n[[listen]]\naddress = '{other}'");
    assert_problem(&two("127.0.0.1:1", "127.0.0.1:1"), "listen[1].address: is the same as listen[0].address");
    assert_problem("[listen]\naddress = '127.0.0.1:8081'", "admin.address: is the same as listen.address");
    load(&format!("{}\n{ACCOUNT}", two("127.0.0.1:0", "127.0.0.1:0"))).unwrap();
    load(&format!("[listen]\naddress = '127.0.0.1:8081'\n[admin]\naddress = 'off'\n{ACCOUNT}")).unwrap();
}

#[test]
fn a_listener_speaks_for_an_account_that_exists() {
    assert_problem("[listen]\naccount = 'shop'", "listen.account: must name an account: \"main\"");
    let loaded = load(&format!("[listen]\naccount = 'main'\n{ACCOUNT}")).unwrap();
    assert_eq!(loaded.config.listeners[0].account.as_deref(), Some("main"));
}

#[test]
fn the_real_token_stays_on_loopback() {
    let listen = |address: &str| format!("[listen]\naddress = '{address}'\ntoken_endpoint = 'real'");
    for address in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "[::ffff:10.0.0.1]:80"] {
        assert_problem(&listen(address), "listen.token_endpoint: \"real\" hands the token to anyone");
    }
    for address in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        let loaded = load(&format!("{}\n{ACCOUNT}", listen(address))).unwrap();
        assert!(!loaded.warnings.iter().any(|warning| warning.key == "listen.address"), "{address}");
    }
}

#[test]
fn a_listener_beyond_loopback_is_a_warning() {
    let loaded = load(&format!("[[listen]]\n[[listen]]\naddress = '0.0.0.0:80'\n{ACCOUNT}")).unwrap();
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    let expected = "listen[1].address: is beyond loopback: anyone who reaches it speaks as the account, unless admit demands callers";
    assert!(warnings.contains(&expected.to_owned()), "{warnings:?}");
}

#[test]
fn accounts_differ_in_name_and_appid() {
    let same = "[[account]]\nappid = 'wx1'\nsecret = 's'\n[[account]]\nname = 'main'\nappid = 'wx2'\nsecret = 's'";
    let problems = problems(same);
    assert_eq!(
        problems,
        "account[2].name: is the same as account[1].name\naccount[2].appid: is the same as account[0].appid"
    );
}

#[test]
fn at_most_one_account_is_the_default() {
    let account = |index: usize| format!("[[account]]\nappid = 'wx{index}'\nsecret = 's'\ndefault = true\n");
    let problems = load(&(account(2) + ACCOUNT + &account(3))).unwrap_err();
    assert_eq!(problems, "account[2].default: only one can be, and account[0] is already");

    let default = |text: &str| load(text).unwrap().config.accounts.iter().map(|a| a.default).collect::<Vec<_>>();
    assert_eq!(default(ACCOUNT), [true], "the only one");
    assert_eq!(default(&(ACCOUNT.to_owned() + &account(2))), [false, true]);
    assert_eq!(default(&format!("{ACCOUNT}[[account]]\nappid = 'wx2'\nsecret = 's'")), [false, false]);
}

#[test]
fn a_name_is_fit_for_paths_and_file_names() {
    let account = |name: &str| format!("[[account]]\nname = '{name}'\nappid = 'wx2'\nsecret = 's'");
    for name in ["", "..", "a/b", "a b", "名", &"x".repeat(65)] {
        assert_problem(&account(name), "account[0].name: must have 1 to 64 of the characters");
    }
    load(&account(&"x".repeat(64))).unwrap();
    load(&account("A.z_0-9")).unwrap();
    assert_eq!(load("[[account]]\nappid = 'wx2'\nsecret = 's'").unwrap().config.accounts[0].name, "wx2");
}

#[test]
fn an_appid_stands_in_queries_as_it_is() {
    for appid in ["wx/2", "wx&secret=1", "wx%20", "a.b", "名", &"x".repeat(65)] {
        assert_problem(&format!("[[account]]\nappid = '{appid}'\nsecret = 's'"), "account[0].appid: must be an appid");
    }
}

#[test]
fn callers_are_told_apart_by_what_they_show() {
    let hash = "ab".repeat(32);
    let caller = |name: &str, more: &str| format!("[[caller]]\nname = '{name}'\n{more}\n");
    let own = format!("secrets = ['{hash}']");
    assert_problem(&caller("a b", &own), "caller[0].name: must have");
    assert_problem(&caller("a", "secrets = ['plain']"), "caller[0].secrets[0]: must be a SHA-256");
    assert_problem(&caller("a", "networks = ['10.0.0.0/99']"), "caller[0].networks[0]: must be an address range");
    assert_problem(&caller("a", &format!("{own}\naccounts = ['b']")), "caller[0].accounts: must name accounts");
    assert_problem(&(caller("a", &own) + &caller("b", &own)), "caller[1].secrets: stands there twice");
    assert_problem(&(caller("a", &own) + &caller("a", "networks = ['::1']")), "caller[1].name: stands there twice");
    assert_problem("[listen]\nadmit = ['bearer']", "listen.admit: demands callers, but there is no [[caller]]");
    let certificate = format!("[listen]\nadmit = ['certificate']\n{}", caller("a", &own));
    assert_problem(&certificate, "listen.admit: \"certificate\" needs tls.client_ca");
    let real = format!(
        "[listen]\naddress = '0.0.0.0:80'\ntoken_endpoint = 'real'\nadmit = ['bearer']\n{}{ACCOUNT}",
        caller("a", &own)
    );
    assert!(load(&real).unwrap().warnings.iter().all(|warning| warning.key != "listen.address"));
}

#[test]
fn a_placeholder_key_is_long_enough() {
    let text = |key: &str| format!("{ACCOUNT}placeholder_key = '{key}'");
    let short = load(&text("fifteen-bytes-x")).unwrap_err();
    assert_eq!(short, "account[0].placeholder_key: must have at least 16 bytes");
    load(&text("sixteen-bytes-xx")).unwrap();
}

#[test]
fn a_heal_has_errcodes() {
    assert_problem("heal.errcodes = []", "heal.errcodes: must name at least one errcode");
    assert_problem("heal.errcodes = 40001", "heal.errcodes: must be a list");
}

#[test]
fn every_listener_has_room_for_a_connection() {
    let listeners = "server.connections = 1\n[[listen]]\naddress = '127.0.0.1:1'\n[[listen]]\naddress = '127.0.0.1:2'";
    assert_problem(listeners, "server.connections: must be at least the number of listeners");
}

#[test]
fn directories_exist_and_take_files() {
    assert_problem("body.directory = '/nowhere'", "body.directory: must be a directory that exists");
    assert_problem(
        "[store]\nkind = 'file'\ndirectory = '/nowhere'",
        "store.directory: must be a directory that exists",
    );
    assert_problem("store.kind = 'file'", "store.directory: is missing");
    assert_problem("store.directory = '/tmp'", "store.kind: is missing");
    assert_problem("upstream.ca_file = '/nowhere'", "upstream.ca_file: must be a file that can be read");

    let directory = tempfile::tempdir().unwrap();
    let store = format!("[store]\nkind = 'file'\ndirectory = '{}'\n{ACCOUNT}", directory.path().display());
    let in_file = load(&store).unwrap().config.store;
    assert!(matches!(in_file, Store::File { directory: read } if read == directory.path()));
}

#[test]
fn a_redis_has_a_url_and_sentinels_a_master() {
    let redis = |keys: &str| format!("[store]\nkind = 'redis'\n{keys}");
    assert_problem(&redis(""), "store.url: is missing");
    assert_problem("store.url = 'redis://cache'", "store.kind: is missing");
    assert_problem(&redis("url = 'cache:6379'"), "store.url: must be \"redis://host:port\"");
    assert_problem(&redis("url = 'redis://cache'\nsentinels = ['one:1']"), "store.master_name: is missing");
    assert_problem(&redis("url = 'redis://cache'\nmaster_name = 'm'"), "store.sentinels: is missing");
    for wrong in ["'one'", "'one:0'", "'one:two'", "'[::1:2'", "':1'"] {
        let keys = format!("url = 'redis://cache'\nmaster_name = 'm'\nsentinels = [{wrong}]");
        assert!(problems(&redis(&keys)).contains("store.sentinels[0]: must be a host and a port"), "{wrong}");
    }
    let through_socket = "url = 'unix:/run/redis.sock'\nmaster_name = 'm'\nsentinels = ['one:1']";
    assert_problem(&redis(through_socket), "store.url: must be \"redis://\" or \"rediss://\" where sentinels");
    assert_problem(&redis("url = 'redis://cache'\ntimeout = '3s'"), "store.timeout: must be at most \"2s\"");
    assert_problem(&redis("url = 'rediss://cache'\nca_file = '/nowhere'"), "store.ca_file: must be a file that can");
}

#[test]
fn what_goes_with_an_export_has_a_name_and_a_value_that_can_stand_in_a_field() {
    let headers = |field: &str| format!("[traces]\nheaders = [{{ {field} }}]");
    assert_problem(&headers("name = 'x-api-key'"), "traces.headers[0].value: is missing");
    assert_problem(&headers("value = 'a'"), "traces.headers[0].name: is missing");
    assert_problem(&headers("name = 'x api', value = 'a'"), "traces.headers[0].name: must be a field's name");
    assert_problem(&headers("name = 'Host', value = 'a'"), "traces.headers[0].name: host is wxgate's own");
    for wrong in ["", " ", "a\\nb", "\\u00e9"] {
        let text = headers(&format!("name = 'x-api-key', value = \"{wrong}\""));
        assert!(problems(&text).starts_with("traces.headers[0].value: "), "{wrong:?}");
    }
    let good = "headers = [{ name = 'Authorization', value = 'Bearer a b' }]";
    let headers = load(&format!("[traces]\n{good}\n{ACCOUNT}")).unwrap().config.traces.headers;
    assert_eq!((&*headers[0].0, headers[0].1.expose_secret()), ("authorization", "Bearer a b"));
    assert_problem("traces.sample = 2", "traces.sample: must be a number from 0 to 1");
    assert_problem("traces.service_name = ''", "traces.service_name: must not be empty");
}

#[test]
#[cfg(feature = "otlp")]
fn a_key_that_goes_over_the_network_in_the_clear_is_a_warning() {
    let warnings = |endpoint: &str| {
        let keys = "headers = [{ name = 'x-api-key', value = 'a' }]";
        let text = format!("[traces]\nendpoint = '{endpoint}/v1/traces'\n{keys}\n{ACCOUNT}");
        load(&text).unwrap().warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for near in ["http://127.0.0.1:4318", "http://[::1]:4318", "http://localhost:4318", "https://otlp.example"] {
        assert!(warnings(near).is_empty(), "{near}");
    }
    assert!(warnings("http://collector:4318")[0].starts_with("traces.headers: go over the network in the clear"));
}

#[test]
fn the_password_key_wins_over_the_url_and_both_may_come_from_the_environment() {
    let redis = |keys: &str, variables: &[(&str, &str)]| {
        let text = format!("[store]\nkind = 'redis'\n{keys}\n{ACCOUNT}");
        match parse(&text, &Environment::from_iter(variables.iter().copied())).unwrap().config.store {
            Store::Redis(redis) => redis,
            other => panic!("{other:?}"),
        }
    };
    let password = |redis: crate::config::Redis| redis.password.map(|password| password.expose_secret().to_owned());
    let in_url = "url = 'redis://me:one@cache'";
    assert_eq!(password(redis(in_url, &[])).as_deref(), Some("one"));
    assert_eq!(password(redis(&format!("{in_url}\npassword = 'two'"), &[])).as_deref(), Some("two"));
    assert_eq!(password(redis(in_url, &[("WXGATE_STORE_PASSWORD", "three")])).as_deref(), Some("three"));
    let elsewhere = redis("url = { env = 'URL' }\npassword = { env = 'P' }", &[("URL", "redis://x"), ("P", "four")]);
    assert_eq!(password(elsewhere).as_deref(), Some("four"));
}
