//! A name server of a few bytes: A and AAAA questions over UDP (RFC 1035 §4), for names that lead where a test wants.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

const A: u16 = 1;
const AAAA: u16 = 28;
const NO_SUCH_NAME: u8 = 3;

/// A running name server. Nobody need remember its answers: their TTL is 0.
pub struct NameServer {
    pub address: SocketAddr,
    names: Arc<Names>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Names {
    lead: Mutex<HashMap<String, Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl NameServer {
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (address, names) = (socket.local_addr().unwrap(), Arc::<Names>::default());
        let task = tokio::spawn({
            let names = Arc::clone(&names);
            async move {
                let mut question = [0; 512];
                while let Ok((length, from)) = socket.recv_from(&mut question).await {
                    let answer = names.answer(&question[..length]);
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        Self { address, names, task }
    }

    /// From now on `name` leads there.
    pub fn lead(&self, name: &str, to: &[IpAddr]) {
        self.names.lead.lock().unwrap().insert(name.to_owned(), to.to_owned());
    }

    /// How many questions came.
    pub fn asked(&self) -> usize {
        self.names.asked.load(Ordering::Relaxed)
    }

    /// The keys that make a gateway ask it.
    pub fn keys(&self) -> String {
        format!("upstream.resolver = 'dns'\nupstream.name_servers = ['{}']\n", self.address)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Names {
    /// The question's id and question again, and what is known; whatever else stands there is not repeated.
    fn answer(&self, asked: &[u8]) -> Vec<u8> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let (mut at, mut name) = (12, Vec::new());
        while asked[at] != 0 {
            let label = &asked[at + 1..][..usize::from(asked[at])];
            name.push(String::from_utf8(label.to_ascii_lowercase()).unwrap());
            at += 1 + label.len();
        }
        let end = at + 5; // the name's last byte, type, class
        let kind = u16::from_be_bytes([asked[at + 1], asked[at + 2]]);
        let lead = self.lead.lock().unwrap();
        let found = lead.get(&name.join("."));
        let records: Vec<_> = found.into_iter().flatten().filter(|ip| ip.is_ipv4() == (kind == A)).collect();
        let mut answer = asked[..2].to_vec();
        answer.extend([0x81, 0x80 | if found.is_some() { 0 } else { NO_SUCH_NAME }]);
        answer.extend([0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]);
        answer.extend(&asked[12..end]);
        for ip in records {
            let address = match ip {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            answer.extend([0xc0, 12]); // the name of the question
            answer.extend(if ip.is_ipv4() { A } else { AAAA }.to_be_bytes());
            answer.extend([0, 1, 0, 0, 0, 0, 0, u8::try_from(address.len()).unwrap()]);
            answer.extend(address);
        }
        answer
    }
}
