//! From a line of the log to the request that it is about: both have the request's name.

use wxgate::sandbox::{Fault, HangUp};

use crate::callers::hash_of;
use crate::process::Program;
use crate::support::{Caller, account, config_text, nobody, sandbox};

/// What the log says of a request, and where that goes; one after the other on one connection.
const EVENTS: [(&str, &str); 7] = [
    ("the next upstream is tried", "/cgi-bin/user/get"),
    ("a kept connection was dead", "/wxa/dead"),
    ("WeChat refused the token", "/wxa/refused"),
    ("WeChat did not take the request again", "/wxa/refused"),
    ("WeChat's answer broke off", "/wxa/broken"),
    ("the connection ended before the answer", "/wxa/hung-up"),
    ("a caller is refused for its path", "/wxa/denied"),
];

#[tokio::test]
async fn every_line_about_a_request_has_its_name_as_its_access_line_does() {
    for (format, written) in [("text", "request_id="), ("json", "\"request_id\":\"")] {
        let wechat = sandbox().await;
        let (_kept, gone) = nobody();
        let faults = wechat.world().faults();
        faults.add(Fault::at("/wxa/dead").hang_up(HangUp::Before).times(1));
        faults.add(Fault::at("/wxa/refused").errcode(40001));
        faults.add(Fault::at("/wxa/broken").hang_up(HangUp::AmidBody));
        faults.add(Fault::at("/wxa/hung-up").hang_up(HangUp::Before));
        let keys = format!(
            "log = {{ level = 'debug', format = '{format}', access = 'all' }}\nheal.pause = '1ms'\n\
             upstream.cool_down = '1ms'\n[[listen]]\naddress = '127.0.0.1:0'\nadmit = ['bearer']\n\
             [[caller]]\nname = 'crm'\nsecrets = ['{}']\ndeny = ['/wxa/denied']\n{}",
            hash_of("virtual"),
            account()
        );
        let upstreams = format!("upstream.base_urls = ['http://{gone}', '{}']", wechat.base_url());
        let mut program = Program::run(&config_text("THERE", &keys).replace("upstream.base_url = 'THERE'", &upstreams));
        let mut caller = Caller::connect(program.address().await).await;
        for (number, (_, path)) in EVENTS.iter().enumerate() {
            let fields = [("Authorization", "Bearer virtual"), ("X-Request-Id", &*format!("request-{number}"))];
            caller.request("GET", path, &fields, b"").await;
            if caller.try_reply_to("GET").await.is_none() {
                caller = Caller::connect(program.address().await).await;
            }
        }
        program.signal("TERM");
        program.ended().await;
        for (number, (event, _)) in EVENTS.iter().enumerate() {
            let name = format!("{written}request-{number}");
            let named: Vec<_> = program.lines.iter().filter(|line| line.contains(&name)).collect();
            assert!(named.iter().any(|line| line.contains(event)), "{event:?} in {named:#?}");
            assert!(named.iter().any(|line| line.contains("access")), "{event:?} in {named:#?}");
        }
        let about: Vec<_> = program.lines.iter().filter(|line| line.contains("/wxa/")).collect();
        assert!(about.iter().all(|line| line.contains(written)), "{about:#?}");
    }
}
